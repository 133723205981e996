package slot

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strings"

	"libvirt-vgpu/mediatord/internal/events"
	"libvirt-vgpu/mediatord/internal/hostproc"
	"libvirt-vgpu/mediatord/internal/reconcile"
	"libvirt-vgpu/mediatord/internal/revert"
	"libvirt-vgpu/mediatord/internal/supervisor"
	"libvirt-vgpu/plugin/ivshmem"
	"libvirt-vgpu/plugin/window"
)

// Errors of Adopt.
var (
	// ErrOver: the slot's use ended while there was no mediatord.
	ErrOver = errors.New("its use has ended")
	// ErrMismatch: the files are not those of the slot that the record describes.
	ErrMismatch = errors.New("kept files do not fit the slot")
)

// Adopt goes on with a slot of an earlier mediatord: its window, its socket,
// QEMU's or its processes' connections and its executors. cfg is as for Open,
// made after the record. It fails with ErrOver and ErrMismatch; the caller drops
// what was kept then.
func Adopt(cfg Config, r Record, k *Kept) (*Slot, error) {
	if k == nil || k.slot == nil {
		return nil, fmt.Errorf("adopting slot: %w: nothing is left of its window", ErrMismatch)
	}
	if r.State == released || r.QEMU != nil && !r.QEMU.Alive() {
		return nil, fmt.Errorf("adopting slot: %w", ErrOver)
	}
	s := &Slot{Config: cfg, state: r.State, settings: r.Settings, qemu: r.QEMU, request: r.Request, entry: k.slot.Entry}
	s.poolWeight.Store(int64(cfg.PoolWeight))
	var undo revert.Reverter
	defer undo.Fail()
	named, vectors := k.slot.take()
	undo.Add(func() { closeAll(named, vectors) })
	for _, step := range []func() error{
		func() error { return s.adoptMemory(&undo, named) },
		func() error { return s.adoptLeases(&undo, named) },
		func() error { return s.adoptListener(&undo, named) },
		func() error { return s.adoptEndpoint(&undo, vectors) },
		func() error { return s.startLoop(&undo, k) },
	} {
		if err := step(); err != nil {
			return nil, fmt.Errorf("adopting slot: %w", err)
		}
	}
	s.recordState(events.SlotReserved)
	if s.state == Running {
		s.recordState(events.DomainStarted)
	}
	s.adoptConnections(k)
	s.endpoint.serve(s.listener)
	undo.Success()
	return s, nil
}

func (s *Slot) adoptMemory(undo *revert.Reverter, named map[string]*os.File) error {
	for _, name := range []string{"window", "account"} {
		// /memfd:vgpu-UUID, which nobody can change
		if path, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", named[name].Fd())); err != nil || !strings.Contains(path, s.UUID.String()) {
			return fmt.Errorf("%w: the %s is %q, %v", ErrMismatch, name, path, err)
		}
	}
	var err error
	if s.window, err = window.Map(named["window"]); err != nil {
		return fmt.Errorf("%w: %w", ErrMismatch, err)
	}
	delete(named, "window")
	undo.Add(func() { _ = s.window.Close() })
	if s.window.Size != s.Config.Window || int(s.window.Channels) != s.Channels {
		return fmt.Errorf("%w: the window has %d bytes and %d channels, should have %d and %d",
			ErrMismatch, s.window.Size, s.window.Channels, s.Config.Window, s.Channels)
	}
	if s.account, err = window.MapAccount(named["account"]); err != nil {
		return fmt.Errorf("%w: %w", ErrMismatch, err)
	}
	delete(named, "account")
	undo.Add(func() { _ = s.account.Close() })
	s.account.SetQuota(s.settings.Memory) // a change may have been cut short
	s.window.SetTotalMemory(s.settings.Memory)
	return nil
}

