package bus

import (
	"context"
	"time"

	"github.com/godbus/dbus/v5"
	"github.com/sirupsen/logrus"

	"libvirt-vgpu/mediatord/internal/authority"
	"libvirt-vgpu/mediatord/internal/mediator"
	"libvirt-vgpu/mediatord/internal/refusal"
	"libvirt-vgpu/plugin/window"
)

// callTimeout bounds a call: the hook waits at most ten seconds for prepare.
const callTimeout = 9 * time.Second

// parkTimeout bounds Park: copying takes its time, at most D-Bus's default.
const parkTimeout = 20 * time.Second

// passwordTimeout bounds a call whose caller may be asked for a password.
const passwordTimeout = 2 * time.Minute

// manager is the root object's own interface.
type manager struct {
	bus  *Bus
	conn *dbus.Conn
}

// Reserve makes the slot of a domain that is about to start and returns its
// object.
func (m *manager) Reserve(domainUUID, domainName, metadataElement, socketPath string, message dbus.Message) (dbus.ObjectPath, *dbus.Error) {
	if _, err := m.allow(message, authority.ManageSlots); err != nil {
		return "/", toDBus(err)
	}
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
func (m *manager) Change(domainUUID, metadataElement string, message dbus.Message) (applied, restart []string, failure *dbus.Error) {
	if _, err := m.allow(message, authority.ChangeSettings); err != nil {
		return nil, nil, toDBus(err)
	}
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

// Park moves the device memory of a domain's processes to host memory. It returns
// how many are parked, and why others are not.
func (m *manager) Park(domainUUID string, message dbus.Message) (parked uint32, kept []string, failure *dbus.Error) {
	return m.park(domainUUID, message, false)
}

// ParkContexts is Park for the processes' contexts too: they are not on the GPU then.
func (m *manager) ParkContexts(domainUUID string, message dbus.Message) (parked uint32, kept []string, failure *dbus.Error) {
	return m.park(domainUUID, message, true)
}

func (m *manager) park(domainUUID string, message dbus.Message, whole bool) (parked uint32, kept []string, failure *dbus.Error) {
	if _, err := m.allow(message, authority.ChangeSettings); err != nil {
		return 0, nil, toDBus(err)
	}
	id, err := parseDomain(domainUUID)
	if err != nil {
		return 0, nil, toDBus(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), parkTimeout)
	defer cancel()
	count, kept, err := m.bus.mediator.Park(ctx, id, whole)
	if err != nil {
		return 0, nil, toDBus(err)
	}
	return uint32(count), notNil(kept), nil
}

// Started notes that a reserved domain runs.
func (m *manager) Started(domainUUID string, message dbus.Message) *dbus.Error {
	if _, err := m.allow(message, authority.ManageSlots); err != nil {
		return toDBus(err)
	}
	id, err := parseDomain(domainUUID)
	if err != nil {
		return toDBus(err)
	}
	return toDBus(m.bus.mediator.Started(id))
}

// Stopped notes that a domain is gone.
func (m *manager) Stopped(domainUUID string, message dbus.Message) *dbus.Error {
	if _, err := m.allow(message, authority.ManageSlots); err != nil {
		return toDBus(err)
	}
	id, err := parseDomain(domainUUID)
	if err != nil {
		return toDBus(err)
	}
	m.bus.mediator.Stopped(id)
	return nil
}

// Release gives a domain's slot back.
func (m *manager) Release(domainUUID string, message dbus.Message) *dbus.Error {
	if _, err := m.allow(message, authority.ManageSlots); err != nil {
		return toDBus(err)
	}
	id, err := parseDomain(domainUUID)
	if err != nil {
		return toDBus(err)
	}
	m.bus.mediator.Release(id)
	return nil
}

// OpenSession makes a slot for processes of the caller's user and returns its
// object and the path of its socket.
func (m *manager) OpenSession(pool, priority string, memory uint64, name string, message dbus.Message) (dbus.ObjectPath, string, *dbus.Error) {
	who, err := m.allow(message, authority.OpenSession)
	if err != nil {
		return "/", "", toDBus(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), callTimeout)
	defer cancel()
	uid := who.UID
	id, socket, err := m.bus.mediator.OpenSession(ctx, mediator.SessionRequest{Pool: pool, Priority: priority, Memory: memory, Name: name, UID: uid})
	if err != nil {
		m.bus.log.WithField("uid", uid).WithError(err).Warn("session refused")
		return "/", "", toDBus(err)
	}
	return SlotPath(id), socket, nil
}

// Reload reads the configuration again and returns, in sentences, what is in force
// now and what will be later.
func (m *manager) Reload(message dbus.Message) (applied, later []string, failure *dbus.Error) {
	if _, err := m.allow(message, authority.Reload); err != nil {
		return nil, nil, toDBus(err)
	}
	done, err := m.bus.reloader.Reload()
	if err != nil {
		return nil, nil, toDBus(err)
	}
	return notNil(done.Applied), notNil(done.Later), nil
}

// allow decides whether the caller may do it.
func (m *manager) allow(message dbus.Message, action authority.Action) (authority.Credentials, error) {
	interactive := message.Flags&dbus.FlagAllowInteractiveAuthorization != 0
	timeout := callTimeout
	if interactive {
		timeout = passwordTimeout
	}
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	sender, _ := message.Headers[dbus.FieldSender].Value().(string)
	who, err := m.bus.authority.Check(ctx, authority.Bus{Conn: m.conn}, sender, action, interactive)
	if err != nil {
		m.bus.log.WithFields(logrus.Fields{"uid": who.UID, "action": action}).WithError(err).Warn("call refused")
	}
	return who, err
}

func parseDomain(text string) (window.UUID, error) {
	id, err := window.ParseUUID(text)
	if err != nil {
		return id, refusal.Because(refusal.ErrInvalidArgument, "domain UUID %q is not valid; allowed are 32 hexadecimal digits with hyphens", text)
	}
	return id, nil
}
