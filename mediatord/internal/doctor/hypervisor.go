package doctor

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Where distributions have QEMU, and libvirt's hook.
var qemuPaths = [...]string{"/usr/bin/qemu-system-x86_64", "/usr/libexec/qemu-kvm", "/usr/bin/qemu-kvm"}

const (
	hookPath   = "/etc/libvirt/hooks/qemu.d/50-vgpu"
	qemuAnswer = 10 * time.Second
)

func qemu(ctx context.Context, h Host) []Finding {
	for _, path := range qemuPaths {
		if _, err := os.Stat(h.path(path)); err != nil {
			continue
		}
		ctx, cancel := context.WithTimeout(ctx, qemuAnswer)
		defer cancel()
		devices, err := exec.CommandContext(ctx, h.path(path), "-machine", "none", "-device", "help").CombinedOutput() //nolint:gosec // a fixed path
		switch {
		case bytes.Contains(devices, []byte(`"ivshmem-doorbell"`)):
			return ok(path + " has the device ivshmem-doorbell")
		case err != nil:
			return problem(fmt.Sprintf("%s does not run: %v", path, err), "install QEMU again")
		}
		return problem(path+" has no device ivshmem-doorbell", "use a QEMU that has it, as those of Debian, Ubuntu and Fedora; RHEL's is built without")
	}
	return problem("QEMU is not installed", "install qemu-system-x86")
}

func libvirt(_ context.Context, h Host) []Finding {
	if _, err := os.Stat(h.path("/etc/libvirt")); err != nil {
		return problem("libvirt is not installed", "install libvirt-daemon-system, of version 6.5 or newer")
	}
	err := h.Libvirt()
	switch {
	case err != nil && (strings.Contains(err.Error(), "authenti") || strings.Contains(err.Error(), "Permission denied")):
		return problem("libvirt does not let this user in: "+err.Error(), "be root, or a member of the group libvirt")
	case err != nil:
		return problem("libvirt does not answer: "+err.Error(), "start it: systemctl start libvirtd, or virtqemud.socket")
	}
	return ok("libvirt answers")
}

// hook: libvirt looks for hooks when it starts and when it is reloaded.
func hook(ctx context.Context, h Host) []Finding {
	entry := h.path(hookPath)
	link, err := os.Lstat(entry)
	if err != nil {
		return problem("libvirt's hook is not installed", "install the package libvirt-vgpu, again if it is there: "+hookPath+" leads to /usr/libexec/vgpu/vgpu-qemu-hook")
	}
	target := entry
	if link.Mode()&os.ModeSymlink != 0 {
		if target, err = os.Readlink(entry); err == nil {
			target = h.path(target)
			if !filepath.IsAbs(target) {
				target = filepath.Join(filepath.Dir(entry), target)
			}
		}
	}
	program, err := os.Stat(target)
	if err != nil || !program.Mode().IsRegular() || program.Mode()&0o111 == 0 {
		return problem("libvirt's hook "+hookPath+" is no program that can run: every start of a domain fails", "install libvirt-vgpu again, or remove "+hookPath)
	}
	since := changed(link)
	for _, name := range []string{"libvirtd", "virtqemud"} {
		began, runs := h.began(name)
		if !runs {
			continue
		}
		if reloaded := h.Reloaded(ctx, name); reloaded.After(began) {
			began = reloaded
		}
		if began.Add(beganError).Before(since) {
			return problem(fmt.Sprintf("%s runs since before the hook was installed and does not call it", name), "systemctl reload "+name+" (domains that run go on)")
		}
		return ok("the hook is installed and " + name + " has seen it")
	}
	return ok("the hook is installed; libvirt's daemon will see it when it starts")
}

// changed is when a directory entry got its present inode.
func changed(info os.FileInfo) time.Time {
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		return time.Unix(stat.Ctim.Unix())
	}
	return info.ModTime()
}

