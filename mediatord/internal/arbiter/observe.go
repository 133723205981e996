package arbiter

import (
	"time"

	"libvirt-vgpu/mediatord/internal/lease"
)

// Observer hears what the executors of a domain may do and did. It is called with
// Arbiter.mu held: it must return at once and call nothing of the arbiter.
type Observer interface {
	// Allowed says that an executor may put work on the GPU from now on, or not; within is how
	// soon that must be done, 0: that is not said.
	Allowed(channel int, yes bool, within time.Duration)
	// Used is a stretch of time in which it had work there.
	Used(channel int, since time.Time, length time.Duration)
}

// sameStretch is how close two stretches are told as one, longestStretch how
// long a stretch grows before it is told although it goes on.
const (
	sameStretch    = 50 * time.Microsecond
	longestStretch = 500 * time.Millisecond
)

// Observe makes o hear of the domain; nil ends it.
func (d *Domain) Observe(o Observer) {
	d.arbiter.mu.Lock()
	defer d.arbiter.mu.Unlock()
	d.observer = o
}

// shown is what an Observer has been told of an executor.
type shown struct {
	allowed bool
	stretch lease.Span // not told yet
}

// ran takes stretches, in order, of an executor's work.
func (d *Domain) ran(e *executor, busy []lease.Span, now time.Duration) {
	if d.observer == nil {
		return
	}
	s := &e.shown.stretch
	for _, next := range busy {
		if next.Start-s.End > sameStretch || s.End == 0 {
			d.tellStretch(e, now)
			*s = next
		}
		s.End = next.End
	}
	if now-s.End > sameStretch || s.End-s.Start > longestStretch {
		d.tellStretch(e, now)
	}
}

func (d *Domain) tellStretch(e *executor, now time.Duration) {
	s := &e.shown.stretch
	if d.observer != nil && s.End > s.Start {
		d.observer.Used(e.channel, time.Now().Add(s.Start-now), s.End-s.Start)
	}
	*s = lease.Span{}
}

// allowed tells if it changes whether an executor may submit.
func (d *Domain) allowed(e *executor, yes bool, within time.Duration) {
	if e.shown.allowed == yes {
		return
	}
	e.shown.allowed = yes
	if d.observer != nil {
		d.observer.Allowed(e.channel, yes, within)
	}
}
