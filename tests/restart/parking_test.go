package restart

import (
	"encoding/json"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

// tenant is a running tests/programs/tenant.
type tenant struct {
	*program
	asks io.WriteCloser
}

// tenant starts one that holds so many MiB, and kept MiB more that stay on the GPU while
// its context does.
func (h *host) tenant(mib int, kept ...int) *tenant {
	h.Helper()
	args := []string{"--bus", h.address, "run", "--memory", h.quota, "--lib-dir", built("guest"), "--", built("tests/tenant"), fmt.Sprint(mib)}
	for _, more := range kept {
		args = append(args, fmt.Sprint(more))
	}
	cmd := exec.CommandContext(h.Context(), built("bin/vgpuctl"), args...)
	asks, err := cmd.StdinPipe()
	if err != nil {
		h.Fatal(err)
	}
	t := &tenant{program: h.begin(cmd), asks: asks}
	t.said("holds")
	return t
}

// ask has the program do something and waits until it has said so once more.
func (t *tenant) ask(what, answer string) {
	t.Helper()
	before := strings.Count(t.output.String(), answer)
	if _, err := io.WriteString(t.asks, what+"\n"); err != nil {
		t.Fatal(err)
	}
	t.until(what, func() bool { return strings.Count(t.output.String(), answer) > before })
}

// right has the program use its memory and compare all of it.
func (t *tenant) right() {
	t.Helper()
	t.ask("touch", "touched in")
	t.ask("check", "right")
}

// parkings is what vgpuctl says of parking.
type parkings struct {
	Pools []struct {
		Host uint64 `json:"parked_host_memory"`
	} `json:"pools"`
	Slots []struct {
		UUID     string `json:"uuid"`
		Used     uint64 `json:"memory_used"`
		Parked   uint64 `json:"memory_parked"`
		Channels []struct {
			PID         int    `json:"pid"`
			ExecutorPID int    `json:"executor_pid"`
			Parked      uint64 `json:"parked"`
			Context     bool   `json:"context_parked"`
			Idle        uint64 `json:"idle"` // seconds
		} `json:"channels"`
	} `json:"slots"`
}

func (h *host) parkings() parkings {
	h.Helper()
	out, err := exec.Command(built("bin/vgpuctl"), "--bus", h.address, "status", "--json").Output()
	var p parkings
	if err == nil {
		err = json.Unmarshal(out, &p)
	}
	if err != nil {
		h.Fatalf("vgpuctl status: %v\n%s", err, out)
	}
	return p
}

// parked waits until so many processes are, with host memory behind them.
func (h *host) parked(processes int) {
	h.Helper()
	h.until(fmt.Sprintf("parking of %d", processes), func() bool {
		count := 0
		p := h.parkings()
		for _, s := range p.Slots {
			if s.Parked > 0 && s.Parked <= s.Used {
				count++
			}
		}
		return count == processes && (p.Pools[0].Host > 0) == (processes > 0)
	})
}

// TestIdleProcessesAreParked parks who is idle and nobody else, wakes them with
// right memory, and does so through restarts of mediatord.
func TestIdleProcessesAreParked(t *testing.T) {
	h := newHost(t, "[parking]", `after = "1s"`, `host_memory = "64MiB"`)
	steady := h.run(t.Context(), built("tests/steady"), "600")
	steady.said("started")
	one, other := h.tenant(24), h.tenant(8)
	h.parked(2)
	one.right()
	h.parked(2) // again
	h.kill()
	h.start()
	h.parked(2)
	other.right()
	one.right()
	h.parked(2)
	h.kill()
	one.right() // without mediatord
	h.start()
	h.parked(2)
	out, err := exec.Command(built("bin/vgpuctl"), "--bus", h.address, "events").CombinedOutput()
	if err != nil || !strings.Contains(string(out), "process-parked") {
		t.Errorf("events: %v\n%s", err, out)
	}
	_ = steady.cmd.Process.Signal(syscall.SIGTERM)
	steady.correct()
	// The end of a parked process gives the host memory back, kill -9 of its executor too.
	_ = one.asks.Close()
	if err := <-one.done; err != nil {
		t.Errorf("it ended with %v: %s", err, one.output)
	}
	h.parked(1)
	for _, s := range h.parkings().Slots {
		for _, c := range s.Channels {
			if err := syscall.Kill(c.ExecutorPID, syscall.SIGKILL); err != nil {
				t.Error(err)
			}
		}
	}
	h.parked(0)
	_, _ = io.WriteString(other.asks, "touch\n")
	if err := <-other.done; err == nil || !strings.Contains(other.output.String(), "result 719") {
		t.Errorf("without its executor it ended with %v: %s", err, other.output)
	}
}

// away waits until so many processes are parked with their contexts.
func (h *host) away(processes int) {
	h.Helper()
	h.until(fmt.Sprintf("parking of %d with context", processes), func() bool {
		count := 0
		for _, s := range h.parkings().Slots {
			for _, c := range s.Channels {
				if c.Context && c.Parked > 0 {
					count++
				}
			}
		}
		return count == processes
	})
}

// TestContextsAreParked has contexts follow memory, and return through restarts and
// without mediatord; the end of a process that is away gives its host memory back.
func TestContextsAreParked(t *testing.T) {
	h := newHost(t, "[parking]", `after = "1s"`, `context_after = "2s"`)
	one, other := h.tenant(24), h.tenant(8)
	h.away(2)
	one.right()
	h.away(2) // again
	h.kill()
	h.start()
	h.away(2)
	other.right()
	h.away(2)
	h.kill()
	one.right() // without mediatord
	h.start()
	h.away(2)
	one.ask("end", "ended") // its context too, which stays away
	if err := <-one.done; err != nil {
		t.Errorf("it ended with %v: %s", err, one.output)
	}
	if err := other.cmd.Process.Kill(); err != nil {
		t.Error(err)
	}
	<-other.done
	h.parked(0)
}

// TestParkingOnRequest parks when the operator says so, as far as the host memory
// goes.
func TestParkingOnRequest(t *testing.T) {
	h := newHost(t, "[parking]", `after = "never"`, `host_memory = "64MiB"`)
	fits, large := h.tenant(40), h.tenant(40)
	park := func() (said string) {
		for _, s := range h.status().Slots {
			out, err := exec.Command(built("bin/vgpuctl"), "--bus", h.address, "park", s.UUID).CombinedOutput()
			if err != nil {
				t.Errorf("vgpuctl park: %v", err)
			}
			said += string(out)
		}
		return said
	}
	said := park()
	if strings.Count(said, "1 of 1 processes are parked") != 1 || strings.Count(said, "0 of 1 processes") != 1 ||
		!strings.Contains(said, "of the pool's 64MiB for parked processes") || !strings.Contains(said, "parking.host_memory") {
		t.Errorf("vgpuctl park said\n%s", said)
	}
	h.parked(1)
	fits.right()
	large.right()
	h.parked(0)
	h.until("parking of whom there is room for", func() bool { return strings.Contains(park(), "1 of 1 processes are parked") })
	h.parked(1)
}

// idle waits until all processes have been for so many seconds.
func (h *host) idle(seconds uint64) {
	h.Helper()
	h.until("idleness", func() bool {
		for _, s := range h.parkings().Slots {
			for _, c := range s.Channels {
				if c.Idle < seconds {
					return false
				}
			}
		}
		return true
	})
}

// TestRoomTakesContextsLast has the GPU too small for a program beside two idle ones,
// which is tried three times: memory leaves first, then the context of the process that
// was idle for longer, if the pool parks contexts. Each process has a software GPU of its
// own, so the program gets no memory by that.
func TestRoomTakesContextsLast(t *testing.T) {
	for after, contexts := range map[string]bool{"never": false, "24h": true} {
		t.Run(after, func(t *testing.T) {
			h := newHost(t, "overcommit = 2", "[parking]", `after = "never"`, `context_after = "`+after+`"`)
			tenants := []*tenant{h.tenant(8, 4)}
			first := h.parkings().Slots[0].UUID
			h.idle(2)
			tenants = append(tenants, h.tenant(8, 4))
			h.idle(1)
			out, err := exec.Command(built("bin/vgpuctl"), "--bus", h.address, "run", "--memory", "4GiB", "--lib-dir", built("guest"), "--", built("tests/crowd"), "4094").CombinedOutput()
			if err != nil || string(out) != "result 2\n" {
				t.Errorf("crowd: %v\n%s", err, out)
			}
			h.parked(2)
			away := func(slot string) bool {
				for _, s := range h.parkings().Slots {
					if s.UUID == slot && s.Channels[0].Context {
						return true
					}
				}
				return false
			}
			if contexts {
				h.until("leaving of the longest idle one's context", func() bool { return away(first) })
			} else {
				h.away(0)
			}
			for _, one := range tenants {
				one.right()
			}
			h.parked(0)
		})
	}
}
