package system

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"libvirt-vgpu/tests/vm/manifest"
)

// enough is how long a guest's computation may take that outlives something; it is
// told to end when that is over.
const enough = 10 * time.Minute

// begin starts a program that computes in the guest until it is told to end.
func (h *host) begin(t *testing.T, name string) {
	t.Helper()
	must(t, h.guest.Begin(manifest.Step{
		Name: name, Argv: []string{"/usr/bin/spin", fmt.Sprint(enough.Seconds()), "200"}, Timeout: enough, Background: true,
	}))
	must(t, h.guest.Said(h.within(t, time.Minute), name, "started"))
}

// finishes tells it to end, which it does after one more kernel, and wants it to
// have computed all the time.
func (h *host) finishes(t *testing.T, name string) {
	t.Helper()
	must(t, h.guest.Begin(manifest.Step{Name: name + "-end", Kill: name, Signal: int(syscall.SIGTERM)}))
	result, err := h.guest.Result(h.within(t, 2*time.Minute), name)
	must(t, err)
	if result.Exit != 0 || !finished(result.Output) {
		t.Fatalf("exit status %d:\n%s", result.Exit, strings.Join(result.Output, "\n"))
	}
}

// undisturbed does something to the host while a program computes in the guest,
// which must finish as if nothing had been; another one must work afterwards.
func (h *host) undisturbed(t *testing.T, name string, something func()) {
	t.Helper()
	name = fmt.Sprint(name, "-", h.round)
	h.begin(t, name)
	if slices, err := h.Run(h.ctx, "systemctl", "show", "--property=Slice", "--value", "vgpu-executor-*.scope"); err != nil || slices != "vgpu-default-one.slice" {
		t.Errorf("the executor's slice is %q, %v", slices, err)
	}
	something()
	h.finishes(t, name)
	h.computes(t, name+"-after")
	if slot := h.slot(t, "one"); slot.State != "running" || !slot.Connected {
		t.Errorf("the slot is %+v", slot)
	}
	h.nothingFailed(t)
}

func finished(output []string) bool {
	return len(output) > 0 && strings.HasPrefix(output[len(output)-1], "finished ")
}

// killed kills mediatord while a guest computes, then restarts libvirtd.
func (h *host) killed(t *testing.T) {
	h.undisturbed(t, "killed", func() {
		before := h.property(t, "MainPID")
		_, err := h.Run(h.ctx, "systemctl", "kill", "--signal=KILL", "--kill-who=main", "mediatord.service")
		must(t, err)
		h.otherProcess(t, before)
		_, err = h.Run(h.ctx, "systemctl", "restart", "libvirtd.service")
		must(t, err)
		if state, err := h.Run(h.ctx, "virsh", "domstate", "one"); err != nil || strings.TrimSpace(state) != "running" {
			t.Errorf("after libvirtd's restart the domain is %q, %v", state, err)
		}
	})
}

// upgraded installs a package of a higher version while a guest computes, and
// then restarts mediatord by hand.
func (h *host) upgraded(t *testing.T) {
	version := fmt.Sprintf("0.9.%d-1", h.round)
	h.higherVersion(t, version)
	h.undisturbed(t, "upgraded", func() {
		before := h.property(t, "MainPID")
		h.typed(t, "Upgrade", 0)
		h.otherProcess(t, before)
	})
	if installed, err := h.Run(h.ctx, "dpkg-query", "-W", "-f", "${Version}", "libvirt-vgpu"); err != nil || installed != version {
		t.Errorf("version %q is installed, %v", installed, err)
	}
	h.undisturbed(t, "restarted", func() {
		before := h.property(t, "MainPID")
		h.typed(t, "Upgrade", 1)
		h.otherProcess(t, before)
	})
}

// stopped stops mediatord and starts it again while a guest computes.
func (h *host) stopped(t *testing.T) {
	text, err := h.page.take("Upgrade", 2)
	must(t, err)
	stop, start, found := strings.Cut(text, "\n")
	if !found {
		t.Fatalf("the page says %q", text)
	}
	shell := func(command string) {
		t.Helper()
		if _, err := h.Run(h.ctx, "/bin/sh", "-ec", command); err != nil {
			t.Fatal(err)
		}
	}
	h.undisturbed(t, "stopped", func() {
		before := h.property(t, "MainPID")
		shell(stop)
		h.until(t, time.Minute, "mediatord is stopped", func() bool { return h.property(t, "ActiveState") == "inactive" })
		if state, err := h.Run(h.ctx, "systemctl", "is-active", "vgpu-held.scope"); err != nil {
			t.Errorf("the holder is %s, %v", state, err)
		}
		shell(start)
		h.otherProcess(t, before)
		h.until(t, time.Minute, "the holder has ended", func() bool {
			state, _ := h.Run(h.ctx, "systemctl", "is-active", "vgpu-held.scope")
			return state == "inactive"
		})
	})
}

