package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"libvirt.org/go/libvirt"

	vgpuxml "libvirt-vgpu/xml"
)

const attachUUID = "4dea22b3-1d52-d8f3-2516-782e98ab3fa0"

// fakeDomain is a domain whose configurations are texts.
type fakeDomain struct {
	stored, live string // "" means transient, or not running
	refusal      error  // of AttachDeviceFlags
	calls        *[]string
}

func (d *fakeDomain) GetXMLDesc(flags libvirt.DomainXMLFlags) (string, error) {
	if flags&libvirt.DOMAIN_XML_INACTIVE != 0 {
		return d.stored, nil
	}
	return d.live, nil
}
func (d *fakeDomain) IsActive() (bool, error)     { return d.live != "", nil }
func (d *fakeDomain) IsPersistent() (bool, error) { return d.stored != "", nil }

func (d *fakeDomain) AttachDeviceFlags(device string, flags libvirt.DomainDeviceModifyFlags) error {
	if d.refusal != nil {
		return d.refusal
	}
	configuration := &d.stored
	if flags == libvirt.DOMAIN_DEVICE_MODIFY_LIVE {
		configuration = &d.live
	}
	*configuration = strings.Replace(*configuration, "</devices>", device+"</devices>", 1)
	*d.calls = append(*d.calls, fmt.Sprintf("attach %d", flags))
	return nil
}

// fakeReserver is a mediatord that says yes, or refusal.
type fakeReserver struct {
	refusal error
	calls   *[]string
}

func (r fakeReserver) reserve(_ context.Context, domain vgpuxml.Domain, socket string) error {
	*r.calls = append(*r.calls, fmt.Sprintf("reserve %s %s %s", domain.UUID, domain.GPU.Pool, socket))
	return r.refusal
}
func (r fakeReserver) started(_ context.Context, uuid string) error {
	*r.calls = append(*r.calls, "started "+uuid)
	return nil
}
func (r fakeReserver) release(_ context.Context, uuid string) error {
	*r.calls = append(*r.calls, "release "+uuid)
	return nil
}

func attachXML(element, devices string) string {
	return "<domain type='kvm'><name>web1</name><uuid>" + attachUUID + "</uuid><metadata>" + element + "</metadata><devices>" + devices + "</devices></domain>"
}

func TestAttach(t *testing.T) {
	const element = `<vgpu:gpu xmlns:vgpu="urn:libvirt-vgpu:1" pool="gold"/>`
	device, err := vgpuxml.DeviceXML(attachUUID, vgpuxml.DefaultChannels)
	if err != nil {
		t.Fatal(err)
	}
	with, without := attachXML(element, device), attachXML(element, "")
	reserve := "reserve " + attachUUID + " gold /run/vgpu/domain-" + attachUUID + "/ivshmem.sock"
	config, live := fmt.Sprintf("attach %d", libvirt.DOMAIN_DEVICE_MODIFY_CONFIG), fmt.Sprintf("attach %d", libvirt.DOMAIN_DEVICE_MODIFY_LIVE)
	started, release := "started "+attachUUID, "release "+attachUUID
	noSlot := libvirt.Error{Message: "internal error: No more available PCI slots"}
	for _, tc := range []struct {
		name         string
		stored, live string
		running      bool
		unplugged    error // libvirt's refusal
		unreserved   error // mediatord's
		calls        []string
		says         string // its output or its error contains
		fails        bool
	}{
		{name: "added", stored: without, calls: []string{config}, says: "web1: added the device vgpu0 to the persistent configuration\n"},
		{name: "there already", stored: with, says: "web1: the persistent configuration has the device vgpu0 already\n"},
		{name: "running domain's device counts only live", stored: without, live: with, calls: []string{config}, says: "added"},
		{name: "no element", stored: attachXML("", ""), says: `virsh metadata web1 --uri urn:libvirt-vgpu:1 --key vgpu --set '<gpu pool="default"/>' --config`, fails: true},
		{name: "bad element", stored: attachXML(`<vgpu:gpu xmlns:vgpu="urn:libvirt-vgpu:1" weight="0"/>`, ""), says: `weight="0"`, fails: true},
		{name: "other device", stored: attachXML(element, strings.Replace(device, `"33"`, `"4"`, 1)), says: `vectors is "4", must be "33"`, fails: true},
		{name: "transient", live: without, says: "use --live", fails: true},
		{name: "libvirt refuses", stored: without, unplugged: noSlot, says: "adding the device to the persistent configuration: internal error: No more available PCI slots", fails: true},

		{name: "live", stored: without, live: without, running: true, calls: []string{reserve, live, started, config}, says: "to the running domain\nweb1: added the device vgpu0 to the persistent"},
		{name: "live again", stored: with, live: with, running: true, says: "already"},
		{name: "live of a transient domain", live: without, running: true, calls: []string{reserve, live, started}, says: "to the running domain\n"},
		{name: "live but shut off", stored: without, running: true, says: "does not run", fails: true},
		{name: "live without element", stored: without, live: attachXML("", ""), running: true, says: "--live", fails: true},
		{name: "live without a PCI slot", stored: without, live: without, running: true, unplugged: noSlot, calls: []string{reserve, release}, says: "No more available PCI slots", fails: true},
		{name: "live without a slot", stored: without, live: without, running: true, unreserved: errors.New("pool \"gold\" is full"), calls: []string{reserve}, says: "is full", fails: true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var calls []string
			var out bytes.Buffer
			a := attacher{name: "web1", target: &fakeDomain{stored: tc.stored, live: tc.live, refusal: tc.unplugged, calls: &calls}, out: &out}
			var err error
			if tc.running {
				err = a.running(t.Context(), fakeReserver{refusal: tc.unreserved, calls: &calls})
			} else {
				err = a.persistent()
			}
			said := out.String()
			if err != nil {
				said += err.Error()
			}
			if (err != nil) != tc.fails || !strings.Contains(said, tc.says) {
				t.Errorf("error %v, said %q, wanted %q", err, said, tc.says)
			}
			if !slices.Equal(calls, tc.calls) {
				t.Errorf("calls %q, wanted %q", calls, tc.calls)
			}
		})
	}
}

// libvirt's own test driver is a hypervisor that needs no daemon.
func TestAttachByLibvirt(t *testing.T) {
	if code, _, errs := vgpuctl("attach", "--connect", "test:///default", "nobody"); code != 1 || !strings.Contains(errs, `libvirt knows no domain "nobody"`) {
		t.Errorf("status %d, %q", code, errs)
	}
	for _, name := range []string{"test", "6695eb01-f6a4-8304-79aa-97f2502e193f"} {
		if code, _, errs := vgpuctl("attach", "--connect", "test:///default", name); code != 1 || !strings.Contains(errs, "has no vgpu:gpu metadata element") {
			t.Errorf("%s: status %d, %q", name, code, errs)
		}
	}
	if code, _, errs := vgpuctl("attach", "--connect", "nonsense:///x", "test"); code != 1 || !strings.Contains(errs, "cannot reach libvirt at nonsense:///x") {
		t.Errorf("status %d, %q", code, errs)
	}
}
