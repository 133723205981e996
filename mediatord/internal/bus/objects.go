package bus

import (
	"slices"
	"strconv"
	"strings"

	"github.com/godbus/dbus/v5"

	"libvirt-vgpu/plugin/window"
)

// objects reads the objects' properties from the mediator.
type objects struct {
	bus *Bus
}

// interfaces is what GetManagedObjects has per object: interface to property
// to value.
type interfaces map[string]map[string]dbus.Variant

// at reads the object at a path; found is false if there is none.
func (o *objects) at(path dbus.ObjectPath) (object interfaces, found bool) {
	if path == Root {
		return interfaces{ManagerInterface: {
			"APIVersion": dbus.MakeVariant(APIVersion),
			"Version":    dbus.MakeVariant(o.bus.version),
			// empty, or what keeps the files that are there from being in force
			"ConfigurationError": dbus.MakeVariant(o.bus.reloader.Problem()),
		}}, true
	}
	rest, below := strings.CutPrefix(string(path), string(Root)+"/")
	kind, name, _ := strings.Cut(rest, "/")
	if !below {
		return nil, false
	}
	switch kind {
	case "pool":
		for _, pool := range o.bus.mediator.PoolNames() {
			if PoolPath(pool) == path {
				values, err := o.pool(pool)
				return interfaces{PoolInterface: values}, err == nil
			}
		}
	case "slot":
		id, err := window.ParseUUID(strings.ReplaceAll(name, "_", ""))
		if err != nil || SlotPath(id) != path {
			return nil, false
		}
		values, err := o.slot(id)
		return interfaces{SlotInterface: values}, err == nil
	case "gpu":
		index, err := strconv.Atoi(name)
		gpus := o.gpus()
		if err != nil || index < 0 || index >= len(gpus) || GPUPath(index) != path {
			return nil, false
		}
		return interfaces{GPUInterface: gpus[index]}, true
	}
	return nil, false
}

// all reads every object below the root.
func (o *objects) all() map[dbus.ObjectPath]interfaces {
	all := map[dbus.ObjectPath]interfaces{}
	for _, name := range o.bus.mediator.PoolNames() {
		if values, err := o.pool(name); err == nil {
			all[PoolPath(name)] = interfaces{PoolInterface: values}
		}
	}
	for _, id := range o.bus.mediator.SlotIDs() {
		if values, err := o.slot(id); err == nil {
			all[SlotPath(id)] = interfaces{SlotInterface: values}
		}
	}
	for i, values := range o.gpus() {
		all[GPUPath(i)] = interfaces{GPUInterface: values}
	}
	return all
}

func (o *objects) pool(name string) (map[string]dbus.Variant, error) {
	p, err := o.bus.mediator.Pool(name)
	if err != nil {
		return nil, err
	}
	return variants(map[string]any{
		"Name": p.Name, "Backend": p.Backend, "GPUs": notNil(p.GPUs), "Slots": uint32(p.Slots), "Used": uint32(p.Used),
		"Memory": p.Memory, "MaxMemory": p.MaxMemory, "MemoryPromised": p.Promised, "Weight": uint32(p.Weight),
		"Overcommit": p.Overcommit, "Priorities": notNil(p.Priorities),
		"ParkAfter": uint64(p.ParkAfter.Seconds()), "ParkContextAfter": uint64(p.ParkContextAfter.Seconds()),
		"ParkedHostMemory": p.ParkedHost, "MaxParkedHostMemory": p.ParkedHostMax,
		"Isolation": p.Isolation, "IsolationLevel": p.IsolationLevel, "IsolationFindings": notNil(p.IsolationFindings),
		"Terms": notNil(p.Terms),
	}), nil
}

