package mediator

import (
	"slices"
	"strings"
	"time"

	"libvirt-vgpu/mediatord/internal/events"
	"libvirt-vgpu/mediatord/internal/refusal"
	"libvirt-vgpu/mediatord/internal/slot"
	"libvirt-vgpu/plugin/window"
)

// PoolStatus is a pool as the operator sees it.
type PoolStatus struct {
	Name       string
	Backend    string
	GPUs       []string
	Slots      int
	Used       int
	Memory     uint64 // default quota, 0 = an even share
	MaxMemory  uint64 // 0 = the GPU's
	Promised   uint64 // sum of the quotas
	Weight     int
	Overcommit float64
	Priorities []string
	// ParkedHost is host memory that parked processes take, of at most ParkedHostMax
	// bytes; ParkAfter is after how much idleness they are, ParkContextAfter after how
	// much their contexts are, 0: never by itself.
	ParkedHost, ParkedHostMax uint64
	ParkAfter                 time.Duration
	ParkContextAfter          time.Duration
	// Isolation is what the pool demands, IsolationLevel what holds at the
	// moment, IsolationFindings what is to be said about it.
	Isolation         string
	IsolationLevel    string
	IsolationFindings []string
	Terms             []string // config.Pool.Terms
}

// GPUStatus is a physical GPU, or the one in software, as the operator sees it.
type GPUStatus struct {
	Name      string // "NVIDIA H200"
	UUID      string // "GPU-..." or "soft"
	PCI       string // "" for the GPU in software
	Memory    uint64 // bytes, 0 = not known yet
	Driver    string
	Pools     []string
	Available bool // an executor has described it
}

// PoolNames lists the pools, sorted.
func (m *Mediator) PoolNames() []string {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return slices.Clone(m.names)
}

// Pool reads one pool. It fails with refusal.ErrNoSuchPool.
func (m *Mediator) Pool(name string) (PoolStatus, error) {
	p, err := m.pool(name)
	if err != nil {
		return PoolStatus{}, err
	}
	used, promised := p.Used()
	terms := p.Config()
	status := PoolStatus{
		Name: terms.Name, Backend: string(terms.Backend), GPUs: terms.GPUs, Slots: terms.Slots, Used: used,
		Memory: terms.Memory, MaxMemory: terms.MaxMemory, Promised: promised, Weight: terms.Weight, Overcommit: terms.Overcommit,
		Terms: terms.Terms(),
	}
	status.ParkAfter, status.ParkContextAfter = terms.Parking.After, terms.Parking.ContextAfter
	status.ParkedHost, status.ParkedHostMax = m.budgets.of(terms).Use()
	isolated := m.guard.report(name)
	status.Isolation, status.IsolationLevel = string(terms.Isolation), string(isolated.Level)
	for _, f := range isolated.Findings {
		status.IsolationFindings = append(status.IsolationFindings, f.String())
	}
	for _, priority := range terms.Priorities {
		status.Priorities = append(status.Priorities, string(priority))
	}
	return status, nil
}

// SlotIDs lists the slots, sorted.
func (m *Mediator) SlotIDs() []window.UUID {
	m.mu.RLock()
	defer m.mu.RUnlock()
	ids := make([]window.UUID, 0, len(m.slots))
	for id := range m.slots {
		ids = append(ids, id)
	}
	slices.SortFunc(ids, func(a, b window.UUID) int { return strings.Compare(a.String(), b.String()) })
	return ids
}

// Slot reads one slot. It fails with refusal.ErrNoSuchDomain.
func (m *Mediator) Slot(id window.UUID) (slot.Status, error) {
	h := m.slot(id)
	if h == nil {
		return slot.Status{}, refusal.Because(refusal.ErrNoSuchDomain, "domain %s has no slot; vgpuctl status lists those that have", id)
	}
	return h.Status(), nil
}

// GPUs lists what the driver has and what pools name, in a fixed order: a
// GPU's place is its number on the bus.
func (m *Mediator) GPUs() []GPUStatus {
	listed, err := m.prober.inventory.List()
	if err != nil {
		m.log.WithError(err).Warn("listing GPUs failed")
	}
	var all []GPUStatus
	for _, g := range listed {
		all = append(all, GPUStatus{Name: g.Name, UUID: g.UUID, PCI: g.PCI, Memory: g.Memory, Driver: g.Driver})
	}
	for _, p := range m.allPools() {
		for _, name := range p.Config().GPUs {
			i := slices.IndexFunc(all, func(g GPUStatus) bool { return g.UUID == name || g.PCI == name })
			if i < 0 {
				all = append(all, m.unlisted(name))
				i = len(all) - 1
			}
			all[i].Pools = append(all[i].Pools, p.Name())
			all[i].Available = m.prober.Found(name) != nil
		}
	}
	return all
}

// unlisted is a GPU that a pool names and the driver does not.
func (m *Mediator) unlisted(name string) GPUStatus {
	status := GPUStatus{UUID: name}
	if pci, ok := gpuAddress(name); ok {
		status = GPUStatus{PCI: pci}
	}
	if device := m.prober.Found(name); device != nil {
		d := device.Description
		status.Name, status.Memory, status.Driver = d.Name, d.TotalMemory, d.DriverString
	}
	return status
}

func gpuAddress(name string) (string, bool) {
	return name, strings.Contains(name, ":")
}

// Events returns at most limit events after number since, the oldest first.
func (m *Mediator) Events(since uint64, limit int) []events.Event {
	return m.events.Since(since, limit)
}

// EventCounts tells how many events of each kind there were.
func (m *Mediator) EventCounts() map[events.Kind]uint64 { return m.events.Counts() }

func (m *Mediator) recordRefusal(name string, id window.UUID, err error) {
	if err == nil {
		return
	}
	e := events.Event{Kind: events.SlotRefused, Domain: name, Channel: events.NoChannel, Text: err.Error()}
	if id != (window.UUID{}) {
		e.DomainUUID = id.String()
	}
	m.events.Record(e)
}
