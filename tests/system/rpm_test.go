package system

import (
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
	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Minute)
	defer cancel()
	packages := t.TempDir()
	must(t, os.Chmod(packages, 0o755))
	version := packagedVersion(t)
	present := fmt.Sprintf("libvirt-vgpu-%s-1.x86_64.rpm", version)
	data, err := os.ReadFile(filepath.Join(built("packages"), present))
	must(t, err)
	must(t, os.WriteFile(filepath.Join(packages, present), data, 0o644))
	const newer = "0.9.1"
	higherRPM(t, ctx, packages, version, newer)

	m, err := boot(ctx, "rpm", packages)
	must(t, err)
	h := &host{Machine: m, ctx: ctx, packages: packages}
	t.Cleanup(func() {
		if t.Failed() {
			journal, _ := h.Run(context.WithoutCancel(ctx), "journalctl", "--no-pager", "--lines", "100")
			t.Logf("journal:\n%s", journal)
		}
		h.Close()
	})
	// a scriptlet that fails is only told
	rpm := func(args ...string) {
		t.Helper()
		out, err := h.Command(ctx, "rpm", append([]string{"--force-debian", "--nodeps"}, args...)...).CombinedOutput()
		if err != nil || strings.Contains(string(out), "scriptlet") || strings.Contains(string(out), "error:") {
			t.Fatalf("rpm %s: %v\n%s", args[0], err, out)
		}
		t.Logf("rpm %s: %s", args[0], out)
	}
	h.fakeSELinux(t)
	rpm("--install", "/packages/"+present)
	h.wantModule(t, "vgpu")
	if target, err := h.Run(ctx, "readlink", "-e", "/etc/libvirt/hooks/qemu.d/50-vgpu"); err != nil || target != "/usr/libexec/vgpu/vgpu-qemu-hook" {
		t.Errorf("the hook is %q, %v", target, err)
	}
	for _, argv := range [][]string{{"getent", "passwd", "vgpu-executor"}, {"getent", "group", "vgpu"}, {"ls", "-d", "/run/vgpu", "/var/cache/vgpu/modules"}} {
		if _, err := h.Run(ctx, argv[0], argv[1:]...); err != nil {
			t.Error(err)
		}
	}
	h.verified(t)

	// as the operator's page says for Fedora
	must(t, h.Write("/etc/vgpu/pools.d/default.toml", "gpus = [\"soft\"]\n"))
	_, err = h.Run(ctx, "systemctl", "enable", "--now", "mediatord")
	must(t, err)
	if out, err := h.Run(ctx, "vgpuctl", "doctor"); err != nil {
		t.Errorf("the doctor finds problems: %v\n%s", err, out)
	}

	must(t, h.Copy(built("tests/spin"), "/usr/local/bin/spin"))
	_, err = h.Run(ctx, "systemd-run", "--unit=computes", "--property=RemainAfterExit=yes", "vgpuctl", "run", "--", "/usr/local/bin/spin", "600", "200")
	must(t, err)
	h.until(t, time.Minute, "a program computes", func() bool {
		out, _ := h.Run(ctx, "journalctl", "--no-pager", "--output=cat", "--unit=computes")
		return strings.Contains(out, "started")
	})
	before := h.property(t, "MainPID")
	rpm("--upgrade", fmt.Sprintf("/packages/libvirt-vgpu-%s-1.x86_64.rpm", newer))
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
	if installed, err := h.Run(ctx, "rpm", "--query", "libvirt-vgpu"); err != nil || !strings.HasPrefix(installed, "libvirt-vgpu-"+newer) {
		t.Errorf("installed is %q, %v", installed, err)
	}
	h.verified(t)

	h.wantModule(t, "vgpu")
	rpm("--erase", "libvirt-vgpu")
	h.wantModule(t, "")
	left, _ := h.Run(ctx, "/bin/sh", "-c", "ls -d /etc/libvirt/hooks/qemu.d/50-vgpu /usr/libexec/vgpu /usr/lib/vgpu /usr/share/libvirt-vgpu /usr/share/doc/libvirt-vgpu "+
		"/usr/lib/systemd/system/mediatord.service "+
		"/etc/systemd/system/multi-user.target.wants/mediatord.service 2>/dev/null; readlink /proc/[0-9]*/exe | grep -e mediatord -e vgpu-executor")
	if left != "" {
		t.Errorf("left after erasing: %s", left)
	}
	h.nothingFailed(t)
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
func (h *host) verified(t *testing.T) {
	t.Helper()
	said, _ := h.Run(h.ctx, "rpm", "--verify", "--nodeps", "libvirt-vgpu")
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

// higherRPM makes the rpm of another version from what `make packages` has staged.
func higherRPM(t *testing.T, ctx context.Context, directory, version, newer string) {
	t.Helper()
	staged, err := os.ReadFile(filepath.Join(built("packages"), "stage", "host.yaml"))
	must(t, err)
	text := strings.Replace(string(staged), "version: "+version+"\n", "version: "+newer+"\n", 1)
	file := filepath.Join(t.TempDir(), "host.yaml")
	must(t, os.WriteFile(file, []byte(text), 0o644))
	script, err := os.ReadFile(filepath.Join(built(".."), "packaging", "build.sh"))
	must(t, err)
	nfpm := regexp.MustCompile(`(?m)^nfpm=(.*)$`).FindSubmatch(script)
	if text == string(staged) || nfpm == nil {
		t.Fatal("packaging/build.sh has changed: no higher version can be made")
	}
	cmd := exec.CommandContext(ctx, "go", "run", string(nfpm[1]), "package", "--config", file, "--packager", "rpm", "--target", directory+"/")
	cmd.Dir = built("..")
	cmd.Env = append(os.Environ(), "GOFLAGS=")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("making package: %v\n%s", err, out)
	}
}
