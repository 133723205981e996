// Package bus shows a mediator on D-Bus: a manager, and one object per pool,
// slot and GPU below it, with ObjectManager, Properties and Introspectable.
//
// Lock order: Bus.mu is the only lock; it is not held while a signal is sent.
package bus

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/godbus/dbus/v5"

	"libvirt-vgpu/mediatord/internal/refusal"
	"libvirt-vgpu/plugin/window"
)

// Names on the bus.
const (
	Service = "io.github.libvirt_vgpu.Mediator1"
	Root    = dbus.ObjectPath("/io/github/libvirt_vgpu/Mediator1")

	ManagerInterface = Service + ".Manager"
	PoolInterface    = Service + ".Pool"
	SlotInterface    = Service + ".Slot"
	GPUInterface     = Service + ".GPU"

	errorPrefix = Service + ".Error."
)

// APIVersion counts additions to the interfaces; Service's number changes when
// something is taken away.
const APIVersion uint32 = 2

const (
	propertiesInterface    = "org.freedesktop.DBus.Properties"
	objectManagerInterface = "org.freedesktop.DBus.ObjectManager"
	introspectInterface    = "org.freedesktop.DBus.Introspectable"
)

// PoolPath is a pool's object. Characters that a path cannot have become _xx,
// their code in hexadecimal.
func PoolPath(name string) dbus.ObjectPath {
	var b strings.Builder
	for i := range len(name) {
		c := name[i]
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "_%02x", c)
		}
	}
	return Root + "/pool/" + dbus.ObjectPath(b.String())
}

// SlotPath is a slot's object.
func SlotPath(id window.UUID) dbus.ObjectPath {
	return Root + "/slot/_" + dbus.ObjectPath(strings.ReplaceAll(id.String(), "-", "_"))
}

// GPUPath is a GPU's object.
func GPUPath(index int) dbus.ObjectPath {
	return Root + "/gpu/" + dbus.ObjectPath(strconv.Itoa(index))
}

// toDBus gives an error its name; its text is the body.
func toDBus(err error) *dbus.Error {
	if err == nil {
		return nil
	}
	for kind, name := range refusal.Names() {
		if errors.Is(err, kind) {
			return dbus.NewError(errorPrefix+name, []any{err.Error()})
		}
	}
	return dbus.NewError(errorPrefix+"Internal", []any{err.Error()})
}