func (s *Slot) adoptListener(undo *revert.Reverter, named map[string]*os.File) error {
	listener, err := net.FileListener(named["listener"])
	if err != nil {
		return fmt.Errorf("%w: %w", ErrMismatch, err)
	}
	undo.Add(func() { _ = listener.Close() })
	_ = named["listener"].Close()
	delete(named, "listener")
	var ok bool
	if s.listener, ok = listener.(*net.UnixListener); !ok || listener.Addr().String() != s.Socket.Path {
		return fmt.Errorf("%w: it listens on %v, should on %s", ErrMismatch, listener.Addr(), s.Socket.Path)
	}
	if info, err := os.Stat(s.Socket.Path); err != nil || info.Mode()&os.ModeSocket == 0 {
		s.Log.WithError(err).Warn("the slot's socket was removed; nobody can connect to it any more")
	}
	return nil
}

// adoptEndpoint takes the eventfds over.
func (s *Slot) adoptEndpoint(undo *revert.Reverter, vectors []*os.File) error {
	count := 1 + s.Channels
	if len(vectors) != 2*count {
		return fmt.Errorf("%w: there are %d eventfds, should be %d", ErrMismatch, len(vectors), 2*count)
	}
	for _, file := range vectors {
		if kind, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", file.Fd())); err != nil || kind != "anon_inode:[eventfd]" {
			return fmt.Errorf("%w: %q is no eventfd, %v", ErrMismatch, kind, err)
		}
	}
	doorbells, interrupts := vectors[:count], vectors[count:]
	if s.Kind == Session {
		options := s.sessionOptions()
		options.Doorbells, options.Interrupts = doorbells, interrupts
		server, err := hostproc.New(options)
		if err != nil {
			return err
		}
		s.endpoint = &session{Server: server, log: s.Log}
	} else {
		server, err := ivshmem.Adopt(s.window.File(), doorbells, interrupts, s.Log)
		if err != nil {
			return err
		}
		d := newDevice(server, s)
		d.ever.Store(s.qemu != nil)
		s.endpoint = d
	}
	undo.Add(s.endpoint.close)
	return nil
}

// adoptConnections goes on with QEMU's connection, or the processes'.
func (s *Slot) adoptConnections(k *Kept) {
	if d, ok := s.endpoint.(*device); ok {
		if k.qemu != nil {
			d.adopt(k.qemu)
			k.qemu = nil
		}
		return
	}
	var connections []hostproc.Connection
	var forget []func()
	for _, p := range k.processes {
		conn, err := net.FileConn(p.Files[0])
		closeAll(p.take())
		socket, ok := conn.(*net.UnixConn)
		if err != nil || !ok {
			s.Log.WithError(err).Warn("a process's connection is lost")
			p.Forget()
			continue
		}
		connections = append(connections, hostproc.Connection{Conn: socket, Channel: p.Channel, Opened: p.Opened, Holds: p.Holds})
		forget = append(forget, p.Forget)
	}
	k.processes = nil
	s.endpoint.(*session).Adopt(connections, forget)
}

// adoptExecutors prepares the executors' adoption: the newest of each channel.
// Others, and those of channels that are not, end.
func (s *Slot) adoptExecutors(k *Kept, settings supervisor.Settings) []reconcile.Adopted {
	if k == nil {
		return nil
	}
	newest := map[int]*kept{}
	for _, e := range k.executors {
		other := newest[e.Channel]
		if e.Channel < 0 || e.Channel >= s.Channels || other != nil && other.Generation >= e.Generation {
			e.drop()
			continue
		}
		other.drop()
		newest[e.Channel] = e
	}
	k.executors = nil
	var adopted []reconcile.Adopted
	for channel, e := range newest {
		settings := settings
		settings.Keep = keptAlready(e.Forget)
		adopted = append(adopted, reconcile.Adopted{
			Channel: channel, Generation: e.Generation,
			Adopt: func(ready bool, sink func(supervisor.Event)) (reconcile.Executor, error) {
				executor, err := supervisor.Adopt(settings, channel, e.PID, e.Files, ready, s.watchLease(channel, true, sink))
				if err != nil {
					s.unwatchLease(channel)
					e.drop()
					return nil, err
				}
				return executor, nil
			},
		})
	}
	return adopted
}

func closeAll(named map[string]*os.File, rest []*os.File) {
	for _, file := range named {
		_ = file.Close()
	}
	for _, file := range rest {
		_ = file.Close()
	}
}
