// Package slot is one vGPU in use: a domain's or a session's window, socket,
// executors and files, made and removed together.
//
// Lock order: Slot.mu is the only lock; it is not held while executors stop.
package slot

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sirupsen/logrus"
	"golang.org/x/sys/unix"

	"libvirt-vgpu/mediatord/internal/arbiter"
	"libvirt-vgpu/mediatord/internal/describe"
	"libvirt-vgpu/mediatord/internal/events"
	"libvirt-vgpu/mediatord/internal/fdstore"
	"libvirt-vgpu/mediatord/internal/hostproc"
	"libvirt-vgpu/mediatord/internal/pool"
	"libvirt-vgpu/mediatord/internal/reconcile"
	"libvirt-vgpu/mediatord/internal/revert"
	"libvirt-vgpu/mediatord/internal/supervisor"
	"libvirt-vgpu/mediatord/internal/watchdog"
	"libvirt-vgpu/plugin/ivshmem"
	"libvirt-vgpu/plugin/window"
	vgpuxml "libvirt-vgpu/xml"
)

// Kind says who uses a slot.
type Kind string

// The kinds of slots.
const (
	Domain  Kind = "domain"  // a libvirt domain, through QEMU
	Session Kind = "session" // processes of this host, through a socket
)

// State is where a slot stands.
type State string

// The states of a slot.
const (
	Reserved State = "reserved" // the socket listens
	Running  State = "running"
	Stopped  State = "stopped" // the domain is gone, release follows

	released State = "released" // in a record: the release was not finished
)

// Socket says where a slot listens and who may connect.
type Socket struct {
	Path     string // in Config.Directory
	UID, GID int
	Mode     os.FileMode
	// Allow decides about the peer of a domain's socket.
	Allow func(unix.Ucred) error
}

// Config is everything a slot is made from.
type Config struct {
	UUID      window.UUID
	Name      string // the domain's
	Kind      Kind
	Pool      string
	Settings  Settings // those of the start
	Window    uint64   // bytes
	Channels  int
	Grant     pool.Grant
	Directory string // made and removed by the slot
	Socket    Socket
	Executor  supervisor.Settings // domain and GPU are filled in
	Sensors   reconcile.Sensors
	// Arbiter schedules the executors on the GPU; nil: nobody does.
	Arbiter    *arbiter.Arbiter
	PoolWeight int // at the start
	// KernelLimit is the longest that a kernel or graph may run, 0: for ever. It needs
	// Arbiter. Processes is the driver's view of executors; nil: none.
	KernelLimit time.Duration
	Processes   watchdog.GPU
	Parking     reconcile.Parking
	// Changed is called when Status would answer something new, Held when a
	// session's HOLD connection came or went. Neither may call Close.
	Changed func()
	Held    func(holds bool)
	// Disconnected is called when a domain's QEMU has closed its connection; may be
	// nil, must return at once.
	Disconnected func()
	// Record is told of the slot's life and of its executors'; may be nil.
	Record func(events.Event)
	// Store keeps the slot for the next mediatord; nil if there is none to come.
	// Request is kept with it: what the slot was asked for by.
	Store   *fdstore.Store
	Request json.RawMessage
	Log     logrus.FieldLogger
}

// Slot is one vGPU in use.
type Slot struct {
	Config
	window   *window.Window
	account  *window.Account
	leases   leases
	endpoint endpoint
	listener *net.UnixListener
	loop     *reconcile.Loop
	entry    *fdstore.Entry // of memory, eventfds and listener
	saving   sync.Mutex     // one record is written at a time

	poolWeight atomic.Int64

	mu       sync.Mutex // guards the rest
	state    State
	closed   bool
	settings Settings
	watchers []*watcher
	qemu     *Process // the last that was given the window
	request  json.RawMessage
}

