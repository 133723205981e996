package e2e

import (
	"strings"
	"testing"
	"time"

	"libvirt-vgpu/tests/stage"
	"libvirt-vgpu/tests/vm/manifest"
)

const lateUUID = "0f4c2b7e-91d3-4a6c-8e55-2b1d7a90c6e2"

// attachScenarios give a vGPU to a domain that was defined without, by virsh
// alone, change it while it runs, fill the pool tiny with it and take it away.
func (s *show) attachScenarios(t *testing.T) {
	const (
		domain  = "late"
		already = "late: the persistent configuration has the device vgpu0 already"
	)
	must(t, s.Define(s.ctx, stage.Domain{Name: domain, UUID: lateUUID}))
	if _, err := s.Vgpuctl(s.ctx, "attach", domain); err == nil || !strings.Contains(stderr(err), "has no vgpu:gpu metadata element") {
		t.Errorf("vgpuctl attach without metadata: %v", err)
	}
	before, err := s.Virsh(s.ctx, "dumpxml", "--inactive", domain)
	must(t, err)
	s.metadata(t, domain, "--config", "--set", `<gpu pool="tiny" window="128MiB"/>`)
	after := s.untilXML(t, domain, func(xml string) bool { return strings.Contains(xml, "<shmem") }, "--inactive")
	onlyAdded(t, before, after)
	if out, err := s.Vgpuctl(s.ctx, "attach", domain); err != nil || out != already {
		t.Errorf("vgpuctl attach said %q, %v; wanted %q", out, err, already)
	}

	g := s.boot(t, domain)
	step := manifest.Step{Name: "sum", Argv: []string{"/usr/bin/driverapi", "kernels"}, Timeout: time.Minute}
	result, err := g.Do(s.within(t, 2*time.Minute), step)
	must(t, err)
	checkReport(t, stage.Programs(stage.Runtime.InGuest)[0], result.Output)
	s.guestSees(t, g, "first", 256*mib) // the pool's
	s.changeRunning(t, domain, g)

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
	s.metadata(t, domain, "--config", "--remove")
	s.untilXML(t, domain, func(xml string) bool { return !strings.Contains(xml, "<shmem") }, "--inactive")
	s.undefine(t, domain)
}

// changeRunning changes a running domain's settings by vgpuctl and by virsh.
func (s *show) changeRunning(t *testing.T, domain string, g *stage.Guest) {
	t.Helper()
	for _, c := range []struct{ memory, says string }{
		{"128MiB", "late: memory is in force now\nlate: set the metadata of the running domain"},
		{"1TiB", "at most"},
	} {
		out, err := s.Vgpuctl(s.ctx, "set", domain, "--memory", c.memory)
		text := out
		if err != nil {
			text += stderr(err)
		}
		if !strings.Contains(text, c.says) {
			t.Errorf("vgpuctl set said %q, wanted %q", text, c.says)
		}
	}
	s.guestSees(t, g, "second", 128*mib)
	s.metadata(t, domain, "--live", "--set", `<gpu pool="tiny" memory="192MiB" weight="7" priority="low" window="256MiB"/>`)
	_, err := s.Until(s.ctx, time.Minute, func(st stage.Status) bool {
		slot := st.Slot(domain)
		return slot.Weight == 7 && slot.Priority == "low" && slot.MemoryQuota == 192*mib
	})
	must(t, err)
	s.guestSees(t, g, "third", 192*mib)
	if log := s.Mediator.Log(); !strings.Contains(log, "window of the running domain changes with its next start") {
		t.Errorf("mediatord did not say that the window waits:\n%s", log)
	}
	out, err := s.Vgpuctl(s.ctx, "list")
	if err != nil || !strings.Contains(out, "priority normal, memory 128MiB, weight 100") {
		t.Errorf("vgpuctl list does not show what the next start brings: %v\n%s", err, out)
	}
}

