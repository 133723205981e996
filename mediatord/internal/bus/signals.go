package bus

import (
	"time"

	"github.com/godbus/dbus/v5"

	"libvirt-vgpu/plugin/window"
)

// SlotAdded tells of a new slot.
func (b *Bus) SlotAdded(id window.UUID) {
	if b.connection() == nil {
		return
	}
	path := SlotPath(id)
	values, err := (&objects{bus: b}).slot(id)
	if err != nil {
		return // gone again
	}
	b.emit(Root, objectManagerInterface+".InterfacesAdded", path, map[string]map[string]dbus.Variant{SlotInterface: values})
	b.poolChanged(values["Pool"])
}

// SlotRemoved tells that a slot is gone.
func (b *Bus) SlotRemoved(id window.UUID) {
	b.mu.Lock()
	if timer := b.pending[id]; timer != nil {
		timer.Stop()
		delete(b.pending, id)
	}
	b.mu.Unlock()
	if b.connection() == nil {
		return
	}
	b.emit(Root, objectManagerInterface+".InterfacesRemoved", SlotPath(id), []string{SlotInterface})
	for _, name := range b.mediator.PoolNames() {
		b.poolChanged(dbus.MakeVariant(name))
	}
}

// SlotChanged tells of a change a little later, once for many.
func (b *Bus) SlotChanged(id window.UUID) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.conn == nil || b.pending[id] != nil {
		return
	}
	b.pending[id] = time.AfterFunc(signalPeriod, func() { b.tellSlotChanged(id) })
}

func (b *Bus) tellSlotChanged(id window.UUID) {
	b.mu.Lock()
	delete(b.pending, id)
	b.mu.Unlock()
	values, err := (&objects{bus: b}).slot(id)
	if err != nil {
		return
	}
	changed := map[string]dbus.Variant{}
	for _, name := range []string{"State", "Connected", "MemoryUsed", "Channels", "RefusedCalls", "Priority", "Weight", "MemoryQuota"} {
		changed[name] = values[name]
	}
	b.emit(SlotPath(id), propertiesInterface+".PropertiesChanged", SlotInterface, changed, []string{})
	b.poolChanged(values["Pool"])
}

// PoolChanged tells that a pool has other terms, or another isolation.
func (b *Bus) PoolChanged(name string) {
	if b.connection() == nil {
		return
	}
	if values, err := (&objects{bus: b}).pool(name); err == nil {
		b.emit(PoolPath(name), propertiesInterface+".PropertiesChanged", PoolInterface, values, []string{})
	}
}

// PoolAdded tells of a new pool.
func (b *Bus) PoolAdded(name string) {
	if b.connection() == nil {
		return
	}
	if values, err := (&objects{bus: b}).pool(name); err == nil {
		b.emit(Root, objectManagerInterface+".InterfacesAdded", PoolPath(name), map[string]map[string]dbus.Variant{PoolInterface: values})
	}
}

// PoolRemoved tells that a pool is configured no more.
func (b *Bus) PoolRemoved(name string) {
	if b.connection() != nil {
		b.emit(Root, objectManagerInterface+".InterfacesRemoved", PoolPath(name), []string{PoolInterface})
	}
}

// XidReported tells of an error of a GPU.
func (b *Bus) XidReported(pci string, code uint64, id, text string) {
	b.emit(Root, ManagerInterface+"."+xidSignal, pci, code, id, text)
}

// xidSignal is Xid(s pci, t code, s domain_uuid, s text).
const xidSignal = "Xid"

func (b *Bus) poolChanged(name dbus.Variant) {
	text, _ := name.Value().(string)
	status, err := b.mediator.Pool(text)
	if err != nil {
		return
	}
	b.emit(PoolPath(text), propertiesInterface+".PropertiesChanged", PoolInterface, map[string]dbus.Variant{
		"Used": dbus.MakeVariant(uint32(status.Used)), "MemoryPromised": dbus.MakeVariant(status.Promised),
		"IsolationLevel": dbus.MakeVariant(status.IsolationLevel), "IsolationFindings": dbus.MakeVariant(notNil(status.IsolationFindings)),
	}, []string{})
}

func (b *Bus) emit(path dbus.ObjectPath, name string, values ...any) {
	conn := b.connection()
	if conn == nil {
		return
	}
	if err := conn.Emit(path, name, values...); err != nil {
		b.log.WithError(err).WithField("signal", name).Debug("sending signal failed")
	}
}
