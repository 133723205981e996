package restart

import (
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestWatchdogEndsAnEndlessKernel ends one process for its kernel, tells it so, and
// leaves the others alone: under the mediatord that the kernel began under, and
// under one that came later.
func TestWatchdogEndsAnEndlessKernel(t *testing.T) {
	h := newHost(t, `kernel_limit = "1s"`)
	steady := h.run(t.Context(), built("tests/steady"), "600")
	steady.said("started")
	for _, restart := range []bool{false, true} {
		endless := h.run(t.Context(), built("tests/spin"), "3600")
		endless.said("started")
		if restart {
			h.kill()
			h.start()
		}
		h.until("the end of the endless one", func() bool { return len(endless.done) == 1 })
		if said := endless.output.String(); !strings.Contains(said, "FAILED cu.CtxSynchronize()") || !strings.Contains(said, "result 702") {
			t.Errorf("it said %q", said)
		}
		h.until("its slot's end", func() bool { return len(h.status().Slots) == 1 })
	}
	if n := len(h.status().executors()); n != 1 {
		t.Errorf("%d executors are left, the steady one has one", n)
	}
	out, err := exec.Command(built("bin/vgpuctl"), "--bus", h.address, "events").CombinedOutput()
	if err != nil || strings.Count(string(out), "watchdog-fired") != 1 || !strings.Contains(string(out), "the pool's kernel_limit of 1s") {
		t.Errorf("events since the restart: %v\n%s", err, out)
	}
	_ = steady.cmd.Process.Signal(syscall.SIGTERM)
	steady.correct()
}

// TestWatchdogSparesShortKernels runs kernels below the limit for longer than the
// limit, on a GPU that two share.
func TestWatchdogSparesShortKernels(t *testing.T) {
	h := newHost(t, `kernel_limit = "2s"`)
	one := h.run(t.Context(), built("tests/spin"), "4", "100")
	other := h.run(t.Context(), built("tests/spin"), "4", "500")
	for _, p := range []*program{one, other} {
		select {
		case err := <-p.done:
			if err != nil {
				t.Errorf("%v: %s", err, p.output)
			}
		case <-time.After(time.Minute):
			t.Fatal("it does not end")
		}
	}
}
