package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/godbus/dbus/v5"

	"libvirt-vgpu/hooks"
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
		return nil, fmt.Errorf("cannot reach the message bus (%s): %w: systemctl start dbus, or name another with --bus", address, err)
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

// notStarted is errNoMediatord after an attempt to start it, with what the bus said.
type notStarted string

func (why notStarted) Error() string {
	return fmt.Sprintf("mediatord is not running and does not start (%s): see systemctl status mediatord", string(why))
}
func (why notStarted) Is(target error) bool { return target == errNoMediatord }

// explain turns a D-Bus error into what a person can act on.
func explain(err error) error {
	var failure dbus.Error
	if !errors.As(err, &failure) {
		return err
	}
	text := failure.Error()
	if len(failure.Body) > 0 {
		if said, ok := failure.Body[0].(string); ok {
			text = said
		}
	}
	switch name := strings.TrimPrefix(failure.Name, "org.freedesktop.DBus.Error."); {
	case name == "ServiceUnknown", name == "NameHasNoOwner":
		return errNoMediatord
	case hooks.NotActivated(failure.Name):
		return notStarted(text)
	case name == "AccessDenied":
		return fmt.Errorf("the message bus does not let this user do that: use root or a user the policy admits (%w)", err)
	}
	return errors.New(text)
}