func (o *objects) slot(id window.UUID) (map[string]dbus.Variant, error) {
	s, err := o.bus.mediator.Slot(id)
	if err != nil {
		return nil, err
	}
	channels := make([]map[string]dbus.Variant, 0, len(s.Channels))
	for _, c := range s.Channels {
		channels = append(channels, variants(map[string]any{
			"Channel": uint32(c.Channel), "PID": c.Process.PID, "UID": c.Process.UID, "Comm": c.Process.Comm,
			"State": c.State, "ExecutorPID": uint32(c.ExecutorPID), "MemoryUsed": c.MemoryUsed, "Message": c.Message,
			"Walls":  c.Walls,
			"Parked": c.Parked, "ParkedHostMemory": c.ParkedHost, "ContextParked": c.ContextParked, "Idle": uint64(c.Idle.Seconds()),
			"Queued": c.Queued, "Statistics": statistics(c.Statistics),
		}))
	}
	return variants(map[string]any{
		"UUID": s.UUID, "DomainName": s.Name, "Kind": string(s.Kind), "Pool": s.Pool, "Priority": s.Priority,
		"Weight": uint32(s.Weight), "State": string(s.State), "Connected": s.Connected, "SocketPath": s.SocketPath,
		"GPU": s.GPU, "Window": s.Window, "MemoryQuota": s.Quota, "MemoryUsed": s.MemoryUsed, "MemoryParked": s.Parked, "Channels": channels, "RefusedCalls": s.Refused,
		"Statistics": statistics(s.Totals.Statistics), "Faults": s.Totals.Faults,
		"ExecutorsStarted": s.Totals.Started, "ExecutorsDied": s.Totals.Died, "ExecutorsExpired": s.Totals.Expired,
	}), nil
}

func (o *objects) gpus() []map[string]dbus.Variant {
	var all []map[string]dbus.Variant
	for _, g := range o.bus.mediator.GPUs() {
		all = append(all, variants(map[string]any{
			"Name": g.Name, "UUID": g.UUID, "PCI": g.PCI, "Memory": g.Memory, "DriverVersion": g.Driver,
			"Pools": notNil(g.Pools), "Available": g.Available,
		}))
	}
	return all
}

func variants(values map[string]any) map[string]dbus.Variant {
	out := make(map[string]dbus.Variant, len(values))
	for name, value := range values {
		out[name] = dbus.MakeVariant(value)
	}
	return out
}

func notNil(list []string) []string { return append([]string{}, list...) }

// objectManager is org.freedesktop.DBus.ObjectManager of the root.
type objectManager struct {
	objects *objects
}

// GetManagedObjects returns everything in one call.
func (m *objectManager) GetManagedObjects() (map[dbus.ObjectPath]map[string]map[string]dbus.Variant, *dbus.Error) {
	all := map[dbus.ObjectPath]map[string]map[string]dbus.Variant{}
	for path, object := range m.objects.all() {
		all[path] = object
	}
	return all, nil
}

// properties is org.freedesktop.DBus.Properties of every object.
type properties struct {
	objects *objects
}

// Get reads one property.
func (p *properties) Get(message dbus.Message, iface, name string) (dbus.Variant, *dbus.Error) {
	values, err := p.GetAll(message, iface)
	if err != nil {
		return dbus.Variant{}, err
	}
	value, found := values[name]
	if !found {
		return dbus.Variant{}, dbus.NewError("org.freedesktop.DBus.Error.UnknownProperty", []any{"no property " + name})
	}
	return value, nil
}

// GetAll reads all properties of an interface.
func (p *properties) GetAll(message dbus.Message, iface string) (map[string]dbus.Variant, *dbus.Error) {
	path := pathOf(message)
	object, found := p.objects.at(path)
	if !found {
		return nil, dbus.NewError("org.freedesktop.DBus.Error.UnknownObject", []any{"no object " + string(path)})
	}
	values, found := object[iface]
	if !found && slices.Contains(standardInterfaces(), iface) {
		return map[string]dbus.Variant{}, nil
	}
	if !found {
		return nil, dbus.NewError("org.freedesktop.DBus.Error.UnknownInterface", []any{"no interface " + iface})
	}
	return values, nil
}

// Set refuses: everything is read-only.
func (p *properties) Set(_ dbus.Message, _, name string, _ dbus.Variant) *dbus.Error {
	return dbus.NewError("org.freedesktop.DBus.Error.PropertyReadOnly", []any{"property " + name + " is read-only"})
}

func pathOf(message dbus.Message) dbus.ObjectPath {
	path, _ := message.Headers[dbus.FieldPath].Value().(dbus.ObjectPath)
	return path
}
