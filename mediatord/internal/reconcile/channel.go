package reconcile

import (
	"github.com/sirupsen/logrus"

	"libvirt-vgpu/mediatord/internal/events"
	"libvirt-vgpu/mediatord/internal/supervisor"
	"libvirt-vgpu/plugin/window"
)

// channel is the host's private truth about one channel. state and generation
// are what the host's half of the control entry says.
type channel struct {
	state      window.HostState
	generation uint32
	executor   Executor // nil unless one runs
	launch     uint64   // number of the start, to tell late events apart
	process    window.Process
	revoking   map[int]struct{} // chunks the executor was asked to drop
	resuming   bool             // it answers another mediatord's wishes still
	message    string           // why it failed
	walls      string           // those around its executor
	faulted    bool             // its executor has told of a fault
	expired    bool             // its executor is being ended by the watchdog
	parking    parkingOf
}

// reconcileChannel compares channel i's two halves and takes one step.
func (l *Loop) reconcileChannel(i int) {
	state, generation := l.Window.Guest(i)
	c := &l.channels[i]
	wanted := state == window.GuestStart && generation == c.generation
	switch {
	case c.executor != nil && !wanted:
		c.executor.Stop() // cleaned when it is gone
	case c.executor != nil || wanted:
		// As it should be; a failed channel stays failed until it is closed.
	case state == window.GuestStart:
		if c.state != window.HostFree { // never closed: the guest was reset
			l.clean(i, c.generation)
		}
		l.start(i, generation)
	case state == window.GuestClosed:
		if c.state != window.HostFree || c.generation != generation {
			l.clean(i, generation)
		}
	case state == window.GuestFree || state == window.GuestOpen:
		if c.state != window.HostFree {
			l.clean(i, c.generation)
		}
	default:
		l.logChannel(i).Warnf("guest wrote unknown state %d into its control entry", state)
	}
}

// start launches the executor of channel i.
func (l *Loop) start(i int, generation uint32) {
	if l.closing {
		return
	}
	if ok, _ := l.launches.Take(now()); !ok {
		l.rescanIn(l.launches.Wait(now()))
		return
	}
	c := &l.channels[i]
	l.launched++
	launch := l.launched
	*c = channel{launch: launch, process: l.Window.Process(i), revoking: map[int]struct{}{}}
	l.Window.SetChannelState(i, window.HostStarting)
	l.setHost(i, window.HostStarting, generation)
	executor, err := l.Launch(i, generation, l.sink(i, launch))
	if err != nil {
		l.fail(i, supervisor.ResultSystemNotReady, err.Error())
		return
	}
	c.executor = executor
	l.counted(func(m *meter) { m.Started++ })
	l.record(i, events.Event{Kind: events.ExecutorStarted})
	l.logChannel(i).WithField("executor", executor.PID()).Info("executor started")
}

// sink passes an executor's events to the loop.
func (l *Loop) sink(i int, launch uint64) func(supervisor.Event) {
	return func(e supervisor.Event) {
		select {
		case l.events <- event{channel: i, launch: launch, Event: e}:
		case <-l.done:
			e.Close()
		}
	}
}

// isReady tells the guest that its executor consumes the ring.
func (l *Loop) isReady(i int) {
	c := &l.channels[i]
	l.Window.SetChannelState(i, window.HostReady)
	l.setHost(i, window.HostReady, c.generation)
	l.showUse() // before the process can ask
	l.interrupt(1 + i)
	l.pause, l.calm = refreshFast, 0
	l.refresh.Reset(l.pause)
	l.active(i)
	l.record(i, events.Event{Kind: events.ExecutorReady})
}

// fail tells the guest that there is no executor and why.
func (l *Loop) fail(i int, result uint32, message string) {
	c := &l.channels[i]
	c.message = message
	l.Window.FailChannel(i, result, message)
	l.setHost(i, window.HostFailed, c.generation)
	l.interrupt(1 + i)
	l.record(i, events.Event{Kind: events.ChannelFailed, Result: result, Text: message})
	log := l.logChannel(i).WithField("result", result)
	if l.closing {
		log.Info(message)
		return
	}
	log.Warn(message)
}

