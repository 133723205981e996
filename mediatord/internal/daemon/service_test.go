package daemon

import (
	"context"
	"errors"
	"io"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coreos/go-systemd/v22/journal"
	"github.com/sirupsen/logrus"

	"libvirt-vgpu/tests/servicemanager"
)

type fakeMediator struct {
	hangs   atomic.Bool
	hanging atomic.Int32 // pings that were not answered
}

func (f *fakeMediator) Summary() string { return "0 slots" }

func (f *fakeMediator) Ping(ctx context.Context) error {
	if !f.hangs.Load() {
		return nil
	}
	f.hanging.Add(1)
	<-ctx.Done()
	return ctx.Err()
}

func TestWatchdogStarvesWhenALoopHangs(t *testing.T) {
	manager, err := servicemanager.New()
	if err != nil {
		t.Fatal(err)
	}
	defer manager.Close()
	t.Setenv("NOTIFY_SOCKET", manager.Address)
	t.Setenv("WATCHDOG_USEC", "60000")
	log := logrus.New()
	log.SetOutput(io.Discard)
	m := &fakeMediator{}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		serviceLoop(ctx, m, log)
	}()
	for deadline := time.Now().Add(time.Minute); manager.Count("WATCHDOG=1") < 3; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the watchdog is not fed")
		}
	}
	if n := manager.Count("STATUS=0 slots"); n != 1 {
		t.Errorf("the same status was told %d times", n)
	}
	m.hangs.Store(true)
	hung := func(pings int32) {
		t.Helper()
		for deadline := time.Now().Add(time.Minute); m.hanging.Load() < pings; time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatal("the loop is not asked any more")
			}
		}
	}
	hung(1)
	before := manager.Count("WATCHDOG=1")
	hung(5)
	if after := manager.Count("WATCHDOG=1"); after != before {
		t.Errorf("the watchdog was fed %d times while a loop hung", after-before)
	}
	cancel()
	<-done
}

func TestJournalLinesHaveFields(t *testing.T) {
	var message string
	var at journal.Priority
	var fields map[string]string
	log := logrus.New()
	log.SetOutput(io.Discard)
	log.AddHook(journalHook{func(m string, p journal.Priority, f map[string]string) error {
		message, at, fields = m, p, f
		return nil
	}})
	log.WithFields(logrus.Fields{"domain": "web", "pool": "gold", "channel": 3, "guest-pid": 7}).WithError(errors.New("why")).Warn("what")
	if message != "what: why" || at != journal.PriWarning {
		t.Errorf("sent %q at %d", message, at)
	}
	for name, want := range map[string]string{"VGPU_DOMAIN": "web", "VGPU_POOL": "gold", "VGPU_CHANNEL": "3", "VGPU_GUEST_PID": "7", "VGPU_ERROR": "why"} {
		if fields[name] != want {
			t.Errorf("%s is %q, want %q", name, fields[name], want)
		}
	}
}
