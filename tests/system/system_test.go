package system

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"libvirt-vgpu/tests/stage"
	"libvirt-vgpu/tests/vm/manifest"
)

// host is a hypervisor in the course of its life, and what an operator does to it.
type host struct {
	*Machine
	ctx      context.Context
	page     *Page
	packages string // on the host of the test, /packages inside
	guest    *Guest
	round    int // of kill, upgrade and reboot, from 1
}

// roundsVariable is how often mediatord is killed, upgraded and restarted, and the
// host rebooted; 1 if it is not set.
const roundsVariable = "VGPU_SYSTEM_ROUNDS"

func rounds(t *testing.T) int {
	t.Helper()
	text := os.Getenv(roundsVariable)
	if text == "" {
		return 1
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		t.Fatalf("%s is %q: allowed is a number from 1", roundsVariable, text)
	}
	return n
}

func TestPackages(t *testing.T) {
	if testing.Short() {
		t.Skip("boots machines")
	}
	if os.Geteuid() != 0 {
		t.Skip("needs root to boot machines")
	}
	all := rounds(t)
	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Minute+time.Duration(all)*10*time.Minute)
	defer cancel()
	page, err := readPage("operating.md")
	must(t, err)
	packages := t.TempDir()
	must(t, os.Chmod(packages, 0o755))
	copyPackages(t, packages)
	h := &host{ctx: ctx, page: page, packages: packages}

	files := t.TempDir()
	var guest guestFiles
	t.Run("guest", func(t *testing.T) { guest = h.guestPackage(t, files) })
	if t.Failed() {
		t.FailNow()
	}
	h.Machine, err = boot(ctx, "hypervisor", packages)
	must(t, err)
	t.Cleanup(func() {
		if t.Failed() {
			journal, _ := h.Run(context.WithoutCancel(ctx), "journalctl", "--no-pager", "--lines", "200")
			t.Logf("journal:\n%s", journal)
		}
		h.Close()
	})
	must(t, guest.install(h.Machine))

	type step struct {
		name string
		do   func(*testing.T)
	}
	steps := []step{
		{"install", h.install},
		{"attach", h.attach},
		{"refusal", h.refusal},
		{"metadata", h.followed},
		{"change", h.changed},
		{"bus policy", h.busPolicy},
		{"monitor", h.monitor},
	}
	for range all {
		steps = append(steps, step{"kill", h.nextRound(h.killed)}, step{"upgrade", h.upgraded}, step{"stop", h.stopped}, step{"reboot", h.rebooted})
	}
	for _, step := range append(steps, step{"remove while stopped", h.keptBySomethingElse}, step{"remove", h.removed}) {
		// each needs what those before it did
		if !t.Run(step.name, step.do) {
			t.FailNow()
		}
	}
	warnings, _ := h.Run(ctx, "journalctl", "--no-pager", "--unit", "mediatord", "--priority", "warning")
	t.Logf("what mediatord warned of:\n%s", warnings)
	for _, left := range page.untyped() {
		t.Errorf("nobody typed this of docs/operating.md, %s", left)
	}
}

// nextRound counts.
func (h *host) nextRound(do func(*testing.T)) func(*testing.T) {
	return func(t *testing.T) {
		h.round++
		do(t)
	}
}

// copyPackages takes the packages of the current version: `make packages` leaves
// older ones.
func copyPackages(t *testing.T, directory string) {
	t.Helper()
	version := packagedVersion(t)
	for _, name := range []string{"libvirt-vgpu", "libvirt-vgpu-guest"} {
		file := name + "_" + version + "-1_amd64.deb"
		data, err := os.ReadFile(filepath.Join(built("packages"), file))
		if errors.Is(err, os.ErrNotExist) {
			t.Fatalf("%v: run make packages", err)
		}
		must(t, err)
		must(t, os.WriteFile(filepath.Join(directory, file), data, 0o644))
	}
}

