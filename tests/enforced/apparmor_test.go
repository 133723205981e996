package enforced

import (
	"context"
	"strings"
	"testing"
	"time"

	"libvirt-vgpu/tests/debian"
)

// TestAppArmor wants domains to have their vGPUs on Debian machines as they come:
// AppArmor confines libvirtd and each QEMU, and denies nothing that ours needs.
func TestAppArmor(t *testing.T) {
	canBoot(t)
	for _, tc := range []struct {
		name, suite string
		packages    []string
	}{
		{"Debian 12", debian.Bookworm, debian.Hypervisor()},
		{"Debian 13", debian.Trixie, []string{
			"systemd", "systemd-sysv", "dbus", "udev", "polkitd", "apparmor",
			"libvirt-daemon-system", "libvirt-clients", "qemu-system-x86", "linux-image-cloud-amd64",
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), time.Hour)
			t.Cleanup(cancel)
			root, err := debian.Root(ctx, tc.suite, tc.packages)
			must(t, err)
			h := bootHost(t, ctx, options{root: root})
			steps(t,
				"enforces", h.apparmorEnforces,
				"install", h.install,
				"attach", h.attach,
				"confined", h.apparmorConfines,
				"computes", h.computes,
				"plugged", h.plugged,
				"held", h.held,
				"keeps apart", h.keepsApart("aa-exec --profile=libvirt-"+one+" --"),
				"denies nothing of ours", h.apparmorDeniesNothing,
				"denies", h.apparmorDenies,
				"remove", h.apparmorForgets,
			)
		})
	}
}

// apparmorEnforces wants libvirt to use AppArmor and to be confined itself.
func (h *host) apparmorEnforces(t *testing.T) {
	h.run(t, "aa-enabled")
	if text := h.run(t, "virsh capabilities"); !strings.Contains(text, "<model>apparmor</model>") {
		t.Errorf("libvirt does not use AppArmor: %s", text)
	}
	if profile := h.run(t, "cat /proc/$(pidof libvirtd)/attr/current"); profile != "libvirtd (enforce)" {
		t.Errorf("libvirtd's profile is %s", profile)
	}
}

// apparmorConfines wants the domain's QEMU to be under its profile.
func (h *host) apparmorConfines(t *testing.T) {
	if profile := h.run(t, "cat /proc/$(cat /run/libvirt/qemu/one.pid)/attr/current"); profile != "libvirt-"+one+" (enforce)" {
		t.Errorf("QEMU's profile is %s", profile)
	}
}

const apparmorLog = `journalctl --dmesg --no-pager --output cat | grep -F 'apparmor="DENIED"' || true`

func (h *host) apparmorDeniesNothing(t *testing.T) {
	if denied := h.run(t, apparmorLog); denied != "" {
		t.Errorf("AppArmor denied:\n%s", denied)
	}
}

// apparmorDenies wants what is not ours to be denied and logged: else the tests
// before say nothing.
func (h *host) apparmorDenies(t *testing.T) {
	if out, err := h.Run(h.ctx, "aa-exec --profile=libvirt-"+one+" -- cat /etc/vgpu/pools.d/default.toml"); err == nil {
		t.Errorf("under QEMU's profile a program read the pools: %s", out)
	}
	if denied := h.run(t, apparmorLog); !strings.Contains(denied, "libvirt-"+one) {
		t.Errorf("nothing is logged of a denial, but %q", denied)
	}
}

// apparmorForgets wants the profiles to be as before when the package is removed.
func (h *host) apparmorForgets(t *testing.T) {
	h.run(t, "virsh destroy one")
	h.run(t, "apt-get purge --yes libvirt-vgpu")
	if left := h.run(t, "grep -r vgpu /etc/apparmor.d --exclude-dir=libvirt || true"); left != "" {
		t.Errorf("left in AppArmor's profiles: %s", left)
	}
	h.run(t, "apparmor_parser --replace /etc/apparmor.d/usr.sbin.libvirtd")
	h.run(t, "virsh start --paused another && virsh destroy another")
}
