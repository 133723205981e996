package stage

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"libvirt-vgpu/tests/vm"
)

// Stage is a host of its own, except that its processes are ours. Close ends it.
type Stage struct {
	Libvirt  *vm.Libvirt
	Mediator *Mediator

	kernel, initramfs string // what libvirt reads
	binaries          string // copies, so that a rebuild does not disturb, and to know our processes by
}

// binaries are what a package would install on the host.
var binaries = [...]string{"mediatord", "vgpu-executor", "vgpuctl", "vgpu-qemu-hook"}

// Open sets the stage with the given pools, TOML by name, and starts mediatord.
// ctx bounds the start.
func Open(ctx context.Context, pools map[string]string) (s *Stage, err error) {
	s = &Stage{}
	s.Mediator = &Mediator{stage: s}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Close())
		}
	}()
	s.Libvirt, err = vm.StartLibvirt(ctx, vm.LibvirtOptions{Hook: built("bin/vgpu-qemu-hook")})
	if err != nil {
		return s, fmt.Errorf("setting the stage: %w", err)
	}
	if err := s.prepare(ctx, pools); err != nil {
		return s, fmt.Errorf("setting the stage: %w", err)
	}
	return s, s.Mediator.Start(ctx)
}

func (s *Stage) prepare(ctx context.Context, pools map[string]string) error {
	s.binaries = filepath.Join(s.Libvirt.Dir, "bin")
	if err := os.Mkdir(s.binaries, 0o755); err != nil {
		return err
	}
	for _, name := range binaries {
		if err := install(built("bin/"+name), s.Binary(name)); err != nil {
			return err
		}
	}
	directory := s.Libvirt.Path("/etc/vgpu/pools.d")
	if err := os.MkdirAll(directory, 0o755); err != nil {
		return err
	}
	for name, text := range pools {
		if err := os.WriteFile(filepath.Join(directory, name+".toml"), []byte(text), 0o644); err != nil {
			return err
		}
	}
	return s.makeImages(ctx)
}

// Close ends everything that runs, guests included.
func (s *Stage) Close() error {
	var err error
	if s.Mediator.PID() != 0 {
		err = s.Mediator.Stop()
	}
	if s.Libvirt != nil {
		s.Libvirt.Close()
	}
	return err
}

// built is the path of something that `make build` made.
func built(name string) string { return filepath.Join(vm.Root(), "build", name) }

// Binary is the path of one of the host's programs, here as well as inside.
func (s *Stage) Binary(name string) string { return filepath.Join(s.binaries, name) }

// Command is a program on the stage, with the environment of a root shell of the
// host; its files are at the usual places.
func (s *Stage) Command(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := s.Libvirt.Command(ctx, name, args...)
	cmd.Env = []string{"PATH=" + s.binaries + ":/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C", "HOME=/root"}
	return cmd
}

// Virsh runs virsh and returns what it prints on stdout, without the last
// newlines. The error is a *CommandError.
func (s *Stage) Virsh(ctx context.Context, args ...string) (string, error) {
	return said(s.Command(ctx, "virsh", append([]string{"-q"}, args...)...))
}

// Vgpuctl is like Virsh for vgpuctl.
func (s *Stage) Vgpuctl(ctx context.Context, args ...string) (string, error) {
	return said(s.Command(ctx, s.Binary("vgpuctl"), args...))
}

// CommandError is a program that ended with a status other than 0.
type CommandError struct {
	Command string // as typed
	Stderr  string // all of it, without the last newlines
	Err     error
}

func (e *CommandError) Error() string { return fmt.Sprintf("%s: %v: %s", e.Command, e.Err, e.Stderr) }
func (e *CommandError) Unwrap() error { return e.Err }

func said(cmd *exec.Cmd) (string, error) {
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	text := strings.TrimRight(string(out), "\n")
	if err != nil {
		typed := append([]string{filepath.Base(cmd.Args[2])}, cmd.Args[3:]...) // after nsenter and its option
		return text, &CommandError{Command: strings.Join(typed, " "), Stderr: strings.TrimRight(stderr.String(), "\n"), Err: err}
	}
	return text, nil
}

func install(from, to string) error {
	data, err := os.ReadFile(from)
	if errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("%w: run make build", err)
	}
	if err != nil {
		return err
	}
	return os.WriteFile(to, data, 0o755)
}

// processesOf are the process ids whose program is the file at path.
func processesOf(path string) ([]int, error) {
	links, err := filepath.Glob("/proc/[0-9]*/exe")
	if err != nil {
		return nil, fmt.Errorf("looking for processes: %w", err)
	}
	var pids []int
	for _, link := range links {
		program, err := os.Readlink(link)
		if err != nil || program != path {
			continue // a kernel thread, one that has just ended, or another program
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(link)))
		if err != nil {
			return nil, fmt.Errorf("looking for processes: %w", err)
		}
		pids = append(pids, pid)
	}
	return pids, nil
}
