package slot

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"libvirt-vgpu/mediatord/internal/arbiter"
	"libvirt-vgpu/mediatord/internal/lease"
	"libvirt-vgpu/mediatord/internal/reconcile"
	"libvirt-vgpu/mediatord/internal/revert"
	"libvirt-vgpu/mediatord/internal/sched"
	"libvirt-vgpu/mediatord/internal/supervisor"
	"libvirt-vgpu/mediatord/internal/watchdog"
	vgpuxml "libvirt-vgpu/xml"
)

// Files of leases in the file descriptor store.
const (
	keptLeases = "leases"
	keptReport = "report"
)

// leases are the terms on which the slot's executors use their GPU.
type leases struct {
	table  *lease.Table
	report *os.File // eventfd that executors write
	domain *arbiter.Domain
	end    func() // of watching the settings
}

// makeLeases makes them for a new slot; without an arbiter nobody's use is limited.
func (s *Slot) makeLeases(undo *revert.Reverter) error {
	if s.Arbiter == nil {
		return nil
	}
	table, err := lease.Create(s.UUID.String())
	if err != nil {
		return err
	}
	fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		_ = table.Close()
		return fmt.Errorf("creating eventfd: %w", err)
	}
	return s.joinArbiter(undo, table, os.NewFile(uintptr(fd), "report"))
}

// adoptLeases goes on with those that an earlier mediatord made, if it did.
func (s *Slot) adoptLeases(undo *revert.Reverter, named map[string]*os.File) error {
	if named[keptLeases] == nil || named[keptReport] == nil {
		return nil
	}
	table, err := lease.Map(named[keptLeases])
	if err != nil {
		return fmt.Errorf("%w: %w", ErrMismatch, err)
	}
	report := named[keptReport]
	delete(named, keptLeases)
	delete(named, keptReport)
	return s.joinArbiter(undo, table, report)
}

func (s *Slot) joinArbiter(undo *revert.Reverter, table *lease.Table, report *os.File) error {
	s.leases = leases{table: table, report: report}
	undo.Add(s.closeLeases)
	if s.Arbiter == nil { // the pool does not want it any more
		table.Free()
		return nil
	}
	s.leases.domain = s.Arbiter.Join(table, report, s.terms(s.Settings()))
	s.leases.domain.Observe(leaseObserver{s})
	s.leases.end = s.Watch(func(settings Settings) { s.leases.domain.Set(s.terms(settings)) })
	return nil
}

func (s *Slot) closeLeases() {
	l := s.leases
	if l.end != nil {
		l.end()
	}
	if l.domain != nil {
		l.domain.Leave()
	}
	if l.table == nil {
		return
	}
	if err := l.table.Close(); err != nil {
		s.Log.WithError(err).Warn("closing leases failed")
	}
	_ = l.report.Close()
}

// terms are the settings in the scheduler's words.
func (s *Slot) terms(settings Settings) sched.Settings {
	terms := sched.Settings{Pool: s.Pool, PoolWeight: int(s.poolWeight.Load()), Weight: settings.Weight, Class: sched.Normal}
	switch settings.Priority {
	case vgpuxml.PriorityHigh:
		terms.Class = sched.High
	case vgpuxml.PriorityLow:
		terms.Class = sched.Low
	}
	return terms
}

// watchLease has the arbiter watch a channel's executor until its last event.
func (s *Slot) watchLease(channel int, resumed bool, sink func(supervisor.Event)) func(supervisor.Event) {
	d := s.leases.domain
	if d == nil {
		return sink
	}
	d.Start(channel, resumed)
	return func(e supervisor.Event) {
		if e.Kind == supervisor.Exited {
			d.Stop(channel)
		}
		sink(e)
	}
}

// unwatchLease undoes watchLease for an executor that did not start.
func (s *Slot) unwatchLease(channel int) {
	if s.leases.domain != nil {
		s.leases.domain.Stop(channel)
	}
}

// watchdog watches the slot's executors, nil if their kernels may run for ever.
func (s *Slot) watchdog() *watchdog.Watchdog {
	d := s.leases.domain
	if d == nil || s.KernelLimit == 0 {
		return nil
	}
	d.Watch()
	return watchdog.New(watchdog.Config{
		Limit: s.KernelLimit, Work: d, GPU: s.Processes, PCI: s.Grant.Device.PCI, Log: s.Log,
	})
}

// waker tells when an executor that was idle does something; nil: nobody could.
func (s *Slot) waker() reconcile.Waker {
	if s.leases.domain == nil {
		return nil
	}
	return s.leases.domain
}

// gpuTime is what channels are charged, in nanoseconds; nil: nobody measures.
func (s *Slot) gpuTime() func(channel int) uint64 {
	d := s.leases.domain
	if d == nil {
		return nil
	}
	return func(channel int) uint64 { return uint64(d.Used(channel)) }
}