// guestSees runs the NVML program, which wants the device to have that much memory.
func (s *show) guestSees(t *testing.T, g *stage.Guest, name string, quota uint64) {
	t.Helper()
	nvml := stage.NVML(quota)
	result, err := g.Do(s.within(t, time.Minute), nvml.Step(name))
	must(t, err)
	checkReport(t, nvml, result.Output)
}

func (s *show) metadata(t *testing.T, domain string, args ...string) {
	t.Helper()
	_, err := s.Virsh(s.ctx, append([]string{"metadata", domain, "--uri", "urn:libvirt-vgpu:1", "--key", "vgpu"}, args...)...)
	must(t, err)
}

// untilXML waits until a domain's XML is as it should be, and returns it.
func (s *show) untilXML(t *testing.T, domain string, right func(xml string) bool, args ...string) string {
	t.Helper()
	for ctx := s.within(t, 30*time.Second); ; time.Sleep(50 * time.Millisecond) {
		xml, err := s.Virsh(ctx, append([]string{"dumpxml", domain}, args...)...)
		must(t, err)
		if right(xml) {
			return xml
		}
	}
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

// attachLive gives a running domain a slot and plugs its device into an empty root
// port, where the guest's kernel finds room for it; then takes both away.
func (s *show) attachLive(t *testing.T) {
	const (
		domain = "hot"
		uuid   = "b2f0c1d3-5a6b-4c7d-8e9f-0a1b2c3d4e5f"
		ports  = `<controller type='pci' index='0' model='pcie-root'/><controller type='pci' index='1' model='pcie-root-port'/>`
		added  = uuid + ": added the device vgpu0 to the running domain"
	)
	must(t, s.Define(s.ctx, stage.Domain{Name: domain, UUID: uuid, Devices: ports}))
	g := s.boot(t, domain)
	// of the persistent configuration mediatord may have taken care already
	if out, err := s.Vgpuctl(s.ctx, "attach", "--live", uuid, "--window", "128MiB"); err != nil || !strings.Contains(out, added) {
		t.Errorf("vgpuctl attach --live said %q, %v", out, err)
	}
	status, err := s.Status(s.ctx)
	must(t, err)
	if slot := status.Slot(domain); slot.State != "running" || !slot.Connected {
		t.Errorf("slots are %+v", status.Slots)
	}
	s.untilLogged(t, g, "[1af4:1110]")
	for _, name := range []string{"room", "room again"} {
		result, err := g.Do(s.within(t, time.Minute), stage.MakeRoom(strings.ReplaceAll(name, " ", "-"), "0000:01:00.0"))
		must(t, err)
		if result.Exit != 0 {
			t.Errorf("%s: exit %d\n%s", name, result.Exit, strings.Join(result.Output, "\n"))
		}
	}
	s.untilLogged(t, g, "vgpu0: ")
	step := manifest.Step{Name: "sum", Argv: []string{"/usr/bin/driverapi", "kernels"}, Timeout: time.Minute}
	result, err := g.Do(s.within(t, 2*time.Minute), step)
	must(t, err)
	checkReport(t, stage.Programs(stage.Runtime.InGuest)[0], result.Output)

	out, err := s.Vgpuctl(s.ctx, "detach", "--live", domain)
	if err != nil || !strings.Contains(out, "the guest has let go of the device, its slot is free") {
		t.Errorf("vgpuctl detach --live said %q, %v", out, err)
	}
	s.nothingLeft(t)
	must(t, s.Destroy(s.ctx, g))
	s.undefine(t, domain)
}

// untilLogged waits until the guest's kernel has said something.
func (s *show) untilLogged(t *testing.T, g *stage.Guest, text string) {
	t.Helper()
	for ctx := s.within(t, time.Minute); ctx.Err() == nil; time.Sleep(100 * time.Millisecond) {
		if strings.Contains(g.Log(), text) {
			return
		}
	}
	t.Fatalf("the guest did not say %q:\n%s", text, g.Log())
}
