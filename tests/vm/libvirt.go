package vm

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
)

// errNotRoot: mounting and starting VMs as another user take root.
var errNotRoot = errors.New("the libvirt sandbox needs root")

// LibvirtOptions is what a test chooses about its libvirtd.
type LibvirtOptions struct {
	Hook        string   // binary to install as the qemu hook, "" for none
	BusPolicies []string // see StartBus
}

// Libvirt is a real libvirtd in mount and network namespaces of its own: it
// sees private directories in the place of those of libvirt, of the system bus
// and of libvirt-vgpu. Everything else of the file system is the host's.
type Libvirt struct {
	URI string // for virsh -c and mediatord
	Dir string // everything private to the sandbox, world-readable
	Bus *Bus

	daemon *daemon
}

// places are the directories of the host that the sandbox has its own of.
var places = [...]string{
	"/etc/libvirt", "/var/lib/libvirt", "/run/libvirt", "/var/cache/libvirt", "/var/log/libvirt",
	"/run/dbus",
	"/etc/vgpu", "/var/lib/vgpu", "/var/cache/vgpu", "/run/vgpu",
}

const libvirtdConf = `auth_unix_rw = "none"
auth_unix_ro = "none"
unix_sock_rw_perms = "0700"
log_level = 3
log_outputs = "3:stderr"
`

// qemuConf: no virtlogd, no security module, no cgroups and device namespaces,
// which a container's libvirtd could not have.
const qemuConf = `stdio_handler = "file"
security_driver = "none"
cgroup_controllers = []
namespaces = []
remember_owner = 0
`

// deviceScript gives the sandbox a /dev without kvm. VMs are emulated everywhere
// alike; and a libvirtd that may open /dev/kvm while QEMU's user may not probes
// QEMU anew for every domain, which takes seconds. %[1]s is an empty directory.
const deviceScript = `mount -t tmpfs -o mode=755 dev %[1]s
for name in null zero full random urandom; do
	touch %[1]s/$name
	mount --bind /dev/$name %[1]s/$name
done
for name in pts shm; do
	mkdir %[1]s/$name
	mount --bind /dev/$name %[1]s/$name
done
ln -s pts/ptmx %[1]s/ptmx
ln -s /proc/self/fd %[1]s/fd
mount --bind %[1]s /dev
`

// StartLibvirt starts a sandbox; Close ends it. ctx bounds the start.
func StartLibvirt(ctx context.Context, options LibvirtOptions) (l *Libvirt, err error) {
	if os.Geteuid() != 0 {
		return nil, errNotRoot
	}
	dir, err := os.MkdirTemp("", "vgpu-libvirt-")
	if err != nil {
		return nil, fmt.Errorf("starting libvirt: %w", err)
	}
	l = &Libvirt{Dir: dir}
	l.URI = "qemu:///system?socket=" + l.Path("/run/libvirt/libvirt-sock")
	defer func() {
		if err != nil {
			l.Close()
			err = fmt.Errorf("starting libvirt: %w", err)
		}
	}()
	if err = l.prepare(options.Hook); err != nil {
		return l, err
	}
	if l.Bus, err = StartBus(ctx, l.Path("/run/dbus"), options.BusPolicies...); err != nil {
		return l, err
	}
	return l, l.startDaemon(ctx)
}

