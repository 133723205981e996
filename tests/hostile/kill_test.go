package hostile

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"libvirt-vgpu/plugin/window"
)

// workerSocket in the environment makes the test program a guest process that
// computes until it is killed or its executor is.
const workerSocket = "HOSTILE_TEST_WORKER"

// Exit codes of a worker.
const (
	exitWrong    = 1 // a result was wrong
	exitExecutor = 3 // the executor died
)

// aside is a testing.TB for a process that is no test.
type aside struct{ testing.TB }

func (aside) Helper()                      {}
func (aside) Cleanup(func())               {}
func (aside) Fatal(args ...any)            { panic(fmt.Sprint(args...)) }
func (aside) Fatalf(f string, args ...any) { panic(fmt.Sprintf(f, args...)) }
func (aside) Logf(f string, args ...any)   {}
func (aside) Errorf(f string, args ...any) { panic(fmt.Sprintf(f, args...)) }

func beWorker(socket string) (code int) {
	p, err := connect(aside{}, socket)
	if err != nil {
		fmt.Println(err)
		return exitExecutor
	}
	alive := func() bool { return p.Window.ChannelState(p.number) == window.HostReady }
	p.Over = func() bool { return !alive() }
	defer func() {
		if failed := recover(); failed != nil {
			fmt.Println(failed)
			if code = exitWrong; !alive() {
				code = exitExecutor
			}
		}
	}()
	w, err := p.work()
	for err == nil {
		if err = w.compute(); err == nil {
			fmt.Println("ok")
		}
	}
	panic(err)
}

// runner is a worker that is run again whenever it ends.
type runner struct {
	d      *domain
	cmd    *exec.Cmd
	rounds chan struct{} // one token when a round was right
	ended  chan error
	killed bool // by us, it or its executor
}

func (r *runner) start() {
	self, err := os.Executable()
	check(r.d, err)
	r.cmd = exec.Command(self)
	r.cmd.Env = append(os.Environ(), workerSocket+"="+r.d.socket)
	stdout, err := r.cmd.StdoutPipe()
	check(r.d, err)
	check(r.d, r.cmd.Start())
	r.rounds, r.ended, r.killed = make(chan struct{}, 1), make(chan error, 1), false
	cmd, rounds, ended := r.cmd, r.rounds, r.ended
	go func() {
		last := ""
		for lines := bufio.NewScanner(stdout); lines.Scan(); {
			if last = lines.Text(); last == "ok" {
				select {
				case rounds <- struct{}{}:
				default:
				}
			}
		}
		_, _ = io.Copy(io.Discard, stdout)
		err := cmd.Wait()
		if err == nil {
			err = errors.New("ended")
		}
		ended <- fmt.Errorf("%w: %s", err, last)
	}()
}

// computes waits until the worker has done a round from now on.
func (r *runner) computes(t *testing.T) {
	t.Helper()
	for range 2 { // one may be from before
		select {
		case <-r.rounds:
		case err := <-r.ended:
			t.Fatalf("a worker that nobody killed: %v", err)
		case <-time.After(timeout):
			t.Fatal("a worker hangs")
		}
	}
}

func rounds(t *testing.T, short int) int {
	t.Helper()
	text := os.Getenv("VGPU_HOSTILE_ROUNDS")
	if text == "" {
		return short
	}
	n, err := strconv.Atoi(text)
	check(t, err)
	return n
}

// SIGKILL of guest processes and executors, at random times in a fixed order of
// draws: the others compute on, the killed one's memory is back, and its domain
// takes a new process.
func TestKillAnyProcess(t *testing.T) {
	s := begin(t, "")
	var runners []*runner
	for i := range 3 {
		r := &runner{d: s.domain(fmt.Sprintf("domain%d", i), 64<<20)}
		r.start()
		runners = append(runners, r)
	}
	draw := rand.New(rand.NewPCG(2, 3))
	for round := range rounds(t, 12) {
		for _, r := range runners {
			r.computes(t)
		}
		victim := runners[draw.IntN(len(runners))]
		time.Sleep(time.Duration(draw.IntN(20)) * time.Millisecond)
		pid, want := victim.cmd.Process.Pid, -1
		if draw.IntN(2) == 0 {
			pid, want = victim.d.executor(), exitExecutor
		}
		check(t, unix.Kill(pid, unix.SIGKILL))
		select {
		case err := <-victim.ended:
			if code := victim.cmd.ProcessState.ExitCode(); code != want {
				t.Fatalf("round %d: exit code %d, want %d: %v", round, code, want, err)
			}
		case <-time.After(timeout):
			t.Fatalf("round %d: the victim's process does not end", round)
		}
		s.until("memory of the dead", func() bool { return victim.d.property("MemoryUsed").(uint64) == 0 })
		victim.start()
	}
	for _, r := range runners {
		r.computes(t)
		_ = r.cmd.Process.Kill()
		<-r.ended
	}
}
