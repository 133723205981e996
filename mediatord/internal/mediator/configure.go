package mediator

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/sirupsen/logrus"

	"libvirt-vgpu/mediatord/internal/config"
	"libvirt-vgpu/mediatord/internal/pool"
)

// Configured says what became of other pool files, in sentences for the operator.
type Configured struct {
	Applied []string // in force now
	Later   []string // in force when something else happens, which the sentence names
}

// live are the keys whose new value counts for domains that run, too, or for
// which it makes no difference to them; of [sharing] that is all but "leases".
func live(key string) bool {
	switch key {
	case "slots", "mode", "memory", "max_memory", "overcommit", "weight", "priorities", "isolation", "warm":
		return true
	}
	return strings.HasPrefix(key, "parking.") || strings.HasPrefix(key, "sharing.") && key != "sharing.leases"
}

// Configure puts other pool files in force. Domains that run keep their slots,
// quotas and GPUs, even in a pool that is gone. Call Warm afterwards.
func (m *Mediator) Configure(pools []config.Pool) Configured {
	m.configuring.Lock()
	defer m.configuring.Unlock()
	var c Configured
	before := m.allPools()
	m.guard.configure(pools)
	for _, cfg := range pools {
		if i := slices.IndexFunc(before, func(p *pool.Pool) bool { return p.Name() == cfg.Name }); i >= 0 {
			m.changePool(before[i], cfg, &c)
		} else {
			m.addPool(cfg, &c)
		}
	}
	for _, p := range before {
		if !slices.ContainsFunc(pools, func(cfg config.Pool) bool { return cfg.Name == p.Name() }) {
			m.removePool(p, &c)
		}
	}
	for _, cfg := range pools {
		if r := m.guard.report(cfg.Name); r.Refused() {
			c.Later = append(c.Later, fmt.Sprintf("pool %s is not as isolated as it demands, no domain starts in it until it is: see vgpuctl pool check %s", cfg.Name, cfg.Name))
		}
	}
	return c
}

// setPool replaces a pool; nil removes it.
func (m *Mediator) setPool(name string, p *pool.Pool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if p == nil {
		m.former[name] = m.pools[name]
		delete(m.pools, name)
	} else {
		delete(m.former, name)
		m.pools[name] = p
	}
	m.names = slices.Sorted(maps.Keys(m.pools))
}

func (m *Mediator) addPool(cfg config.Pool, c *Configured) {
	m.mu.RLock()
	p := m.former[cfg.Name]
	m.mu.RUnlock()
	if p != nil && p.Config().Backend == cfg.Backend { // domains may be left in it
		p.Configure(cfg)
		m.spread(cfg)
	} else {
		p = pool.New(cfg, m.prober, m.guard)
	}
	m.setPool(cfg.Name, p)
	c.Applied = append(c.Applied, "pool "+cfg.Name+": added")
	m.log.WithFields(logrus.Fields{"pool": cfg.Name, "gpus": cfg.GPUs, "slots": cfg.Slots}).Info("pool added")
	m.observer.PoolAdded(cfg.Name)
}

func (m *Mediator) removePool(p *pool.Pool, c *Configured) {
	name := p.Name()
	m.setPool(name, nil)
	m.stocks.configure(p.Config(), nil)
	c.Applied = append(c.Applied, "pool "+name+": removed")
	used, _ := p.Used()
	if used > 0 {
		c.Later = append(c.Later, fmt.Sprintf("pool %s is removed: its %s until %s, no other starts there", name, goOn(used), end(used)))
	}
	m.log.WithFields(logrus.Fields{"pool": name, "used": used}).Info("pool removed")
	m.observer.PoolRemoved(name)
}

func (m *Mediator) changePool(p *pool.Pool, cfg config.Pool, c *Configured) {
	changed := config.Differences(p.Config(), cfg)
	if len(changed) == 0 {
		return
	}
	p.Configure(cfg)
	m.spread(cfg)
	used, _ := p.Used()
	var now, later []string
	for _, key := range changed {
		if live(key) || used == 0 {
			now = append(now, key)
		} else {
			later = append(later, key)
		}
	}
	if len(now) > 0 {
		c.Applied = append(c.Applied, "pool "+cfg.Name+": "+strings.Join(now, ", "))
	}
	if len(later) > 0 {
		c.Later = append(c.Later, fmt.Sprintf("pool %s: %s: its %s as before until %s, others have it from their start on", cfg.Name, strings.Join(later, ", "), goOn(used), end(used)))
	}
	if used > cfg.Slots {
		c.Later = append(c.Later, fmt.Sprintf("pool %s: %d of %d slots are in use: no domain starts there until there are fewer", cfg.Name, used, cfg.Slots))
	}
	m.log.WithFields(logrus.Fields{"pool": cfg.Name, "changed": strings.Join(changed, ", "), "gpus": cfg.GPUs, "slots": cfg.Slots}).Info("pool changed")
	m.observer.PoolChanged(cfg.Name)
}

// spread tells those who have copies of a pool's terms.
func (m *Mediator) spread(cfg config.Pool) {
	var arguments []string
	for _, name := range cfg.GPUs {
		if d := m.prober.Found(name); d != nil {
			arguments = append(arguments, d.Argument)
		}
	}
	m.stocks.configure(cfg, arguments)
	m.arbiters.configure(cfg)
	m.budgets.of(cfg)
	m.mu.RLock()
	defer m.mu.RUnlock()
	for _, h := range m.slots {
		if h.pool.Name() == cfg.Name {
			h.SetPoolWeight(cfg.Weight)
			h.Attend() // who is to be parked may be others
		}
	}
}

func goOn(domains int) string {
	if domains == 1 {
		return "one domain goes on"
	}
	return fmt.Sprintf("%d domains go on", domains)
}

func end(domains int) string {
	if domains == 1 {
		return "it ends"
	}
	return "they end"
}
