package main

import (
	"errors"
	"fmt"
	"os/exec"
	"syscall"
	"time"

	"libvirt-vgpu/tests/vm/manifest"
)

const defaultTimeout = time.Minute

// process is a step's running program.
type process struct {
	pid    int
	output *lines
	done   chan struct{}
}

type runner struct {
	out       *console
	processes map[string]*process
}

func newRunner(out *console) *runner {
	return &runner{out: out, processes: make(map[string]*process)}
}

// run does the steps. It fails only on a manifest that makes no sense.
func (r *runner) run(steps []manifest.Step) error {
	for _, step := range steps {
		if step.Timeout == 0 {
			step.Timeout = defaultTimeout
		}
		start := time.Now()
		exit, reported := 0, false
		switch {
		case len(step.Argv) > 0:
			r.start(step)
			reported = true
		case step.Sleep > 0:
			time.Sleep(step.Sleep)
		case step.Mount != nil:
			if err := mount(step.Mount); err != nil {
				newLines(r.out, step.Name).emit(err.Error())
				exit = 1
			}
		default:
			target, err := r.target(step)
			if err != nil {
				return err
			}
			exit = act(step, target)
		}
		if !reported {
			r.report(step.Name, exit, start)
		}
	}
	return nil
}

func (r *runner) target(step manifest.Step) (*process, error) {
	for _, name := range []string{step.Kill, step.Wait, step.Expect} {
		if p := r.processes[name]; p != nil {
			return p, nil
		}
	}
	return nil, fmt.Errorf("step %s names no earlier program", step.Name)
}

func act(step manifest.Step, target *process) int {
	deadline := time.After(step.Timeout)
	switch {
	case step.Kill != "":
		signal := syscall.Signal(step.Signal)
		if signal == 0 {
			signal = syscall.SIGKILL
		}
		if syscall.Kill(target.pid, signal) != nil {
			return 1
		}
	case step.Wait != "":
		select {
		case <-target.done:
		case <-deadline:
			return manifest.ExitTimeout
		}
	case step.Expect != "":
		for !target.output.contains(step.Text) {
			select {
			case <-target.output.wake:
			case <-target.done:
				if !target.output.contains(step.Text) {
					return 1
				}
			case <-deadline:
				return manifest.ExitTimeout
			}
		}
	}
	return 0
}

func (r *runner) report(name string, exit int, start time.Time) {
	r.out.print(fmt.Sprintf("@@ %s exit=%d ms=%d", name, exit, time.Since(start).Milliseconds()))
}

// start runs a program; it returns when the program ended unless the step is
// in the background.
func (r *runner) start(step manifest.Step) {
	output := newLines(r.out, step.Name)
	cmd := exec.Command(step.Argv[0], step.Argv[1:]...)
	cmd.Env = append([]string{"PATH=/usr/bin:/usr/sbin:/bin:/sbin", "HOME=/tmp"}, step.Env...)
	cmd.Dir = step.Dir
	cmd.Stdout = output
	cmd.Stderr = output
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Chroot: step.Root}
	// a child of the program may keep its output open after its death
	cmd.WaitDelay = time.Second
	if step.UID != 0 {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: step.UID, Gid: step.UID}
	}
	start := time.Now()
	if err := cmd.Start(); err != nil {
		output.emit(err.Error())
		r.report(step.Name, manifest.ExitNotStarted, start)
		return
	}
	p := &process{pid: cmd.Process.Pid, output: output, done: make(chan struct{})}
	r.processes[step.Name] = p
	go func() {
		expired := make(chan struct{})
		timer := time.AfterFunc(step.Timeout, func() {
			close(expired)
			_ = syscall.Kill(-p.pid, syscall.SIGKILL)
		})
		err := cmd.Wait()
		exit := status(err)
		if !timer.Stop() {
			<-expired
			exit = manifest.ExitTimeout
		}
		output.flush()
		r.report(step.Name, exit, start)
		close(p.done)
	}()
	if !step.Background {
		<-p.done
	}
}

func status(err error) int {
	var exit *exec.ExitError
	switch {
	case err == nil, errors.Is(err, exec.ErrWaitDelay):
		return 0
	case !errors.As(err, &exit):
		return manifest.ExitNotStarted
	}
	state, ok := exit.Sys().(syscall.WaitStatus)
	if ok && state.Signaled() {
		return 128 + int(state.Signal())
	}
	return exit.ExitCode()
}
