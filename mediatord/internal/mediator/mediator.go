// Package mediator is mediatord without D-Bus: it turns requests into slots of
// pools. Every request is idempotent by the UUID of the domain.
//
// Lock order: the lock of a domain, then Mediator.mu, then those of pools and
// slots. Observers are called with the lock of the domain held.
package mediator

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/sirupsen/logrus"

	"libvirt-vgpu/mediatord/internal/config"
	"libvirt-vgpu/mediatord/internal/events"
	"libvirt-vgpu/mediatord/internal/fdstore"
	"libvirt-vgpu/mediatord/internal/gpu"
	"libvirt-vgpu/mediatord/internal/pool"
	"libvirt-vgpu/mediatord/internal/refusal"
	"libvirt-vgpu/mediatord/internal/scope"
	"libvirt-vgpu/mediatord/internal/slot"
	"libvirt-vgpu/mediatord/internal/supervisor"
	"libvirt-vgpu/mediatord/internal/watchdog"
	"libvirt-vgpu/plugin/window"
)

// Observer hears about slots: the bus.
type Observer interface {
	SlotAdded(id window.UUID)
	SlotRemoved(id window.UUID)
	// SlotChanged may be called often and must return at once.
	SlotChanged(id window.UUID)
	PoolChanged(name string)
	// XidReported tells of an error of a GPU; id is the domain's that it cost a process,
	// "" if none.
	XidReported(pci string, code uint64, id, text string)
	PoolAdded(name string)
	PoolRemoved(name string)
}

// Settings say where and as whom mediatord works.
type Settings struct {
	RunDir        string // "/run/vgpu"
	Sysfs         string // "/sys"
	Executor      string // path of vgpu-executor
	ModuleCache   string // directory
	Credential    *syscall.Credential
	QEMUUsers     []uint32 // uids that may connect to a domain's socket, beside root
	PIDFiles      string   // where libvirt says which process is which domain's QEMU, "" for not looking: "/run/libvirt/qemu"
	SocketUID     int      // owner of a domain's socket
	SocketGID     int      // group of a domain's socket, -1 = unchanged
	SocketMode    os.FileMode
	SessionWindow uint64        // bytes
	KillAfter     time.Duration // an executor's grace
	ReadyWithin   time.Duration // an executor's start
	HoldWithin    time.Duration // from OpenSession to HOLD
	ReleaseWithin time.Duration // from QEMU's end to the hook's Release
	// Store keeps slots for the next mediatord, Kept is what an earlier one kept.
	Store *fdstore.Store
	Kept  []*fdstore.Entry
	// Processes is the GPUs' view of executors; may be nil.
	Processes watchdog.GPU
	// Memory says how much memory a GPU has that nobody uses; may be nil.
	Memory GPUMemory
	// Scopes puts executors into cgroups; nil leaves them in mediatord's.
	Scopes *scope.Scopes
}

// Mediator is the daemon's state.
type Mediator struct {
	settings Settings
	stocks   stocks
	lock     *os.File // of the runtime directory
	prober   *prober
	guard    *guard
	observer Observer
	events   *events.Log
	log      logrus.FieldLogger

	domains    keyLock[window.UUID]
	rooms      keyLock[string] // by GPU: held while room is made
	background sync.WaitGroup

	configuring sync.Mutex // one configuration at a time

	mu     sync.RWMutex // guards the rest
	pools  map[string]*pool.Pool
	names  []string              // of pools, sorted; never written to, only replaced
	former map[string]*pool.Pool // configured no more, of slots that are left
	slots  map[window.UUID]*held
	closed bool

	returns  returns
	arbiters arbiters
	xids     xids
	budgets  budgets
}

// held is a slot with what it was asked for by.
type held struct {
	*slot.Slot
	pool    *pool.Pool
	request any           // ReserveRequest or SessionRequest
	hold    chan struct{} // a session's: closed at its first HOLD
}

