// Package domain reads and changes the vGPU of libvirt domains: the vgpu:gpu
// element in their metadata and the <shmem> device that it implies. Nothing else
// of a domain is touched.
//
// A domain has up to two configurations: the persistent one, in force with its
// next start, and the live one while it runs.
package domain

import (
	"errors"
	"fmt"

	"libvirt.org/go/libvirt"

	vgpuxml "libvirt-vgpu/xml"
)

// Target is what the package needs of a *libvirt.Domain.
type Target interface {
	GetXMLDesc(flags libvirt.DomainXMLFlags) (string, error)
	IsActive() (bool, error)
	IsPersistent() (bool, error)
	AttachDeviceFlags(xml string, flags libvirt.DomainDeviceModifyFlags) error
	DetachDeviceFlags(xml string, flags libvirt.DomainDeviceModifyFlags) error
	SetMetadata(kind libvirt.DomainMetadataType, metadata, key, uri string, flags libvirt.DomainModificationImpact) error
}

// Which names one of a domain's configurations.
type Which int

// The configurations.
const (
	Persistent Which = iota
	Live
)

// String is how messages call the configuration.
func (w Which) String() string {
	if w == Live {
		return "running domain"
	}
	return "persistent configuration"
}

// Flag is virsh's flag for it.
func (w Which) Flag() string {
	if w == Live {
		return "--live"
	}
	return "--config"
}

func (w Which) xml() libvirt.DomainXMLFlags {
	if w == Live {
		return 0
	}
	return libvirt.DOMAIN_XML_INACTIVE
}

func (w Which) device() libvirt.DomainDeviceModifyFlags {
	if w == Live {
		return libvirt.DOMAIN_DEVICE_MODIFY_LIVE
	}
	return libvirt.DOMAIN_DEVICE_MODIFY_CONFIG
}

func (w Which) metadata() libvirt.DomainModificationImpact {
	if w == Live {
		return libvirt.DOMAIN_AFFECT_LIVE
	}
	return libvirt.DOMAIN_AFFECT_CONFIG
}

// Configuration is what one configuration of a domain says about its vGPU.
type Configuration struct {
	vgpuxml.Domain
	// ElementErr is vgpuxml.ErrNoGPU without the element, ErrBadElement with a
	// bad one, nil with a good one.
	ElementErr error
	Device     vgpuxml.DeviceReport
	document   []byte
}

// HasElement says that there is a good element.
func (c Configuration) HasElement() bool { return c.ElementErr == nil }

// Read reads one configuration. The error is libvirt's, or that of a document
// that cannot be read.
func Read(target Target, which Which) (Configuration, error) {
	text, err := target.GetXMLDesc(which.xml())
	if err != nil {
		return Configuration{}, fmt.Errorf("reading XML of the %s: %w", which, err)
	}
	c := Configuration{document: []byte(text)}
	c.Domain, c.ElementErr = vgpuxml.ParseDomain(c.document)
	if errors.Is(c.ElementErr, vgpuxml.ErrMalformed) {
		return c, fmt.Errorf("reading XML of the %s: %w", which, c.ElementErr)
	}
	if c.Device, err = vgpuxml.FindDevice(c.document, vgpuxml.DefaultChannels); err != nil {
		return c, fmt.Errorf("reading XML of the %s: %w", which, err)
	}
	return c, nil
}

// AddDevice adds the device to a configuration that lacks it. Into a running
// domain it goes behind an empty pcie-root-port, if there is one; otherwise
// libvirt looks for a slot.
func AddDevice(target Target, c Configuration, which Which) error {
	device, err := vgpuxml.DeviceXML(c.UUID, vgpuxml.DefaultChannels)
	if err != nil {
		return err
	}
	if bus, found, portErr := vgpuxml.FreePort(c.document); which == Live && found && portErr == nil {
		if device, err = vgpuxml.DeviceAtXML(c.UUID, vgpuxml.DefaultChannels, bus); err != nil {
			return err
		}
	}
	if err := target.AttachDeviceFlags(device, which.device()); err != nil {
		return fmt.Errorf("adding the device to the %s: %w", which, err)
	}
	return nil
}

// RemoveDevice takes the device that the project made out of a configuration;
// removed is false if there is none. Of a running domain the device is gone only
// when its guest has let go of it.
func RemoveDevice(target Target, c Configuration, which Which) (removed bool, err error) {
	device, found, err := vgpuxml.OwnDevice(c.document)
	if err != nil || !found {
		return false, err
	}
	if err := target.DetachDeviceFlags(device, which.device()); err != nil {
		return false, fmt.Errorf("removing the device from the %s: %w", which, err)
	}
	return true, nil
}

// MetadataKey is the prefix under which libvirt writes the element.
const MetadataKey = "vgpu"

// SetElement writes the element into a configuration, in the place of the one
// that it has.
func SetElement(target Target, gpu vgpuxml.GPU, which Which) error {
	if err := gpu.Validate(); err != nil {
		return err
	}
	err := target.SetMetadata(libvirt.DOMAIN_METADATA_ELEMENT, gpu.Snippet(), MetadataKey, vgpuxml.Namespace, which.metadata())
	if err != nil {
		return fmt.Errorf("writing metadata of the %s: %w", which, err)
	}
	return nil
}

// RemoveElement takes the element out of a configuration.
func RemoveElement(target Target, which Which) error {
	err := target.SetMetadata(libvirt.DOMAIN_METADATA_ELEMENT, "", MetadataKey, vgpuxml.Namespace, which.metadata())
	if err != nil {
		return fmt.Errorf("removing metadata of the %s: %w", which, err)
	}
	return nil
}

// Text is libvirt's message without the numbers that the binding puts around it,
// behind what was being done.
func Text(err error) string {
	var failure libvirt.Error
	if !errors.As(err, &failure) {
		return err.Error()
	}
	whole := err.Error()
	if inner := failure.Error(); len(whole) > len(inner) && whole[len(whole)-len(inner):] == inner {
		return whole[:len(whole)-len(inner)] + failure.Message
	}
	return failure.Message
}
