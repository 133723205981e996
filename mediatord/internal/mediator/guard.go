package mediator

import (
	"fmt"
	"reflect"
	"sync"

	"libvirt-vgpu/mediatord/internal/config"
	"libvirt-vgpu/mediatord/internal/gpu"
	"libvirt-vgpu/mediatord/internal/isolation"
	"libvirt-vgpu/mediatord/internal/refusal"
)

// guard looks at the IOMMU groups of all pools, anew at each question.
type guard struct {
	sysfs     isolation.Sysfs
	inventory gpu.Inventory

	mu    sync.Mutex // guards the rest
	pools []config.Pool
	last  map[string]isolation.Report
}

func newGuard(sysfs string, pools []config.Pool, inventory gpu.Inventory) *guard {
	return &guard{sysfs: isolation.Sysfs(sysfs), pools: pools, inventory: inventory, last: map[string]isolation.Report{}}
}

// configure has the guard look at other pools from now on.
func (g *guard) configure(pools []config.Pool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.pools = pools
}

func (g *guard) configured() []config.Pool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.pools
}

// reports checks all pools: a group belongs to one of them only.
func (g *guard) reports() map[string]isolation.Report {
	gpus, err := g.inventory.List()
	if err != nil {
		gpus = nil // addresses need no inventory; UUIDs are not found then, and say so
	}
	reports := map[string]isolation.Report{}
	for _, r := range isolation.Check(g.sysfs, isolation.Resolve(g.configured(), gpus)) {
		reports[r.Pool] = r
	}
	return reports
}

// report checks one pool.
func (g *guard) report(pool string) isolation.Report { return g.reports()[pool] }

// Check implements pool.Guard.
func (g *guard) Check(pool string) error {
	r := g.report(pool)
	if !r.Refused() {
		return nil
	}
	var first isolation.Finding
	more := 0
	for _, f := range r.Findings {
		switch {
		case !f.Breaks:
		case first.Problem == "":
			first = f
		default:
			more++
		}
	}
	also := ""
	if more > 0 {
		also = fmt.Sprintf(" (and %d more)", more)
	}
	return refusal.Because(refusal.ErrIsolationRefused,
		`pool %q demands isolation by IOMMU group, which does not hold: %s%s; %s, see vgpuctl pool check %s, or write isolation = "none" into %s`,
		pool, first.Problem, also, first.Remedy, pool, g.file(pool))
}

func (g *guard) file(pool string) string {
	for _, cfg := range g.configured() {
		if cfg.Name == pool {
			return cfg.File
		}
	}
	return "its file"
}

// changed checks all pools and returns the reports of those that are not as
// they were at the last call.
func (g *guard) changed() []isolation.Report {
	reports := g.reports()
	g.mu.Lock()
	defer g.mu.Unlock()
	var changed []isolation.Report
	for _, cfg := range g.pools {
		r, checked := reports[cfg.Name]
		if !checked { // it came meanwhile
			continue
		}
		if before, known := g.last[cfg.Name]; !known || !reflect.DeepEqual(before, r) {
			changed = append(changed, r)
			g.last[cfg.Name] = r
		}
	}
	return changed
}

// Recheck looks at every pool's isolation, logs what changed since the last look
// and tells the observer. Domains that run go on: a device that came into a
// group later cannot be undone by ending them. New ones are refused.
func (m *Mediator) Recheck() {
	for _, r := range m.guard.changed() {
		log := m.log.WithField("pool", r.Pool).WithField("isolation", string(r.Level))
		for _, f := range r.Findings {
			if f.Breaks {
				log.Warn("pool's isolation: " + f.String())
			} else {
				log.Info("pool's isolation: " + f.String())
			}
		}
		if r.Refused() {
			log.Error("pool is not as isolated as it demands; no domain starts in it until it is")
		}
		m.observer.PoolChanged(r.Pool)
	}
}