// guestPackage installs the guest's package as the page says, on a machine of its own.
func (h *host) guestPackage(t *testing.T, directory string) guestFiles {
	m, err := boot(h.ctx, "guest", h.packages)
	must(t, err)
	defer m.Close()
	said := h.typeOn(t, m, "Install in the guest", 0)
	if _, err := m.Run(h.ctx, "/bin/sh", "-c", "ldconfig -p | grep -q 'libcuda.so.1 (libc6,x86-64) => /lib/x86_64-linux-gnu/libcuda.so.1'"); err != nil {
		t.Errorf("the loader does not find libcuda.so.1: %v", err)
	}
	if status, err := m.Run(h.ctx, "dkms", "status"); err != nil || !strings.Contains(status, "installed") {
		t.Fatalf("dkms status: %q, %v; the installation said:\n%s", status, err, said)
	}
	if alias, err := m.Run(h.ctx, "/bin/sh", "-c", "modinfo -F alias /lib/modules/*-cloud-amd64/updates/dkms/vgpu.ko*"); err != nil || !strings.Contains(alias, "pci:v00001AF4d00001110") {
		t.Errorf("udev would not load the module: its aliases are %q, %v", alias, err)
	}
	if _, err := m.Run(h.ctx, "getent", "group", "vgpu"); err != nil {
		t.Error(err)
	}
	h.udevRules(t, m)
	files, err := makeGuest(h.ctx, m, directory)
	must(t, err)
	if out, err := m.Run(h.ctx, "apt-get", "purge", "-y", "libvirt-vgpu-guest"); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	if left, err := m.Run(h.ctx, "/bin/sh", "-c", "ls -d /lib/modules/*/updates/dkms/vgpu.ko* /usr/src/libvirt-vgpu-* /usr/lib/x86_64-linux-gnu/libcuda* 2>/dev/null; dkms status"); left != "" {
		t.Errorf("left after purge: %s, %v", left, err)
	}
	return files
}

// install does what the page says for a host; its GPU is the software one.
func (h *host) install(t *testing.T) {
	h.typed(t, "Install", 0)
	h.typed(t, "Install", 1)
	if target, err := h.Run(h.ctx, "readlink", "-e", "/etc/libvirt/hooks/qemu.d/50-vgpu"); err != nil || target != "/usr/libexec/vgpu/vgpu-qemu-hook" {
		t.Errorf("the hook is %q, %v", target, err)
	}
	for _, page := range []string{"vgpuctl.1", "vgpu-pools.5", "vgpu.7", "mediatord.8", "vgpu-qemu-hook.8"} {
		section := page[strings.LastIndex(page, ".")+1:]
		if _, err := os.Stat(h.Path("/usr/share/man/man" + section + "/" + page + ".gz")); err != nil {
			t.Error(err)
		}
	}
	must(t, h.Write("/usr/local/bin/editor", "#!/bin/sh\nsed -i 's/^gpus = .*/gpus = [\"soft\"]/' \"$1\"\n"))
	must(t, os.Chmod(h.Path("/usr/local/bin/editor"), 0o755))
	if said := h.typed(t, "Install", 2); !strings.Contains(said, "default") {
		t.Errorf("no pool is shown: %s", said)
	}
	if said := h.typed(t, "Install", 3); strings.Contains(said, "problem") {
		t.Errorf("the doctor finds problems:\n%s", said)
	}
	// as libvirt's profile of each domain includes it
	const parse = `printf 'profile domain {\n include <abstractions/libvirt-qemu>\n}\n' | apparmor_parser --preprocess --skip-kernel-load`
	if rules, err := h.Run(h.ctx, "/bin/sh", "-c", parse); err != nil || !strings.Contains(rules, "/run/vgpu/domain-*/ivshmem.sock rw,") {
		t.Errorf("a confined QEMU may not connect: %v", err)
	}
	if score, err := h.Run(h.ctx, "systemd-analyze", "security", "--threshold=20", "mediatord.service"); err != nil {
		t.Errorf("mediatord is not walled in: %s", score)
	}
	h.nothingFailed(t)
}

// attach gives a domain that has none a vGPU, and a program computes on it.
func (h *host) attach(t *testing.T) {
	h.guest = &Guest{Name: "one", UUID: "6a1f6c44-30bd-4f5c-8a7e-7f8a4d5b0c11", machine: h.Machine}
	h.define(t, h.guest)
	must(t, h.guest.Await())
	h.typed(t, "Attach", 0)
	must(t, h.guest.Booted(h.within(t, 2*time.Minute)))
	h.computes(t, "first")
	result, err := h.guest.Do(h.within(t, time.Minute), manifest.Step{Name: "smi", Argv: []string{"/usr/bin/nvidia-smi", "--query-gpu=memory.total", "--format=csv,noheader"}})
	if err != nil || result.Exit != 0 || strings.Join(result.Output, "") != "1024 MiB" { // as the page asks for
		t.Errorf("nvidia-smi in the guest: %v, %+v", err, result)
	}
	if slot := h.slot(t, "one"); slot.State != "running" || !slot.Connected {
		t.Errorf("the slot is %+v", slot)
	}
}

