package restart

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

const rounds = 10

// TestHostProcessesOutliveMediatord kills mediatord ten times while a program
// computes, at another moment each time, and once asks it to end. Processes that
// start while there is no mediatord wait, then work.
func TestHostProcessesOutliveMediatord(t *testing.T) {
	h := newHost(t)
	ctx := t.Context()
	long := h.run(ctx, built("tests/steady"), "600")
	long.said("started")
	before := h.status()
	if len(before.Slots) != 1 || len(before.executors()) != 1 {
		t.Fatalf("before the first kill: %+v", before)
	}
	executor := before.executors()[0]
	for round := range rounds {
		early := h.join(ctx, built("tests/steady"), "0.1") // may be anywhere between its start and its end
		time.Sleep(time.Duration(round) * 12 * time.Millisecond)
		if round == rounds/2 {
			h.stop()
		} else {
			h.kill()
		}
		late := h.join(ctx, built("tests/steady"), "0.1")
		time.Sleep(100 * time.Millisecond)
		if out := late.output.String(); out != "" {
			t.Errorf("round %d: a process worked without mediatord: %q", round, out)
		}
		h.start()
		late.correct()
		early.correct()
		h.until("only the long computation is left", func() bool { return slices.Equal(h.status().executors(), []int{executor}) })
		s := h.status().Slots
		if len(s) != 1 || s[0].State != "running" || !s[0].Connected || s[0].Channels[0].State != "ready" || s[0].Channels[0].Comm != "steady" {
			t.Errorf("round %d: status is %+v", round, s)
		}
	}
	if !h.manager.Said("WATCHDOG=1") {
		t.Error("the watchdog was never fed")
	}
	_ = long.cmd.Process.Signal(syscall.SIGTERM) // vgpuctl passes it on
	long.correct()
	h.until("the session's end", func() bool { return len(h.status().Slots) == 0 })
	h.nothingKept()
	if log := h.log(); strings.Contains(log, "level=error") || strings.Contains(log, "level=warning") {
		t.Error("mediatord complained")
	}
}

// TestEndsWhileMediatordIsAway has a process end, and a whole session, while
// nobody looks.
func TestEndsWhileMediatordIsAway(t *testing.T) {
	h := newHost(t)
	first := h.run(t.Context(), built("tests/steady"), "600")
	first.said("started")
	second := h.join(t.Context(), built("tests/steady"), "600")
	second.said("started")
	executors := h.status().executors()
	h.kill()
	_ = second.cmd.Process.Kill()
	<-second.done
	h.start()
	h.until("the end of the second process's executor", func() bool { return len(h.status().executors()) == 1 })
	h.until("its slot goes on", func() bool { return h.status().Slots[0].State == "running" })

	h.kill()
	_ = first.cmd.Process.Kill() // vgpuctl, which holds the session
	<-first.done
	h.start()
	h.until("the session's end", func() bool { return len(h.status().Slots) == 0 })
	for _, pid := range executors {
		h.until("the executor's end", func() bool { return !runs(pid) })
	}
	h.nothingKept()
}

// TestExecutorThatDiesWhileMediatordIsAway fails its process, and no other.
func TestExecutorThatDiesWhileMediatordIsAway(t *testing.T) {
	h := newHost(t)
	first := h.run(t.Context(), built("tests/steady"), "600")
	first.said("started")
	second := h.join(t.Context(), built("tests/steady"), "600")
	second.said("started")
	victim := h.status().executors()[1]
	h.kill()
	if err := syscall.Kill(victim, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	h.until("the executor's end", func() bool { return !runs(victim) })
	h.start()
	h.until("the second process's end", func() bool { return len(second.done) == 1 })
	if said := second.output.String(); !strings.Contains(said, "FAILED cu.") || !strings.Contains(said, "result 719") {
		t.Errorf("it said %q", said)
	}
	_ = first.cmd.Process.Signal(syscall.SIGTERM)
	first.correct()
}

// runs says that a process exists and is no zombie: whose child it is now may
// not reap it.
func runs(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err == nil && !strings.Contains(string(stat), ") Z ")
}

// TestWithoutStoreTheNextMediatordBeginsAnew loses the stored files, as stopping
// the service does.
func TestWithoutStoreTheNextMediatordBeginsAnew(t *testing.T) {
	h := newHost(t)
	p := h.run(t.Context(), built("tests/steady"), "600")
	p.said("started")
	executor := h.status().executors()[0]
	h.stop()
	if !runs(executor) {
		t.Error("the executor did not outlive mediatord")
	}
	h.manager.Clear()
	h.until("the executor's end", func() bool { return !runs(executor) })
	h.until("the program's end", func() bool { return len(p.done) == 1 }) // its executor told it
	if said := p.output.String(); !strings.Contains(said, "FAILED cu.") {
		t.Errorf("it said %q", said)
	}
	h.start()
	if s := h.status(); len(s.Slots) != 0 {
		t.Errorf("slots without windows: %+v", s)
	}
	again := h.run(t.Context(), built("tests/steady"), "0.1")
	again.correct()
}
