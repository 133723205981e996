package enforced

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

//go:embed agent.sh
var agentProgram []byte

//go:embed agent.service
var agentUnit []byte

// Machine is a VM that runs a Debian. Close ends it and what it has written is gone.
type Machine struct {
	directory string
	qemu      *exec.Cmd
	stderr    bytes.Buffer
	done      chan struct{} // closed when QEMU has ended
	agent     *agent
}

// options of a machine.
type options struct {
	root    string            // a folder with the Debian, its kernel included
	kernel  string            // more of the kernel's command line
	files   map[string]string // files of the host by their paths in the machine
	prepare string            // a script of the shell; $1 is the root of the machine when all files are there
}

// commandLine keeps away what nobody needs here, and what would take apt's lock.
const commandLine = "root=/dev/vda rw console=ttyS0 quiet panic=-1 " +
	"systemd.mask=serial-getty@ttyS0.service systemd.mask=apt-daily.timer systemd.mask=apt-daily-upgrade.timer"

// processor is all that QEMU emulates but cmpxchg16b: after it QEMU 7.2 was seen to leave
// part of an address in the flags, on which Debian 13's kernel dies within a minute.
const processor = "max,-cx16"

// patience lets an emulated machine on a loaded host take its time.
const patience = "[Manager]\nDefaultTimeoutStartSec=20min\nDefaultDeviceTimeoutSec=20min\n"

// diskScript makes a disk of a root and of files that are put over it: $1 is the root,
// $2 a folder for the result, $3 the folder with the files, $4 the disk, $5 a script
// that is shown the result.
const diskScript = `set -e
cp -a "$1/." "$2/"
cp -a "$3/." "$2/"
/bin/sh -ec "$5" prepare "$2"
mke2fs -q -t ext4 -d "$2" "$4" 4G
rm -rf "$2" "$3"
`

// boot starts a machine and waits until it has booted. The machine ends when ctx does.
func boot(ctx context.Context, o options) (m *Machine, err error) {
	m = &Machine{}
	defer func() {
		if err != nil {
			err = fmt.Errorf("booting machine: %w\n%s", err, m.consoleEnd())
			m.Close()
		}
	}()
	if m.directory, err = os.MkdirTemp("", "vgpu-enforced-"); err != nil {
		return m, err
	}
	if err := m.makeDisk(ctx, o); err != nil {
		return m, err
	}
	kernel, err := only(filepath.Join(o.root, "boot", "vmlinuz-*"))
	if err != nil {
		return m, err
	}
	initrd, err := only(filepath.Join(o.root, "boot", "initrd.img-*"))
	if err != nil {
		return m, err
	}
	m.qemu = exec.CommandContext(ctx, "qemu-system-x86_64",
		"-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
		"-machine", "q35", "-accel", "tcg,thread=multi", "-cpu", processor, "-smp", "2", "-m", "3072",
		"-kernel", kernel, "-initrd", initrd, "-append", commandLine+" "+o.kernel,
		"-drive", "if=virtio,format=raw,cache=unsafe,file="+m.path("disk"),
		"-serial", "file:"+m.path("console"),
		"-serial", "unix:"+m.path("agent")+",server=on,wait=off",
	)
	m.qemu.Stderr = &m.stderr
	if err := m.qemu.Start(); err != nil {
		m.qemu = nil
		return m, err
	}
	m.done = make(chan struct{})
	go func() {
		_ = m.qemu.Wait()
		close(m.done)
	}()
	m.agent, err = reach(ctx, m.path("agent"))
	return m, err
}

func (m *Machine) path(name string) string { return filepath.Join(m.directory, name) }

// makeDisk makes the machine's disk.
func (m *Machine) makeDisk(ctx context.Context, o options) error {
	files := m.path("files")
	wants := filepath.Join(files, "etc/systemd/system/graphical.target.wants")
	for _, directory := range []string{wants, filepath.Join(files, "usr/local/sbin"), filepath.Join(files, "etc/systemd/system.conf.d"), m.path("root")} {
		if err := os.MkdirAll(directory, 0o755); err != nil {
			return err
		}
	}
	err := errors.Join(
		os.WriteFile(filepath.Join(files, "etc/fstab"), []byte("/dev/vda / ext4 rw 0 1\n"), 0o644),
		os.WriteFile(filepath.Join(files, "etc/systemd/system.conf.d/patience.conf"), []byte(patience), 0o644),
		os.WriteFile(filepath.Join(files, "etc/hostname"), []byte("hypervisor\n"), 0o644),
		os.WriteFile(filepath.Join(files, "etc/systemd/system/agent.service"), agentUnit, 0o644),
		os.WriteFile(filepath.Join(files, "usr/local/sbin/agent"), agentProgram, 0o755),
		os.Symlink("/etc/systemd/system/agent.service", filepath.Join(wants, "agent.service")),
	)
	if err != nil {
		return err
	}
	for inside, host := range o.files {
		data, err := os.ReadFile(host)
		if err != nil {
			return err
		}
		path := filepath.Join(files, inside)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, data, 0o755)); err != nil {
			return err
		}
	}
	cmd := exec.CommandContext(ctx, "/bin/sh", "-c", diskScript, "disk", o.root, m.path("root"), files, m.path("disk"), o.prepare)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("making disk: %w\n%s", err, out)
	}
	return nil
}

// only is the one file of a pattern.
func only(pattern string) (string, error) {
	found, err := filepath.Glob(pattern)
	if err == nil && len(found) != 1 {
		err = fmt.Errorf("%d files are %s: want one", len(found), pattern)
	}
	if err != nil {
		return "", err
	}
	return found[0], nil
}

// Run runs a command of the shell in the machine and returns what it printed,
// errors too, without the last newlines.
func (m *Machine) Run(ctx context.Context, command string) (string, error) {
	out, status, err := m.agent.run(ctx, command)
	if err == nil && status != 0 {
		err = fmt.Errorf("%s: exit status %d: %s", command, status, out)
	}
	return out, err
}

// consoleEnd is what the machine and QEMU said last.
func (m *Machine) consoleEnd() string {
	data, _ := os.ReadFile(m.path("console"))
	return string(data[max(0, len(data)-4096):]) + m.stderr.String()
}

// Close ends the machine at once.
func (m *Machine) Close() {
	if m.agent != nil {
		_ = m.agent.port.Close()
		m.agent = nil
	}
	if m.qemu != nil {
		_ = m.qemu.Process.Kill()
		select {
		case <-m.done:
		case <-time.After(10 * time.Second):
		}
		m.qemu = nil
	}
	if m.directory != "" {
		_ = os.RemoveAll(m.directory)
		m.directory = ""
	}
}
