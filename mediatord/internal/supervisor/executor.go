package supervisor

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"libvirt-vgpu/mediatord/internal/parcel"
	"libvirt-vgpu/mediatord/internal/rights"
)

// Executor is one running executor.
type Executor struct {
	settings Settings
	sink     func(Event)
	cmd      *exec.Cmd
	control  *os.File
	lines    *rights.Conn // over control
	stderr   *lineWriter
	wake     chan struct{} // tells write of a command
	gone     chan struct{} // closed when reaped

	readyTimer *time.Timer
	stopOnce   sync.Once

	mu       sync.Mutex // guards the rest
	commands []outgoing
	reason   *Event
	wasReady bool
	ended    bool
}

// PID is the executor's process id.
func (e *Executor) PID() int { return e.cmd.Process.Pid }

// Revoke asks the executor to unmap a chunk; Revoked answers. It never blocks:
// commands wait in memory, so the caller asks once per chunk until the answer.
func (e *Executor) Revoke(chunk int) {
	e.command(outgoing{Type: "revoke", Chunk: &chunk})
}

// Export asks the executor for what another one is to have; Exported answers. It
// never blocks.
func (e *Executor) Export(p parcel.Parcel) { e.command(outgoing{Type: parcel.Export, Parcel: &p}) }

// Acquired gives the executor what it asked for by Acquire. The parcel's file is
// the executor's from now on. It never blocks.
func (e *Executor) Acquired(p parcel.Parcel) { e.command(outgoing{Type: parcel.Acquired, Parcel: &p}) }

func (e *Executor) command(c outgoing) {
	e.mu.Lock()
	ended := e.ended
	if !ended {
		e.commands = append(e.commands, c)
	}
	e.mu.Unlock()
	if ended && c.Parcel != nil {
		c.Parcel.Close()
	}
	select {
	case e.wake <- struct{}{}:
	default: // it is awake already
	}
}

// Stop ends the executor: SIGTERM, later SIGKILL. It returns at once; Exited
// follows.
func (e *Executor) Stop() {
	e.stopOnce.Do(func() {
		e.signal(unix.SIGTERM)
		timer := time.AfterFunc(e.settings.KillAfter, func() { e.signal(unix.SIGKILL) })
		go func() {
			<-e.gone
			timer.Stop()
		}()
	})
}

// Gone is closed when the executor was reaped.
func (e *Executor) Gone() <-chan struct{} { return e.gone }

// signal reaches the whole group; it does nothing once the executor has ended.
func (e *Executor) signal(signal unix.Signal) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.ended {
		_ = unix.Kill(-e.PID(), signal)
	}
}

// late runs when the executor did not become ready in time.
func (e *Executor) late() {
	e.fail(ResultSystemNotReady, fmt.Sprintf("the executor was not ready after %v", e.settings.ReadyWithin))
	e.Stop()
}

// fail keeps the first reason for the end.
func (e *Executor) fail(result uint32, text string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.reason == nil {
		e.reason = &Event{Kind: Exited, Result: result, Text: text}
	}
}

// write sends commands until the executor is gone.
func (e *Executor) write() {
	for gone, broken := false, false; !gone; {
		select {
		case <-e.wake:
		case <-e.gone:
			gone = true
		}
		e.mu.Lock()
		commands := e.commands
		e.commands = nil
		e.mu.Unlock()
		for _, command := range commands {
			// An executor that does not read is dying; supervise notices.
			broken = broken || gone || e.send(command) != nil
			if command.Parcel != nil {
				command.Parcel.Close()
			}
		}
	}
}

func (e *Executor) send(c outgoing) error {
	var file *os.File
	if c.Parcel != nil {
		file = c.Parcel.File
		c.Parcel.Descriptor = file != nil
	}
	line, err := json.Marshal(c)
	if err != nil {
		return fmt.Errorf("encoding %s command: %w", c.Type, err)
	}
	return e.lines.Send(append(line, '\n'), file)
}

// supervise passes the executor's messages on until it ends, reaps it, and
// reports Exited.
func (e *Executor) supervise() {
	listened := make(chan struct{})
	go func() {
		defer close(listened)
		e.listen()
	}()
	waitExit(e.PID())
	e.readyTimer.Stop()
	e.mu.Lock()
	// Before reaping, while the number still names this group and no other.
	_ = unix.Kill(-e.PID(), unix.SIGKILL)
	e.ended = true
	e.mu.Unlock()
	err := e.cmd.Wait()
	// What it said before its end is still in the socket; a stranger that
	// kept the other end open must not hold us up.
	_ = e.control.SetReadDeadline(time.Now().Add(time.Second))
	<-listened
	close(e.gone)
	_ = e.control.Close()
	e.sink(e.exited(err))
}

// waitExit returns when the process has ended and leaves it to be reaped.
func waitExit(pid int) {
	for {
		if err := unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil); err != unix.EINTR {
			return
		}
	}
}

// listen passes messages on until the socket closes or nonsense comes.
func (e *Executor) listen() {
	defer e.lines.Drop()
	lines := bufio.NewScanner(e.lines)
	lines.Buffer(make([]byte, 0, 4096), maxLine)
	for lines.Scan() {
		event, err := parse(lines.Bytes())
		if err == nil && event.Parcel != nil && event.Parcel.Descriptor {
			event.Parcel.File, err = e.lines.Take()
		}
		if err != nil {
			e.fail(ResultLaunchFailed, err.Error())
			break
		}
		switch event.Kind {
		case Ready:
			e.mu.Lock()
			again := e.wasReady
			e.wasReady = true
			e.mu.Unlock()
			if again {
				continue
			}
			e.readyTimer.Stop()
		case Fault:
			e.mu.Lock()
			e.reason = &Event{Kind: Exited, Result: event.Result, Text: event.Text}
			e.mu.Unlock()
		}
		e.sink(event)
	}
	if err := lines.Err(); errors.Is(err, bufio.ErrTooLong) {
		e.fail(ResultLaunchFailed, "the executor sent a line without end")
	}
	e.Stop() // no executor without mediatord's ear
}

// exited makes the last event.
func (e *Executor) exited(err error) Event {
	last := e.stderr.Last() // outside the lock: it may pass a line on
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.reason != nil {
		return *e.reason
	}
	status := "exit status 0"
	if err != nil {
		status = err.Error()
	}
	if last != "" {
		last = ": " + last
	}
	if !e.wasReady {
		return Event{Kind: Exited, Result: ResultSystemNotReady, Text: "the executor did not start (" + status + ")" + last}
	}
	return Event{Kind: Exited, Result: ResultLaunchFailed, Text: "the executor died (" + status + ")" + last}
}
