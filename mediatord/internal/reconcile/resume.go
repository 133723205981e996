package reconcile

import (
	"libvirt-vgpu/mediatord/internal/events"
	"libvirt-vgpu/mediatord/internal/supervisor"
	"libvirt-vgpu/plugin/window"
)

// Adopted is an executor that another mediatord launched. A channel has one at
// most.
type Adopted struct {
	Channel    int
	Generation uint32
	// Adopt is supervisor.Adopt; ready says what the guest was told.
	Adopt func(ready bool, sink func(supervisor.Event)) (Executor, error)
}

// resume takes over what another mediatord left. Which executors run is what
// their own files say; for channels without one the window's host half is
// believed, though the guest can write it: it deceives itself only.
func (l *Loop) resume() {
	// Answers to an earlier mediatord's requests must not look like ours.
	l.requested = uint64(now().UnixNano())
	for _, a := range l.Adopted {
		state, generation := l.Window.Host(a.Channel)
		if state != window.HostReady || generation != a.Generation {
			state = window.HostStarting
		}
		l.launched++
		c := channel{
			state: state, generation: a.Generation, launch: l.launched, process: l.Window.Process(a.Channel),
			revoking: map[int]struct{}{}, resuming: true,
		}
		var err error
		if c.executor, err = a.Adopt(state == window.HostReady, l.sink(a.Channel, c.launch)); err != nil {
			l.logChannel(a.Channel).WithError(err).Error("an executor is lost")
			continue
		}
		l.channels[a.Channel] = c
		l.setHost(a.Channel, state, a.Generation)
		l.record(a.Channel, events.Event{Kind: events.ExecutorStarted})
		if state == window.HostReady {
			l.record(a.Channel, events.Event{Kind: events.ExecutorReady})
		}
		l.logChannel(a.Channel).WithField("executor", c.executor.PID()).Info("executor adopted")
	}
	for i := range l.channels {
		if l.channels[i].executor == nil {
			l.recall(i)
		}
	}
	l.refresh.Reset(l.pause)
	l.changed, l.raise = true, true // what was signalled last may not have been seen
}

// recall takes over a channel without an executor. One that was starting begins
// anew with the next scan: its process was promised nothing.
func (l *Loop) recall(i int) {
	l.Account.Clear(i)
	state, generation := l.Window.Host(i)
	c := &l.channels[i]
	switch state {
	case window.HostReady:
		c.generation, c.process = generation, l.Window.Process(i)
		l.fail(i, supervisor.ResultLaunchFailed, "the executor ended while mediatord was away")
	case window.HostFailed:
		c.state, c.generation, c.process = state, generation, l.Window.Process(i)
		_, c.message = l.Window.Failure(i)
	case window.HostFree:
		c.generation = generation
	}
}

// resumed: from here on an executor's answers are to us.
func (l *Loop) resumed(i int) {
	c := &l.channels[i]
	c.resuming = false
	if c.state == window.HostStarting {
		l.isReady(i)
	}
	l.scan()
}
