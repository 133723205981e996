package hooks

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/godbus/dbus/v5"
)

// Names of mediatord on the bus.
const (
	Service          = "io.github.libvirt_vgpu.Mediator1"
	ObjectPath       = dbus.ObjectPath("/io/github/libvirt_vgpu/Mediator1")
	ManagerInterface = "io.github.libvirt_vgpu.Mediator1.Manager"
)

// Where the bus address comes from. libvirt runs hooks with a clean environment, so a host with another bus writes the file.
const (
	AddressVariable = "VGPU_BUS_ADDRESS"
	AddressFile     = "/etc/vgpu/bus-address"
)

// busError is a bus that cannot be reached.
type busError struct {
	reason, remedy string
	cause          error
}

func (e *busError) Error() string { return fmt.Sprintf("%s: %v", e.reason, e.cause) }
func (e *busError) Unwrap() error { return e.cause }

// BusAddress returns the D-Bus address to use: fromEnvironment if it is set, else the first line of the file if the file exists, else ""
// for the system bus. A file that is there but gives no address is an error.
func BusAddress(fromEnvironment, file string) (string, error) {
	if fromEnvironment != "" {
		return fromEnvironment, nil
	}
	data, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	line, _, _ := strings.Cut(string(data), "\n")
	line = strings.TrimSpace(line)
	if err == nil && line == "" {
		err = errors.New("its first line is empty")
	}
	if err != nil {
		return "", &busError{reason: "reading bus address file " + file, remedy: "write a D-Bus address into it or remove it", cause: err}
	}
	return line, nil
}

// ConnectMediator connects to the bus at address, or to the system bus if it is empty. It does not wait for mediatord: an absent one
// shows at the first call. The connection ends with the context.
func ConnectMediator(ctx context.Context, address string) (Mediator, error) {
	connect, reason, remedy := dbus.ConnectSystemBus, "the D-Bus system bus does not answer", "start it with systemctl start dbus"
	if address != "" {
		connect = func(options ...dbus.ConnOption) (*dbus.Conn, error) { return dbus.Connect(address, options...) }
		reason, remedy = fmt.Sprintf("the D-Bus bus at %q does not answer", address), fmt.Sprintf("start it or correct %s", AddressFile)
	}
	connection, err := connect(dbus.WithContext(ctx))
	if err != nil {
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return nil, &busError{reason: reason, remedy: remedy, cause: err}
	}
	return &busMediator{connection: connection, manager: connection.Object(Service, ObjectPath)}, nil
}

// busMediator is mediatord behind D-Bus.
type busMediator struct {
	connection *dbus.Conn
	manager    dbus.BusObject
}

func (m *busMediator) Reserve(ctx context.Context, domainUUID, domainName, element, socketPath string) error {
	var slot dbus.ObjectPath
	return m.manager.CallWithContext(ctx, ManagerInterface+".Reserve", 0, domainUUID, domainName, element, socketPath).Store(&slot)
}

func (m *busMediator) Started(ctx context.Context, domainUUID string) error {
	return m.manager.CallWithContext(ctx, ManagerInterface+".Started", 0, domainUUID).Err
}

func (m *busMediator) Stopped(ctx context.Context, domainUUID string) error {
	return m.manager.CallWithContext(ctx, ManagerInterface+".Stopped", 0, domainUUID).Err
}

func (m *busMediator) Release(ctx context.Context, domainUUID string) error {
	return m.manager.CallWithContext(ctx, ManagerInterface+".Release", 0, domainUUID).Err
}

func (m *busMediator) Close() error { return m.connection.Close() }