// New makes a mediator with the slots that Settings.Kept has of an earlier one.
// It fails if another process uses the runtime directory, and removes what else
// one that died left there.
func New(settings Settings, pools []config.Pool, inventory gpu.Inventory, d describer, observer Observer, log logrus.FieldLogger) (*Mediator, error) {
	m := &Mediator{
		settings: settings, pools: map[string]*pool.Pool{}, former: map[string]*pool.Pool{}, prober: newProber(inventory, d),
		stocks: newStocks(log), observer: observer, events: events.New(time.Now), log: log, slots: map[window.UUID]*held{},
		xids: xids{settles: xidSettles},
	}
	m.guard = newGuard(settings.Sysfs, pools, inventory)
	for _, cfg := range pools {
		m.pools[cfg.Name] = pool.New(cfg, m.prober, m.guard)
		m.names = append(m.names, cfg.Name)
	}
	slices.Sort(m.names)
	lock, err := claimRunDir(settings.RunDir)
	if err != nil {
		return nil, err
	}
	m.lock = lock
	if err := m.adoptSlots(); err != nil {
		_ = lock.Close()
		return nil, err
	}
	return m, nil
}

// Warm finds the GPUs of all pools, so that the first domain need not wait,
// and logs those that are missing.
func (m *Mediator) Warm(ctx context.Context) {
	m.Recheck()
	for _, p := range m.allPools() {
		name := p.Name()
		devices, err := p.Devices(ctx)
		if ctx.Err() != nil {
			return // mediatord ends
		}
		if err != nil {
			m.log.WithField("pool", name).WithError(err).Warn("pool is not usable now; trying again at the next request")
		}
		for _, d := range devices {
			m.stocks.of(p, d, m.executor(p)).Fill()
		}
	}
}

// Close releases every slot.
func (m *Mediator) Close() {
	m.mu.Lock()
	m.closed = true
	var ids []window.UUID
	for id := range m.slots {
		ids = append(ids, id)
	}
	m.mu.Unlock()
	var all sync.WaitGroup
	for _, id := range ids {
		all.Go(func() { m.Release(id) })
	}
	all.Wait()
	m.stocks.close()
	m.background.Wait()
	m.arbiters.close()
	_ = m.lock.Close()
}

// Release gives a slot back: executors, sockets and files are gone when it
// returns. Without a slot it does nothing.
func (m *Mediator) Release(id window.UUID) {
	defer m.domains.lock(id)()
	m.release(id)
}

// release needs the domain's lock.
func (m *Mediator) release(id window.UUID) {
	m.mu.Lock()
	h := m.slots[id]
	delete(m.slots, id)
	m.mu.Unlock()
	if h == nil {
		return
	}
	h.Close()
	m.clearSlice(h)
	h.pool.Release(id.String())
	m.observer.SlotRemoved(id)
	h.Log.Info("slot released")
}

// Started notes that the domain runs. It fails with refusal.ErrNoSuchDomain.
func (m *Mediator) Started(id window.UUID) error {
	defer m.domains.lock(id)()
	h := m.slot(id)
	if h == nil {
		return refusal.Because(refusal.ErrNoSuchDomain, "domain %s has no slot, because it was not reserved before its start; stop it and start it again", id)
	}
	h.SetState(slot.Running)
	return nil
}

// Stopped notes that the domain is gone and ends its executors. Without a slot
// it does nothing.
func (m *Mediator) Stopped(id window.UUID) {
	defer m.domains.lock(id)()
	if h := m.slot(id); h != nil {
		h.SetState(slot.Stopped)
	}
}

func (m *Mediator) slot(id window.UUID) *held {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.slots[id]
}

// open makes a slot of a pool and makes it known. It needs the domain's lock.
func (m *Mediator) open(ctx context.Context, p *pool.Pool, r pool.Request, cfg slot.Config, h *held) error {
	grant, err := p.Acquire(ctx, r)
	if err != nil {
		return err
	}
	cfg.Settings.Priority, cfg.Settings.Memory = r.Priority, grant.Memory
	if cfg.Request, err = json.Marshal(h.request); err != nil {
		return fmt.Errorf("noting request: %w", err)
	}
	m.complete(&cfg, p, grant)
	if h.Slot, err = slot.Open(cfg); err != nil {
		p.Release(r.Owner)
		return err
	}
	h.pool = p
	m.mu.Lock()
	closed := m.closed
	if !closed {
		m.slots[cfg.UUID] = h
	}
	m.mu.Unlock()
	if closed {
		h.Close()
		p.Release(r.Owner)
		return errors.New("mediatord is shutting down")
	}
	m.observer.SlotAdded(cfg.UUID)
	cfg.Log.WithFields(logrus.Fields{"memory": grant.Memory, "gpu": grant.Device.Name}).Info("slot reserved")
	return nil
}