// clean makes channel i, whose executor is gone, as new and free for the guest.
func (l *Loop) clean(i int, generation uint32) {
	if err := l.Window.PunchChannel(i); err != nil {
		l.logChannel(i).WithError(err).Error("cleaning channel failed")
		return
	}
	for chunk := range int(l.Window.Chunks) {
		if e := l.Window.Chunk(chunk); e.Owner() == i {
			l.freeChunk(chunk, e)
		}
	}
	l.channels[i] = channel{}
	l.setHost(i, window.HostFree, generation)
	l.raise = true
}

func (l *Loop) setHost(i int, state window.HostState, generation uint32) {
	c := &l.channels[i]
	c.state, c.generation = state, generation
	l.Window.SetHost(i, state, generation)
	l.changed = true
}

// handle acts on what an executor said.
func (l *Loop) handle(e event) {
	c := &l.channels[e.channel]
	if c.launch != e.launch || c.launch == 0 {
		e.Close() // Exited is the last event and frees the number
		return
	}
	log := l.logChannel(e.channel)
	switch e.Kind {
	case supervisor.Ready:
		if c.state == window.HostStarting {
			c.walls = e.Walls
			l.isReady(e.channel)
		}
	case supervisor.Log:
		log.Log(level(e.Level), e.Text)
	case supervisor.Fault:
		log.WithField("result", e.Result).Warn("fault: " + e.Text)
		if !c.faulted { // one for each executor, whatever it says
			c.faulted = true
			l.counted(func(m *meter) { m.fault(e.Result) })
			l.record(e.channel, events.Event{Kind: events.Fault, Result: e.Result, Text: e.Text})
		}
	case supervisor.Parking:
		l.parkingTold(e.channel, e.Event)
	case supervisor.Room:
		l.makeRoom(e.channel, RoomWish{Bytes: e.Bytes, Return: e.Context})
	case supervisor.Resumed:
		c.walls = e.Walls
		l.parkingFound(e.channel, e.Event)
		l.resumed(e.channel)
	case supervisor.Revoked:
		l.revoked(e.channel, e.Chunk)
	case supervisor.Refused:
		l.countRefused(e.channel, e.Name, e.Count)
	case supervisor.Acquire:
		l.acquire(e.channel, e.Parcel)
	case supervisor.Exported:
		l.exported(e.channel, e.Parcel)
	case supervisor.Exited:
		l.exited(e)
	}
}

// exited acts on the end of an executor, wanted or not.
func (l *Loop) exited(e event) {
	c := &l.channels[e.channel]
	l.logChannel(e.channel).WithField("executor", c.executor.PID()).Info("executor ended")
	l.record(e.channel, events.Event{Kind: events.ExecutorEnded})
	if l.Watchdog != nil {
		l.Watchdog.Ended(e.channel, c.executor.PID())
	}
	gone := l.party(e.channel)
	c.executor, c.revoking = nil, nil
	l.abandon(gone)
	l.parkingEnds(e.channel)
	l.counted(func(m *meter) { m.retire(e.channel, l.said(e.channel)) })
	l.Account.Clear(e.channel)
	l.showUse()
	state, generation := l.Window.Guest(e.channel)
	if state == window.GuestStart && generation == c.generation {
		l.counted(func(m *meter) { m.Died++ })
		l.fail(e.channel, e.Result, e.Text)
	}
	l.changed = true
	l.scan() // the channel may be closed, and chunks may have waited for it
}

func (l *Loop) logChannel(i int) *logrus.Entry {
	p := l.channels[i].process
	return l.warn.WithFields(logrus.Fields{"channel": i, "guest_pid": p.PID, "comm": p.Comm})
}

func level(name string) logrus.Level {
	switch name {
	case "debug", "trace":
		return logrus.DebugLevel
	case "warning", "warn":
		return logrus.WarnLevel
	case "error", "fatal", "panic":
		return logrus.ErrorLevel
	}
	return logrus.InfoLevel
}
