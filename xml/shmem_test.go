package vgpuxml

import (
	"errors"
	"strings"
	"testing"

	"libvirt-vgpu/plugin/window"
)

const testUUID = "4dea22b3-1d52-d8f3-2516-782e98ab3fa0"

func TestDeviceXML(t *testing.T) {
	text, err := DeviceXML(strings.ToUpper(testUUID), DefaultChannels)
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "shmem.golden.xml", text+"\n")
}

func TestDeviceXMLRefuses(t *testing.T) {
	for _, channels := range []int{-1, 0, 65} {
		if text, err := DeviceXML(testUUID, channels); err == nil || !strings.Contains(err.Error(), "allowed are 1 to 64") {
			t.Errorf("%d channels give %q, %v", channels, text, err)
		}
	}
	if text, err := DeviceXML("web1", DefaultChannels); err == nil || !strings.Contains(err.Error(), `"web1"`) {
		t.Errorf("a bad UUID gives %q, %v", text, err)
	}
}

func TestDeviceAndWindowHaveTheSameChannels(t *testing.T) {
	if MaxChannels != window.MaxChannels {
		t.Errorf("a device may have %d channels, a window %d", MaxChannels, window.MaxChannels)
	}
}

func TestFindDevice(t *testing.T) {
	right := string(read(t, "shmem.golden.xml"))
	replace := func(pairs ...string) string { return strings.NewReplacer(pairs...).Replace(right) }
	cases := []struct {
		name, devices string
		state         DeviceState
		says          string
	}{
		{"none", "", DeviceMissing, ""},
		{"foreign device", `<shmem name="scratch"><model type="ivshmem-plain"/><size unit="M">4</size></shmem>`, DeviceMissing, ""},
		{"right", right, DevicePresent, ""},
		{"right, as libvirt completes it", replace(`name="vgpu0"`, `name="vgpu0" role="peer"`, `</shmem>`, `<alias name="shmem0"/></shmem>`), DevicePresent, ""},
		{"other path", replace("782e98ab3fa0", "782e98ab3fa1"), DeviceDiffers,
			`server path is "/run/vgpu/domain-4dea22b3-1d52-d8f3-2516-782e98ab3fa1/ivshmem.sock", must be "/run/vgpu/domain-4dea22b3-1d52-d8f3-2516-782e98ab3fa0/ivshmem.sock"`},
		{"other vectors", replace(`"33"`, `"4"`), DeviceDiffers, `vectors is "4", must be "33"`},
		{"other name on our socket", replace(`"vgpu0"`, `"gpu"`), DeviceDiffers, `name is "gpu", must be "vgpu0"`},
		{"bare", `<shmem name="vgpu0"/>`, DeviceDiffers,
			`model is missing, must be "ivshmem-doorbell", server path is missing, must be "/run/vgpu/domain-4dea22b3-1d52-d8f3-2516-782e98ab3fa0/ivshmem.sock", vectors is missing, must be "33", ioeventfd is missing, must be "on"`},
		{"with a size", replace(`<model`, `<size unit="M">4</size><model`), DeviceDiffers, "it has a <size>, which libvirt refuses for this model"},
		{"twice", right + right, DeviceDiffers, `2 shmem devices have the name "vgpu0" or its socket, must be one`},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			document := "<domain><uuid>" + testUUID + "</uuid><devices>" + c.devices + "</devices></domain>"
			report, err := FindDevice([]byte(document), DefaultChannels)
			if err != nil {
				t.Fatal(err)
			}
			if report.State != c.state || report.String() != c.says {
				t.Errorf("got %v %q\nwant %v %q", report.State, report, c.state, c.says)
			}
		})
	}
}

func TestFindDeviceInRealDomain(t *testing.T) {
	report, err := FindDevice(read(t, "domain/web1.xml"), DefaultChannels)
	if err != nil || report.State != DevicePresent {
		t.Errorf("got %+v, %v", report, err)
	}
}

func TestFindDeviceNeedsUUID(t *testing.T) {
	if report, err := FindDevice([]byte("<domain><devices/></domain>"), DefaultChannels); err == nil {
		t.Errorf("got %+v for a domain without UUID", report)
	}
}

func TestInsertDevice(t *testing.T) {
	for name, document := range examples(t, "insert", ".in.xml") {
		t.Run(name, func(t *testing.T) {
			inserted, err := InsertDevice(document, DefaultChannels)
			if err != nil {
				t.Fatal(err)
			}
			golden(t, "insert/"+name+".golden.xml", string(inserted))

			if name != "empty-devices" && !isOneInsertion(document, inserted) {
				t.Errorf("bytes outside the device changed:\n%s", inserted)
			}
			if _, err := InsertDevice(inserted, DefaultChannels); !errors.Is(err, ErrDevicePresent) {
				t.Errorf("a second insertion says %v", err)
			}
		})
	}
}

// isOneInsertion reports whether cutting one contiguous piece out of inserted gives document back.
func isOneInsertion(document, inserted []byte) bool {
	prefix, suffix := 0, 0
	for prefix < len(document) && document[prefix] == inserted[prefix] {
		prefix++
	}
	for suffix < len(document) && document[len(document)-1-suffix] == inserted[len(inserted)-1-suffix] {
		suffix++
	}
	return prefix+suffix >= len(document)
}

