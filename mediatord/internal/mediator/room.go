package mediator

import (
	"cmp"
	"context"
	"slices"
	"time"

	"libvirt-vgpu/mediatord/internal/pool"
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
	contexts  bool // may leave too: its pool parks them
	processes []reconcile.ChannelStatus
}

// candidate is a process that could make room.
type candidate struct {
	tenant
	class int // of its domain: the higher goes last
	idle  time.Duration
	bytes uint64 // that it has on the GPU, at most as many can go
}

// class orders priorities.
func class(p vgpuxml.Priority) int {
	return slices.Index([]vgpuxml.Priority{vgpuxml.PriorityLow, vgpuxml.PriorityNormal, vgpuxml.PriorityHigh}, p)
}

// candidates lists whose memory could make room for who, or whole processes, contexts
// included; the best first: lower classes, then those that have been idle for longest,
// then the largest.
func candidates(residents []resident, who tenant, whole bool) []candidate {
	var found []candidate
	for _, r := range residents {
		if whole && !r.contexts {
			continue
		}
		for _, c := range r.processes {
			t := tenant{r.slot, c.Channel}
			if c.State == "ready" && c.Idle >= roomIdle && (whole || c.Parked == 0) && onGPU(c) > 0 && t != who {
				found = append(found, candidate{t, class(r.priority), c.Idle, onGPU(c)})
			}
		}
	}
	slices.SortStableFunc(found, func(a, b candidate) int {
		return cmp.Or(cmp.Compare(a.class, b.class), cmp.Compare(b.idle, a.idle), cmp.Compare(b.bytes, a.bytes))
	})
	return found
}

// onGPU is how many bytes of the GPU's memory a process has.
func onGPU(c reconcile.ChannelStatus) uint64 {
	if c.ContextParked {
		return 0
	}
	return c.MemoryUsed - min(c.MemoryUsed, c.Parked)
}

// vacate parks candidates until bytes are free, and returns how many are. park
// returns how many bytes a candidate has left, 0 if it stays.
func vacate(ctx context.Context, list []candidate, bytes uint64, park func(context.Context, candidate) uint64) (freed uint64) {
	for _, c := range list {
		if freed >= bytes || ctx.Err() != nil {
			break
		}
		within, cancel := context.WithTimeout(ctx, leaveWithin+time.Duration(c.bytes>>30)*leaveGiB)
		freed += park(within, c)
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
			found = append(found, resident{id, h.Settings().Priority, h.pool.Config().Parking.ContextAfter > 0, h.ChannelStatus()})
		}
	}
	return found
}

// makeRoom parks idle processes on a GPU until a wish is fulfilled. Wishes for one GPU
// wait for each other, so that two do not park the same process; that included it takes
// roomWithin at most.
func (m *Mediator) makeRoom(gpu *pool.Device, who tenant, w reconcile.RoomWish) reconcile.Room {
	ctx, cancel := context.WithTimeout(context.Background(), roomWithin)
	defer cancel()
	defer m.rooms.lock(gpu.Name)()
	if w.Return {
		return m.roomToReturn(ctx, gpu, who, w.Bytes)
	}
	return reconcile.Room{Made: m.roomForMore(ctx, gpu.Name, who, w.Bytes)}
}

// roomForMore makes room for bytes more, and says whether it made any. Contexts leave only
// when no memory could: who gets some of it, but too little, finds out by trying, and asks
// again.
func (m *Mediator) roomForMore(ctx context.Context, gpu string, who tenant, bytes uint64) bool {
	for _, whole := range []bool{false, true} {
		if m.vacate(ctx, gpu, who, whole, bytes) > 0 {
			return true
		}
	}
	return false
}

// vacate parks idle processes on a GPU, with contexts if whole, until bytes are free for
// who. It returns how many are.
func (m *Mediator) vacate(ctx context.Context, gpu string, who tenant, whole bool, bytes uint64) uint64 {
	leave := func(ctx context.Context, c candidate) uint64 { return m.leave(ctx, c, whole) }
	return vacate(ctx, candidates(m.residents(gpu), who, whole), bytes, leave)
}

// leave parks a process to make room, and returns how many bytes of the GPU's memory
// it has no more.
func (m *Mediator) leave(ctx context.Context, c candidate, whole bool) uint64 {
	h := m.slot(c.slot)
	if h == nil {
		return 0
	}
	if err := h.Slot.Park(ctx, c.channel, whole); err != nil { // its memory may have left all the same
		h.Log.WithField("channel", c.channel).WithError(err).Debug("less room made than asked for")
	}
	return c.bytes - min(c.bytes, keptBy(h.Slot, c.channel))
}

// keptBy is how many bytes of the GPU's memory a process has.
func keptBy(s *slot.Slot, channel int) uint64 {
	for _, c := range s.ChannelStatus() {
		if c.Channel == channel {
			return onGPU(c)
		}
	}
	return 0
}
