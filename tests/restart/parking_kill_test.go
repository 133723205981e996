package restart

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// killRounds is how many a test of random kills has: short, or what the environment says.
func killRounds(t *testing.T, short int) int {
	t.Helper()
	text := os.Getenv("VGPU_HOSTILE_ROUNDS")
	if text == "" {
		return short
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// survives has the tenant use its memory; false: it has ended instead.
func (t *tenant) survives() bool {
	t.Helper()
	before := strings.Count(t.output.String(), "touched in")
	_, _ = io.WriteString(t.asks, "touch\n") // fails once it has ended
	ended := false
	t.until("the end of a touch or of the program", func() bool {
		select {
		case <-t.done:
			ended = true
		default:
		}
		return ended || strings.Count(t.output.String(), "touched in") > before
	})
	return !ended
}

// parkAtRandom parks processes again and again until ctx ends, mediatord or not.
func (h *host) parkAtRandom(ctx context.Context, draw *rand.Rand) {
	for ctx.Err() == nil {
		time.Sleep(time.Duration(draw.IntN(50)) * time.Millisecond)
		out, _ := exec.CommandContext(ctx, built("bin/vgpuctl"), "--bus", h.address, "status").Output()
		var slots []string
		for line := range strings.Lines(string(out)) {
			if fields := strings.Fields(line); len(fields) > 1 && strings.Count(fields[1], "-") == 4 {
				slots = append(slots, fields[1])
			}
		}
		if len(slots) > 0 {
			args := []string{"--bus", h.address, "park", slots[draw.IntN(len(slots))]}
			if draw.IntN(2) == 0 {
				args = append(args, "--context")
			}
			_ = exec.CommandContext(ctx, built("bin/vgpuctl"), args...).Run()
		}
	}
}

// SIGKILL of mediatord, executors and guest processes at random moments of parking
// and waking: only whom it hits ends, the others find every byte, and no host memory
// stays behind.
func TestKillsBesideParking(t *testing.T) {
	const tenants = 3
	h := newHost(t, "[parking]", `after = "1s"`, `host_memory = "64MiB"`)
	draw := rand.New(rand.NewPCG(7, 8))
	var all []*tenant
	complete := func() {
		for len(all) < tenants {
			one := h.tenant(6)
			one.ask("touch", "touched in") // the first one asks mediatord for memory
			all = append(all, one)
		}
	}
	complete()
	ctx, cancel := context.WithCancel(t.Context())
	var parking sync.WaitGroup
	parking.Go(func() { h.parkAtRandom(ctx, rand.New(rand.NewPCG(9, 10))) })
	defer parking.Wait()
	defer cancel()
	wasParked, wereAway := 0, 0
	for round := range killRounds(t, 8) {
		for _, one := range all {
			if draw.IntN(2) == 0 {
				one.ask("touch", "touched in")
			}
		}
		time.Sleep(time.Duration(draw.IntN(200)) * time.Millisecond)
		want, what := tenants, "mediatord"
		if draw.IntN(3) == 0 {
			h.kill()
			if draw.IntN(2) == 0 {
				all[draw.IntN(tenants)].ask("touch", "touched in") // without mediatord
			}
			h.start()
		} else {
			want--
			what = h.killAny(draw)
		}
		for _, s := range h.parkings().Slots {
			if s.Parked > 0 {
				wasParked++
			}
			for _, c := range s.Channels {
				if c.Context {
					wereAway++
				}
			}
		}
		var left []*tenant
		for _, one := range all {
			if one.survives() {
				left = append(left, one)
			}
		}
		if len(left) != want {
			t.Fatalf("round %d, %s killed: %d of %d tenants are left", round, what, len(left), tenants)
		}
		all = left
		complete()
		all[draw.IntN(tenants)].ask("check", "right")
	}
	if wasParked == 0 {
		t.Error("nobody was parked in any round")
	}
	t.Logf("looked at after the kills: parked %d times, of that with context %d", wasParked, wereAway)
	for _, one := range all {
		one.right()
		_ = one.asks.Close()
		if err := <-one.done; err != nil {
			t.Errorf("it ended with %v: %s", err, one.output)
		}
	}
	cancel()
	h.until("the end of all host memory", func() bool { return h.parkings().Pools[0].Host == 0 })
	h.nothingKept()
}

// killAny kills a guest process or its executor, and says which.
func (h *host) killAny(draw *rand.Rand) string {
	h.Helper()
	var pids []int
	h.until("a running process", func() bool {
		pids = nil
		for _, s := range h.parkings().Slots {
			for _, c := range s.Channels {
				if c.ExecutorPID != 0 && c.PID != 0 {
					pids = append(pids, c.ExecutorPID, c.PID)
				}
			}
		}
		return len(pids) > 0
	})
	victim := draw.IntN(len(pids))
	if err := syscall.Kill(pids[victim], syscall.SIGKILL); err != nil {
		h.Fatal(err)
	}
	return fmt.Sprintf("%s %d", []string{"executor", "process"}[victim%2], pids[victim])
}
