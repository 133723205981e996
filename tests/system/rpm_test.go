package system

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// TestRPM installs, upgrades and erases the host's rpm with rpm itself and a
// systemd for its scriptlets. The machine is a Debian: what the package depends on
// goes by other names there, so nothing is said about that.
func TestRPM(t *testing.T) {
	if testing.Short() || os.Geteuid() != 0 {
		t.Skip("boots a machine, as root")
	}
	h, rpm, present, newer := bootForRPM(t, "host", "libvirt-vgpu")
	ctx := h.ctx
	h.fakeSELinux(t)
	h.modular(t)
	rpm("--install", present)
	h.wantModule(t, "vgpu")
	if target, err := h.Run(ctx, "readlink", "-e", "/etc/libvirt/hooks/qemu.d/50-vgpu"); err != nil || target != "/usr/libexec/vgpu/vgpu-qemu-hook" {
		t.Errorf("the hook is %q, %v", target, err)
	}
	for _, argv := range [][]string{{"getent", "passwd", "vgpu-executor"}, {"getent", "group", "vgpu"}, {"ls", "-d", "/run/vgpu", "/var/cache/vgpu/modules"}} {
		if _, err := h.Run(ctx, argv[0], argv[1:]...); err != nil {
			t.Error(err)
		}
	}
	h.verified(t, "libvirt-vgpu")

	// as the operator's page says for Fedora
	must(t, h.Write("/etc/vgpu/pools.d/default.toml", "gpus = [\"soft\"]\n"))
	_, err := h.Run(ctx, "systemctl", "enable", "--now", "mediatord")
	must(t, err)
	if out, err := h.Run(ctx, "vgpuctl", "doctor"); err != nil || !strings.Contains(out, "virtqemud has seen it") {
		t.Errorf("the doctor finds problems, or another daemon: %v\n%s", err, out)
	}
	if after, err := h.Run(ctx, "systemctl", "show", "--property=After", "--value", "virtqemud.service"); err != nil || !strings.Contains(after, "mediatord.service") {
		t.Errorf("virtqemud starts after %q, %v: want mediatord", after, err)
	}
	h.refusal(t)

	must(t, h.Copy(built("tests/spin"), "/usr/local/bin/spin"))
	_, err = h.Run(ctx, "systemd-run", "--unit=computes", "--property=RemainAfterExit=yes", "vgpuctl", "run", "--", "/usr/local/bin/spin", "600", "200")
	must(t, err)
	h.until(t, time.Minute, "a program computes", func() bool {
		out, _ := h.Run(ctx, "journalctl", "--no-pager", "--output=cat", "--unit=computes")
		return strings.Contains(out, "started")
	})
	before := h.property(t, "MainPID")
	rpm("--upgrade", newer)
	h.otherProcess(t, before)
	_, err = h.Run(ctx, "systemctl", "kill", "--kill-who=main", "--signal=TERM", "computes")
	must(t, err)
	h.until(t, time.Minute, "the program has finished", func() bool {
		out, _ := h.Run(ctx, "journalctl", "--no-pager", "--output=cat", "--unit=computes")
		return strings.Contains(out, "finished ")
	})
	h.until(t, time.Minute, "it ended well", func() bool {
		state, _ := h.Run(ctx, "systemctl", "show", "--property=SubState,Result,ExecMainStatus", "computes")
		return strings.Contains(state, "SubState=exited") && strings.Contains(state, "Result=success") && strings.Contains(state, "ExecMainStatus=0")
	})
	if installed, err := h.Run(ctx, "rpm", "--query", "libvirt-vgpu"); err != nil || !strings.HasPrefix(installed, "libvirt-vgpu-"+higher) {
		t.Errorf("installed is %q, %v", installed, err)
	}
	h.verified(t, "libvirt-vgpu")

	h.wantModule(t, "vgpu")
	rpm("--erase", "libvirt-vgpu")
	h.wantModule(t, "")
	left, _ := h.Run(ctx, "/bin/sh", "-c", "ls -d /etc/libvirt/hooks/qemu.d/50-vgpu /usr/libexec/vgpu /usr/lib/vgpu /usr/share/libvirt-vgpu /usr/share/doc/libvirt-vgpu /usr/share/licenses/libvirt-vgpu "+
		"/usr/lib/systemd/system/mediatord.service "+
		"/etc/systemd/system/multi-user.target.wants/mediatord.service 2>/dev/null; readlink /proc/[0-9]*/exe | grep -e mediatord -e vgpu-executor")
	if left != "" {
		t.Errorf("left after erasing: %s", left)
	}
	h.nothingFailed(t)
}

