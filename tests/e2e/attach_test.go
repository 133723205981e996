package e2e

import (
	"strings"
	"testing"
	"time"

	"libvirt-vgpu/tests/stage"
	"libvirt-vgpu/tests/vm/manifest"
)

const lateUUID = "0f4c2b7e-91d3-4a6c-8e55-2b1d7a90c6e2"

// attachScenarios give a vGPU to a domain that was defined without, and fill the
// pool tiny with it.
func (s *show) attachScenarios(t *testing.T) {
	const (
		domain  = "late"
		element = `<gpu pool="tiny" window="128MiB"/>`
		added   = "late: added the device vgpu0 to the persistent configuration"
		already = "late: the persistent configuration has the device vgpu0 already"
	)
	must(t, s.Define(s.ctx, stage.Domain{Name: domain, UUID: lateUUID}))
	if _, err := s.Vgpuctl(s.ctx, "attach", domain); err == nil || !strings.Contains(stderr(err), "has no vgpu:gpu metadata element") {
		t.Errorf("vgpuctl attach without metadata: %v", err)
	}
	_, err := s.Virsh(s.ctx, "metadata", domain, "--uri", "urn:libvirt-vgpu:1", "--key", "vgpu", "--set", element, "--config")
	must(t, err)
	s.refusedStart(t, "missing-device", domain)

	before, err := s.Virsh(s.ctx, "dumpxml", "--inactive", domain)
	must(t, err)
	for _, want := range []string{added, already} {
		if out, err := s.Vgpuctl(s.ctx, "attach", domain); err != nil || out != want {
			t.Errorf("vgpuctl attach said %q, %v; wanted %q", out, err, want)
		}
	}
	after, err := s.Virsh(s.ctx, "dumpxml", "--inactive", domain)
	must(t, err)
	onlyAdded(t, before, after)

	g := s.boot(t, domain)
	step := manifest.Step{Name: "sum", Argv: []string{"/usr/bin/driverapi", "kernels"}, Timeout: time.Minute}
	result, err := g.Do(s.within(t, 2*time.Minute), step)
	must(t, err)
	checkReport(t, stage.Programs(stage.Runtime.InGuest)[0], result.Output)
	nvml := stage.NVML(256 * mib) // the pool's
	result, err = g.Do(s.within(t, time.Minute), nvml.Step("nvml"))
	must(t, err)
	checkReport(t, nvml, result.Output)

	const second = "second"
	must(t, s.Define(s.ctx, stage.Domain{Name: second, UUID: secondUUID, Device: true, Element: vgpu(`pool="tiny"`)}))
	s.refusedStart(t, "full-pool", second)
	must(t, s.Destroy(s.ctx, g))
	s.nothingLeft(t)
	next, err := s.Start(s.ctx, second) // there is room now
	must(t, err)
	must(t, s.Destroy(s.ctx, next))
	s.nothingLeft(t)
	s.undefine(t, second)
	s.undefine(t, domain)
}

// onlyAdded wants a domain's XML to have gained lines of a <shmem> device, and
// of controllers that it needs, and to have lost none.
func onlyAdded(t *testing.T, before, after string) {
	t.Helper()
	rest := strings.Split(before, "\n")
	var gained []string
	for _, line := range strings.Split(after, "\n") {
		if len(rest) > 0 && line == rest[0] {
			rest = rest[1:]
		} else {
			gained = append(gained, line)
		}
	}
	text := strings.Join(gained, "\n")
	if len(rest) > 0 || !strings.Contains(text, "<shmem name='vgpu0'>") || !strings.Contains(text, "/run/vgpu/domain-"+lateUUID+"/ivshmem.sock") {
		t.Errorf("lost %q, gained\n%s", rest, text)
	}
}

// attachLive gives a running domain a slot and plugs its device in. (Whether the
// guest finds room for the window on its bridge is its firmware's business.)
func (s *show) attachLive(t *testing.T) {
	const (
		domain = "hot"
		uuid   = "b2f0c1d3-5a6b-4c7d-8e9f-0a1b2c3d4e5f"
		// a place for a conventional PCI device
		bridge = `<controller type='pci' index='0' model='pcie-root'/><controller type='pci' index='1' model='pcie-root-port'/>` +
			`<controller type='pci' index='2' model='pcie-to-pci-bridge'/>`
		added = "hot: added the device vgpu0 to the running domain\nhot: added the device vgpu0 to the persistent configuration"
	)
	must(t, s.Define(s.ctx, stage.Domain{Name: domain, UUID: uuid, Devices: bridge}))
	g, err := s.Start(s.ctx, domain)
	must(t, err)
	s.guests = append(s.guests, g)
	_, err = s.Virsh(s.ctx, "metadata", domain, "--uri", "urn:libvirt-vgpu:1", "--key", "vgpu", "--set", `<gpu window="64MiB"/>`, "--config", "--live")
	must(t, err)
	if out, err := s.Vgpuctl(s.ctx, "attach", "--live", uuid); err != nil || out != strings.ReplaceAll(added, domain+":", uuid+":") {
		t.Errorf("vgpuctl attach --live said %q, %v", out, err)
	}
	status, err := s.Status(s.ctx)
	must(t, err)
	if slot := status.Slot(domain); slot.State != "running" || !slot.Connected {
		t.Errorf("slots are %+v", status.Slots)
	}
	must(t, s.Destroy(s.ctx, g))
	s.nothingLeft(t)
	s.undefine(t, domain)
}