// refusal wants libvirt to show the hook's line: it has seen the hook since the
// installation.
func (h *host) refusal(t *testing.T) {
	other := &Guest{Name: "refused", UUID: "0c9a6c1e-93a7-4a5b-b0bb-31c58a0e2f22", machine: h.Machine}
	h.define(t, other)
	must(t, other.Await())
	defer other.Forget()
	_, err := h.Run(h.ctx, "virsh", "metadata", "refused", "--config", "--uri", "urn:libvirt-vgpu:1", "--key", "vgpu", "--set", `<gpu pool="gold"/>`)
	must(t, err)
	_, err = h.Run(h.ctx, "vgpuctl", "attach", "refused")
	must(t, err)
	if _, err = h.Run(h.ctx, "virsh", "start", "refused"); err == nil || !strings.Contains(stderr(err), `"gold"`) {
		t.Errorf("a start in a pool that does not exist said: %v", err)
	}
	_, err = h.Run(h.ctx, "virsh", "undefine", "refused")
	must(t, err)
}

// followed wants mediatord to add and remove a domain's device as its metadata
// says, with nothing but virsh.
func (h *host) followed(t *testing.T) {
	other := &Guest{Name: "followed", UUID: "3e0f4b9a-9a57-4a0e-a7f8-6a44a3f0d944", machine: h.Machine}
	h.define(t, other)
	has := func() bool {
		text, err := h.Run(h.ctx, "virsh", "dumpxml", "--inactive", "followed")
		return err == nil && strings.Contains(text, "<shmem name='vgpu0'>")
	}
	metadata := []string{"virsh", "metadata", "followed", "--config", "--uri", "urn:libvirt-vgpu:1"}
	for _, change := range []struct {
		what string
		argv []string
		is   func() bool
	}{
		{"the device is there", []string{"--key", "vgpu", "--set", "<gpu/>"}, has},
		{"the device is gone", []string{"--remove"}, func() bool { return !has() }},
	} {
		_, err := h.Run(h.ctx, metadata[0], append(metadata[1:], change.argv...)...)
		must(t, err)
		h.until(t, time.Minute, change.what, change.is)
	}
	_, err := h.Run(h.ctx, "virsh", "undefine", "followed")
	must(t, err)
}

// changed changes the running domain's vGPU and takes it from its configuration,
// and gives it back.
func (h *host) changed(t *testing.T) {
	h.typed(t, "Change", 0)
	result, err := h.guest.Do(h.within(t, time.Minute), manifest.Step{Name: "changed", Argv: []string{"/usr/bin/nvidia-smi", "--query-gpu=memory.total", "--format=csv,noheader"}})
	if err != nil || strings.Join(result.Output, "") != "512 MiB" {
		t.Errorf("nvidia-smi in the guest: %v, %+v", err, result)
	}
	must(t, h.Write("/etc/vgpu/pools.d/gold.toml", "gpus = [\"soft\"]\n"))
	if said := h.typed(t, "Change", 1); !strings.Contains(said, "in force: pool gold: added") {
		t.Errorf("reloading said %q", said)
	}
	h.invalidPool(t)
	h.typed(t, "Change", 2)
	if text, err := h.Run(h.ctx, "virsh", "dumpxml", "--inactive", "one"); err != nil || strings.Contains(text, "vgpu") {
		t.Errorf("the persistent configuration is, %v:\n%s", err, text)
	}
	h.computes(t, "detached") // it runs as before
	_, err = h.Run(h.ctx, "vgpuctl", "attach", "one", "--memory", "512MiB")
	must(t, err)
}

