package reconcile

import (
	"maps"
	"slices"
	"time"

	"libvirt-vgpu/plugin/window"
)

// ChannelStatus is one channel that is not free. The guest process is named in
// the guest's own words.
type ChannelStatus struct {
	Channel     int
	Process     window.Process
	State       string // "starting", "ready", "failed"
	ExecutorPID int    // 0 = none
	MemoryUsed  uint64 // bytes of device memory
	Message     string // why it failed
	Walls       string // around the executor, with commas between
	Queued      uint64 // bytes of records that wait in its ring
	Statistics  window.Statistics
	Parked      uint64 // bytes of MemoryUsed that lie in host memory
	ParkedHost  uint64 // bytes of host memory for what is parked
	// ContextParked: its contexts lie in host memory too.
	ContextParked bool
	Idle          time.Duration // since it last called the driver, to a second; 0: it works
}

// maxRefused bounds how many names of calls are remembered per domain.
const maxRefused = 1024

// Status lists the channels that are not free, by number.
func (l *Loop) Status() []ChannelStatus {
	l.mu.Lock()
	defer l.mu.Unlock()
	status := slices.Clone(l.status)
	for i := range status {
		s := &status[i]
		s.MemoryUsed = l.Account.Used(s.Channel)
		s.Queued = l.Window.Queued(s.Channel)
		s.Statistics = l.meter.see(s.Channel, l.said(s.Channel))
		l.idling[s.Channel].show(s)
	}
	return status
}

// Refused counts, per driver function, the calls that guest processes made and
// that are not carried.
func (l *Loop) Refused() map[string]uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return maps.Clone(l.refused)
}

func (l *Loop) publish() {
	var status []ChannelStatus
	for i := range l.channels {
		c := &l.channels[i]
		if c.state == window.HostFree {
			continue
		}
		s := ChannelStatus{Channel: i, Process: c.process, State: stateName(c.state), Message: c.message, Walls: c.walls}
		if c.executor != nil {
			s.ExecutorPID = c.executor.PID()
		}
		status = append(status, s)
	}
	l.mu.Lock()
	l.status = status
	l.mu.Unlock()
	if l.Changed != nil {
		l.Changed()
	}
}

func (l *Loop) countRefused(channel int, name string, count uint64) {
	l.mu.Lock()
	seen, known := l.refused[name]
	full := len(l.refused) >= maxRefused
	if known || !full {
		l.refused[name] = seen + count
	}
	l.mu.Unlock()
	if !known && !full {
		l.logChannel(channel).Warnf("guest process called %s, which is not carried", name)
	}
	l.changed = true
}

func stateName(s window.HostState) string {
	switch s {
	case window.HostStarting:
		return "starting"
	case window.HostReady:
		return "ready"
	case window.HostFailed:
		return "failed"
	}
	return "free"
}