// Open makes a slot; its socket listens when it returns. On an error nothing
// is left.
func Open(cfg Config) (*Slot, error) {
	s := &Slot{Config: cfg, state: Reserved, settings: cfg.Settings, request: cfg.Request}
	s.poolWeight.Store(int64(cfg.PoolWeight))
	var undo revert.Reverter
	defer undo.Fail()
	startLoop := func(undo *revert.Reverter) error { return s.startLoop(undo, nil) }
	for _, step := range []func(*revert.Reverter) error{s.makeDirectory, s.makeMemory, s.makeLeases, s.makeEndpoint, s.listen, s.persist, startLoop} {
		if err := step(&undo); err != nil {
			return nil, fmt.Errorf("opening slot of %s %s: %w", cfg.Kind, cfg.Name, err)
		}
	}
	s.recordState(events.SlotReserved)
	s.endpoint.serve(s.listener)
	undo.Success()
	return s, nil
}

func (s *Slot) makeDirectory(undo *revert.Reverter) error {
	if err := os.RemoveAll(s.Directory); err != nil { // of a mediatord that died
		return fmt.Errorf("removing stale directory: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(s.Directory), 0o711); err != nil {
		return fmt.Errorf("making runtime directory: %w", err)
	}
	if err := os.Mkdir(s.Directory, 0o711); err != nil {
		return fmt.Errorf("making runtime directory: %w", err)
	}
	undo.Add(func() { _ = os.RemoveAll(s.Directory) })
	return os.Chmod(s.Directory, 0o711) // whatever the umask
}

func (s *Slot) makeMemory(undo *revert.Reverter) error {
	var err error
	if s.window, err = window.Create(s.UUID.String(), s.Config.Window, s.Channels); err != nil {
		return err
	}
	undo.Add(func() { _ = s.window.Close() })
	if s.account, err = window.CreateAccount(s.UUID.String(), s.Config.Settings.Memory); err != nil {
		return err
	}
	undo.Add(func() { _ = s.account.Close() })
	d := *s.Grant.Device.Description
	s.account.SetFacts(d.Facts())
	d.UUID = describe.VirtualUUID(s.UUID)
	d.TotalMemory, d.UsedMemory = s.Config.Settings.Memory, 0
	d.Utilization, d.Temperature, d.PowerMilliwatts = 0, 0, 0
	return s.window.SetDescription(&d)
}

func (s *Slot) makeEndpoint(undo *revert.Reverter) error {
	if s.Kind == Session {
		server, err := hostproc.New(s.sessionOptions())
		if err != nil {
			return err
		}
		s.endpoint = &session{Server: server, log: s.Log}
	} else {
		server, err := ivshmem.New(s.window.File(), vgpuxml.Vectors(s.Channels), s.Log)
		if err != nil {
			return err
		}
		s.endpoint = newDevice(server, s)
	}
	undo.Add(s.endpoint.close)
	return nil
}

func (s *Slot) sessionOptions() hostproc.Options {
	return hostproc.Options{
		Window: s.window, Owner: uint32(s.Socket.UID), Connected: s.Changed, Held: s.Held, Keep: s.keepProcess, Log: s.Log,
	}
}

// persist makes the slot one that the next mediatord finds.
func (s *Slot) persist(undo *revert.Reverter) error {
	s.keepMemory()
	undo.Add(s.entry.Forget)
	s.save()
	return nil
}

func (s *Slot) listen(undo *revert.Reverter) error {
	network := "unix"
	if s.Kind == Session {
		network = "unixpacket"
	}
	listener, err := net.ListenUnix(network, &net.UnixAddr{Name: s.Socket.Path, Net: network})
	if err != nil {
		return fmt.Errorf("listening on socket: %w", err)
	}
	undo.Add(func() { _ = listener.Close() })
	s.listener = listener
	if err := os.Chmod(s.Socket.Path, s.Socket.Mode); err != nil {
		return fmt.Errorf("setting mode of socket: %w", err)
	}
	if s.Socket.UID == os.Geteuid() && s.Socket.GID < 0 {
		return nil
	}
	if err := os.Chown(s.Socket.Path, s.Socket.UID, s.Socket.GID); err != nil {
		return fmt.Errorf("setting owner of socket: %w", err)
	}
	return nil
}

// startLoop begins to serve the window; k is what an earlier mediatord left, nil
// for a new window.
func (s *Slot) startLoop(undo *revert.Reverter, k *Kept) error {
	settings := s.Executor
	settings.GPU = s.Grant.Device.Argument
	settings.Domain, settings.DomainUUID = s.Name, s.UUID.String()
	loop, err := reconcile.Start(reconcile.Config{
		Window: s.window, Account: s.account, Eventfds: s.endpoint, Sensors: s.Sensors, Parking: s.Parking, Changed: s.Changed, Record: s.record, Log: s.Log,
		GPUTime: s.gpuTime(), Watchdog: s.watchdog(), Waker: s.waker(), Resumed: k != nil, Adopted: s.adoptExecutors(k, settings),
		Launch: func(channel int, generation uint32, sink func(supervisor.Event)) (reconcile.Executor, error) {
			settings := settings
			settings.Keep = s.keepExecutor(channel, generation)
			files := supervisor.Files{
				Window: s.window.File(), Account: s.account.File(),
				Doorbell: s.endpoint.Doorbell(1 + channel), Interrupt: s.endpoint.Interrupt(1 + channel),
			}
			if s.leases.table != nil {
				files.Leases, files.Report = s.leases.table.File(), s.leases.report
			}
			executor, err := supervisor.Launch(settings, files, channel, generation, s.watchLease(channel, false, sink))
			if err != nil {
				s.unwatchLease(channel)
				return nil, err
			}
			return executor, nil
		},
	})
	if err != nil {
		return err
	}
	undo.Add(loop.Close)
	s.loop = loop
	return nil
}

// SetState notes what libvirt says about the domain. Stopped ends all
// executors.
func (s *Slot) SetState(state State) {
	s.mu.Lock()
	changed := s.state != state && !s.closed
	s.state = state
	s.mu.Unlock()
	if !changed {
		return
	}
	s.save()
	switch state {
	case Running:
		s.recordState(events.DomainStarted)
	case Stopped:
		s.recordState(events.DomainStopped)
		s.loop.StopExecutors()
	}
	s.Changed()
}

// setQEMU notes which process is given the window.
func (s *Slot) setQEMU(pid int) {
	process, err := findProcess(pid)
	if err != nil {
		s.Log.WithError(err).Warn("QEMU's process is not known")
		return
	}
	s.mu.Lock()
	s.qemu = &process
	s.mu.Unlock()
	s.save()
}

// ChannelStatus is the part of Status about guest processes.
func (s *Slot) ChannelStatus() []reconcile.ChannelStatus { return s.loop.Status() }

// Park is reconcile.Loop's.
func (s *Slot) Park(ctx context.Context, channel int, whole bool) error {
	return s.loop.Park(ctx, channel, whole)
}

// Attend has the slot's loop look again: terms of its pool have changed.
func (s *Slot) Attend() { s.loop.Attend() }

// Abandoned says that the QEMU that was given the window has ended.
func (s *Slot) Abandoned() bool {
	s.mu.Lock()
	qemu := s.qemu
	s.mu.Unlock()
	return qemu != nil && !s.Connected() && !qemu.Alive()
}

// Ping returns when the slot's loop has come round once, or with ctx's error.
func (s *Slot) Ping(ctx context.Context) error { return s.loop.Ping(ctx) }

// Fresh says that no QEMU has used the slot yet.
func (s *Slot) Fresh() bool { return !s.endpoint.everConnected() }

// Connected says that QEMU, or a process of a session, is connected.
func (s *Slot) Connected() bool { return s.endpoint.connections() > 0 }

// Close ends executors and connections and removes everything; it returns when
// nothing is left. A second call waits for nothing.
func (s *Slot) Close() {
	s.mu.Lock()
	closed := s.closed
	if !closed {
		s.closed, s.state = true, released
	}
	s.mu.Unlock()
	if closed {
		return
	}
	s.save()
	s.endpoint.disconnect()
	s.loop.Close()
	s.endpoint.close()
	_ = s.listener.Close()
	s.entry.Forget()
	s.closeLeases()
	for what, closer := range map[string]interface{ Close() error }{"account": s.account, "window": s.window} {
		if err := closer.Close(); err != nil {
			s.Log.WithError(err).Warn("closing " + what + " failed")
		}
	}
	if err := os.RemoveAll(s.Directory); err != nil {
		s.Log.WithError(err).Warn("removing runtime directory failed")
	}
	s.recordState(events.SlotReleased)
}
