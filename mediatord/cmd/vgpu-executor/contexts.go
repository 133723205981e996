package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"time"

	"github.com/sirupsen/logrus"

	"libvirt-vgpu/mediatord/executor/driver"
	"libvirt-vgpu/plugin/window"
)

// largestContext is what no context costs: a larger difference is somebody else's
// memory.
const largestContext = 4 << 30

// measureContexts notes what contexts cost: the first one of a process by what is
// free before and while another process has one, a further one by what is free before
// and while there is one. Others may use the GPU meanwhile, so the smaller of what goes
// and what comes back is believed.
func measureContexts(o options, gpu backend, d *window.Description) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	c, r := gpu.PrimaryRetain(0)
	if err := driver.Check("cuDevicePrimaryCtxRetain", r); err != nil {
		return err
	}
	defer gpu.PrimaryRelease()
	if err := driver.Check("cuCtxSetCurrent", gpu.SetCurrent(c)); err != nil {
		return err
	}
	defer gpu.SetCurrent(0)
	free := func() uint64 {
		bytes, _, _ := gpu.MemoryInfo()
		return bytes
	}
	var other driver.Context
	further, err := cost(free,
		func() error {
			r := driver.Success
			other, r = gpu.ContextCreate(0)
			return errors.Join(driver.Check("cuCtxCreate", r), driver.Check("cuCtxSetCurrent", gpu.SetCurrent(c)))
		},
		func() error {
			return errors.Join(driver.Check("cuCtxDestroy", gpu.ContextDestroy(other)), driver.Check("cuCtxSetCurrent", gpu.SetCurrent(c)))
		})
	if err != nil {
		return err
	}
	again := measureAgain
	if o.backend == "soft" { // contexts cost nothing there
		again = 0
	}
	first, err := untilSeen(again, func() (uint64, error) {
		var h *holder
		return cost(free,
			func() (err error) {
				h, err = startHolder(o)
				return err
			},
			func() error { return h.end() })
	})
	if err != nil {
		return err
	}
	d.ContextMemory, d.MoreContextMemory = first, min(further, first)
	return nil
}

// measureAgain is how long after the beginning a context is measured again that seems to
// cost nothing. Whoever waits for the description waits for 8 s.
const measureAgain = 2 * time.Second

// untilSeen measures until something is seen, or so much time has passed: whoever frees
// memory meanwhile hides a context.
func untilSeen(within time.Duration, measure func() (uint64, error)) (bytes uint64, err error) {
	for began := time.Now(); ; {
		if bytes, err = measure(); err != nil || bytes > 0 || time.Since(began) >= within {
			return bytes, err
		}
	}
}

// cost is how much memory of the GPU is gone between take and give.
func cost(free func() uint64, take, give func() error) (uint64, error) {
	before := free()
	if err := take(); err != nil {
		return 0, err
	}
	during := free()
	if err := give(); err != nil {
		return 0, err
	}
	after := free()
	bytes := min(before-min(before, during), after-min(after, during))
	if bytes > largestContext {
		return 0, fmt.Errorf("a context seems to cost %d bytes, more than any does", bytes)
	}
	return bytes, nil
}

// holdWithin bounds how long a holder lives: whoever waits for the description does
// not wait for ever.
const holdWithin = 4 * time.Second

// held is what a holder says when it has its context.
const held = "held"

// holder is another process with a context.
type holder struct {
	cmd    *exec.Cmd
	stdin  io.Closer
	cancel context.CancelFunc
}

func startHolder(o options) (*holder, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("finding vgpu-executor: %w", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), holdWithin)
	h := &holder{cancel: cancel, cmd: exec.CommandContext(ctx, self, "--backend", o.backend, "--gpu", o.gpu, "--hold-context")}
	h.cmd.Stderr = os.Stderr
	stdin, err := h.cmd.StdinPipe()
	if err != nil {
		cancel()
		return nil, fmt.Errorf("starting vgpu-executor --hold-context: %w", err)
	}
	h.stdin = stdin
	stdout, err := h.cmd.StdoutPipe()
	if err == nil {
		err = h.cmd.Start()
	}
	if err != nil {
		cancel()
		return nil, fmt.Errorf("starting vgpu-executor --hold-context: %w", err)
	}
	if line, err := bufio.NewReader(stdout).ReadString('\n'); line != held+"\n" {
		return nil, errors.Join(fmt.Errorf("vgpu-executor --hold-context says %q: %w", line, err), h.end())
	}
	return h, nil
}

func (h *holder) end() error {
	defer h.cancel()
	_ = h.stdin.Close()
	if err := h.cmd.Wait(); err != nil {
		return fmt.Errorf("ending vgpu-executor --hold-context: %w", err)
	}
	return nil
}

// holdContext is the holder's side.
func holdContext(o options) error {
	runtime.LockOSThread()
	gpu, err := openBackend(o.backend, o.gpu, logrus.StandardLogger())
	if err != nil {
		return err
	}
	if _, r := gpu.PrimaryRetain(0); r != driver.Success {
		return driver.Check("cuDevicePrimaryCtxRetain", r)
	}
	fmt.Println(held)
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}
