package reconcile

import (
	"fmt"

	"libvirt-vgpu/mediatord/internal/events"
	"libvirt-vgpu/mediatord/internal/supervisor"
	"libvirt-vgpu/mediatord/internal/watchdog"
	"libvirt-vgpu/plugin/window"
)

// watch has the watchdog judge every executor, and says whether one is suspect.
func (l *Loop) watch() (suspect bool) {
	if l.Watchdog == nil {
		return false
	}
	for i := range l.channels {
		c := &l.channels[i]
		if c.executor == nil || c.expired || c.state != window.HostReady {
			continue
		}
		switch l.Watchdog.Look(i, c.executor.PID()) {
		case watchdog.Suspect:
			c.executor.Look()
			suspect = true
		case watchdog.Overdue:
			l.expire(i)
		}
	}
	return suspect
}

// expire ends the executor of channel i, whose kernel does not end.
func (l *Loop) expire(i int) {
	c := &l.channels[i]
	c.expired, c.faulted = true, true
	text := fmt.Sprintf("a kernel or graph has run for more than the pool's kernel_limit of %v", l.Watchdog.Limit)
	l.logChannel(i).WithField("executor", c.executor.PID()).Warn(text + "; ending its executor")
	l.Watchdog.Fire(i, c.executor.PID())
	c.executor.Expire(supervisor.ResultLaunchTimeout, text)
	l.counted(func(m *meter) {
		m.Expired++
		m.fault(supervisor.ResultLaunchTimeout)
	})
	l.record(i, events.Event{Kind: events.WatchdogFired, Result: supervisor.ResultLaunchTimeout, Text: text})
}
