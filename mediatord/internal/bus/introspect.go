package bus

import (
	"encoding/xml"
	"fmt"
	"slices"
	"strings"

	"github.com/godbus/dbus/v5"
	"github.com/godbus/dbus/v5/introspect"
	"github.com/godbus/dbus/v5/prop"
)

// introspectable is org.freedesktop.DBus.Introspectable of every object.
type introspectable struct {
	objects *objects
}

func standardInterfaces() []string {
	return []string{propertiesInterface, introspectInterface, objectManagerInterface, "org.freedesktop.DBus.Peer"}
}

// Introspect describes the object at the path that was called.
func (i *introspectable) Introspect(message dbus.Message) (string, *dbus.Error) {
	path := pathOf(message)
	node := introspect.Node{Name: string(path), Interfaces: []introspect.Interface{introspect.IntrospectData, prop.IntrospectData}}
	object, found := i.objects.at(path)
	if path == Root {
		node.Interfaces = append(node.Interfaces, objectManagerData())
	}
	for name, values := range object {
		node.Interfaces = append(node.Interfaces, interfaceData(name, values))
	}
	for child := range i.objects.all() {
		if rest, below := strings.CutPrefix(string(child), string(path)+"/"); below {
			first, _, _ := strings.Cut(rest, "/")
			if !slices.ContainsFunc(node.Children, func(n introspect.Node) bool { return n.Name == first }) {
				node.Children = append(node.Children, introspect.Node{Name: first})
			}
		}
	}
	if !found && len(node.Children) == 0 {
		return "", dbus.NewError("org.freedesktop.DBus.Error.UnknownObject", []any{"no object " + string(path)})
	}
	slices.SortFunc(node.Children, func(a, b introspect.Node) int { return strings.Compare(a.Name, b.Name) })
	text, err := xml.MarshalIndent(node, "", "  ")
	if err != nil {
		return "", toDBus(fmt.Errorf("describing %s: %w", path, err))
	}
	return introspect.IntrospectDeclarationString + string(text), nil
}

func interfaceData(name string, values map[string]dbus.Variant) introspect.Interface {
	data := introspect.Interface{Name: name}
	if name == ManagerInterface {
		data.Methods = managerMethods()
		data.Signals = []introspect.Signal{{Name: xidSignal, Args: []introspect.Arg{
			{Name: "pci", Type: "s"}, {Name: "code", Type: "t"}, {Name: "domain_uuid", Type: "s"}, {Name: "text", Type: "s"},
		}}}
	}
	for property, value := range values {
		data.Properties = append(data.Properties, introspect.Property{
			Name: property, Type: value.Signature().String(), Access: "read",
			Annotations: []introspect.Annotation{{Name: "org.freedesktop.DBus.Property.EmitsChangedSignal", Value: emits(name, property)}},
		})
	}
	slices.SortFunc(data.Properties, func(a, b introspect.Property) int { return strings.Compare(a.Name, b.Name) })
	return data
}

// emits says which changes PropertiesChanged tells; the others never happen,
// or are executors' counters, or a GPU that was found.
func emits(iface, property string) string {
	switch {
	case iface == SlotInterface && slices.Contains([]string{"State", "Connected", "Channels", "RefusedCalls", "Priority", "Weight", "MemoryQuota"}, property),
		iface == PoolInterface && property != "Name",
		iface == ManagerInterface && property == "ConfigurationError":
		return "true"
	case iface == SlotInterface && slices.Contains([]string{"MemoryUsed", "MemoryParked", "Statistics", "Faults", "ExecutorsStarted", "ExecutorsDied", "ExecutorsExpired"}, property),
		iface == PoolInterface && property == "ParkedHostMemory", iface == GPUInterface:
		return "false"
	}
	return "const"
}

func managerMethods() []introspect.Method {
	in := func(name, kind string) introspect.Arg { return introspect.Arg{Name: name, Type: kind, Direction: "in"} }
	out := func(name, kind string) introspect.Arg {
		return introspect.Arg{Name: name, Type: kind, Direction: "out"}
	}
	domain := []introspect.Arg{in("domain_uuid", "s")}
	return []introspect.Method{
		{Name: "Reserve", Args: []introspect.Arg{
			in("domain_uuid", "s"), in("domain_name", "s"), in("metadata_element_xml", "s"), in("socket_path", "s"), out("slot", "o"),
		}},
		{Name: "Check", Args: []introspect.Arg{in("metadata_element_xml", "s")}},
		{Name: "Change", Args: []introspect.Arg{in("domain_uuid", "s"), in("metadata_element_xml", "s"), out("applied", "as"), out("needs_restart", "as")}},
		{Name: "Park", Args: []introspect.Arg{in("domain_uuid", "s"), out("parked", "u"), out("kept", "as")}},
		{Name: "ParkContexts", Args: []introspect.Arg{in("domain_uuid", "s"), out("parked", "u"), out("kept", "as")}},
		{Name: "Started", Args: domain},
		{Name: "Stopped", Args: domain},
		{Name: "Release", Args: domain},
		{Name: "OpenSession", Args: []introspect.Arg{
			in("pool", "s"), in("priority", "s"), in("memory", "t"), in("name", "s"), out("slot", "o"), out("socket_path", "s"),
		}},
		{Name: "Reload", Args: []introspect.Arg{out("applied", "as"), out("later", "as")}},
		{Name: "Events", Args: []introspect.Arg{in("since", "t"), out("events", "a(txsssssiuusust)")}},
	}
}

func objectManagerData() introspect.Interface {
	return introspect.Interface{
		Name:    objectManagerInterface,
		Methods: []introspect.Method{{Name: "GetManagedObjects", Args: []introspect.Arg{{Name: "objects", Type: "a{oa{sa{sv}}}", Direction: "out"}}}},
		Signals: []introspect.Signal{
			{Name: "InterfacesAdded", Args: []introspect.Arg{{Name: "object", Type: "o"}, {Name: "interfaces", Type: "a{sa{sv}}"}}},
			{Name: "InterfacesRemoved", Args: []introspect.Arg{{Name: "object", Type: "o"}, {Name: "interfaces", Type: "as"}}},
		},
	}
}
