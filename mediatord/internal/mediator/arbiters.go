package mediator

import (
	"sync"

	"libvirt-vgpu/mediatord/internal/arbiter"
	"libvirt-vgpu/mediatord/internal/pool"
)

// arbiters schedule the GPUs, one each; they start with the first domain there.
type arbiters struct {
	mu    sync.Mutex // guards byGPU, taken alone
	byGPU map[string]*arbiter.Arbiter
}

// arbiterOf finds the arbiter of a GPU of a pool; nil if the pool wants none. The
// options are those of the pool that came first.
func (m *Mediator) arbiterOf(p *pool.Pool, gpu string) *arbiter.Arbiter {
	if !p.Sharing.Leases {
		return nil
	}
	all := &m.arbiters
	all.mu.Lock()
	defer all.mu.Unlock()
	if a := all.byGPU[gpu]; a != nil {
		return a
	}
	a := arbiter.New(p.Sharing.Options, m.log.WithField("gpu", gpu))
	if all.byGPU == nil {
		all.byGPU = map[string]*arbiter.Arbiter{}
	}
	all.byGPU[gpu] = a
	return a
}

func (all *arbiters) close() {
	all.mu.Lock()
	defer all.mu.Unlock()
	for _, a := range all.byGPU {
		a.Close()
	}
	all.byGPU = nil
}
