// Package domaintest has a libvirt domain for tests whose configurations are
// texts.
package domaintest

import (
	"fmt"
	"regexp"
	"strings"

	"libvirt.org/go/libvirt"

	vgpuxml "libvirt-vgpu/xml"
)

// UUID is that of XML's domain.
const UUID = "4dea22b3-1d52-d8f3-2516-782e98ab3fa0"

// XML is a domain web1 with this in its metadata and its devices.
func XML(element, devices string) string {
	return "<domain type='kvm'><name>web1</name><uuid>" + UUID + "</uuid><metadata>" + element + "</metadata><devices>" + devices + "</devices></domain>"
}

// Element is a metadata element with these attributes.
func Element(attributes string) string {
	return `<vgpu:gpu xmlns:vgpu="` + vgpuxml.Namespace + `" ` + attributes + `/>`
}

// Device is the device that the domain should have.
func Device() string {
	text, err := vgpuxml.DeviceXML(UUID, vgpuxml.DefaultChannels)
	if err != nil {
		panic(err)
	}
	return text
}

// Domain is a domain.Target.
type Domain struct {
	Stored, Live string // "" means transient, or not running
	Refusal      error  // of device and metadata calls
	// KeepsDevice is a guest that does not let go of its device.
	KeepsDevice bool
	// Before is called before each call that reads or changes a configuration.
	Before func()
	Calls  *[]string // what was called, with libvirt's flags
}

// GetXMLDesc implements domain.Target.
func (d *Domain) GetXMLDesc(flags libvirt.DomainXMLFlags) (string, error) {
	d.before()
	if flags&libvirt.DOMAIN_XML_INACTIVE != 0 {
		return d.Stored, nil
	}
	return d.Live, nil
}

// IsActive implements domain.Target.
func (d *Domain) IsActive() (bool, error) { return d.Live != "", nil }

// IsPersistent implements domain.Target.
func (d *Domain) IsPersistent() (bool, error) { return d.Stored != "", nil }

// AttachDeviceFlags implements domain.Target.
func (d *Domain) AttachDeviceFlags(device string, flags libvirt.DomainDeviceModifyFlags) error {
	d.before()
	if d.Refusal != nil {
		return d.Refusal
	}
	text := d.configuration(flags == libvirt.DOMAIN_DEVICE_MODIFY_LIVE)
	if strings.Contains(*text, device) {
		return libvirt.Error{Code: libvirt.ERR_OPERATION_INVALID, Message: "device is already in the domain configuration"}
	}
	*text = strings.Replace(*text, "</devices>", device+"</devices>", 1)
	d.note("attach %d", flags)
	return nil
}

// DetachDeviceFlags implements domain.Target.
func (d *Domain) DetachDeviceFlags(_ string, flags libvirt.DomainDeviceModifyFlags) error {
	d.before()
	if d.Refusal != nil {
		return d.Refusal
	}
	live := flags == libvirt.DOMAIN_DEVICE_MODIFY_LIVE
	if !strings.Contains(*d.configuration(live), `<shmem name="vgpu0"`) {
		return libvirt.Error{Code: libvirt.ERR_DEVICE_MISSING, Message: "device not found: matching shmem device was not found"}
	}
	if !live || !d.KeepsDevice {
		text := d.configuration(live)
		*text = regexp.MustCompile(`(?s)<shmem name="vgpu0".*?</shmem>`).ReplaceAllString(*text, "")
	}
	d.note("detach %d", flags)
	return nil
}

// SetMetadata implements domain.Target.
func (d *Domain) SetMetadata(_ libvirt.DomainMetadataType, metadata, key, uri string, flags libvirt.DomainModificationImpact) error {
	d.before()
	if d.Refusal != nil {
		return d.Refusal
	}
	text := d.configuration(flags == libvirt.DOMAIN_AFFECT_LIVE)
	*text = regexp.MustCompile(`<vgpu:gpu[^>]*/>`).ReplaceAllString(*text, "")
	if attributes, found := strings.CutPrefix(metadata, "<gpu"); found {
		*text = strings.Replace(*text, "<metadata>", "<metadata><"+key+":gpu xmlns:"+key+`="`+uri+`"`+attributes, 1)
	}
	d.note("metadata %d %s", flags, metadata)
	return nil
}

func (d *Domain) before() {
	if d.Before != nil {
		d.Before()
	}
}

func (d *Domain) configuration(live bool) *string {
	if live {
		return &d.Live
	}
	return &d.Stored
}

func (d *Domain) note(format string, args ...any) {
	if d.Calls != nil {
		*d.Calls = append(*d.Calls, fmt.Sprintf(format, args...))
	}
}
