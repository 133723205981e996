package vgpuxml

import (
	"encoding/xml"
	"slices"
	"strconv"

	"libvirt.org/go/libvirtxml"
)

// FreePort returns the bus of an empty pcie-root-port of the domain that takes devices while the domain runs; found is false if there
// is none. A guest can give the window of such a port room for a BAR of any size, which it cannot for a slot of a bridge that has
// other devices. The error is ErrMalformed.
func FreePort(document []byte) (bus uint, found bool, err error) {
	var ports, used []uint64
	port := -1 // of the controller that is being read, its place in ports
	err = walk(document, func(n node) error {
		switch token := n.token.(type) {
		case xml.StartElement:
			switch {
			case n.at("domain", "devices", "controller"):
				index, err := strconv.ParseUint(attribute(token, "index"), 10, 8)
				if err == nil && attribute(token, "type") == "pci" && attribute(token, "model") == "pcie-root-port" {
					port = len(ports)
					ports = append(ports, index)
				}
			case port >= 0 && token.Name.Local == "target" && attribute(token, "hotplug") == "off":
				used = append(used, ports[port])
			case token.Name.Local == "address" && attribute(token, "type") == "pci":
				if bus, err := strconv.ParseUint(attribute(token, "bus"), 0, 8); err == nil {
					used = append(used, bus)
				}
			}
		case xml.EndElement:
			if n.at("domain", "devices", "controller") {
				port = -1
			}
		}
		return nil
	})
	if err != nil {
		return 0, false, err
	}
	for _, index := range ports {
		if !slices.Contains(used, index) {
			return uint(index), true, nil
		}
	}
	return 0, false, nil
}

// DeviceAtXML is DeviceXML for a slot of its own: the one of a port's bus.
func DeviceAtXML(domainUUID string, channels int, bus uint) (string, error) {
	device, err := Device(domainUUID, channels)
	if err != nil {
		return "", err
	}
	zero := uint(0)
	device.Address = &libvirtxml.DomainAddress{PCI: &libvirtxml.DomainAddressPCI{Domain: &zero, Bus: &bus, Slot: &zero, Function: &zero}}
	return marshalDevice(device)
}