// TestGuestRPM does so with the guest's: the module is built for the kernel that is
// there, for each version anew, and goes with the package.
func TestGuestRPM(t *testing.T) {
	if testing.Short() || os.Geteuid() != 0 {
		t.Skip("boots a machine, as root")
	}
	h, rpm, present, newer := bootForRPM(t, "guest", "libvirt-vgpu-guest")
	modules := func(version string) {
		t.Helper()
		status, err := h.Run(h.ctx, "dkms", "status")
		if err != nil || !strings.HasPrefix(status, "libvirt-vgpu/"+version+",") || !strings.Contains(status, "installed") || strings.Contains(status, "\n") {
			t.Errorf("dkms has %q, %v; want version %s alone", status, err, version)
		}
		if alias, err := h.Run(h.ctx, "/bin/sh", "-c", "modinfo -F alias /lib/modules/*-cloud-amd64/updates/dkms/vgpu.ko*"); err != nil || !strings.Contains(alias, "pci:v00001AF4d00001110") {
			t.Errorf("udev would not load the module: its aliases are %q, %v", alias, err)
		}
	}
	rpm("--install", present)
	modules(packagedVersion(t))
	h.verified(t, "libvirt-vgpu-guest")
	if _, err := h.Run(h.ctx, "getent", "group", "vgpu"); err != nil {
		t.Error(err)
	}
	// the loader of this Debian looks elsewhere for libraries
	if said, err := h.Run(h.ctx, "env", "LD_LIBRARY_PATH=/usr/lib64", "nvidia-smi"); err == nil || !strings.Contains(said+stderr(err), "vgpu") {
		t.Errorf("nvidia-smi without a vGPU said %q, %v", said, err)
	}
	rpm("--upgrade", newer)
	modules(higher)
	h.verified(t, "libvirt-vgpu-guest")
	rpm("--erase", "libvirt-vgpu-guest")
	left, _ := h.Run(h.ctx, "/bin/sh", "-c", "ls -d /lib/modules/*/updates/dkms/vgpu.ko* /usr/src/libvirt-vgpu-* /usr/lib64/libcuda* /usr/lib64/libnvidia* /usr/bin/nvidia-smi "+
		"/usr/lib/vgpu /usr/lib/udev/rules.d/60-vgpu.rules /usr/share/doc/libvirt-vgpu-guest /usr/share/licenses/libvirt-vgpu-guest 2>/dev/null; dkms status")
	if left != "" {
		t.Errorf("left after erasing: %s", left)
	}
}

// higher is the version of the package that bootForRPM makes.
const higher = "0.9.1"

// bootForRPM boots a machine that sees a package of the present version and of a
// higher one, and returns rpm for it and the packages' paths there.
func bootForRPM(t *testing.T, part, name string) (h *host, rpm func(args ...string), present, newer string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Minute)
	t.Cleanup(cancel)
	packages := t.TempDir()
	must(t, os.Chmod(packages, 0o755))
	version := packagedVersion(t)
	present = fmt.Sprintf("%s-%s-1.x86_64.rpm", name, version)
	data, err := os.ReadFile(filepath.Join(built("packages"), present))
	must(t, err)
	must(t, os.WriteFile(filepath.Join(packages, present), data, 0o644))
	higherRPM(t, ctx, part, packages, version, higher)
	m, err := boot(ctx, part+"-rpm", packages)
	must(t, err)
	h = &host{Machine: m, ctx: ctx, packages: packages}
	t.Cleanup(func() {
		if t.Failed() {
			journal, _ := h.Run(context.WithoutCancel(ctx), "journalctl", "--no-pager", "--lines", "100")
			t.Logf("journal:\n%s", journal)
		}
		h.Close()
	})
	// a scriptlet that fails is only told
	rpm = func(args ...string) {
		t.Helper()
		out, err := h.Command(ctx, "rpm", append([]string{"--force-debian", "--nodeps"}, args...)...).CombinedOutput()
		if err != nil || strings.Contains(string(out), "scriptlet") || strings.Contains(string(out), "error:") {
			t.Fatalf("rpm %s: %v\n%s", args[0], err, out)
		}
		t.Logf("rpm %s: %s", args[0], out)
	}
	return h, rpm, "/packages/" + present, fmt.Sprintf("/packages/%s-%s-1.x86_64.rpm", name, higher)
}

// virtqemudUnit is what Fedora's comes to.
const virtqemudUnit = `[Unit]
Description=libvirt QEMU daemon

[Service]
Type=notify
ExecStart=/usr/sbin/virtqemud
ExecReload=/bin/kill -HUP $MAINPID
KillMode=process
`

