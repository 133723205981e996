package supervisor

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
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
	pid      int
	pidfd    *os.File
	cmd      *exec.Cmd // nil for one that another mediatord started
	control  *os.File
	lines    *rights.Conn // over control
	output   *os.File     // what it writes on stdout and stderr
	stderr   *lineWriter
	wake     chan struct{} // tells write of a command
	gone     chan struct{} // closed when reaped
	forget   func()        // what Settings.Keep returned

	readyTimer *time.Timer
	stopOnce   sync.Once

	mu       sync.Mutex // guards the rest
	commands []outgoing
	reason   *Event
	wasReady bool
	ended    bool
}

func newExecutor(s Settings, sink func(Event), pid int, control, pidfd, output *os.File) *Executor {
	e := &Executor{
		settings: s, sink: sink, pid: pid, pidfd: pidfd, control: control, lines: rights.New(control), output: output,
		wake: make(chan struct{}, 1), gone: make(chan struct{}), forget: func() {},
	}
	e.stderr = &lineWriter{limit: maxText, emit: func(line string) {
		sink(Event{Kind: Log, Level: "warning", Text: "stderr: " + line})
	}}
	return e
}

// run keeps what a later mediatord needs and begins the executor's supervision.
func (e *Executor) run(begin func()) {
	if e.settings.Keep != nil {
		e.forget = e.settings.Keep(e.pid, e.control, e.pidfd, e.output)
	}
	go begin()
	go e.write()
	go e.supervise()
}

// PID is the executor's process id.
func (e *Executor) PID() int { return e.pid }

// Revoke asks the executor to unmap a chunk; Revoked answers. It never blocks:
// commands wait in memory, so the caller asks once per chunk until the answer.
func (e *Executor) Revoke(chunk int) {
	e.command(outgoing{Type: "revoke", Chunk: &chunk})
}

// Export asks the executor for what another one is to have; Exported answers. It
// never blocks.
func (e *Executor) Export(p parcel.Parcel) { e.command(outgoing{Type: parcel.Export, Parcel: &p}) }

// Park asks the executor to move device memory, and if whole its contexts too, to at
// most bytes of host memory; Parking answers. It never blocks.
func (e *Executor) Park(bytes uint64, whole bool) {
	e.command(outgoing{Type: "park", Bytes: bytes, Context: whole})
}

// Room answers the executor's Room: whether room was made, or is there, and whether
// anybody has seen how much the GPU has. It never blocks.
func (e *Executor) Room(made, seen bool) {
	e.command(outgoing{Type: "room", Made: made, Seen: seen})
}

// RoomHeard says that Room will follow, however long that takes. It never blocks.
func (e *Executor) RoomHeard() { e.command(outgoing{Type: "room", Heard: true}) }

// Acquired gives the executor what it asked for by Acquire. The parcel's file is
// the executor's from now on. It never blocks.
func (e *Executor) Acquired(p parcel.Parcel) { e.command(outgoing{Type: parcel.Acquired, Parcel: &p}) }

// Look asks the executor whether the GPU has got on with its work; the answer is in
// its lease. It never blocks.
func (e *Executor) Look() { e.command(outgoing{Type: "look"}) }

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
	e.mu.Lock()
	if e.reason == nil && !e.ended {
		e.reason = &Event{Kind: Exited, Result: ResultLaunchFailed, Text: "mediatord ended the executor", Asked: true}
	}
	e.mu.Unlock()
	e.stop()
}

// Expire is Stop for an executor that its process still wants: result and text are
// what the process is told.
func (e *Executor) Expire(result uint32, text string) {
	e.fail(result, text)
	e.stop()
}

func (e *Executor) stop() {
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
	// Somebody else reaps an adopted one, and its number is free then.
	if !e.ended && (e.cmd != nil || !hasEnded(e.pidfd, 0)) {
		_ = unix.Kill(-e.pid, signal)
	}
}

