package enforced

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"libvirt-vgpu/tests/stage"
)

// The domains: one has a vGPU from its start on, the other gets it while it runs.
const (
	one     = "6a1f6c44-30bd-4f5c-8a7e-7f8a4d5b0c11"
	another = "0c9a6c1e-93a7-4a5b-b0bb-31c58a0e2f22"
)

// host is a machine on which a test does what an operator does.
type host struct {
	*Machine
	ctx context.Context
}

// bootHost boots a machine that has our package and domains, none of it installed.
// Its own files come on top.
func bootHost(t *testing.T, ctx context.Context, o options) *host {
	t.Helper()
	folder := t.TempDir()
	files, err := guestFiles(ctx, folder)
	must(t, err)
	for inside, path := range o.files {
		files[inside] = path
	}
	for name, uuid := range map[string]string{"one": one, "another": another} {
		path, err := domain(folder, name, uuid)
		must(t, err)
		files[packets+name+".xml"] = path
	}
	version, err := os.ReadFile(built("../packaging/VERSION"))
	must(t, err)
	deb := built("packages/libvirt-vgpu_" + strings.TrimSpace(string(version)) + "-1_amd64.deb")
	if _, err := os.Stat(deb); err != nil {
		t.Fatalf("%v: run make packages", err)
	}
	files[packets+filepath.Base(deb)] = deb
	o.files = files
	started := time.Now()
	m, err := boot(ctx, o)
	must(t, err)
	t.Logf("booted in %v", time.Since(started).Round(time.Second))
	h := &host{Machine: m, ctx: ctx}
	t.Cleanup(func() {
		if t.Failed() {
			journal, _ := h.Run(context.WithoutCancel(ctx), "journalctl --no-pager --lines 150")
			t.Logf("journal:\n%s", journal)
		}
		h.Close()
	})
	return h
}

// run runs a command that must not fail.
func (h *host) run(t *testing.T, command string) string {
	t.Helper()
	started := time.Now()
	out, err := h.Run(h.ctx, command)
	must(t, err)
	if took := time.Since(started); took > 10*time.Second {
		t.Logf("took %v: %s", took.Round(time.Second), command)
	}
	return out
}

// install installs the package and gives it a pool.
func (h *host) install(t *testing.T) {
	h.run(t, "cd /packages && apt-get install --yes ./libvirt-vgpu_*.deb")
	h.run(t, `echo 'gpus = ["soft"]' >/etc/vgpu/pools.d/default.toml && systemctl reload mediatord`)
	h.run(t, "virsh define /packages/one.xml && virsh define /packages/another.xml")
}

// attach gives the domain a vGPU and starts it.
func (h *host) attach(t *testing.T) {
	h.run(t, `virsh metadata one --config --uri urn:libvirt-vgpu:1 --key vgpu --set '<gpu memory="512MiB"/>'`)
	h.run(t, "vgpuctl attach one")
	h.run(t, "virsh start one")
	h.connected(t, "one")
}

// computes wants the program in the guest to pass.
func (h *host) computes(t *testing.T) {
	var text string
	h.until(t, "the guest's program has ended", func() bool {
		text = h.run(t, "cat "+console+"one")
		return strings.Contains(text, "@@ "+step+" exit=")
	})
	var output []string
	for _, line := range strings.Split(strings.ReplaceAll(text, "\r", ""), "\n") {
		if said, found := strings.CutPrefix(line, step+"| "); found {
			output = append(output, said)
		}
	}
	report, err := stage.ReadReport(step, output)
	if err != nil || report.Failed > 0 {
		t.Fatalf("%v:\n%s", err, strings.Join(output, "\n"))
	}
	t.Logf("driverapi in the guest: %d passed", report.Passed)
}

// plugged plugs a vGPU into a domain that runs, and unplugs nothing.
func (h *host) plugged(t *testing.T) {
	h.run(t, "virsh start --paused another")
	h.run(t, "vgpuctl attach another --pool default --live")
	h.connected(t, "another")
	h.run(t, "virsh destroy another && vgpuctl detach another")
}

// held stops mediatord and starts it again under a domain that runs.
func (h *host) held(t *testing.T) {
	h.run(t, "systemctl stop mediatord")
	h.run(t, "systemctl is-active vgpu-held.scope")
	h.run(t, "systemctl start mediatord")
	h.connected(t, "one")
}

// keepsApart wants a captured QEMU not to get the vGPU of a domain that is about to
// start: QEMU's user and confinement let it connect, but it is not that domain's
// process. confine is a command that confines what follows it as the QEMU of "one".
func (h *host) keepsApart(confine string) func(*testing.T) {
	const manager = "busctl call io.github.libvirt_vgpu.Mediator1 /io/github/libvirt_vgpu/Mediator1 io.github.libvirt_vgpu.Mediator1.Manager "
	const socket = "/run/vgpu/domain-" + another + "/ivshmem.sock"
	return func(t *testing.T) {
		h.run(t, manager+"Reserve ssss "+another+` another '<vgpu:gpu xmlns:vgpu="urn:libvirt-vgpu:1" memory="64MiB"/>' `+socket)
		out, err := h.Run(h.ctx, "setpriv --reuid=libvirt-qemu --regid=libvirt-qemu --init-groups timeout 600 "+confine+
			" qemu-system-x86_64 -nodefaults -no-user-config -display none -machine q35 -accel kvm -accel tcg -S"+
			" -chardev socket,id=vgpu,path="+socket+" -device ivshmem-doorbell,chardev=vgpu,vectors=33")
		if err == nil {
			t.Errorf("the QEMU of one got the vGPU of another: %s", out)
		}
		if log := h.run(t, "journalctl --no-pager --output cat --unit mediatord"); !strings.Contains(log, "is not the QEMU of domain") {
			t.Errorf("mediatord does not say that it turned a QEMU away; that one said: %s\n%s", out, log)
		}
		h.run(t, manager+"Release s "+another)
	}
}

// connected wants QEMU to have connected to the socket of its slot.
func (h *host) connected(t *testing.T, domain string) {
	t.Helper()
	var status stage.Status
	must(t, json.Unmarshal([]byte(h.run(t, "vgpuctl status --json")), &status))
	if slot := status.Slot(domain); slot.State != "running" || !slot.Connected {
		t.Errorf("the slot of %s is %+v", domain, slot)
	}
}

// until waits for a condition of the machine.
func (h *host) until(t *testing.T, what string, is func() bool) {
	t.Helper()
	const limit = 20 * time.Minute
	for deadline := time.Now().Add(limit); !is(); time.Sleep(time.Second) {
		if time.Now().After(deadline) || h.ctx.Err() != nil {
			t.Fatalf("waiting until %s: not within %v", what, limit)
		}
	}
}

// steps does what a test consists of; each needs what those before it did.
func steps(t *testing.T, all ...any) {
	t.Helper()
	for i := 0; i < len(all); i += 2 {
		name, do := all[i].(string), all[i+1].(func(*testing.T))
		if !t.Run(name, do) {
			t.FailNow()
		}
	}
}

// canBoot skips where no machine can boot.
func canBoot(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("boots machines")
	}
	if os.Geteuid() != 0 {
		t.Skip("needs root to make machines")
	}
}

// must ends the test on an error.
func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