// modular puts libvirtd under virtqemud's name in its place, as Fedora's libvirt has
// it; Debian's is not built so. Of what ours have to do with it, how the daemon looks
// for hooks, it is the same program.
func (h *host) modular(t *testing.T) {
	t.Helper()
	must(t, h.Copy(h.Path("/usr/sbin/libvirtd"), "/usr/sbin/virtqemud"))
	must(t, h.Write("/etc/systemd/system/virtqemud.service", virtqemudUnit))
	for _, argv := range [][]string{
		{"systemctl", "mask", "--now", "libvirtd.service", "libvirtd.socket", "libvirtd-ro.socket", "libvirtd-admin.socket"},
		{"systemctl", "start", "virtqemud.service"},
	} {
		_, err := h.Run(h.ctx, argv[0], argv[1:]...)
		must(t, err)
	}
}

// fakeSELinux makes a machine look to scriptlets as if it had SELinux. Its modules
// are files in /var/lib/fake-modules.
func (h *host) fakeSELinux(t *testing.T) {
	t.Helper()
	for name, text := range map[string]string{
		"/usr/bin/selinuxenabled": "#!/bin/sh\n",
		"/usr/bin/restorecon":     "#!/bin/sh\n",
		"/usr/bin/semodule": "#!/bin/sh\nset -e\nmkdir -p /var/lib/fake-modules && cd /var/lib/fake-modules\n" +
			"case $1 in -i) cp \"$2\" \"$(basename \"$2\" .pp)\" ;; -l) ls ;; -r) rm \"$2\" ;; esac\n",
		"/usr/share/selinux/devel/Makefile": "vgpu.pp: vgpu.te vgpu.if vgpu.fc\n\tcat $^ >$@\n",
	} {
		must(t, os.MkdirAll(h.Path(filepath.Dir(name)), 0o755))
		must(t, h.Write(name, text))
		must(t, os.Chmod(h.Path(name), 0o755))
	}
}

func (h *host) wantModule(t *testing.T, want string) {
	t.Helper()
	if modules, err := h.Run(h.ctx, "semodule", "-l"); err != nil || modules != want {
		t.Errorf("loaded are the SELinux modules %q, %v; want %q", modules, err, want)
	}
}

// verified wants every file to be as the package has it; of files of configuration
// the contents may differ.
func (h *host) verified(t *testing.T, name string) {
	t.Helper()
	said, _ := h.Run(h.ctx, "rpm", "--verify", "--nodeps", name)
	for line := range strings.Lines(said) {
		if !strings.Contains(line, " c ") {
			t.Errorf("rpm --verify: %s", line)
		}
	}
}

func packagedVersion(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(built(".."), "packaging", "VERSION"))
	must(t, err)
	return strings.TrimSpace(string(text))
}

// higherRPM makes the rpm of a part, "host" or "guest", of another version from what
// `make packages` has staged.
func higherRPM(t *testing.T, ctx context.Context, part, directory, version, newer string) {
	t.Helper()
	stage := built("packages/stage")
	work := filepath.Join(t.TempDir(), "stage")
	if out, err := exec.CommandContext(ctx, "cp", "-a", stage, work).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	named, err := filepath.Glob(filepath.Join(work, part+"-rpm", "*"))
	must(t, err)
	description := filepath.Join(work, part+".yaml")
	changed := 0
	for _, file := range append(named, description, filepath.Join(work, "dkms", "dkms.conf")) {
		text, err := os.ReadFile(file)
		must(t, err)
		text = bytes.ReplaceAll(text, []byte(stage), []byte(work))
		changed += bytes.Count(text, []byte("version: "+version+"\n"))
		must(t, os.WriteFile(file, bytes.ReplaceAll(text, []byte(version), []byte(newer)), 0o755))
	}
	script, err := os.ReadFile(filepath.Join(built(".."), "packaging", "build.sh"))
	must(t, err)
	nfpm := regexp.MustCompile(`(?m)^nfpm=(.*)$`).FindSubmatch(script)
	if changed != 1 || nfpm == nil {
		t.Fatal("packaging/build.sh has changed: no higher version can be made")
	}
	cmd := exec.CommandContext(ctx, "go", "run", string(nfpm[1]), "package", "--config", description, "--packager", "rpm", "--target", directory+"/")
	cmd.Dir = built("..")
	cmd.Env = append(os.Environ(), "GOFLAGS=")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("making package: %v\n%s", err, out)
	}
}
