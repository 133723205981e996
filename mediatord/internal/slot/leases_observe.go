package slot

import (
	"time"

	"libvirt-vgpu/mediatord/internal/arbiter"
	"libvirt-vgpu/mediatord/internal/events"
)

// leaseObserver records what the scheduler decides for the slot's executors. It
// asks nobody for the names of their processes, since the scheduler's lock is held;
// the executors' own events have them.
type leaseObserver struct{ slot *Slot }

// Allowed implements arbiter.Observer.
func (o leaseObserver) Allowed(channel int, yes bool, within time.Duration) {
	kind := events.LeaseEnded
	if yes {
		kind = events.LeaseGranted
	}
	o.slot.record(events.Event{Kind: kind, Channel: channel, Span: within})
}

// Used implements arbiter.Observer.
func (o leaseObserver) Used(channel int, since time.Time, length time.Duration) {
	o.slot.record(events.Event{Kind: events.GPUUsed, Channel: channel, Time: since, Span: length})
}

var _ arbiter.Observer = leaseObserver{}
