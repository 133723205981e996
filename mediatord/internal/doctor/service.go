package doctor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"libvirt-vgpu/mediatord/internal/config"
	"libvirt-vgpu/mediatord/internal/isolation"
)

const (
	busPolicy    = "dbus-1/system.d/io.github.libvirt_vgpu.Mediator1.conf"
	executorPath = "/usr/libexec/vgpu/vgpu-executor"
	runDirectory = "/run/vgpu"
)

// policy: without it nobody may own mediatord's name.
func policy(_ context.Context, h Host) []Finding {
	for _, directory := range []string{"/usr/share/", "/etc/"} {
		if _, err := os.Stat(h.path(directory + busPolicy)); err == nil {
			return ok("the message bus has mediatord's policy")
		}
	}
	return problem("the message bus has no policy for mediatord", "install the package libvirt-vgpu, again if it is there: it brings /usr/share/"+busPolicy)
}

func mediatord(ctx context.Context, h Host) []Finding {
	version, err := h.Mediatord(ctx)
	switch {
	case errors.Is(err, ErrNoBus):
		return problem("the message bus does not answer", "install dbus if it is not there, and systemctl start dbus")
	case errors.Is(err, ErrNoMediatord):
		return problem("mediatord is not running", "systemctl start mediatord, and see journalctl -u mediatord")
	case err != nil:
		return problem("mediatord does not answer: "+err.Error(), "see systemctl status mediatord and journalctl -u mediatord")
	case version != h.Version:
		return warning(fmt.Sprintf("mediatord is of version %s, vgpuctl of %s", version, h.Version), "systemctl restart mediatord (domains that run go on)")
	}
	return ok("mediatord " + version + " answers")
}

func executor(_ context.Context, h Host) []Finding {
	info, err := os.Stat(h.path(executorPath))
	if err != nil || !info.Mode().IsRegular() || info.Mode()&0o111 == 0 {
		return problem(executorPath+" is not installed", "install the package libvirt-vgpu, again if it is there")
	}
	return ok("the executor is installed")
}

// permissions: QEMU's user must reach the sockets below the runtime directory.
func permissions(_ context.Context, h Host) []Finding {
	info, err := os.Stat(h.path(runDirectory))
	switch {
	case err != nil:
		return problem("there is no "+runDirectory, "systemctl start mediatord, which makes it")
	case !info.IsDir() || info.Mode()&0o001 == 0:
		return problem(fmt.Sprintf("QEMU's user cannot enter %s (%v)", runDirectory, info.Mode()), "chmod 0755 "+runDirectory)
	}
	users, err := os.ReadFile(h.path("/etc/passwd"))
	if err != nil {
		return warning("/etc/passwd cannot be read", "see its permissions")
	}
	for _, name := range []string{"libvirt-qemu", "qemu"} {
		if strings.HasPrefix(string(users), name+":") || strings.Contains(string(users), "\n"+name+":") {
			return ok("QEMU's user " + name + " can reach mediatord's sockets")
		}
	}
	return warning("there is no user libvirt-qemu or qemu", "if QEMU runs as another user, give mediatord its name with --qemu-users")
}

func pools(_ context.Context, h Host) []Finding {
	all, err := config.Load(h.path(h.Pools))
	switch {
	case err != nil:
		return problem(err.Error(), "correct the file, then systemctl reload mediatord; until then an earlier configuration is in force, and it would not start with this one")
	case len(all) == 0:
		return problem("there is no pool in "+h.Pools, "copy default.toml.example to default.toml there, name a GPU, then systemctl reload mediatord; see man vgpu-pools")
	}
	gpus, err := h.GPUs()
	if err != nil {
		gpus = nil // the check of the driver says so
	}
	var findings []Finding
	for _, r := range isolation.Check(isolation.Sysfs(h.path("/sys")), isolation.Resolve(all, gpus)) {
		switch {
		case r.Refused():
			findings = append(findings, problem(fmt.Sprintf("pool %s is not as isolated as it demands: %s", r.Pool, r.Reasons()), "see vgpuctl pool check "+r.Pool)...)
		case len(r.Findings) > 0:
			findings = append(findings, warning("pool "+r.Pool+": "+r.Findings[0].Problem, "see vgpuctl pool check "+r.Pool)...)
		default:
			findings = append(findings, ok(fmt.Sprintf("pool %s, isolation %s", r.Pool, r.Level))...)
		}
	}
	return findings
}