// late runs when the executor did not become ready in time.
func (e *Executor) late() {
	e.fail(ResultSystemNotReady, fmt.Sprintf("the executor was not ready after %v", e.settings.ReadyWithin))
	e.stop()
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
	var listening sync.WaitGroup
	listening.Go(e.listen)
	listening.Go(func() { _, _ = io.Copy(e.stderr, e.output) })
	for !hasEnded(e.pidfd, -1) {
	}
	if e.readyTimer != nil {
		e.readyTimer.Stop()
	}
	e.mu.Lock()
	if e.cmd != nil { // before reaping, while the number still names this group and no other
		_ = unix.Kill(-e.pid, unix.SIGKILL)
	}
	e.ended = true
	e.mu.Unlock()
	status := "another process's child"
	if e.cmd != nil {
		status = "exit status 0"
		if err := e.cmd.Wait(); err != nil {
			status = err.Error()
		}
	}
	// What it said before its end is still on its way; a stranger that kept the
	// other end open must not hold us up.
	_ = e.control.SetReadDeadline(time.Now().Add(time.Second))
	_ = e.output.SetReadDeadline(time.Now().Add(time.Second))
	listening.Wait()
	close(e.gone)
	e.forget()
	_, _, _ = e.control.Close(), e.output.Close(), e.pidfd.Close()
	e.sink(e.exited(status))
}

// hasEnded waits until the process has ended, at most timeout milliseconds; -1 is
// for ever. It does not reap.
func hasEnded(pidfd *os.File, timeout int) bool {
	poll := []unix.PollFd{{Fd: int32(pidfd.Fd()), Events: unix.POLLIN}}
	n, err := unix.Poll(poll, timeout)
	return err == nil && n > 0
}

// listen passes messages on until the socket closes or nonsense comes.
func (e *Executor) listen() {
	defer e.lines.Drop()
	lines := bufio.NewScanner(e.lines)
	lines.Buffer(make([]byte, 0, 4096), maxLine)
	for first := true; lines.Scan(); first = false {
		event, err := parse(lines.Bytes())
		if err != nil && first && e.cmd == nil {
			continue // the end of a line whose beginning another mediatord has read
		}
		if err == nil && event.Parcel != nil && event.Parcel.Descriptor {
			event.Parcel.File, err = e.lines.Take()
		}
		if err != nil {
			e.fail(ResultLaunchFailed, err.Error())
			break
		}
		if !e.note(event) {
			continue
		}
		e.sink(event)
	}
	if err := lines.Err(); errors.Is(err, bufio.ErrTooLong) {
		e.fail(ResultLaunchFailed, "the executor sent a line without end")
	}
	e.stop() // no executor without mediatord's ear
}

// note keeps what an event says about the executor itself; it is false for what
// was said before.
func (e *Executor) note(event Event) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	switch event.Kind {
	case Ready, Resumed:
		if e.readyTimer != nil {
			e.readyTimer.Stop()
		}
		again := event.Kind == Ready && e.wasReady
		e.wasReady = true
		return !again
	case Fault:
		e.reason = &Event{Kind: Exited, Result: event.Result, Text: event.Text}
	}
	return true
}

// exited makes the last event.
func (e *Executor) exited(status string) Event {
	last := e.stderr.Last() // outside the lock: it may pass a line on
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.reason != nil && e.reason.Asked {
		return Event{Kind: Exited, Result: e.reason.Result, Text: e.reason.Text + " (" + status + ")", Asked: true}
	}
	if e.reason != nil {
		return *e.reason
	}
	if last != "" {
		last = ": " + last
	}
	if !e.wasReady {
		return Event{Kind: Exited, Result: ResultSystemNotReady, Text: "the executor did not start (" + status + ")" + last}
	}
	return Event{Kind: Exited, Result: ResultLaunchFailed, Text: "the executor died (" + status + ")" + last}
}