// complete fills in what is the same for all slots of a pool.
func (m *Mediator) complete(cfg *slot.Config, p *pool.Pool, grant pool.Grant) {
	id := cfg.UUID
	terms := p.Config()
	cfg.Grant, cfg.Pool = grant, p.Name()
	cfg.Executor = m.executor(p)
	cfg.Executor.Stock = m.stocks.of(p, grant.Device, cfg.Executor)
	cfg.Sensors = m.prober.sensors(grant.Device.PCI)
	cfg.Arbiter, cfg.PoolWeight = m.arbiterOf(p, grant.Device.Name), terms.Weight
	cfg.KernelLimit = terms.KernelLimit
	if grant.Device.PCI != "" {
		cfg.Processes = m.settings.Processes
	}
	cfg.Parking = m.parking(p, id, grant.Device)
	cfg.Changed = func() { m.observer.SlotChanged(id) }
	cfg.Record = m.events.Record
	cfg.Store = m.settings.Store
	cfg.Log = m.log.WithFields(logrus.Fields{"domain": cfg.Name, "domain_uuid": id.String(), "pool": p.Name()})
	cfg.Executor.ModuleCache = m.makeCache(cfg)
	cfg.Executor.Place = m.placer(*cfg)
}

// Summary says in a line what is served.
func (m *Mediator) Summary() string {
	m.mu.RLock()
	slots, pools := slices.Collect(maps.Values(m.slots)), len(m.pools)
	m.mu.RUnlock()
	executors := 0
	for _, h := range slots {
		for _, c := range h.Status().Channels {
			if c.ExecutorPID != 0 {
				executors++
			}
		}
	}
	return fmt.Sprintf("%d pools, %d slots, %d executors", pools, len(slots), executors)
}

// Ping returns when every slot's loop has come round once, or with an error.
func (m *Mediator) Ping(ctx context.Context) error {
	m.mu.RLock()
	slots := slices.Collect(maps.Values(m.slots))
	m.mu.RUnlock()
	for _, h := range slots {
		if err := h.Ping(ctx); err != nil {
			return fmt.Errorf("slot of %s: %w", h.Name, err)
		}
	}
	return nil
}

// executor is what all executors of a pool have in common.
func (m *Mediator) executor(p *pool.Pool) supervisor.Settings {
	terms := p.Config()
	return supervisor.Settings{
		Path: m.settings.Executor, Backend: string(terms.Backend), Walls: string(terms.Walls), ModuleCache: m.settings.ModuleCache,
		Credential: m.settings.Credential, KillAfter: m.settings.KillAfter, ReadyWithin: m.settings.ReadyWithin,
	}
}

func (m *Mediator) pool(name string) (*pool.Pool, error) {
	m.mu.RLock()
	p, names := m.pools[name], m.names
	m.mu.RUnlock()
	switch {
	case p != nil:
		return p, nil
	case len(names) == 0:
		return nil, refusal.Because(refusal.ErrNoSuchPool, "there is no pool %q, nor any other; write one, see man vgpu-pools, and reload mediatord", name)
	}
	return nil, refusal.Because(refusal.ErrNoSuchPool, "there is no pool %q; name one that there is (%s), or write that one, see man vgpu-pools, and reload mediatord",
		name, strings.Join(names, ", "))
}

// allPools lists the pools, sorted by name.
func (m *Mediator) allPools() []*pool.Pool {
	m.mu.RLock()
	defer m.mu.RUnlock()
	pools := make([]*pool.Pool, 0, len(m.names))
	for _, name := range m.names {
		pools = append(pools, m.pools[name])
	}
	return pools
}
