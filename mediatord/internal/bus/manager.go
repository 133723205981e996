package bus

import (
	"context"
	"fmt"
	"time"

	"github.com/godbus/dbus/v5"

	"libvirt-vgpu/mediatord/internal/mediator"
	"libvirt-vgpu/mediatord/internal/refusal"
	"libvirt-vgpu/plugin/window"
)

// callTimeout bounds a call: the hook waits at most ten seconds for prepare.
const callTimeout = 9 * time.Second

// manager is the root object's own interface.
type manager struct {
	bus  *Bus
	conn *dbus.Conn
}

// Reserve makes the slot of a domain that is about to start and returns its
// object.
func (m *manager) Reserve(domainUUID, domainName, metadataElement, socketPath string) (dbus.ObjectPath, *dbus.Error) {
	id, err := parseDomain(domainUUID)
	if err != nil {
		return "/", toDBus(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), callTimeout)
	defer cancel()
	err = m.bus.mediator.Reserve(ctx, mediator.ReserveRequest{
		Domain: id, Name: domainName, Metadata: metadataElement, SocketPath: socketPath,
	})
	if err != nil {
		m.bus.log.WithField("domain", domainName).WithError(err).Warn("reservation refused")
		return "/", toDBus(err)
	}
	return SlotPath(id), nil
}

// Check says whether a metadata element's pool admits what it asks for.
func (m *manager) Check(metadataElement string) *dbus.Error {
	ctx, cancel := context.WithTimeout(context.Background(), callTimeout)
	defer cancel()
	return toDBus(m.bus.mediator.Check(ctx, metadataElement))
}

// Change gives a domain in use what its new metadata element says, and returns
// which attributes changed at once and which will with its next start.
func (m *manager) Change(domainUUID, metadataElement string) (applied, restart []string, failure *dbus.Error) {
	id, err := parseDomain(domainUUID)
	if err != nil {
		return nil, nil, toDBus(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), callTimeout)
	defer cancel()
	change, err := m.bus.mediator.Change(ctx, id, metadataElement)
	if err != nil {
		return nil, nil, toDBus(err)
	}
	return notNil(change.Applied), notNil(change.Restart), nil
}

// Started notes that a reserved domain runs.
func (m *manager) Started(domainUUID string) *dbus.Error {
	id, err := parseDomain(domainUUID)
	if err != nil {
		return toDBus(err)
	}
	return toDBus(m.bus.mediator.Started(id))
}

// Stopped notes that a domain is gone.
func (m *manager) Stopped(domainUUID string) *dbus.Error {
	id, err := parseDomain(domainUUID)
	if err != nil {
		return toDBus(err)
	}
	m.bus.mediator.Stopped(id)
	return nil
}

// Release gives a domain's slot back.
func (m *manager) Release(domainUUID string) *dbus.Error {
	id, err := parseDomain(domainUUID)
	if err != nil {
		return toDBus(err)
	}
	m.bus.mediator.Release(id)
	return nil
}

// OpenSession makes a slot for processes of the caller's user and returns its
// object and the path of its socket.
func (m *manager) OpenSession(pool, priority string, memory uint64, name string, sender dbus.Sender) (dbus.ObjectPath, string, *dbus.Error) {
	ctx, cancel := context.WithTimeout(context.Background(), callTimeout)
	defer cancel()
	var uid uint32
	if err := m.conn.BusObject().CallWithContext(ctx, "org.freedesktop.DBus.GetConnectionUnixUser", 0, string(sender)).Store(&uid); err != nil {
		return "/", "", toDBus(fmt.Errorf("asking the bus for the caller's user: %w", err))
	}
	id, socket, err := m.bus.mediator.OpenSession(ctx, mediator.SessionRequest{Pool: pool, Priority: priority, Memory: memory, Name: name, UID: uid})
	if err != nil {
		m.bus.log.WithField("uid", uid).WithError(err).Warn("session refused")
		return "/", "", toDBus(err)
	}
	return SlotPath(id), socket, nil
}

func parseDomain(text string) (window.UUID, error) {
	id, err := window.ParseUUID(text)
	if err != nil {
		return id, refusal.Because(refusal.ErrInvalidArgument, "domain UUID %q is not valid; allowed are 32 hexadecimal digits with hyphens", text)
	}
	return id, nil
}
