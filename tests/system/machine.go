package system

import (
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

	"libvirt-vgpu/tests/debian"
)

const poll = 50 * time.Millisecond

// Machine is a container whose PID 1 is systemd. Close ends it and all it has
// written is gone.
type Machine struct {
	Name string

	directory string // on the host: its log and its mount points
	cgroups   []string
	boots     *exec.Cmd     // bootScript
	done      chan struct{} // closed when boots has ended
}

// bootScript mounts a root that forgets, and runs nspawn, again if the machine
// reboots. Its mounts are in a namespace of its own and end with it. $1 is the
// read-only root, $2 a folder, $3 the folder seen as /packages, the rest nspawn's
// options.
const bootScript = `set -e
root=$1 here=$2 packages=$3
shift 3
mount -t tmpfs -o mode=755 machine "$here"
mkdir "$here/upper" "$here/work" "$here/root"
mount -t overlay -o "lowerdir=$root,upperdir=$here/upper,workdir=$here/work" machine "$here/root"
status=133
while [ $status = 133 ]; do
	systemd-nspawn -q --directory="$here/root" --bind-ro="$packages:/packages" "$@" && status=0 || status=$?
done
exit $status
`

// boot starts a machine; ctx bounds the start. Packages are seen in /packages.
func boot(ctx context.Context, name, packages string) (m *Machine, err error) {
	root, err := debian.Root(ctx, debian.Bookworm, debian.Hypervisor())
	if err != nil {
		return nil, err
	}
	m = &Machine{Name: name}
	defer func() {
		if err != nil {
			m.Close()
			err = fmt.Errorf("booting machine %s: %w", name, err)
		}
	}()
	if m.directory, err = os.MkdirTemp("", "vgpu-machine-"); err != nil {
		return m, err
	}
	mounts := filepath.Join(m.directory, "mounts")
	if err := os.Mkdir(mounts, 0o755); err != nil {
		return m, err
	}
	log, err := os.Create(m.logFile())
	if err != nil {
		return m, err
	}
	defer log.Close()
	options := []string{
		"-c", bootScript, "boot", root, mounts, packages,
		"--boot", "--machine=" + filepath.Base(m.directory), "--register=no", "--private-network", "--capability=all",
		"--console=pipe", "--link-journal=no", "--settings=no", "--resolv-conf=off", "--timezone=off",
	}
	if _, err := os.Stat("/run/systemd/system"); err != nil {
		// nobody gives it a cgroup
		options = append(options, "--keep-unit")
		if err := m.makeCgroups(); err != nil {
			return m, err
		}
	}
	m.boots = exec.Command("/bin/sh", append([]string{"-c", m.cgroupScript(), "cgroups", "/bin/sh"}, options...)...)
	m.boots.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8", "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1"}
	m.boots.Stdout, m.boots.Stderr = log, log
	m.boots.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS, Setsid: true}
	if err := m.boots.Start(); err != nil {
		m.boots = nil
		return m, err
	}
	m.done = make(chan struct{})
	go func() {
		_ = m.boots.Wait()
		close(m.done)
	}()
	if err := m.booted(ctx, 0); err != nil {
		return m, err
	}
	// nobody sits there to answer it
	return m, m.Write("/etc/apt/apt.conf.d/90yes", "APT::Get::Assume-Yes \"true\";\n")
}

// makeCgroups makes one in each hierarchy that systemd uses.
func (m *Machine) makeCgroups() error {
	for _, hierarchy := range []string{"/sys/fs/cgroup", "/sys/fs/cgroup/unified", "/sys/fs/cgroup/systemd"} {
		if _, err := os.Stat(filepath.Join(hierarchy, "cgroup.procs")); err != nil {
			continue
		}
		cgroup := filepath.Join(hierarchy, filepath.Base(m.directory))
		if err := os.Mkdir(cgroup, 0o755); err != nil {
			return fmt.Errorf("making cgroup: %w", err)
		}
		m.cgroups = append(m.cgroups, cgroup)
	}
	return nil
}

// cgroupScript enters the cgroups and becomes the command that follows.
func (m *Machine) cgroupScript() string {
	var script strings.Builder
	script.WriteString("set -e\n")
	for _, cgroup := range m.cgroups {
		fmt.Fprintf(&script, "echo $$ >%s/cgroup.procs\n", cgroup)
	}
	script.WriteString("exec \"$@\"\n")
	return script.String()
}

// booted waits until systemd has started everything, as another process than
// before.
func (m *Machine) booted(ctx context.Context, before int) error {
	for {
		if leader := m.leader(); leader != 0 && leader != before {
			state, err := m.Run(ctx, "systemctl", "is-system-running")
			switch state {
			case "running":
				return nil
			case "degraded":
				failed, _ := m.Run(ctx, "systemctl", "--failed", "--plain", "--no-legend")
				return fmt.Errorf("units failed: %s", failed)
			}
			_ = err // not up yet
		}
		select {
		case <-m.done:
			return fmt.Errorf("the machine is off: %s", m.console())
		case <-ctx.Done():
			return fmt.Errorf("waiting for systemd: %w: %s", ctx.Err(), m.console())
		case <-time.After(poll):
		}
	}
}