// beganError is how much earlier than it did a process seems to have started: the kernel
// tells in whole seconds when it booted. A daemon that was started right behind the hook's
// installation has seen it.
const beganError = time.Second

// began is when the process of a name started, or up to beganError before that.
func (h Host) began(name string) (time.Time, bool) {
	entries, err := filepath.Glob(h.path("/proc/[0-9]*/stat"))
	if err != nil {
		return time.Time{}, false
	}
	boot := h.booted()
	for _, entry := range entries {
		text, err := os.ReadFile(entry)
		if err != nil {
			continue
		}
		// pid (comm) state ...; field 22 is the start in ticks since boot, 100 a second
		open, closing := bytes.IndexByte(text, '('), bytes.LastIndexByte(text, ')')
		if open < 0 || closing < open || string(text[open+1:closing]) != name {
			continue
		}
		fields := strings.Fields(string(text[closing+1:]))
		const startTime = 22 - 3
		if len(fields) <= startTime {
			continue
		}
		ticks, err := strconv.ParseInt(fields[startTime], 10, 64)
		if err != nil {
			continue
		}
		return boot.Add(time.Duration(ticks) * 10 * time.Millisecond), true
	}
	return time.Time{}, false
}

func (h Host) booted() time.Time {
	text, err := os.ReadFile(h.path("/proc/stat"))
	if err != nil {
		return time.Time{}
	}
	for line := range strings.Lines(string(text)) {
		if seconds, found := strings.CutPrefix(line, "btime "); found {
			if value, err := strconv.ParseInt(strings.TrimSpace(seconds), 10, 64); err == nil {
				return time.Unix(value, 0)
			}
		}
	}
	return time.Time{}
}

// apparmor: libvirt's daemon is confined itself, and its profile lets it run what lies in
// /etc/libvirt/hooks, but not what a link there leads to.
func apparmor(_ context.Context, h Host) []Finding {
	if h.word("/sys/module/apparmor/parameters/enabled") != "Y" {
		return ok("AppArmor is off")
	}
	const folder = "/etc/apparmor.d/"
	says := func(name, text string) bool {
		profile, err := os.ReadFile(h.path(folder + name))
		return err == nil && bytes.Contains(profile, []byte(text))
	}
	const program = "/usr/libexec/vgpu/vgpu-qemu-hook"
	for _, profile := range []string{"usr.sbin.libvirtd", "usr.sbin.virtqemud"} {
		if _, err := os.Stat(h.path(folder + profile)); err != nil || says(profile, program) || says("local/"+profile, program) {
			continue
		}
		return problem("AppArmor does not let libvirt run its hook "+program+": every start of a domain fails",
			"install libvirt-vgpu again, or add '"+program+" rmix,' to "+folder+"local/"+profile+" and load it: apparmor_parser -r "+folder+profile)
	}
	if says("abstractions/libvirt-qemu.d/libvirt-vgpu", "vgpu") || says("local/abstractions/libvirt-qemu", "vgpu") {
		return ok("AppArmor is on, and libvirt's profiles have our additions")
	}
	return ok("AppArmor is on; libvirt admits each domain's socket by itself")
}

func selinux(_ context.Context, h Host) []Finding {
	if h.word("/sys/fs/selinux/enforce") != "1" {
		return ok("SELinux does not enforce")
	}
	if modules, err := filepath.Glob(h.path("/var/lib/selinux/*/active/modules/*/vgpu")); err == nil && len(modules) > 0 {
		return ok("SELinux enforces, and our policy module is loaded")
	}
	return warning("SELinux enforces, and the policy module vgpu is not loaded: QEMU (svirt_t) may not connect to mediatord's socket nor map its memory",
		"dnf install selinux-policy-devel, then /usr/libexec/vgpu/selinux-module load")
}

// ErrNoBus and ErrNoMediatord are what Host.Mediatord may miss.
var (
	ErrNoBus       = errors.New("the message bus does not answer")
	ErrNoMediatord = errors.New("mediatord is not running")
)
