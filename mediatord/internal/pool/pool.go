// Package pool decides who gets a slot and on which GPU.
package pool

import (
	"context"
	"math"
	"slices"
	"sync"

	"libvirt-vgpu/mediatord/internal/config"
	"libvirt-vgpu/mediatord/internal/refusal"
	"libvirt-vgpu/plugin/window"
	vgpuxml "libvirt-vgpu/xml"
)

// Device is one GPU of a pool.
type Device struct {
	Name        string // as the pool file has it
	Argument    string // as the executor's --gpu wants it
	PCI         string // "" for the GPU in software
	Description *window.Description
}

// Prober finds the GPU that a pool file names. It may take seconds the first
// time. An error says in one sentence what is missing.
type Prober interface {
	Probe(ctx context.Context, backend config.Backend, name string) (*Device, error)
}

// Guard says whether a pool's GPUs are as isolated, at this moment, as the pool
// demands. Its error is a refusal.ErrIsolationRefused.
type Guard interface {
	Check(pool string) error
}

// Request asks for a slot.
type Request struct {
	Owner    string // UUID of the domain or session; one slot each
	Priority vgpuxml.Priority
	Memory   uint64 // bytes; 0 = the pool's default
}

// Grant is a slot.
type Grant struct {
	Owner  string
	Memory uint64 // quota in bytes
	Device *Device
}

// Pool hands out the slots of one pool file. Methods may be called from
// several goroutines.
type Pool struct {
	name   string
	prober Prober
	guard  Guard

	mu     sync.Mutex   // guards the rest
	cfg    *config.Pool // never written to, only replaced
	grants map[string]Grant
}

// New makes a pool with all slots free.
func New(cfg config.Pool, prober Prober, guard Guard) *Pool {
	return &Pool{name: cfg.Name, prober: prober, guard: guard, cfg: &cfg, grants: map[string]Grant{}}
}

// Name is the pool's.
func (p *Pool) Name() string { return p.name }

// Config is the pool's file as it is in force.
func (p *Pool) Config() config.Pool { return *p.config() }

func (p *Pool) config() *config.Pool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.cfg
}

// Configure puts another version of the pool's file in force, for whoever asks
// from now on. Slots that are taken stay as they are, even if the pool would not
// grant them any more.
func (p *Pool) Configure(cfg config.Pool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cfg = &cfg
}

// Acquire takes a slot, on the GPU with the most unpromised memory. It fails
// with refusal.ErrPriorityNotAllowed, ErrPoolFull, ErrMemoryExceedsPool,
// ErrAlreadyReserved, ErrGPUUnavailable or ErrIsolationRefused.
func (p *Pool) Acquire(ctx context.Context, r Request) (Grant, error) {
	for {
		cfg := p.config()
		if err := admits(cfg, r); err != nil {
			return Grant{}, err
		}
		if err := p.room(r); err != nil { // a full pool need not wait for a GPU
			return Grant{}, err
		}
		devices, err := p.devices(ctx, cfg)
		if err != nil {
			return Grant{}, err
		}
		if err := p.guard.Check(p.name); err != nil {
			return Grant{}, err
		}
		if grant, same, err := p.acquire(cfg, r, devices); same {
			return grant, err
		}
	}
}

// acquire does nothing if the pool has not the same configuration any more.
func (p *Pool) acquire(cfg *config.Pool, r Request, devices []*Device) (grant Grant, same bool, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cfg != cfg {
		return Grant{}, false, nil
	}
	if err := p.roomLocked(r); err != nil {
		return Grant{}, true, err
	}
	if grant, err = p.place(r, devices, len(devices)); err == nil {
		p.grants[r.Owner] = grant
	}
	return grant, true, err
}