// Reboot does it and waits until the machine is up again.
func (m *Machine) Reboot(ctx context.Context) error {
	before := m.leader()
	if _, err := m.Run(ctx, "systemctl", "reboot"); err != nil {
		return err
	}
	if err := m.booted(ctx, before); err != nil {
		return fmt.Errorf("rebooting machine %s: %w", m.Name, err)
	}
	return nil
}

// leader is the machine's PID 1, as the host sees it; 0 if there is none.
func (m *Machine) leader() int {
	return childOf(childOf(m.boots.Process.Pid, "systemd-nspawn"), "systemd")
}

// childOf is a process's child of that name; 0 if there is none.
func childOf(parent int, name string) int {
	pid := strconv.Itoa(parent)
	children, err := os.ReadFile(filepath.Join("/proc", pid, "task", pid, "children"))
	if err != nil {
		return 0
	}
	for _, child := range strings.Fields(string(children)) {
		if comm, err := os.ReadFile(filepath.Join("/proc", child, "comm")); err == nil && strings.TrimSpace(string(comm)) == name {
			id, _ := strconv.Atoi(child)
			return id
		}
	}
	return 0
}

// Path is where the host sees a file of the machine, until it reboots.
func (m *Machine) Path(inside string) string {
	return filepath.Join("/proc", strconv.Itoa(m.leader()), "root", inside)
}

// Command is a program in the machine, with the environment of root's shell.
func (m *Machine) Command(ctx context.Context, name string, args ...string) *exec.Cmd {
	enter := []string{"--target=" + strconv.Itoa(m.leader()), "--all", "--wd=" + m.Path("/root"), name}
	cmd := exec.CommandContext(ctx, "nsenter", append(enter, args...)...)
	cmd.Env = []string{
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "USER=root", "LC_ALL=C.UTF-8",
		"DEBIAN_FRONTEND=noninteractive",
	}
	return cmd
}

// Run runs a program and returns what it prints on stdout, without the last
// newlines. The error is a *CommandError.
func (m *Machine) Run(ctx context.Context, name string, args ...string) (string, error) {
	var stdout, stderr strings.Builder
	cmd := m.Command(ctx, name, args...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	text := strings.TrimRight(stdout.String(), "\n")
	if err != nil {
		return text, &CommandError{Typed: strings.Join(append([]string{name}, args...), " "), Stdout: text, Stderr: strings.TrimRight(stderr.String(), "\n"), Err: err}
	}
	return text, nil
}

// CommandError is a program that ended with a status other than 0.
type CommandError struct {
	Typed          string
	Stdout, Stderr string
	Err            error
}

func (e *CommandError) Error() string {
	return fmt.Sprintf("%s: %v: %s", e.Typed, e.Err, strings.TrimSpace(e.Stdout+"\n"+e.Stderr))
}
func (e *CommandError) Unwrap() error { return e.Err }

// stderr is what a failed command said.
func stderr(err error) string {
	var failed *CommandError
	if errors.As(err, &failed) {
		return failed.Stderr
	}
	return ""
}

// Write writes a file of the machine.
func (m *Machine) Write(inside, text string) error {
	return os.WriteFile(m.Path(inside), []byte(text), 0o644)
}

// Copy copies a file of the host into the machine.
func (m *Machine) Copy(host, inside string) error {
	data, err := os.ReadFile(host)
	if err != nil {
		return fmt.Errorf("copying into machine: %w", err)
	}
	path := m.Path(inside)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("copying into machine: %w", err)
	}
	if err := os.WriteFile(path, data, 0o755); err != nil {
		return fmt.Errorf("copying into machine: %w", err)
	}
	return nil
}

func (m *Machine) logFile() string { return filepath.Join(m.directory, "console.log") }

func (m *Machine) console() string {
	data, _ := os.ReadFile(m.logFile())
	return string(data[max(0, len(data)-4096):])
}

// Close ends the machine at once.
func (m *Machine) Close() {
	if m.boots != nil {
		if leader := m.leader(); leader != 0 {
			_ = syscall.Kill(leader, syscall.SIGKILL) // its processes end with it
		}
		select {
		case <-m.done:
		case <-time.After(10 * time.Second):
			_ = syscall.Kill(-m.boots.Process.Pid, syscall.SIGKILL)
			<-m.done
		}
		m.boots = nil
	}
	for _, cgroup := range m.cgroups {
		removeCgroup(cgroup)
	}
	m.cgroups = nil
	if m.directory != "" {
		_ = os.RemoveAll(m.directory)
		m.directory = ""
	}
}

// removeCgroup removes one whose processes have ended or are about to.
func removeCgroup(cgroup string) {
	for range 100 {
		_ = filepath.WalkDir(cgroup, func(path string, entry os.DirEntry, err error) error {
			if err == nil && entry.IsDir() {
				_ = os.Remove(path) // leaves first: the others fail and come next time
			}
			return nil
		})
		if _, err := os.Stat(cgroup); err != nil {
			return
		}
		time.Sleep(poll)
	}
}
