package domain

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
	logtest "github.com/sirupsen/logrus/hooks/test"
	"libvirt.org/go/libvirt"

	"libvirt-vgpu/mediatord/internal/mediator"
	"libvirt-vgpu/plugin/window"
	vgpuxml "libvirt-vgpu/xml"
)

// listener hears what the keeper asks for.
type listener struct {
	mu    sync.Mutex
	heard []string
}

func (l *listener) Change(_ context.Context, _ window.UUID, metadata string) (mediator.Change, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.heard = append(l.heard, metadata)
	return mediator.Change{}, nil
}

func (l *listener) has(text string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, metadata := range l.heard {
		if strings.Contains(metadata, text) {
			return true
		}
	}
	return false
}

func logged(hook *logtest.Hook, text string) bool {
	for _, e := range hook.AllEntries() {
		if strings.Contains(e.Message, text) {
			return true
		}
	}
	return false
}

func until(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !condition(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s did not happen", what)
		}
	}
}

// TestWatchHearsOfMetadata uses libvirt's own test driver, whose one domain runs.
func TestWatchHearsOfMetadata(t *testing.T) {
	const uri = "test:///default"
	log, hook := logtest.NewNullLogger()
	log.SetLevel(logrus.DebugLevel)
	heard := &listener{}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		Watch(ctx, uri, Keeper{Mediator: heard, Log: log})
	}()
	until(t, "the watch", func() bool { return logged(hook, "keeping the domains' devices") })
	conn, err := libvirt.NewConnect(uri)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	d, err := conn.LookupDomainByName("test")
	if err != nil {
		t.Fatal(err)
	}
	defer d.Free()
	for _, weight := range []int{7, 8} {
		gpu := vgpuxml.DefaultGPU()
		gpu.Weight = weight
		if err := SetElement(d, gpu, Live); err != nil {
			t.Fatal(err)
		}
		until(t, "the change", func() bool { return heard.has(gpu.Element()) })
	}
	cancel()
	select {
	case <-ended:
	case <-time.After(time.Minute):
		t.Fatal("the watch does not end")
	}
}

func TestWatchLooksForLibvirtAndSaysSoOnce(t *testing.T) {
	log, hook := logtest.NewNullLogger()
	ctx, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond) // two attempts
	defer cancel()
	Watch(ctx, "nonsense:///x", Keeper{Mediator: &listener{}, Log: log})
	if lines := hook.AllEntries(); len(lines) != 1 || !strings.Contains(lines[0].Message, "libvirt is not there") {
		t.Errorf("logged %d lines", len(lines))
	}
	if !errors.Is(ctx.Err(), context.DeadlineExceeded) {
		t.Error("the watch gave up")
	}
}
