package supervisor

import (
	"bufio"
	"errors"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// orphan is a process that another mediatord launched; the test speaks for it.
type orphan struct {
	*stage
	cmd     *exec.Cmd
	control *os.File
	said    *bufio.Scanner // what mediatord says
	stderr  *os.File
	files   []*os.File
}

func newOrphan(t *testing.T) *orphan {
	t.Helper()
	ours, theirs, err := controlSocket()
	if err != nil {
		t.Fatal(err)
	}
	output, stderr, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	pidfd := -1
	o := &orphan{stage: &stage{t: t, signal: make(chan struct{}, 1)}, control: theirs, said: bufio.NewScanner(theirs), stderr: stderr}
	o.cmd = exec.Command("/bin/sleep", "1000")
	o.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, PidFD: &pidfd}
	if err := o.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	o.files = []*os.File{ours, os.NewFile(uintptr(pidfd), "pidfd"), output}
	t.Cleanup(func() {
		_ = o.cmd.Process.Kill()
		_, _, _ = o.cmd.Wait(), theirs.Close(), stderr.Close()
	})
	return o
}

func (o *orphan) adopt(ready bool) {
	o.t.Helper()
	var err error
	s := Settings{KillAfter: 300 * time.Millisecond, ReadyWithin: 300 * time.Millisecond}
	if o.executor, err = Adopt(s, 3, o.cmd.Process.Pid, o.files, ready, o.sink); err != nil {
		o.t.Fatal(err)
	}
}

func (o *orphan) say(text string) {
	o.t.Helper()
	if _, err := o.control.WriteString(text); err != nil {
		o.t.Fatal(err)
	}
}

func (o *orphan) hear() string {
	o.t.Helper()
	if !o.said.Scan() {
		o.t.Fatal("mediatord says nothing more")
	}
	return o.said.Text()
}

func TestAdoptedExecutorGoesOn(t *testing.T) {
	o := newOrphan(t)
	o.say(`ge":"the end of a line whose beginning is lost"}` + "\n" + `{"type":"log","level":"info","message":"whole"}` + "\n")
	o.adopt(true)
	if first, second := o.hear(), o.hear(); first != "" || second != `{"type":"resume"}` {
		t.Errorf("mediatord says %q and %q", first, second)
	}
	if e := o.await(Log); e.Text != "whole" {
		t.Errorf("log is %q", e.Text)
	}
	o.say(`{"type":"ready"}` + "\n" + `{"type":"resumed"}` + "\n")
	o.await(Resumed)
	o.executor.Revoke(3)
	if said := o.hear(); said != `{"type":"revoke","chunk":3}` {
		t.Errorf("mediatord says %q", said)
	}
	if _, err := o.stderr.WriteString("from the library\n"); err != nil {
		t.Fatal(err)
	}
	if o.executor.PID() != o.cmd.Process.Pid {
		t.Errorf("pid is %d", o.executor.PID())
	}
	o.executor.Stop()
	if e := o.await(Exited); !e.Asked || !strings.Contains(e.Text, "mediatord ended") {
		t.Errorf("it ended as %+v", e)
	}
	for _, e := range o.events {
		if e.Kind == Ready {
			t.Error("an executor that was ready became so again")
		}
	}
}

func TestAdoptedExecutorThatIsNeverReadyEnds(t *testing.T) {
	o := newOrphan(t)
	o.adopt(false)
	if said := []string{o.hear(), o.hear(), o.hear()}; said[2] != `{"type":"go"}` {
		t.Errorf("mediatord says %q to an executor that may still wait for its place", said)
	}
	if e := o.await(Exited); e.Result != ResultSystemNotReady || !strings.Contains(e.Text, "not ready after") {
		t.Errorf("it ended as %+v", e)
	}
}

func TestExecutorThatEndedMeanwhile(t *testing.T) {
	o := newOrphan(t)
	o.say(`{"type":"fault","result":700,"message":"an illegal memory access"}` + "\n")
	_ = o.cmd.Process.Kill()
	_ = o.cmd.Wait() // by whoever is its parent
	o.adopt(true)
	if e := o.await(Exited); e.Result != 700 || e.Text != "an illegal memory access" {
		t.Errorf("it ended as %+v", e)
	}
}

func TestStrangersAreNotAdopted(t *testing.T) {
	o := newOrphan(t)
	for name, files := range map[string][]*os.File{"too few": o.files[:2], "no pidfd": {o.files[0], o.files[2], o.files[2]}} {
		if _, err := Adopt(Settings{}, 3, o.cmd.Process.Pid, files, true, o.sink); !errors.Is(err, ErrStranger) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := Adopt(Settings{}, 3, 1, o.files, true, o.sink); !errors.Is(err, ErrStranger) {
		t.Errorf("another process: %v", err)
	}
}
