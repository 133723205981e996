package guesttest

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Message is what an executor says on its control socket.
type Message struct {
	Type, Level, Message, Name, Walls string
	Result                            uint32
	Chunk                             *int
	Count, Bytes, Parked, Host        uint64
	Answer, Context, Never            bool
}

// Executor is a running executor binary.
type Executor struct {
	Messages chan Message // closed at its end
	Control  *os.File     // write commands here; close to end it

	t   testing.TB
	cmd *exec.Cmd
}

// Start runs the executor binary on the guest's channel as mediatord does.
func (g *Guest) Start(binary string, args ...string) *Executor {
	g.T.Helper()
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	check(g.T, err)
	check(g.T, unix.SetNonblock(pair[0], true)) // so that closing ends the reader
	ours, theirs := os.NewFile(uintptr(pair[0]), "control"), os.NewFile(uintptr(pair[1]), "control")
	e := &Executor{Messages: make(chan Message, 100), Control: ours, t: g.T}
	e.cmd = exec.Command(binary, append([]string{"--channel", fmt.Sprint(Channel), "--generation", "1", "--domain", "test"}, args...)...)
	e.cmd.ExtraFiles = append([]*os.File{theirs, g.Window.File(), g.Doorbell, g.Interrupt, g.Account.File()}, g.Lease...)
	e.cmd.Stderr = os.Stderr
	e.cmd.SysProcAttr = &syscall.SysProcAttr{Credential: g.Credential}
	check(g.T, e.cmd.Start())
	_ = theirs.Close()
	_, err = ours.WriteString(`{"type":"go"}` + "\n")
	check(g.T, err)
	go func() {
		defer close(e.Messages)
		lines := bufio.NewScanner(ours)
		for lines.Scan() {
			var m Message
			if json.Unmarshal(lines.Bytes(), &m) == nil {
				e.Messages <- m
			}
		}
	}()
	g.T.Cleanup(func() {
		_ = e.cmd.Process.Kill()
		_ = e.cmd.Wait() // fails if a test has waited
		_ = ours.Close()
	})
	return e
}

// Expect waits for the next message of a type, passing logs on.
func (e *Executor) Expect(kind string) Message {
	e.t.Helper()
	deadline := time.After(Timeout)
	for {
		select {
		case m, ok := <-e.Messages:
			if !ok {
				e.t.Fatalf("the executor ended without saying %q", kind)
			}
			if m.Type == kind {
				return m
			}
			e.t.Logf("executor: %s %s %s", m.Type, m.Level, m.Message)
		case <-deadline:
			e.t.Fatalf("the executor does not say %q", kind)
		}
	}
}

// Say sends a command line.
func (e *Executor) Say(line string) {
	e.t.Helper()
	_, err := e.Control.WriteString(line + "\n")
	check(e.t, err)
}

// ExitCode waits for the end.
func (e *Executor) ExitCode() int {
	e.t.Helper()
	done := make(chan struct{})
	go func() {
		_ = e.cmd.Wait() // the code follows
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(Timeout):
		e.t.Fatal("the executor does not end")
	}
	return e.cmd.ProcessState.ExitCode()
}

// PID is the executor's.
func (e *Executor) PID() int { return e.cmd.Process.Pid }
