package stage

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"libvirt-vgpu/tests/servicemanager"
)

const (
	poll         = 20 * time.Millisecond
	mediatorEnds = 20 * time.Second
)

// ErrMediatorRuns and ErrMediatorDown are what Mediator's methods may not be called in.
var (
	ErrMediatorRuns = errors.New("mediatord runs already")
	ErrMediatorDown = errors.New("mediatord does not run")
)

// Mediator is mediatord, started and ended as a service manager does.
type Mediator struct {
	// Manager, if it is set, keeps mediatord's files from one start to the next, as
	// systemd does.
	Manager *servicemanager.Manager

	stage *Stage
	cmd   *exec.Cmd
	done  chan struct{} // closed when cmd has ended
	err   error         // how, once done
}

// Start starts mediatord and waits until it is on the bus.
func (m *Mediator) Start(ctx context.Context) error {
	if m.cmd != nil {
		return ErrMediatorRuns
	}
	log, err := os.OpenFile(m.LogFile(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return fmt.Errorf("starting mediatord: %w", err)
	}
	defer log.Close()
	// its life is Stop's, not the context's
	cmd := m.stage.Libvirt.Command(context.WithoutCancel(ctx), m.stage.Binary("mediatord"))
	cmd.Stdout, cmd.Stderr = log, log
	start := cmd.Start
	if m.Manager != nil {
		start = func() error { return m.Manager.Start(cmd) }
	}
	if err := start(); err != nil {
		return fmt.Errorf("starting mediatord: %w", err)
	}
	m.cmd, m.done = cmd, make(chan struct{})
	go func(done chan struct{}) {
		m.err = cmd.Wait()
		close(done)
	}(m.done)
	for {
		if _, err = m.stage.Status(ctx); err == nil {
			return nil
		}
		select {
		case <-m.done:
			m.cmd = nil
			return fmt.Errorf("starting mediatord: it ended: %w\n%s", m.err, m.Log())
		case <-ctx.Done():
			return fmt.Errorf("starting mediatord: %w: %w\n%s", ctx.Err(), err, m.Log())
		case <-time.After(poll):
		}
	}
}

// Stop sends SIGTERM and waits for the end; an exit status other than 0, and one
// that takes too long, is an error.
func (m *Mediator) Stop() error {
	if m.cmd == nil {
		return ErrMediatorDown
	}
	cmd := m.cmd
	m.cmd = nil
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return fmt.Errorf("ending mediatord: %w", err)
	}
	select {
	case <-m.done:
	case <-time.After(mediatorEnds):
		_ = cmd.Process.Kill()
		<-m.done
		return fmt.Errorf("ending mediatord: it runs %v after SIGTERM\n%s", mediatorEnds, m.Log())
	}
	if m.err != nil {
		return fmt.Errorf("ending mediatord: %w\n%s", m.err, m.Log())
	}
	return nil
}

// Kill is kill -9.
func (m *Mediator) Kill() error {
	if m.cmd == nil {
		return ErrMediatorDown
	}
	err := m.cmd.Process.Kill()
	<-m.done
	m.cmd = nil
	return err
}

// PID is mediatord's process; 0 if it is down.
func (m *Mediator) PID() int {
	if m.cmd == nil {
		return 0
	}
	return m.cmd.Process.Pid // nsenter became it
}

// Executors are the process ids of the executors of this stage that exist,
// whoever their parent is by now.
func (m *Mediator) Executors() ([]int, error) {
	return processesOf(m.stage.Binary("vgpu-executor"))
}

// LogFile is what mediatord has written on stderr, over all its starts.
func (m *Mediator) LogFile() string { return filepath.Join(m.stage.Libvirt.Dir, "mediatord.log") }

// Log is what is in LogFile.
func (m *Mediator) Log() string {
	data, _ := os.ReadFile(m.LogFile())
	return string(bytes.TrimSpace(data))
}