// invalidPool wants a file that is not valid to change nothing, and everybody to
// hear of it.
func (h *host) invalidPool(t *testing.T) {
	must(t, h.Write("/etc/vgpu/pools.d/gold.toml", "slots = 0\n"))
	if _, err := h.Run(h.ctx, "systemctl", "reload", "mediatord"); err == nil {
		t.Error("reloading a file that is not valid did not fail")
	}
	for _, argv := range [][]string{{"vgpuctl", "status"}, {"journalctl", "--no-pager", "--unit", "mediatord"}, {"systemctl", "status", "mediatord"}} {
		h.until(t, time.Minute, "it is said by "+strings.Join(argv, " "), func() bool {
			out, _ := h.Run(h.ctx, argv[0], argv[1:]...)
			return strings.Contains(out, "gold.toml")
		})
	}
	must(t, os.Remove(h.Path("/etc/vgpu/pools.d/gold.toml")))
	if _, err := h.Run(h.ctx, "systemctl", "reload", "mediatord"); err != nil {
		t.Errorf("reloading what is valid again: %v", err)
	}
	if slot := h.slot(t, "one"); slot.State != "running" || !slot.Connected {
		t.Errorf("the slot is %+v", slot)
	}
	h.nothingFailed(t)
}

// monitor does what the page says, and reads the metrics by network.
func (h *host) monitor(t *testing.T) {
	if said := h.typed(t, "Monitor", 0); !strings.Contains(said, "one") {
		t.Errorf("the domain is not shown: %s", said)
	}
	h.typed(t, "Monitor", 1)
	h.typed(t, "Troubleshoot", 0)
	const ask = `exec 3<>/dev/tcp/127.0.0.1/9835; printf 'GET /metrics HTTP/1.0\r\n\r\n' >&3; cat <&3`
	if text, err := h.Run(h.ctx, "bash", "-c", ask); err != nil || !strings.Contains(text, `domain="one"`) {
		t.Errorf("metrics are %q, %v", text, err)
	}
	if state, err := h.Run(h.ctx, "systemctl", "is-active", "vgpu-metrics.service"); err != nil {
		t.Errorf("what passes metrics on is %s, %v", state, err)
	}
}

// typed types a block of the page in the machine and returns what it printed.
func (h *host) typed(t *testing.T, section string, n int) string {
	t.Helper()
	return h.typeOn(t, h.Machine, section, n)
}

func (h *host) typeOn(t *testing.T, m *Machine, section string, n int) string {
	t.Helper()
	text, err := h.page.take(section, n)
	must(t, err)
	text = strings.ReplaceAll(text, "DOMAIN", "one")
	started := time.Now()
	out, err := m.Run(h.ctx, "/bin/sh", "-ec", "exec 2>&1; cd /packages\n"+text)
	if err != nil {
		t.Fatalf("docs/operating.md, %s:\n%v", section, err)
	}
	t.Logf("%s: typed in %v", section, time.Since(started).Round(time.Millisecond))
	return out
}

func (h *host) define(t *testing.T, g *Guest) {
	t.Helper()
	text, err := g.XML()
	must(t, err)
	must(t, h.Write("/root/"+g.Name+".xml", text))
	_, err = h.Run(h.ctx, "virsh", "define", "--validate", "/root/"+g.Name+".xml")
	must(t, err)
}

// computes runs the driver's test program in the guest; name is the step's.
func (h *host) computes(t *testing.T, name string) {
	t.Helper()
	step := manifest.Step{Name: name, Argv: []string{"/usr/bin/driverapi", "init", "kernels"}, Timeout: 2 * time.Minute}
	result, err := h.guest.Do(h.within(t, 3*time.Minute), step)
	must(t, err)
	report, err := stage.ReadReport("driverapi", result.Output)
	if err != nil || report.Failed > 0 || result.Exit != 0 {
		t.Fatalf("%v, exit status %d:\n%s", err, result.Exit, strings.Join(result.Output, "\n"))
	}
	t.Logf("driverapi in the guest: %d passed", report.Passed)
}

// slot is what vgpuctl shows of a domain's.
func (h *host) slot(t *testing.T, domain string) stage.Slot {
	t.Helper()
	out, err := h.Run(h.ctx, "vgpuctl", "status", "--json")
	must(t, err)
	var status stage.Status
	must(t, json.Unmarshal([]byte(out), &status))
	return status.Slot(domain)
}

func (h *host) nothingFailed(t *testing.T) {
	t.Helper()
	if failed, err := h.Run(h.ctx, "systemctl", "--failed", "--plain", "--no-legend"); err != nil || failed != "" {
		t.Errorf("failed units: %q, %v", failed, err)
	}
}

// within is the test's context with a deadline of its own.
func (h *host) within(t *testing.T, limit time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(h.ctx, limit)
	t.Cleanup(cancel)
	return ctx
}

// must ends the test on an error.
func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
