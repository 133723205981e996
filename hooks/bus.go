package hooks

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

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
	return m.call(ctx, "Reserve", domainUUID, domainName, element, socketPath)
}

func (m *busMediator) Started(ctx context.Context, domainUUID string) error {
	return m.call(ctx, "Started", domainUUID)
}

func (m *busMediator) Stopped(ctx context.Context, domainUUID string) error {
	return m.call(ctx, "Stopped", domainUUID)
}

func (m *busMediator) Release(ctx context.Context, domainUUID string) error {
	return m.call(ctx, "Release", domainUUID)
}

// How long a mediatord that ended during a call is waited for, and how often it is asked again: that is how a restart looks from here.
const (
	restartPatience = 3 * time.Second
	restartPause    = 50 * time.Millisecond
)

// call makes a call, and makes it again if mediatord is restarted meanwhile: calls may be repeated.
func (m *busMediator) call(ctx context.Context, method string, args ...any) error {
	var ended error
	for patience := time.Now().Add(restartPatience); ; {
		err := m.manager.CallWithContext(ctx, ManagerInterface+"."+method, 0, args...).Err
		var failure dbus.Error
		name := ""
		if errors.As(err, &failure) {
			name = failure.Name
		}
		switch {
		case name == "org.freedesktop.DBus.Error.NoReply":
			ended = err
		case name != "org.freedesktop.DBus.Error.ServiceUnknown" || ended == nil:
			return err
		}
		select {
		case <-ctx.Done():
			return ended
		case <-time.After(restartPause):
		}
		if time.Now().After(patience) {
			return ended
		}
	}
}

func (m *busMediator) Close() error { return m.connection.Close() }
