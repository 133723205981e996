package enforced

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"libvirt-vgpu/tests/debian"
)

// prepareSELinux loads our module, and what Debian's own programs need beyond
// Debian's rules, into a root's policy, and gives the files their labels.
const prepareSELinux = `chroot "$1" semodule -n -s default -i /packages/vgpu.pp /packages/debian.cil
setfiles -r "$1" "$1/etc/selinux/default/contexts/files/file_contexts" "$1"
`

// debianRules are for what Debian 12's rules are not enough for. libvirtd may not
// load the BPF program that keeps QEMU from devices nor talk with machined and
// logind, nor virtlogd with the journal, nor virsh read what a service gives it; nor
// QEMU map the kernel that it boots. The last three let the test start a QEMU as
// confined as libvirt's, without its categories. Nothing of ours is among them.
const debianRules = `(typepermissive virtd_t)
(typepermissive virsh_t)
(typepermissive virtlogd_t)
(typepermissive systemd_machined_t)
(typepermissive systemd_logind_t)
(allow svirt_t virt_content_t (file (map)))
(allow initrc_t svirt_t (process (transition)))
(allow svirt_t initrc_t (fd (use)))
(allow svirt_t initrc_runtime_t (file (getattr append write)))
`

// TestSELinux wants domains to have their vGPUs where SELinux enforces Debian's
// policy and ours: mediatord, executors, libvirt's hook and QEMU are confined to
// domains of their own, and nothing that ours needs is denied.
func TestSELinux(t *testing.T) {
	canBoot(t)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 2*time.Hour)
	t.Cleanup(cancel)
	root, err := debian.Root(ctx, debian.Bookworm, []string{
		"systemd", "systemd-sysv", "dbus", "udev", "polkitd",
		"libvirt-daemon-system", "libvirt-clients", "qemu-system-x86", "linux-image-cloud-amd64",
		"selinux-policy-default", "policycoreutils", "selinux-utils",
	})
	must(t, err)
	folder := t.TempDir()
	rules := filepath.Join(folder, "debian.cil")
	must(t, os.WriteFile(rules, []byte(debianRules), 0o644))
	h := bootHost(t, ctx, options{
		root: root, kernel: "security=selinux enforcing=1", prepare: prepareSELinux,
		files: map[string]string{packets + "vgpu.pp": enforcedModule(t, ctx, folder), packets + "debian.cil": rules},
	})
	steps(t,
		"enforces", h.selinuxEnforces,
		"install", h.install,
		"attach", h.attach,
		"computes", h.computes,
		"confined", h.selinuxConfines,
		"plugged", h.plugged,
		"held", h.held,
		"metrics", h.selinuxMetrics,
		"keeps apart", h.keepsApart("runcon --type=svirt_t --"),
		"denies nothing of ours", h.selinuxDeniesNothing,
		"denies", h.selinuxDenies,
	)
}

// enforcedModule compiles our module as `selinux-module enforce` does.
func enforcedModule(t *testing.T, ctx context.Context, folder string) string {
	t.Helper()
	const script = `cp packaging/selinux/vgpu.* "$1" && sed -i '/^permissive /d' "$1/vgpu.te" && make -s -C "$1" -f /usr/share/selinux/devel/Makefile vgpu.pp`
	cmd := exec.CommandContext(ctx, "/bin/sh", "-ec", script, "module", folder)
	cmd.Dir = built("..")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("compiling module: %v\n%s", err, out)
	}
	return filepath.Join(folder, "vgpu.pp")
}

// selinuxEnforces wants libvirt to use SELinux and to be in its domain.
func (h *host) selinuxEnforces(t *testing.T) {
	if mode := h.run(t, "getenforce"); mode != "Enforcing" {
		t.Errorf("SELinux is %s", mode)
	}
	if text := h.run(t, "virsh capabilities"); !strings.Contains(text, "<model>selinux</model>") {
		t.Errorf("libvirt does not use SELinux: %s", text)
	}
	h.inDomain(t, "$(pidof libvirtd)", "virtd_t")
}

// selinuxConfines wants each part to be in its domain.
func (h *host) selinuxConfines(t *testing.T) {
	h.inDomain(t, "$(systemctl show --property=MainPID --value mediatord)", "mediatord_t")
	h.inDomain(t, "$(cat /run/libvirt/qemu/one.pid)", "svirt_t")
	h.run(t, "echo 'warm = 1' >>/etc/vgpu/pools.d/default.toml && systemctl reload mediatord")
	h.until(t, "an executor waits", func() bool {
		_, err := h.Run(h.ctx, "pidof -s vgpu-executor")
		return err == nil
	})
	h.inDomain(t, "$(pidof -s vgpu-executor)", "vgpu_executor_t")
}

// inDomain wants a process, named in the shell's words, to be in a domain.
func (h *host) inDomain(t *testing.T, process, domain string) {
	t.Helper()
	if label := h.run(t, "cat /proc/"+process+"/attr/current"); !strings.Contains(label, ":"+domain+":") {
		t.Errorf("process %s is %s: want %s", process, label, domain)
	}
}

// selinuxMetrics wants the passer-on to reach mediatord. A port is its own to have
// by a boolean of the policy's.
func (h *host) selinuxMetrics(t *testing.T) {
	h.run(t, "setsebool systemd_socket_proxyd_bind_any on")
	h.run(t, "systemctl start vgpu-metrics.socket")
	if text := h.run(t, `bash -c 'exec 3<>/dev/tcp/127.0.0.1/9835; printf "GET /metrics HTTP/1.0\r\n\r\n" >&3; cat <&3'`); !strings.Contains(text, "vgpu_") {
		t.Errorf("the metrics are %s", text)
	}
}

// ours are denials of or to anything of ours.
const ours = `journalctl --no-pager --output cat | grep -F 'avc:  denied' | grep -E '[st]context=[^ ]*:(vgpu|mediatord)_[a-z_]*t[: ]' | sort -u || true`

func (h *host) selinuxDeniesNothing(t *testing.T) {
	if denied := h.run(t, ours); denied != "" {
		t.Errorf("SELinux denied:\n%s", denied)
	}
}

// selinuxDenies wants what is not allowed to be denied and logged: else the tests
// before say nothing.
func (h *host) selinuxDenies(t *testing.T) {
	out, err := h.Run(h.ctx, "timeout 600 runcon --type=svirt_t -- qemu-system-x86_64 -nodefaults -no-user-config -display none -machine none"+
		" -blockdev driver=file,node-name=pools,filename=/etc/vgpu/pools.d/default.toml")
	if err == nil {
		t.Errorf("in QEMU's domain a QEMU read the pools: %s", out)
	}
	if denied := h.run(t, ours); !strings.Contains(denied, ":svirt_t:") || !strings.Contains(denied, ":vgpu_conf_t:") {
		t.Errorf("nothing is logged of a denial, but %q", denied)
	}
}
