package mediator

import (
	"cmp"
	"context"
	"slices"
	"time"

	"libvirt-vgpu/mediatord/internal/reconcile"
	"libvirt-vgpu/mediatord/internal/slot"
	"libvirt-vgpu/plugin/window"
	vgpuxml "libvirt-vgpu/xml"
)

// Bounds on making room: an executor waits for it meanwhile, a little longer.
const (
	roomWithin = time.Minute
	// roomIdle is how long a process must have been idle to make room for another.
	roomIdle = time.Second
	// A process that leaves may take so long, and as much again for each GiB: an
	// executor that does not answer must not keep the others from being asked.
	leaveWithin = 2 * time.Second
	leaveGiB    = time.Second
)

// tenant is one guest process.
type tenant struct {
	slot    window.UUID
	channel int
}

// resident is a domain with processes on a GPU.
type resident struct {
	slot      window.UUID
	priority  vgpuxml.Priority
	processes []reconcile.ChannelStatus
}

// candidate is a process that could make room.
type candidate struct {
	tenant
	class int // of its domain: the higher goes last
	idle  time.Duration
	bytes uint64 // that it holds, at most as many can go
}

// class orders priorities.
func class(p vgpuxml.Priority) int {
	return slices.Index([]vgpuxml.Priority{vgpuxml.PriorityLow, vgpuxml.PriorityNormal, vgpuxml.PriorityHigh}, p)
}

// candidates lists who could make room for who, the best first: lower classes, then
// those that have been idle for longest, then the largest.
func candidates(residents []resident, who tenant) []candidate {
	var found []candidate
	for _, r := range residents {
		for _, c := range r.processes {
			t := tenant{r.slot, c.Channel}
			if c.State == "ready" && c.Idle >= roomIdle && c.Parked == 0 && !c.ContextParked && c.MemoryUsed > 0 && t != who {
				found = append(found, candidate{t, class(r.priority), c.Idle, c.MemoryUsed})
			}
		}
	}
	slices.SortStableFunc(found, func(a, b candidate) int {
		return cmp.Or(cmp.Compare(a.class, b.class), cmp.Compare(b.idle, a.idle), cmp.Compare(b.bytes, a.bytes))
	})
	return found
}

// vacate parks candidates until bytes are free, and returns how many are. park
// returns how many bytes a candidate has left, 0 if it stays.
func vacate(ctx context.Context, list []candidate, bytes uint64, park func(context.Context, tenant) uint64) (freed uint64) {
	for _, c := range list {
		if freed >= bytes || ctx.Err() != nil {
			break
		}
		within, cancel := context.WithTimeout(ctx, leaveWithin+time.Duration(c.bytes>>30)*leaveGiB)
		freed += park(within, c.tenant)
		cancel()
	}
	return freed
}

// residents lists the domains on a GPU.
func (m *Mediator) residents(gpu string) (found []resident) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	for id, h := range m.slots {
		if h.Grant.Device.Name == gpu {
			found = append(found, resident{id, h.Settings().Priority, h.ChannelStatus()})
		}
	}
	return found
}

// makeRoom parks idle processes on a GPU until bytes more of its memory are free,
// and says whether any was. Wishes for one GPU wait for each other, so that two do
// not park the same process; that included it takes roomWithin at most.
func (m *Mediator) makeRoom(gpu string, who tenant, bytes uint64) bool {
	ctx, cancel := context.WithTimeout(context.Background(), roomWithin)
	defer cancel()
	defer m.rooms.lock(gpu)()
	return vacate(ctx, candidates(m.residents(gpu), who), bytes, m.leave) > 0
}

// leave parks a process to make room.
func (m *Mediator) leave(ctx context.Context, who tenant) uint64 {
	h := m.slot(who.slot)
	if h == nil {
		return 0
	}
	if err := h.Slot.Park(ctx, who.channel, false); err != nil {
		h.Log.WithField("channel", who.channel).WithError(err).Debug("no room made")
		return 0
	}
	return parkedOf(h.Slot, who.channel)
}

// parkedOf is how much of a process is parked, in bytes.
func parkedOf(s *slot.Slot, channel int) uint64 {
	for _, c := range s.ChannelStatus() {
		if c.Channel == channel {
			return c.Parked
		}
	}
	return 0
}