func (l *Libvirt) prepare(hook string) error {
	if err := os.Chmod(l.Dir, 0o755); err != nil {
		return err
	}
	for _, place := range places {
		if err := errors.Join(os.MkdirAll(l.Path(place), 0o755), os.MkdirAll(place, 0o755)); err != nil {
			return err
		}
	}
	if err := os.Mkdir(l.Path("/dev"), 0o755); err != nil {
		return err
	}
	hooks := l.Path("/etc/libvirt/hooks/qemu.d")
	if err := os.MkdirAll(hooks, 0o755); err != nil {
		return err
	}
	if hook != "" {
		if err := copyFile(hook, filepath.Join(hooks, "50-vgpu"), 0o755); err != nil {
			return err
		}
	}
	for name, text := range map[string]string{"libvirtd.conf": libvirtdConf, "qemu.conf": qemuConf} {
		if err := os.WriteFile(filepath.Join(l.Path("/etc/libvirt"), name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}

func (l *Libvirt) startDaemon(ctx context.Context) error {
	var script strings.Builder
	script.WriteString("set -e\n")
	for _, place := range places {
		fmt.Fprintf(&script, "mount --bind %s %s\n", l.Path(place), place)
	}
	fmt.Fprintf(&script, deviceScript, l.Path("/dev"))
	script.WriteString("mount -t sysfs sysfs /sys\n") // of the new network namespace
	script.WriteString("exec libvirtd --pid-file /run/libvirt/libvirtd.pid\n")
	cmd := exec.Command("/bin/sh", "-c", script.String())
	cmd.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C"}
	// the runtime makes the new namespace's mounts private
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWNET}
	var err error
	if l.daemon, err = startDaemon(cmd, l.LogFile()); err != nil {
		return err
	}
	return l.daemon.waitSocket(ctx, l.Path("/run/libvirt/libvirt-sock"))
}

// Path is where a file that the sandbox sees at an absolute path, below one of
// its own directories, lies on the host.
func (l *Libvirt) Path(inside string) string { return filepath.Join(l.Dir, inside) }

// Command is a program to be run inside the sandbox's mounts, so that it finds
// libvirt, the system bus and /run/vgpu where they are on a real host.
func (l *Libvirt) Command(ctx context.Context, name string, args ...string) *exec.Cmd {
	mounts := fmt.Sprintf("--mount=/proc/%d/ns/mnt", l.daemon.cmd.Process.Pid)
	return exec.CommandContext(ctx, "nsenter", append([]string{mounts, name}, args...)...)
}

// LogFile is what libvirtd writes on stderr.
func (l *Libvirt) LogFile() string { return filepath.Join(l.Dir, "libvirtd.log") }

// Restart ends libvirtd and starts another one, which has taken over the VMs
// when Restart returns; they run on.
func (l *Libvirt) Restart(ctx context.Context) error {
	l.daemon.stop(10 * time.Second)
	if err := l.startDaemon(ctx); err != nil {
		return fmt.Errorf("restarting libvirt: %w", err)
	}
	names, err := l.Virsh(ctx, "list", "--name")
	if err != nil {
		return fmt.Errorf("restarting libvirt: %w", err)
	}
	for _, name := range strings.Fields(names) {
		// needs the domain's job, which the takeover holds until it is done
		if _, err := l.Virsh(ctx, "dommemstat", name); err != nil {
			return fmt.Errorf("restarting libvirt: %w", err)
		}
	}
	return nil
}

// Close ends the VMs, libvirtd and the bus, and removes the directory. It may
// be repeated.
func (l *Libvirt) Close() {
	if l.daemon != nil {
		l.daemon.stop(10 * time.Second)
		l.killVMs()
		l.daemon = nil
	}
	if l.Bus != nil {
		l.Bus.Close()
		l.Bus = nil
	}
	_ = os.RemoveAll(l.Dir)
}

// killVMs ends the QEMU processes that libvirtd left running, by their pid files.
func (l *Libvirt) killVMs() {
	files, _ := filepath.Glob(filepath.Join(l.Path("/run/libvirt/qemu"), "*.pid"))
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		pid, err := strconv.Atoi(strings.TrimSpace(string(data)))
		if err != nil {
			continue
		}
		name, _ := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "comm"))
		if strings.HasPrefix(string(name), "qemu-system") {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	}
}

// Virsh runs virsh and returns its stdout without the final newlines. The error
// holds what it wrote on stderr, which is what a user would see.
func (l *Libvirt) Virsh(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "virsh", append([]string{"-q", "-c", l.URI}, args...)...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	text := strings.TrimRight(string(out), "\n")
	if err != nil {
		return text, fmt.Errorf("virsh %s: %w: %s", args[0], err, strings.TrimSpace(stderr.String()))
	}
	return text, nil
}

// Define defines a domain from its XML.
func (l *Libvirt) Define(ctx context.Context, domain string) error {
	file, err := os.CreateTemp(l.Dir, "domain-*.xml")
	if err != nil {
		return fmt.Errorf("defining domain: %w", err)
	}
	defer os.Remove(file.Name())
	_, err = file.WriteString(domain)
	if err = errors.Join(err, file.Close()); err != nil {
		return fmt.Errorf("defining domain: %w", err)
	}
	_, err = l.Virsh(ctx, "define", "--validate", file.Name())
	return err
}

// SetMetadata sets, in the persistent configuration, the metadata element of
// this namespace; flags may add --live.
func (l *Libvirt) SetMetadata(ctx context.Context, name, uri, prefix, element string, flags ...string) error {
	args := []string{"metadata", name, "--uri", uri, "--key", prefix, "--set", element, "--config"}
	_, err := l.Virsh(ctx, append(args, flags...)...)
	return err
}

// Image copies a file to where QEMU's user can read it and libvirt may change
// its owner, and returns the copy's path.
func (l *Libvirt) Image(path string) (string, error) {
	copied := filepath.Join(l.Dir, "images", filepath.Base(path))
	if err := os.MkdirAll(filepath.Dir(copied), 0o755); err != nil {
		return "", fmt.Errorf("copying image: %w", err)
	}
	return copied, copyFile(path, copied, 0o644)
}

// Console is the console of the domain of this name; its Path goes into the
// domain's XML before the start.
func (l *Libvirt) Console(name string) *Console {
	return &Console{
		Path:  filepath.Join(l.Path("/var/log/libvirt"), "console-"+name),
		Ended: func() bool { return !l.Running(name) },
	}
}

// Running says whether the domain has a QEMU process.
func (l *Libvirt) Running(name string) bool {
	_, err := os.Stat(filepath.Join(l.Path("/run/libvirt/qemu"), name+".pid"))
	return err == nil
}

func copyFile(from, to string, mode os.FileMode) error {
	data, err := os.ReadFile(from)
	if err != nil {
		return fmt.Errorf("copying file: %w", err)
	}
	if err := os.WriteFile(to, data, mode); err != nil {
		return fmt.Errorf("copying file: %w", err)
	}
	return os.Chmod(to, mode)
}
