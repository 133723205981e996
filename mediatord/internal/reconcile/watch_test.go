package reconcile

import (
	"io"
	"sync"
	"testing"
	"time"

	"github.com/sirupsen/logrus"

	"libvirt-vgpu/mediatord/internal/events"
	"libvirt-vgpu/mediatord/internal/supervisor"
	"libvirt-vgpu/mediatord/internal/watchdog"
	"libvirt-vgpu/plugin/window"
)

// endless is work of which one channel's does not end.
type endless struct {
	mu      sync.Mutex
	channel int
	halted  bool
}

func (e *endless) Stalled(channel int) (time.Duration, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if channel == e.channel {
		return time.Hour, false
	}
	return 0, false
}

func (e *endless) Halt(channel int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.halted = channel == e.channel
}

func TestWatchdogEndsOneExecutor(t *testing.T) {
	work := &endless{channel: 1}
	var mu sync.Mutex
	var fired []events.Event
	quiet := logrus.New()
	quiet.SetOutput(io.Discard)
	s := newStage(t, func(c *Config) {
		c.Watchdog = watchdog.New(watchdog.Config{Limit: 30 * time.Second, Work: work, Log: quiet})
		c.Record = func(e events.Event) {
			mu.Lock()
			defer mu.Unlock()
			if e.Kind == events.WatchdogFired {
				fired = append(fired, e)
			}
		}
	})
	good, bad := s.running(0, 1), s.running(1, 1)
	s.untilHost(1, window.HostFailed, 1)
	result, text := s.window.Failure(1)
	if result != supervisor.ResultLaunchTimeout || text != "a kernel or graph has run for more than the pool's kernel_limit of 30s" {
		t.Errorf("the process is told %d %q", result, text)
	}
	bad.mu.Lock()
	if bad.looked == 0 {
		t.Error("it was not asked whether its work gets on")
	}
	bad.mu.Unlock()
	work.mu.Lock()
	if !work.halted {
		t.Error("it was fed to the end")
	}
	work.mu.Unlock()
	mu.Lock()
	if len(fired) != 1 || fired[0].Channel != 1 || fired[0].Executor != bad.PID() || fired[0].Result != supervisor.ResultLaunchTimeout {
		t.Errorf("events %+v", fired)
	}
	mu.Unlock()
	if totals := s.loop.Totals(); totals.Expired != 1 || totals.Died != 1 || totals.Faults[supervisor.ResultLaunchTimeout] != 1 {
		t.Errorf("totals %+v", totals)
	}
	if state, _ := s.window.Host(0); state != window.HostReady || good.stops() != 0 {
		t.Errorf("the other one is in state %v, stopped %d times", state, good.stops())
	}
}
