package main

import (
	"io"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sirupsen/logrus"

	"libvirt-vgpu/mediatord/executor/guesttest"
	"libvirt-vgpu/mediatord/internal/supervisor"
)

// TestWarmExecutorServes runs one that mediatord's side starts and assigns.
func TestWarmExecutorServes(t *testing.T) {
	log := logrus.New()
	log.SetOutput(io.Discard)
	g := guesttest.New(t, 32*mib, quota)
	settings := supervisor.Settings{
		Path: executorBinary, Backend: testBackend(), GPU: "0", Domain: "web", DomainUUID: "u", ModuleCache: t.TempDir(),
		KillAfter: time.Second, ReadyWithin: guesttest.Timeout,
	}
	stock := supervisor.NewStock(settings, 1, log)
	t.Cleanup(stock.Close)
	stock.Fill()
	settings.Stock = stock
	ready := make(chan struct{})
	e, err := supervisor.Launch(settings, supervisor.Files{
		Window: g.Window.File(), Doorbell: g.Doorbell, Interrupt: g.Interrupt, Account: g.Account.File(),
	}, guesttest.Channel, 1, func(e supervisor.Event) {
		switch e.Kind {
		case supervisor.Ready:
			close(ready)
		case supervisor.Fault, supervisor.Exited:
			t.Log(e.Text)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		e.Stop()
		<-e.Gone()
	})
	select {
	case <-ready:
	case <-time.After(guesttest.Timeout):
		t.Fatal("not ready")
	}
	if name, err := os.ReadFile("/proc/" + strconv.Itoa(e.PID()) + "/comm"); err != nil || strings.TrimSpace(string(name)) == warmName {
		t.Errorf("it calls itself %q, %v", name, err)
	}
	g.Must("primary_retain", 0)
	g.Context = 1
	g.Own(0, 1)
	g.Must("map_pinned", hostVA, 0, 1, 0)
	g.Must("mem_block", device, 2*mib)
	g.Post("copy_htod", device, hostVA, 4096, 0)
	if sticky := g.Fence(0, 1, 1); sticky != 0 {
		t.Errorf("sticky %d", sticky)
	}
}
