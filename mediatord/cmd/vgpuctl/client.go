package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/godbus/dbus/v5"

	"libvirt-vgpu/mediatord/internal/bus"
)

// client talks to mediatord.
type client struct {
	conn *dbus.Conn
}

// dial connects to the message bus; mediatord need not run yet.
func dial(address string) (*client, error) {
	var conn *dbus.Conn
	var err error
	switch address {
	case "system":
		conn, err = dbus.ConnectSystemBus()
	case "session":
		conn, err = dbus.ConnectSessionBus()
	default:
		conn, err = dbus.Connect(address)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot reach the message bus (%s): is dbus running? %w", address, err)
	}
	return &client{conn: conn}, nil
}

func (c *client) close() { _ = c.conn.Close() }

// call calls a method of the root object and stores its results.
func (c *client) call(ctx context.Context, method string, args []any, results ...any) error {
	call := c.conn.Object(bus.Service, bus.Root).CallWithContext(ctx, method, dbus.FlagAllowInteractiveAuthorization, args...)
	if err := call.Store(results...); err != nil {
		return explain(err)
	}
	return nil
}

// errNoMediatord: the bus is there, mediatord is not.
var errNoMediatord = errors.New("mediatord is not running: start it with \"systemctl start mediatord\" and see \"journalctl -u mediatord\"")

// explain turns a D-Bus error into what a person can act on.
func explain(err error) error {
	var failure dbus.Error
	if !errors.As(err, &failure) {
		return err
	}
	switch failure.Name {
	case "org.freedesktop.DBus.Error.ServiceUnknown", "org.freedesktop.DBus.Error.NameHasNoOwner":
		return errNoMediatord
	case "org.freedesktop.DBus.Error.AccessDenied":
		return fmt.Errorf("the message bus does not let this user do that: use root or a user the policy admits (%w)", err)
	}
	if len(failure.Body) > 0 {
		if text, ok := failure.Body[0].(string); ok {
			return errors.New(text)
		}
	}
	return err
}
