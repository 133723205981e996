package lease

import (
	"testing"

	"libvirt-vgpu/mediatord/internal/lease"
)

// watch puts the machine under a watchdog, with nobody beside it.
func (m *machine) watch() {
	m.hold.Watch(true)
	m.limit(lease.Measured)
}

// pass lets time pass without anything getting done.
func (m *machine) pass(times int) {
	for range times {
		m.clock += ms
		m.meter.Quiet()
	}
}

func TestMeasuredKeepsNobodyWaiting(t *testing.T) {
	m := newMachine(t)
	m.watch()
	for range 1000 {
		if !m.submit(kernel(1), stream) {
			t.Fatal("it had to wait")
		}
	}
	if m.meter.Due() != lease.Never {
		t.Errorf("the end is looked for every %v although nobody waits for it", m.meter.Due())
	}
}

// Whatever comes before and behind it, a kernel that does not end shows as work
// that does not end.
func TestEndlessKernelBetweenWaits(t *testing.T) {
	m := newMachine(t)
	m.limit(ms)
	m.learn(1, 10*us) // it was short so far
	m.watch()
	wait := func(s Stream) {
		m.meter.Outside(s)
		m.meter.WaitsOutside(s)
	}
	wait(stream)
	if !m.state().Held {
		t.Error("a stream that waits for the guest is not told")
	}
	m.submit(kernel(1), stream)
	wait(stream)
	m.finish(us, 1) // the first wait is over
	m.pass(5)
	began := m.state().Running
	m.pass(100)
	s := m.state()
	if s.Held || s.Running != began || s.Running == 0 || m.clock-s.Running < 100*ms {
		t.Errorf("at %v the kernel shows as %+v", m.clock, s)
	}
	m.finish(us, 1) // it ends after all
	if s := m.state(); !s.Held || s.Running != m.clock {
		t.Errorf("at %v the wait behind it shows as %+v", m.clock, s)
	}
	m.finish(us, 1)
	if s := m.state(); s.Held || s.Running != 0 || s.Flying {
		t.Errorf("at the end: %+v", s)
	}
}

// A graph in which something may wait is no kernel.
func TestGraphThatMayWait(t *testing.T) {
	m := newMachine(t)
	m.watch()
	for _, known := range []bool{false, true} {
		m.meter.Outside(stream)
		m.submit(kernel(7), stream)
		m.meter.MayWait(stream)
		if !m.state().Held {
			t.Errorf("known %v: it is not told", known)
		}
		m.finish(us, len(m.marks))
		if m.state().Held {
			t.Errorf("known %v: it is told after its end", known)
		}
	}
}

// Work of the default stream stays known when another stream gets some.
func TestDefaultStreamIsMarkedBeforeOthers(t *testing.T) {
	m := newMachine(t)
	m.limit(ms)
	m.learn(1, 10*us)
	m.watch()
	standard := Stream{Context: 1}
	m.submit(kernel(1), standard)
	m.meter.Turn(stream)
	m.submit(kernel(1), stream)
	m.pass(3)
	if len(m.marks) != 2 || m.marks[0].stream != standard {
		t.Fatalf("marks %+v", m.marks)
	}
	m.marks = m.marks[1:] // the other stream's work ends, its own does not
	m.finish(us, 1)
	m.pass(100)
	if s := m.state(); s.Running == 0 || m.clock-s.Running < 90*ms {
		t.Errorf("at %v: %+v", m.clock, s)
	}
}
