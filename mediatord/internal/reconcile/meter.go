package reconcile

import (
	"maps"

	"libvirt-vgpu/mediatord/internal/events"
	"libvirt-vgpu/plugin/window"
)

// Totals is what a domain's executors did since its slot was made. Statistics
// are the executors' word, kept from going back and from wrapping.
type Totals struct {
	window.Statistics
	Started uint64            // executors
	Died    uint64            // of them, those that ended while their process wanted them
	Expired uint64            // executors that the watchdog ended
	Faults  map[uint32]uint64 // contexts lost, by CUresult
}

// maxFaults bounds how many codes are told apart; further ones count as
// resultUnknown, CUDA_ERROR_UNKNOWN.
const (
	maxFaults     = 64
	resultUnknown = 999
)

// meter sums up what executors count. Loop.mu guards it.
type meter struct {
	Totals                      // Statistics: of the executors that are gone
	running []window.Statistics // by channel, as last seen
}

func newMeter(channels int) meter {
	return meter{Totals: Totals{Faults: map[uint32]uint64{}}, running: make([]window.Statistics, channels)}
}

// see takes what an executor says that it has counted.
func (m *meter) see(channel int, said window.Statistics) window.Statistics {
	seen := &m.running[channel]
	*seen = seen.Add(said.Since(*seen))
	return *seen
}

// retire keeps the last word of an executor that is gone.
func (m *meter) retire(channel int, said window.Statistics) {
	m.Statistics = m.Add(m.see(channel, said))
	m.running[channel] = window.Statistics{}
}

func (m *meter) fault(result uint32) {
	if _, known := m.Faults[result]; !known && len(m.Faults) >= maxFaults {
		result = resultUnknown
	}
	m.Faults[result]++
}

// total adds what runs to what has ended.
func (m *meter) total() Totals {
	sum := m.Totals
	sum.Faults = maps.Clone(m.Faults)
	for _, s := range m.running {
		sum.Statistics = sum.Add(s)
	}
	return sum
}

// said is what a channel's executor says of itself, but for what is known better.
func (l *Loop) said(channel int) window.Statistics {
	s := l.Account.Statistics(channel)
	if l.GPUTime != nil {
		s.GPUTime = l.GPUTime(channel)
	}
	return s
}

// Totals reads what the domain's executors did.
func (l *Loop) Totals() Totals {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range l.status { // empty once the account may be gone
		l.meter.see(s.Channel, l.said(s.Channel))
	}
	return l.meter.total()
}

// counted changes the meter.
func (l *Loop) counted(change func(*meter)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	change(&l.meter)
}

// record tells of an event of channel i.
func (l *Loop) record(i int, e events.Event) {
	if l.Record == nil {
		return
	}
	c := &l.channels[i]
	e.Channel, e.Process, e.Command = i, c.process.PID, c.process.Comm
	if c.executor != nil {
		e.Executor = c.executor.PID()
	}
	l.Record(e)
}
