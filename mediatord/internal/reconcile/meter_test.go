package reconcile

import (
	"math"
	"testing"
	"time"

	"libvirt-vgpu/mediatord/internal/events"
	"libvirt-vgpu/mediatord/internal/supervisor"
	"libvirt-vgpu/plugin/window"
)

func TestTotalsOutliveExecutors(t *testing.T) {
	s := newStage(t)
	first := s.running(1, 1)
	s.account.SetStatistics(1, window.Statistics{Calls: 10, Launches: 4})
	second := s.running(2, 1)
	s.account.SetStatistics(2, window.Statistics{Calls: 5, BytesIn: 7})
	if got := s.loop.Totals(); got.Calls != 15 || got.Launches != 4 || got.BytesIn != 7 || got.Started != 2 || got.Died != 0 {
		t.Errorf("totals are %+v", got)
	}
	for _, c := range s.loop.Status() {
		if want := map[int]uint64{1: 10, 2: 5}[c.Channel]; c.Statistics.Calls != want {
			t.Errorf("channel %d shows %d calls", c.Channel, c.Statistics.Calls)
		}
	}
	s.account.SetStatistics(1, window.Statistics{Calls: 12, Launches: 4})
	first.sink(supervisor.Event{Kind: supervisor.Fault, Result: 700, Text: "illegal address"})
	first.sink(supervisor.Event{Kind: supervisor.Fault, Result: 701, Text: "and again"})
	first.end(700, "died")
	s.untilHost(1, window.HostFailed, 1)
	got := s.loop.Totals()
	if got.Calls != 17 || got.Died != 1 || len(got.Faults) != 1 || got.Faults[700] != 1 {
		t.Errorf("after one has died totals are %+v", got)
	}
	s.guest(2, window.GuestClosed, 1)
	s.until("stop", func() bool { return second.stops() > 0 })
	second.end(0, "asked to end")
	s.untilHost(2, window.HostFree, 1)
	if got := s.loop.Totals(); got.Calls != 17 || got.BytesIn != 7 || got.Died != 1 {
		t.Errorf("after both have ended totals are %+v", got)
	}
	if got := s.account.Statistics(1); got != (window.Statistics{}) {
		t.Errorf("the account still shows %+v", got)
	}
}

func TestMeterOfALiar(t *testing.T) {
	m := newMeter(2)
	m.see(0, window.Statistics{Calls: 100})
	if got := m.see(0, window.Statistics{Calls: 3}); got.Calls != 100 {
		t.Errorf("went back to %d", got.Calls)
	}
	m.see(1, window.Statistics{Calls: math.MaxUint64})
	m.retire(1, window.Statistics{})
	m.see(1, window.Statistics{Calls: math.MaxUint64})
	if got := m.total(); got.Calls != math.MaxUint64 {
		t.Errorf("wrapped to %d", got.Calls)
	}
	for result := range uint32(10 * maxFaults) {
		m.fault(result)
	}
	if len(m.Faults) > maxFaults+1 || m.Faults[resultUnknown] == 0 {
		t.Errorf("%d codes, %d of them unknown", len(m.Faults), m.Faults[resultUnknown])
	}
}

func TestExecutorsLivesAreRecorded(t *testing.T) {
	recorded := make(chan events.Event, 100)
	s := newStage(t, func(c *Config) { c.Record = func(e events.Event) { recorded <- e } })
	s.window.SetProcess(1, window.Process{PID: 77, UID: 5, Comm: "python"})
	e := s.running(1, 1)
	e.sink(supervisor.Event{Kind: supervisor.Fault, Result: 700, Text: "illegal address"})
	e.end(700, "died")
	s.untilHost(1, window.HostFailed, 1)
	for _, want := range []events.Event{
		{Kind: events.ExecutorStarted, Executor: e.PID()},
		{Kind: events.ExecutorReady, Executor: e.PID()},
		{Kind: events.Fault, Executor: e.PID(), Result: 700, Text: "illegal address"},
		{Kind: events.ExecutorEnded, Executor: e.PID()},
		{Kind: events.ChannelFailed, Result: 700, Text: "died"},
	} {
		want.Channel, want.Process, want.Command = 1, 77, "python"
		select {
		case got := <-recorded:
			if got != want {
				t.Errorf("recorded %+v, want %+v", got, want)
			}
		case <-time.After(time.Minute):
			t.Fatalf("%s was not recorded", want.Kind)
		}
	}
}
