package mediator

import (
	"context"
	"fmt"
	"sync"
	"time"

	"libvirt-vgpu/mediatord/internal/config"
	"libvirt-vgpu/mediatord/internal/parking"
	"libvirt-vgpu/mediatord/internal/pool"
	"libvirt-vgpu/mediatord/internal/reconcile"
	"libvirt-vgpu/mediatord/internal/refusal"
	"libvirt-vgpu/plugin/window"
)

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
func (m *Mediator) parking(p *pool.Pool, id window.UUID, gpu *pool.Device) reconcile.Parking {
	found := reconcile.Parking{
		After:        func() time.Duration { return p.Config().Parking.After },
		ContextAfter: func() time.Duration { return p.Config().Parking.ContextAfter },
		Budget:       m.budgets.of(p.Config()),
		MakeRoom: func(channel int, w reconcile.RoomWish) reconcile.Room {
			return m.makeRoom(gpu, tenant{id, channel}, w)
		},
	}
	if gpu.PCI != "" && m.settings.Processes != nil {
		found.Held = func(pid int) (uint64, bool) {
			bytes, listed, err := m.settings.Processes.ProcessMemory(gpu.PCI, pid)
			return bytes, listed && err == nil && bytes <= gpu.Description.TotalMemory // NVML says all ones where it does not know
		}
	}
	return found
}

// Park moves the device memory of a domain's processes to host memory, and if whole
// their contexts too. It returns how many are parked so, and why others are not. It
// fails with refusal.ErrNoSuchDomain.
func (m *Mediator) Park(ctx context.Context, id window.UUID, whole bool) (parked int, kept []string, err error) {
	h := m.slot(id)
	if h == nil {
		return 0, nil, refusal.Because(refusal.ErrNoSuchDomain, "domain %s has no slot; vgpuctl status lists those that have", id)
	}
	for _, c := range h.ChannelStatus() {
		if c.ExecutorPID == 0 {
			continue
		}
		if err := h.Slot.Park(ctx, c.Channel, whole); err != nil {
			kept = append(kept, fmt.Sprintf("process %d (%s): %v", c.Process.PID, c.Process.Comm, err))
			continue
		}
		parked++
	}
	return parked, kept, nil
}