// Change gives the owner of a slot another quota on the GPU that it has, or
// another priority. Without a slot it fails with refusal.ErrNoSuchDomain, else
// as Acquire does; then nothing changes.
func (p *Pool) Change(ctx context.Context, r Request) (Grant, error) {
	cfg := p.config()
	if err := admits(cfg, r); err != nil {
		return Grant{}, err
	}
	devices, err := p.devices(ctx, cfg)
	if err != nil {
		return Grant{}, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	old, found := p.grants[r.Owner]
	if !found {
		return Grant{}, refusal.Because(refusal.ErrNoSuchDomain, "%s has no slot in pool %q; start the domain first", r.Owner, p.name)
	}
	i := slices.IndexFunc(devices, func(d *Device) bool { return d.Name == old.Device.Name })
	if i < 0 {
		return Grant{}, refusal.Because(refusal.ErrGPUUnavailable,
			"the domain runs on GPU %s, which pool %q does not have any more; stop the domain and start it again", old.Device.Name, p.name)
	}
	grant, err := p.place(r, devices[i:i+1], len(devices))
	if err != nil {
		return Grant{}, err
	}
	p.grants[r.Owner] = grant
	return grant, nil
}

// Restore puts a grant back that Change has replaced.
func (p *Pool) Restore(grant Grant) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, found := p.grants[grant.Owner]; found {
		p.grants[grant.Owner] = grant
	}
}

// Adopt counts a slot that an earlier mediatord has granted, whatever the pool
// would grant now.
func (p *Pool) Adopt(grant Grant) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.grants[grant.Owner] = grant
}

// Granted is what an owner has.
func (p *Pool) Granted(owner string) (Grant, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	grant, found := p.grants[owner]
	return grant, found
}

// Check says whether the pool admits a request at all, whoever has its slots at
// the moment. It fails with refusal.ErrPriorityNotAllowed, ErrMemoryExceedsPool,
// ErrGPUUnavailable or ErrIsolationRefused.
func (p *Pool) Check(ctx context.Context, r Request) error {
	cfg := p.config()
	if err := admits(cfg, r); err != nil {
		return err
	}
	devices, err := p.devices(ctx, cfg)
	if err != nil {
		return err
	}
	if err := p.guard.Check(p.name); err != nil {
		return err
	}
	_, err = (&Pool{name: p.name, cfg: cfg}).place(r, devices, len(devices))
	return err
}

// Release gives an owner's slot back; without one it does nothing.
func (p *Pool) Release(owner string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.grants, owner)
}

// Used counts the slots taken and the bytes promised to them.
func (p *Pool) Used() (slots int, memory uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, g := range p.grants {
		memory += g.Memory
	}
	return len(p.grants), memory
}

// Devices returns the GPUs of the pool that exist. It fails with
// refusal.ErrGPUUnavailable when there is none.
func (p *Pool) Devices(ctx context.Context) ([]*Device, error) { return p.devices(ctx, p.config()) }

func (p *Pool) devices(ctx context.Context, cfg *config.Pool) ([]*Device, error) {
	var devices []*Device
	var reason error
	for _, name := range cfg.GPUs {
		device, err := p.prober.Probe(ctx, cfg.Backend, name)
		if err != nil {
			reason = err
			continue
		}
		devices = append(devices, device)
	}
	if len(devices) == 0 {
		return nil, refusal.Because(refusal.ErrGPUUnavailable, "pool %q has no usable GPU, %v; see vgpuctl status and journalctl -u mediatord", p.name, reason)
	}
	return devices, nil
}

func admits(cfg *config.Pool, r Request) error {
	if !cfg.Allows(r.Priority) {
		return refusal.Because(refusal.ErrPriorityNotAllowed,
			"pool %q does not admit priority %q; use %s, or add it to priorities in %s", cfg.Name, r.Priority, cfg.PriorityNames(), cfg.File)
	}
	return nil
}

func (p *Pool) room(r Request) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.roomLocked(r)
}

func (p *Pool) roomLocked(r Request) error {
	if _, taken := p.grants[r.Owner]; taken {
		return refusal.Because(refusal.ErrAlreadyReserved, "%s already has a slot in pool %q; release it first", r.Owner, p.name)
	}
	if len(p.grants) >= p.cfg.Slots && p.cfg.Mode == config.Exclusive {
		return refusal.Because(refusal.ErrPoolFull,
			"pool %q is exclusive, and each of its %d slots has its domain; stop one of them, or add a GPU to %s", p.name, p.cfg.Slots, p.cfg.File)
	}
	if len(p.grants) >= p.cfg.Slots {
		return refusal.Because(refusal.ErrPoolFull,
			"pool %q is full, %d of %d slots are in use; stop a domain that uses it, or raise slots in %s", p.name, len(p.grants), p.cfg.Slots, p.cfg.File)
	}
	return nil
}

