package mediator

import (
	"sync"

	"libvirt-vgpu/mediatord/internal/arbiter"
	"libvirt-vgpu/mediatord/internal/config"
	"libvirt-vgpu/mediatord/internal/pool"
)

// arbiters schedule the GPUs, one each; they start with the first domain there.
type arbiters struct {
	mu    sync.Mutex // guards byGPU, taken alone
	byGPU map[string]scheduled
}

// scheduled is a GPU's arbiter with the pool whose terms it has.
type scheduled struct {
	*arbiter.Arbiter
	pool string
}

// arbiterOf finds the arbiter of a GPU of a pool; nil if the pool wants none. The
// options are those of the pool that came first.
func (m *Mediator) arbiterOf(p *pool.Pool, gpu string) *arbiter.Arbiter {
	sharing := p.Config().Sharing
	if !sharing.Leases {
		return nil
	}
	all := &m.arbiters
	all.mu.Lock()
	defer all.mu.Unlock()
	if a, found := all.byGPU[gpu]; found {
		return a.Arbiter
	}
	a := arbiter.New(sharing.Options, m.log.WithField("gpu", gpu))
	if all.byGPU == nil {
		all.byGPU = map[string]scheduled{}
	}
	all.byGPU[gpu] = scheduled{a, p.Name()}
	return a
}

// configure gives a pool's GPUs the terms that it has now.
func (all *arbiters) configure(cfg config.Pool) {
	all.mu.Lock()
	defer all.mu.Unlock()
	for _, a := range all.byGPU {
		if a.pool == cfg.Name {
			a.SetOptions(cfg.Sharing.Options)
		}
	}
}

func (all *arbiters) close() {
	all.mu.Lock()
	defer all.mu.Unlock()
	for _, a := range all.byGPU {
		a.Close()
	}
	all.byGPU = nil
}
