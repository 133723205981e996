package reconcile

import (
	"time"

	"libvirt-vgpu/plugin/window"
)

// calmLooks is how many looks in a row see nothing new before the loop rests: with those that come fast after a
// change it takes some four seconds.
const calmLooks = 6

// Waker tells when an executor that had nothing to do does something again: arbiter.Domain.
type Waker interface {
	// Rest asks for woken to be called when an executor does something, once, unless Attend comes before;
	// false: one is at work now, or could not tell.
	Rest(woken func()) bool
	Attend()
}

// look is what the loop does now and then while an executor is ready: it shows the guest its memory in use and the
// GPU's sensors, looks for kernels that do not end, and parks who is idle. Looks come fast after a change, then
// slower; when nothing has happened for a while, the loop rests until something does, or somebody is to be parked.
func (l *Loop) look() {
	l.endRest()
	news := l.showUse()
	l.pause = min(2*l.pause, refreshSlow)
	if news {
		l.pause = refreshFast
	}
	if !l.ready() {
		l.Window.SetSensors(0, 0, 0) // the domain does nothing; an old reading would look like a new one
		l.looked(false)
		return
	}
	if l.Sensors != nil {
		l.Window.SetSensors(l.Sensors())
	}
	l.looked(false)
	if l.watch() {
		l.pause, news = refreshFast, true
	}
	worked, due := l.parkIdle()
	if l.calm++; news || worked {
		l.calm = 0
	}
	switch {
	case !l.rest():
		l.refresh.Reset(untilNext(now(), l.pause))
	case !due.IsZero():
		l.refresh.Reset(max(due.Sub(now()), 0))
	}
}

// rest ends the looks if there is nothing to see for the time being.
func (l *Loop) rest() bool {
	if l.Waker == nil || l.calm < calmLooks {
		return false
	}
	l.resting = l.Waker.Rest(l.Attend)
	if l.resting && l.moved() {
		l.endRest()
	}
	if l.resting {
		l.looked(true)
	}
	return l.resting
}

// Attend has a loop that rests look again: an executor does something, or other terms count. It never waits, and
// may be called with an arbiter's lock held.
func (l *Loop) Attend() {
	select {
	case l.attend <- struct{}{}:
	default: // it will
	}
}

// endRest is the beginning of a look, or the end of the loop.
func (l *Loop) endRest() {
	if l.resting {
		l.resting = false
		l.Waker.Attend()
	}
}

// wake begins to look again, at once, if the loop rests.
func (l *Loop) wake() {
	if !l.resting {
		return
	}
	l.calm, l.pause = 0, refreshFast/2
	l.look()
}

// moved says that an executor has done something since the last look.
func (l *Loop) moved() bool {
	if l.Account.Total() != l.lastUsed {
		return true
	}
	for i := range l.channels {
		if l.serves(i) && l.Account.Statistics(i).Calls != l.callsSeen(i) {
			return true
		}
	}
	return false
}

func (l *Loop) callsSeen(i int) uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.idling[i].calls
}

// looked tells the guest that what it sees is new, and whether there will be no more looks.
func (l *Loop) looked(last bool) {
	if !last {
		l.looks++
	}
	l.Window.SetLooks(l.looks, last)
}

// serves says that channel i has an executor that is ready.
func (l *Loop) serves(i int) bool {
	c := &l.channels[i]
	return c.executor != nil && c.state == window.HostReady
}

// ready says that a channel has.
func (l *Loop) ready() bool {
	for i := range l.channels {
		if l.serves(i) {
			return true
		}
	}
	return false
}

// untilNext is the time to the next multiple of a period. Loops that wait for it
// wake together: a hundred domains that do little wake mediatord as often as one.
func untilNext(now time.Time, period time.Duration) time.Duration {
	return period - now.Sub(now.Truncate(period))
}
