package mediator

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	logtest "github.com/sirupsen/logrus/hooks/test"

	"libvirt-vgpu/mediatord/internal/events"
	"libvirt-vgpu/mediatord/internal/pool"
)

const testPCI = "0000:41:00.0"

func (s *stage) heard(text string) bool {
	return slices.ContainsFunc(s.observer.list(), func(line string) bool { return strings.Contains(line, text) })
}

func (s *stage) until(what string, condition func() bool) {
	s.Helper()
	for deadline := time.Now().Add(30 * time.Second); !condition(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			s.Fatalf("%s: it does not come; heard %q", what, s.observer.list())
		}
	}
}

// An Xid error is the one's that lost its context then, whoever else is on the GPU.
func TestXidNamesTheDomain(t *testing.T) {
	s := newStage(t, nil)
	log, hook := logtest.NewNullLogger()
	s.log, s.xids.settles = log, 200*time.Millisecond
	s.prober.found["soft"] = &pool.Device{Name: "soft", PCI: testPCI}
	old := events.Event{Kind: events.Fault, GPU: "soft", Domain: "old", Executor: 1, Time: time.Now().Add(-time.Minute)}
	other := events.Event{Kind: events.Fault, GPU: "GPU-of-others", Domain: "other", Executor: 2}
	s.events.Record(old)
	s.events.Record(other)
	s.Xid(testPCI, 31)
	s.events.Record(events.Event{
		Kind: events.Fault, GPU: "soft", Domain: "web", DomainUUID: "u-web", Pool: "default", Channel: 3, Executor: 4711, Process: 99, Command: "train", Result: 700,
	})
	s.until("the signal", func() bool { return s.heard(`xid 31 on 0000:41:00.0 of "u-web"`) })
	entry := hook.LastEntry()
	if entry.Data["domain"] != "web" || entry.Data["executor"] != 4711 || entry.Data["guest_pid"] != uint32(99) || entry.Data["xid"] != uint64(31) || !strings.Contains(entry.Message, "page fault") {
		t.Errorf("the journal has %q with %v", entry.Message, entry.Data)
	}
	var told []events.Event
	for _, e := range s.Events(0, 100) {
		if e.Kind == events.XidReported {
			told = append(told, e)
		}
	}
	if len(told) != 1 || told[0].Domain != "web" || told[0].Channel != 3 || !strings.HasPrefix(told[0].Text, "Xid 31: ") {
		t.Errorf("events %+v", told)
	}
	if counts, last := s.Xids(testPCI); counts[31] != 1 || len(counts) != 1 || last != 31 {
		t.Errorf("counted %v, last %d", counts, last)
	}
}

// One that cost nobody a context names who was there.
func TestXidOfTheGPUItself(t *testing.T) {
	s := newStage(t, nil)
	s.xids.settles = time.Millisecond
	if err := s.Reserve(context.Background(), s.request([16]byte{7})); err != nil {
		t.Fatal(err)
	}
	s.Xid(testPCI, 79)
	s.until("the signal", func() bool {
		return s.heard(`xid 79 on 0000:41:00.0 of "": Xid 79: the GPU has fallen off the bus; no guest process lost its context`)
	})
	s.Xid(testPCI, 12345)
	s.until("the signal", func() bool { return s.heard(`"": Xid 12345; no guest`) })
	if counts, last := s.Xids(testPCI); counts[79] != 1 || counts[12345] != 1 || last != 12345 {
		t.Errorf("counted %v, last %d", counts, last)
	}
}

// Codes are bounded, whatever a driver makes up.
func TestXidCodesAreBounded(t *testing.T) {
	var x xids
	for code := range uint64(2 * maxXids) {
		x.count(testPCI, code)
	}
	x.count(testPCI, 0)
	if n := len(x.byGPU[testPCI]); n != maxXids || x.byGPU[testPCI][0] != 2 || x.last[testPCI] != 0 {
		t.Errorf("%d codes, %d of the first", n, x.byGPU[testPCI][0])
	}
}