func TestInsertDeviceRefuses(t *testing.T) {
	domain := func(rest string) string { return "<domain><uuid>" + testUUID + "</uuid>" + rest + "</domain>" }
	cases := []struct {
		name, document string
		kind           error
		mentions       string
	}{
		{"another vgpu0", domain(`<devices><shmem name="vgpu0"/></devices>`), ErrDeviceDiffers, "vectors is missing"},
		{"no devices", domain(""), ErrMalformed, "no <devices>"},
		{"cut off", domain("<devices>"), ErrMalformed, ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			inserted, err := InsertDevice([]byte(c.document), DefaultChannels)
			if !errors.Is(err, c.kind) || !strings.Contains(err.Error(), c.mentions) {
				t.Errorf("got %q, %v", inserted, err)
			}
		})
	}
}

func TestOwnDevice(t *testing.T) {
	right := string(read(t, "shmem.golden.xml"))
	live := strings.Replace(right, "</shmem>", `<alias name="shmem0"/><address type="pci" domain="0x0000" bus="0x02" slot="0x01" function="0x0"/></shmem>`, 1)
	for _, c := range []struct {
		name, devices string
		found         bool
		mentions      string
	}{
		{"none", "", false, ""},
		{"foreign", `<shmem name="vgpu0"><model type="ivshmem-plain"/><size unit="M">4</size></shmem>`, false, ""},
		{"another domain's", strings.Replace(right, "782e98ab3fa0", "782e98ab3fa1", 1), false, ""},
		{"right", right, true, `vectors="33"`},
		{"of other vectors", strings.Replace(right, `"33"`, `"4"`, 1), true, `vectors="4"`},
		{"running", live, true, `bus="0x02"`},
	} {
		document := "<domain type='kvm'><uuid>" + testUUID + "</uuid><devices>" + c.devices + "</devices></domain>"
		device, found, err := OwnDevice([]byte(document))
		if err != nil || found != c.found || !strings.Contains(device, c.mentions) {
			t.Errorf("%s: got %q, %v, %v", c.name, device, found, err)
		}
	}
	if _, _, err := OwnDevice([]byte("<domain><devices/></domain>")); err == nil {
		t.Error("a domain without a UUID has a device")
	}
}

func TestSnippet(t *testing.T) {
	gpu := DefaultGPU()
	if got := gpu.Snippet(); got != `<gpu pool="default"/>` {
		t.Errorf("defaults give %s", got)
	}
	for name, value := range map[string]string{"pool": "gold", "priority": "low", "memory": "3GiB", "weight": "7", "window": "2GiB"} {
		if err := gpu.Set(name, value); err != nil {
			t.Fatal(err)
		}
	}
	const want = `<gpu pool="gold" priority="low" memory="3GiB" weight="7" window="2GiB"/>`
	if got := gpu.Snippet(); got != want {
		t.Errorf("got %s", got)
	}
	back, err := ParseElement([]byte(strings.Replace(want, "<gpu", `<gpu xmlns="urn:libvirt-vgpu:1"`, 1)))
	if err != nil || back != gpu {
		t.Errorf("reads back as %+v, %v", back, err)
	}
	for name, value := range map[string]string{"pool": "Gold", "slots": "3", "weight": "0"} {
		if err := gpu.Set(name, value); !errors.Is(err, ErrBadElement) || gpu.Snippet() != want {
			t.Errorf("%s=%s: %v, left %s", name, value, err, gpu.Snippet())
		}
	}
}

func TestFreePort(t *testing.T) {
	const port1, port2 = `<controller type="pci" index="1" model="pcie-root-port"><address type="pci" bus="0x00" slot="0x01"/></controller>`,
		`<controller type="pci" index="2" model="pcie-root-port"><target chassis="2"/><address type="pci" bus="0x00" slot="0x02"/></controller>`
	on := func(bus string) string {
		return `<disk><address type="pci" domain="0x0000" bus="` + bus + `" slot="0x00"/></disk>`
	}
	for _, c := range []struct {
		name, devices string
		bus           uint
		found         bool
	}{
		{"no port", `<controller type="pci" index="0" model="pcie-root"/>`, 0, false},
		{"empty ports", port1 + port2, 1, true},
		{"one taken", port1 + on("0x01") + port2, 2, true},
		{"taken before its port", on("0x02") + on("0x01") + port1 + port2, 0, false},
		{"no hotplug", strings.Replace(port2, `chassis="2"`, `hotplug="off"`, 1), 0, false},
		{"one without hotplug beside", strings.Replace(port2, `chassis="2"`, `hotplug="off"`, 1) + port1, 1, true},
		{"a bridge", `<controller type="pci" index="1" model="pcie-to-pci-bridge"/>`, 0, false},
		{"another kind of controller", `<controller type="usb" index="1" model="pcie-root-port"/>`, 0, false},
	} {
		bus, found, err := FreePort([]byte("<domain><devices>" + c.devices + "</devices></domain>"))
		if err != nil || bus != c.bus || found != c.found {
			t.Errorf("%s: got %d, %v, %v", c.name, bus, found, err)
		}
	}
	if _, _, err := FreePort([]byte("<domain>")); !errors.Is(err, ErrMalformed) {
		t.Errorf("cut off: %v", err)
	}
	device, err := DeviceAtXML(testUUID, DefaultChannels, 3)
	if err != nil || !strings.Contains(device, `<address type="pci" domain="0x0000" bus="0x03" slot="0x00" function="0x0">`) {
		t.Errorf("got %s, %v", device, err)
	}
}