// place chooses one of the devices and the quota; the pool has all of them. What
// the owner has already does not count against it.
func (p *Pool) place(r Request, devices []*Device, all int) (Grant, error) {
	var best Grant
	var bestFree, largestFree, largestQuota, largestTotal uint64
	least := uint64(math.MaxUint64) // that it needs, on any device
	for _, d := range devices {
		total := d.Description.TotalMemory
		ceiling := total
		if p.cfg.MaxMemory != 0 {
			ceiling = min(ceiling, p.cfg.MaxMemory)
		}
		largestQuota, largestTotal = max(largestQuota, ceiling), max(largestTotal, total)
		quota := r.Memory
		if quota == 0 {
			quota = min(p.defaultQuota(total, all), ceiling)
		}
		least = min(least, quota)
		if p.cfg.Mode == config.Exclusive && p.promised(d, r.Owner) > 0 {
			continue
		}
		limit, promised := uint64(float64(total)*p.cfg.Overcommit), p.promised(d, r.Owner)
		free := limit - min(limit, promised)
		largestFree = max(largestFree, min(free, ceiling))
		if quota <= ceiling && quota <= free && free > bestFree {
			best, bestFree = Grant{Owner: r.Owner, Memory: quota, Device: d}, free
		}
	}
	switch {
	case best.Device != nil && best.Memory < best.Device.Description.ContextMemory:
		return Grant{}, refusal.Because(refusal.ErrMemoryExceedsPool,
			"%s of GPU memory is less than a program needs to begin on this GPU; give the domain at least %s, in its vgpu:gpu element or as memory in %s",
			approximate(best.Memory), vgpuxml.FormatSize(roundUp(best.Device.Description.ContextMemory+leastBeyondContext)), p.cfg.File)
	case best.Device != nil:
		return best, nil
	case r.Memory > largestQuota:
		remedy := "ask for less"
		if r.Memory <= largestTotal {
			remedy += ", or raise max_memory in " + p.cfg.File
		}
		return Grant{}, refusal.Because(refusal.ErrMemoryExceedsPool,
			"pool %q gives a domain at most %s of GPU memory, %s was asked for; %s", p.name, approximate(largestQuota), approximate(r.Memory), remedy)
	default:
		return Grant{}, refusal.Because(refusal.ErrMemoryExceedsPool,
			"pool %q has %s of GPU memory left to promise, the domain needs %s; ask for less, stop another domain, or raise overcommit in %s",
			p.name, approximate(largestFree), vgpuxml.FormatSize(roundUp(least)), p.cfg.File)
	}
}

// defaultQuota is the pool file's, or an even share in whole MiB.
func (p *Pool) defaultQuota(total uint64, devices int) uint64 {
	if p.cfg.Memory != 0 {
		return p.cfg.Memory
	}
	perDevice := uint64((p.cfg.Slots + devices - 1) / devices)
	return max(total/perDevice&^(1<<20-1), 1<<20)
}

// promised is what others than owner have of a device, in bytes.
func (p *Pool) promised(d *Device, owner string) uint64 {
	var sum uint64
	for _, g := range p.grants {
		if g.Device.Name == d.Name && g.Owner != owner {
			sum += g.Memory
		}
	}
	return sum
}

// leastBeyondContext is what a domain has at least for what its first program
// allocates.
const leastBeyondContext = 64 << 20

// roundUp gives whole MiB.
func roundUp(size uint64) uint64 { return (size + 1<<20 - 1) &^ (1<<20 - 1) }

// approximate writes a size for a person: whole MiB rounded down.
func approximate(size uint64) string {
	if size >= 1<<20 {
		size &^= 1<<20 - 1
	}
	return vgpuxml.FormatSize(size)
}
