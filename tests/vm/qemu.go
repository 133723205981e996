package vm

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"strconv"
)

// CommandLine is what a guest's kernel needs to be told.
const CommandLine = "console=ttyS0 quiet panic=-1"

// Machine is a VM for StartQEMU.
type Machine struct {
	Kernel    string // image
	Initramfs string
	Console   string   // file that captures the serial console
	MemoryMiB int      // 0 is 512
	CPUs      int      // 0 is 1
	Args      []string // more of QEMU's command line, for example the devices
}

// QEMU is a running VM.
type QEMU struct {
	Console *Console
	cmd     *exec.Cmd
	stderr  bytes.Buffer
	done    chan struct{}
}

// StartQEMU starts a VM without libvirt. The VM ends when ctx does.
func StartQEMU(ctx context.Context, m Machine) (*QEMU, error) {
	if m.MemoryMiB == 0 {
		m.MemoryMiB = 512
	}
	if m.CPUs == 0 {
		m.CPUs = 1
	}
	args := []string{
		"-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
		"-machine", "q35,accel=tcg", "-cpu", "max",
		"-m", strconv.Itoa(m.MemoryMiB), "-smp", strconv.Itoa(m.CPUs),
		"-kernel", m.Kernel, "-initrd", m.Initramfs, "-append", CommandLine,
		"-serial", "file:" + m.Console,
	}
	q := &QEMU{done: make(chan struct{})}
	q.cmd = exec.CommandContext(ctx, "qemu-system-x86_64", append(args, m.Args...)...)
	q.cmd.Stderr = &q.stderr
	q.Console = &Console{Path: m.Console, Ended: q.ended}
	if err := q.cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting qemu: %w", err)
	}
	go func() {
		_ = q.cmd.Wait()
		close(q.done)
	}()
	return q, nil
}

func (q *QEMU) ended() bool {
	select {
	case <-q.done:
		return true
	default:
		return false
	}
}

// Wait returns what QEMU wrote on stderr once it has ended.
func (q *QEMU) Wait() string {
	<-q.done
	return q.stderr.String()
}

// Kill ends the VM at once.
func (q *QEMU) Kill() {
	_ = q.cmd.Process.Kill()
	<-q.done
}
