package mediator

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"libvirt-vgpu/mediatord/internal/config"
	"libvirt-vgpu/mediatord/internal/parking"
	"libvirt-vgpu/mediatord/internal/pool"
	"libvirt-vgpu/mediatord/internal/reconcile"
	"libvirt-vgpu/mediatord/internal/refusal"
	"libvirt-vgpu/mediatord/internal/slot"
	"libvirt-vgpu/plugin/window"
	vgpuxml "libvirt-vgpu/xml"
)

// Bounds on making room: an executor waits for it meanwhile.
const (
	roomWithin = 8 * time.Second
	// roomIdle is how long a process must have been idle to make room for another.
	roomIdle = time.Second
)

// rooms makes room on GPUs: one wish after another, so that two do not park the
// same process twice.
type rooms struct{ mu sync.Mutex }

// budgets are the pools' host memory for parked processes.
type budgets struct {
	mu     sync.Mutex // guards byPool
	byPool map[string]*parking.Budget
}

// of is the budget of a pool, with the limit that its file sets now.
func (b *budgets) of(cfg config.Pool) *parking.Budget {
	limit := cfg.Parking.HostMemory
	if limit == 0 {
		limit = parking.DefaultLimit()
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.byPool == nil {
		b.byPool = map[string]*parking.Budget{}
	}
	if b.byPool[cfg.Name] == nil {
		b.byPool[cfg.Name] = new(parking.Budget)
	}
	b.byPool[cfg.Name].SetLimit(limit)
	return b.byPool[cfg.Name]
}

// parking is how the processes of a slot are parked.
func (m *Mediator) parking(p *pool.Pool, id window.UUID, gpu string) reconcile.Parking {
	return reconcile.Parking{
		After:    func() time.Duration { return p.Config().Parking.After },
		Budget:   m.budgets.of(p.Config()),
		MakeRoom: func(channel int, bytes uint64) bool { return m.makeRoom(gpu, tenant{id, channel}, bytes) },
	}
}

// tenant is one guest process.
type tenant struct {
	slot    window.UUID
	channel int
}

// candidate is a process that could make room.
type candidate struct {
	*slot.Slot
	channel int
	class   int // of its domain: the higher goes last
	idle    time.Duration
	bytes   uint64 // on the GPU
}

// candidates lists who could make room on a GPU, the best first: lower classes,
// then those that have been idle for longest. who is not among them.
func (m *Mediator) candidates(gpu string, who tenant) []candidate {
	m.mu.RLock()
	defer m.mu.RUnlock()
	var found []candidate
	for id, h := range m.slots {
		if h.Grant.Device.Name != gpu {
			continue
		}
		class := 1
		switch h.Settings().Priority {
		case vgpuxml.PriorityHigh:
			class = 2
		case vgpuxml.PriorityLow:
			class = 0
		}
		for _, c := range h.ChannelStatus() {
			if c.State == "ready" && c.Idle >= roomIdle && c.Parked == 0 && c.MemoryUsed > 0 && (tenant{id, c.Channel}) != who {
				found = append(found, candidate{h.Slot, c.Channel, class, c.Idle, c.MemoryUsed})
			}
		}
	}
	slices.SortFunc(found, func(a, b candidate) int {
		return cmp.Or(cmp.Compare(a.class, b.class), cmp.Compare(b.idle, a.idle))
	})
	return found
}

// makeRoom parks idle processes on a GPU until bytes more of its memory are free,
// and says whether any was. It takes roomWithin at most, the wait for other wishes
// included.
func (m *Mediator) makeRoom(gpu string, who tenant, bytes uint64) bool {
	ctx, cancel := context.WithTimeout(context.Background(), roomWithin)
	defer cancel()
	m.rooms.mu.Lock()
	defer m.rooms.mu.Unlock()
	var freed uint64
	for _, c := range m.candidates(gpu, who) {
		if freed >= bytes || ctx.Err() != nil {
			break
		}
		if err := c.Park(ctx, c.channel); err != nil {
			c.Log.WithField("channel", c.channel).WithError(err).Debug("no room made")
			continue
		}
		freed += c.bytes
	}
	return freed > 0
}

// Park moves the device memory of a domain's processes to host memory. It returns
// how many are parked, and why others are not. It fails with
// refusal.ErrNoSuchDomain.
func (m *Mediator) Park(ctx context.Context, id window.UUID) (parked int, kept []string, err error) {
	h := m.slot(id)
	if h == nil {
		return 0, nil, refusal.Because(refusal.ErrNoSuchDomain, "domain %s has no slot; vgpuctl status lists those that have", id)
	}
	for _, c := range h.ChannelStatus() {
		if c.ExecutorPID == 0 {
			continue
		}
		if err := h.Slot.Park(ctx, c.Channel); err != nil {
			kept = append(kept, fmt.Sprintf("process %d (%s): %v", c.Process.PID, c.Process.Comm, err))
			continue
		}
		parked++
	}
	return parked, kept, nil
}