// higherVersion puts a package of another version in the place of the present one.
func (h *host) higherVersion(t *testing.T, version string) {
	t.Helper()
	present, err := filepath.Glob(filepath.Join(h.packages, "libvirt-vgpu_*.deb"))
	must(t, err)
	work := filepath.Join(t.TempDir(), "package")
	for _, argv := range [][]string{
		{"dpkg-deb", "--raw-extract", present[0], work},
		{"sed", "-i", "s/^Version: .*/Version: " + version + "/", filepath.Join(work, "DEBIAN", "control")},
		{"dpkg-deb", "-Znone", "--root-owner-group", "--build", work, filepath.Join(h.packages, "libvirt-vgpu_"+version+"_amd64.deb")},
	} {
		if out, err := exec.CommandContext(h.ctx, argv[0], argv[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %v\n%s", argv, err, out)
		}
	}
	must(t, os.Remove(present[0]))
}

// rebooted reboots the host: a domain that starts by itself has its vGPU again.
func (h *host) rebooted(t *testing.T) {
	// the guest knows no power button
	must(t, h.Write("/etc/default/libvirt-guests", "ON_SHUTDOWN=shutdown\nSHUTDOWN_TIMEOUT=1\n"))
	_, err := h.Run(h.ctx, "virsh", "autostart", "one")
	must(t, err)
	must(t, os.Remove(h.guest.Console().Path))
	must(t, h.Reboot(h.within(t, 2*time.Minute)))
	h.until(t, time.Minute, "the domain runs", func() bool {
		state, err := h.Run(h.ctx, "virsh", "domstate", "one")
		return err == nil && strings.TrimSpace(state) == "running"
	})
	must(t, h.guest.Booted(h.within(t, 2*time.Minute)))
	h.computes(t, fmt.Sprint("rebooted-", h.round))
	h.nothingFailed(t)
}

// keptBySomethingElse removes the package while mediatord is stopped and a guest
// computes, and installs it again.
func (h *host) keptBySomethingElse(t *testing.T) {
	h.undisturbed(t, "kept", func() {
		before := h.property(t, "MainPID")
		_, err := h.Run(h.ctx, "systemctl", "stop", "mediatord")
		must(t, err)
		said, err := h.Run(h.ctx, "/bin/sh", "-ec", "exec 2>&1; apt-get remove libvirt-vgpu")
		must(t, err)
		if !strings.Contains(said, "systemctl stop vgpu-held.scope") {
			t.Errorf("removing did not say who keeps the vGPUs: %s", said)
		}
		if state, err := h.Run(h.ctx, "systemctl", "is-active", "vgpu-held.scope"); err != nil {
			t.Errorf("the holder is %s, %v", state, err)
		}
		_, err = h.Run(h.ctx, "/bin/sh", "-ec", "cd /packages; apt-get install ./libvirt-vgpu_*_amd64.deb")
		must(t, err)
		h.otherProcess(t, before)
	})
}

// removed removes the package while a domain has a vGPU, and purges it when the
// domain is gone. Domains without one start as ever.
func (h *host) removed(t *testing.T) {
	plain := &Guest{Name: "plain", UUID: "9c1d7f80-2f0a-4a34-9f57-0c7f2f0f7b33", machine: h.Machine}
	h.define(t, plain)
	start := func() {
		must(t, plain.Await())
		_, err := h.Run(h.ctx, "virsh", "start", "plain")
		must(t, err)
		_, err = h.Run(h.ctx, "virsh", "destroy", "plain")
		must(t, err)
		plain.Forget()
	}
	start()

	h.begin(t, "removed")
	if said := h.typed(t, "Remove", 0); !strings.Contains(said, "domains hold vGPUs") {
		t.Errorf("removing did not warn: %s", said)
	}
	if _, err := os.Lstat(h.Path("/etc/libvirt/hooks/qemu.d/50-vgpu")); err == nil {
		t.Error("the hook is still there")
	}
	if access, room := h.property(t, "NotifyAccess"), h.property(t, "FileDescriptorStoreMax"); access != "main" || room == "0" {
		t.Errorf("systemd does not listen to mediatord any more: NotifyAccess is %s, FileDescriptorStoreMax %s", access, room)
	}
	start()
	h.finishes(t, "removed")

	_, err := h.Run(h.ctx, "virsh", "destroy", "one")
	must(t, err)
	h.typed(t, "Remove", 1)
	if left, _ := h.Run(h.ctx, "/bin/sh", "-c", "ls -d /etc/vgpu /run/vgpu /var/lib/vgpu /var/cache/vgpu /usr/libexec/vgpu /usr/lib/vgpu /etc/apparmor.d/abstractions/libvirt-qemu.d/libvirt-vgpu 2>/dev/null; "+
		"grep -l libvirt-vgpu /etc/apparmor.d/local/abstractions/libvirt-qemu; readlink /proc/[0-9]*/exe | grep -e mediatord -e vgpu-executor"); left != "" {
		t.Errorf("left after purge: %s", left)
	}
	start()
	h.nothingFailed(t)
}

// property is one of mediatord.service.
func (h *host) property(t *testing.T, name string) string {
	t.Helper()
	value, err := h.Run(h.ctx, "systemctl", "show", "--property="+name, "--value", "mediatord.service")
	must(t, err)
	return value
}

// otherProcess waits until mediatord is up as another process than before.
func (h *host) otherProcess(t *testing.T, before string) {
	t.Helper()
	h.until(t, time.Minute, "mediatord is up again", func() bool {
		pid := h.property(t, "MainPID")
		return pid != "0" && pid != before && h.property(t, "ActiveState") == "active"
	})
}

// until waits for a condition.
func (h *host) until(t *testing.T, within time.Duration, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(within); !is(); time.Sleep(poll) {
		if time.Now().After(deadline) || h.ctx.Err() != nil {
			t.Fatalf("waiting until %s: not within %v", what, within)
		}
	}
}
