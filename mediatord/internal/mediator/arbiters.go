package mediator

import (
	"sync"

	"libvirt-vgpu/mediatord/internal/arbiter"
	"libvirt-vgpu/mediatord/internal/config"
	"libvirt-vgpu/mediatord/internal/pool"
	"libvirt-vgpu/mediatord/internal/sched"
)

// arbiters schedule the GPUs, one each; they start with the first domain there. Domains of pools
// without leases have one of their own, which only sets their slices.
type arbiters struct {
	mu    sync.Mutex // guards byGPU, taken alone
	byGPU map[arbitered]scheduled
}

type arbitered struct {
	gpu    string
	leases bool
}

// options are a pool's as such an arbiter has them.
func (a arbitered) options(s config.Sharing) sched.Options {
	s.Options.Unlimited = !a.leases
	return s.Options
}

// scheduled is a GPU's arbiter with the pool whose terms it has.
type scheduled struct {
	*arbiter.Arbiter
	pool string
}

// arbiterOf finds the arbiter of a GPU of a pool; nil if the pool wants neither leases nor
// slices. The options are those of the pool that came first.
func (m *Mediator) arbiterOf(p *pool.Pool, gpu string) *arbiter.Arbiter {
	sharing := p.Config().Sharing
	if !sharing.Leases && sharing.Options.Slice == 0 {
		return nil
	}
	all := &m.arbiters
	all.mu.Lock()
	defer all.mu.Unlock()
	key := arbitered{gpu, sharing.Leases}
	if a, found := all.byGPU[key]; found {
		return a.Arbiter
	}
	a := arbiter.New(key.options(sharing), m.log.WithField("gpu", gpu))
	if all.byGPU == nil {
		all.byGPU = map[arbitered]scheduled{}
	}
	all.byGPU[key] = scheduled{a, p.Name()}
	return a
}

// configure gives a pool's GPUs the terms that it has now.
func (all *arbiters) configure(cfg config.Pool) {
	all.mu.Lock()
	defer all.mu.Unlock()
	for key, a := range all.byGPU {
		if a.pool == cfg.Name {
			a.SetOptions(key.options(cfg.Sharing))
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
