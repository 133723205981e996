package bus

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/godbus/dbus/v5"
	"github.com/sirupsen/logrus"

	"libvirt-vgpu/mediatord/internal/authority"
	"libvirt-vgpu/mediatord/internal/events"
	"libvirt-vgpu/mediatord/internal/mediator"
	"libvirt-vgpu/mediatord/internal/slot"
	"libvirt-vgpu/plugin/window"
)

// Mediator is mediator.Mediator.
type Mediator interface {
	Reserve(ctx context.Context, r mediator.ReserveRequest) error
	Check(ctx context.Context, metadata string) error
	Change(ctx context.Context, id window.UUID, metadata string) (mediator.Change, error)
	Park(ctx context.Context, id window.UUID, whole bool) (parked int, kept []string, err error)
	Started(id window.UUID) error
	Stopped(id window.UUID)
	Release(id window.UUID)
	OpenSession(ctx context.Context, r mediator.SessionRequest) (window.UUID, string, error)
	PoolNames() []string
	Pool(name string) (mediator.PoolStatus, error)
	SlotIDs() []window.UUID
	Slot(id window.UUID) (slot.Status, error)
	GPUs() []mediator.GPUStatus
	Events(since uint64, limit int) []events.Event
}

// Reloader puts the configuration that is in the files now in force.
type Reloader interface {
	// Reload fails with refusal.ErrInvalidConfiguration if a file is not valid;
	// then nothing has changed.
	Reload() (mediator.Configured, error)
	// Problem is what was wrong with the files when they were last read, empty if
	// nothing was.
	Problem() string
}

// accessDenied is the bus' error for who may not have a name.
const accessDenied = "org.freedesktop.DBus.Error.AccessDenied"

// ErrNameTaken: another mediatord is on the bus.
var ErrNameTaken = errors.New("another mediatord owns the name " + Service)

// signalPeriod is the least time between two PropertiesChanged of a slot.
const signalPeriod = 200 * time.Millisecond

// reconnectPause is the time between attempts to find a lost bus.
const reconnectPause = time.Second

// Bus is a connection to the message bus.
type Bus struct {
	address string // "system", "session" or a D-Bus address
	version string
	log     logrus.FieldLogger

	authority authority.Authority

	mediator Mediator // set by Serve, before the name is taken
	reloader Reloader // the same

	mu      sync.Mutex // guards the rest
	conn    *dbus.Conn
	pending map[window.UUID]*time.Timer // slots whose change is to be told
}

// New prepares a connection; nothing is sent before Serve.
func New(address, version string, who authority.Authority, log logrus.FieldLogger) *Bus {
	return &Bus{address: address, version: version, log: log, authority: who, pending: map[window.UUID]*time.Timer{}}
}

// Serve connects, exports the mediator, takes the name and calls ready; it
// returns when ctx ends. A bus that is lost later is looked for again.
func (b *Bus) Serve(ctx context.Context, m Mediator, r Reloader, ready func()) error {
	b.mediator, b.reloader = m, r
	if err := b.connect(ctx); err != nil {
		return err
	}
	ready()
	for {
		conn := b.connection()
		select {
		case <-ctx.Done():
			b.disconnect()
			return nil
		case <-conn.Context().Done():
		}
		b.log.Warn("the message bus went away, looking for it again")
		for {
			select {
			case <-ctx.Done():
				return nil
			case <-time.After(reconnectPause):
			}
			err := b.connect(ctx)
			if err == nil {
				b.log.Info("back on the message bus")
				break
			}
			b.log.WithError(err).Debug("no message bus yet")
		}
	}
}

func (b *Bus) connect(ctx context.Context) error {
	conn, err := dial(b.address)
	if err != nil {
		return fmt.Errorf("connecting to message bus %s: %w; start it, or name another with --bus", b.address, err)
	}
	if err := b.export(conn); err != nil {
		_ = conn.Close()
		return err
	}
	var reply dbus.RequestNameReply
	err = conn.BusObject().CallWithContext(ctx, "org.freedesktop.DBus.RequestName", 0, Service, dbus.NameFlagDoNotQueue).Store(&reply)
	if err == nil && reply != dbus.RequestNameReplyPrimaryOwner {
		err = ErrNameTaken
	}
	if err != nil {
		_ = conn.Close()
		var failure dbus.Error
		if errors.As(err, &failure) && failure.Name == accessDenied {
			err = fmt.Errorf("%w; only root may, and only where the package's /usr/share/dbus-1/system.d/%s.conf is", err, Service)
		}
		return fmt.Errorf("taking name on message bus: %w", err)
	}
	b.mu.Lock()
	b.conn = conn
	b.mu.Unlock()
	return nil
}

func dial(address string) (*dbus.Conn, error) {
	switch address {
	case "system":
		return dbus.ConnectSystemBus()
	case "session":
		return dbus.ConnectSessionBus()
	}
	return dbus.Connect(address)
}

// export makes the objects; all but the manager live in the subtree and are
// looked up in the mediator at every call.
func (b *Bus) export(conn *dbus.Conn) error {
	objects := &objects{bus: b}
	return errors.Join(
		conn.Export(&manager{bus: b, conn: conn}, Root, ManagerInterface),
		conn.Export(&objectManager{objects}, Root, objectManagerInterface),
		conn.ExportSubtree(&properties{objects}, Root, propertiesInterface),
		conn.ExportSubtree(&introspectable{objects}, Root, introspectInterface),
	)
}

func (b *Bus) connection() *dbus.Conn {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.conn
}

func (b *Bus) disconnect() {
	b.mu.Lock()
	conn := b.conn
	b.conn = nil
	for _, timer := range b.pending {
		timer.Stop()
	}
	clear(b.pending)
	b.mu.Unlock()
	if conn != nil {
		_ = conn.Close()
	}
}
