package restart

import (
	"io"
	"math/rand/v2"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"
)

// traveller is a tenant on its way off the GPU with its context, or back.
type traveller struct {
	*tenant
	slot            string
	process, server int // their numbers; server: the executor
	bus             dbus.BusObject
}

// traveller starts one beside others, whose slots are known.
func (h *host) traveller(bus dbus.BusObject, others ...string) *traveller {
	h.Helper()
	t := &traveller{tenant: h.tenant(8, 4), bus: bus}
	h.until("its executor", func() bool {
		for _, s := range h.parkings().Slots {
			if len(s.Channels) == 1 && !strings.Contains(strings.Join(others, " "), s.UUID) {
				t.slot, t.process, t.server = s.UUID, s.Channels[0].PID, s.Channels[0].ExecutorPID
			}
		}
		return t.process != 0 && t.server != 0
	})
	return t
}

// leaves has it leave, and returns what closes when it has, or cannot any more.
func (t *traveller) leaves() <-chan struct{} {
	there := make(chan struct{})
	go func() {
		defer close(there)
		_ = t.bus.Call("io.github.libvirt_vgpu.Mediator1.Manager.ParkContexts", 0, t.slot).Err // it may be killed meanwhile
	}()
	return there
}

// returns is the same for its way back.
func (t *traveller) returns() <-chan struct{} {
	there := make(chan struct{})
	before := strings.Count(t.output.String(), "touched in")
	_, _ = io.WriteString(t.asks, "touch\n")
	go func() {
		defer close(there)
		for strings.Count(t.output.String(), "touched in") == before {
			select {
			case err := <-t.done:
				t.done <- err
				return
			case <-time.After(time.Millisecond):
			}
		}
	}()
	return there
}

// isAway waits until it has left, and says how long its way took.
func (t *traveller) isAway() (took time.Duration) {
	t.Helper()
	t.until("leaving", func() bool {
		begun := time.Now()
		<-t.leaves()
		took = time.Since(begun)
		for _, s := range t.parkings().Slots {
			if s.UUID == t.slot && len(s.Channels) == 1 && s.Channels[0].Context {
				return true
			}
		}
		return false
	})
	return took
}

// ended waits for its end.
func (t *traveller) ended() error {
	t.Helper()
	select {
	case err := <-t.done:
		return err
	case <-time.After(time.Minute):
		t.Fatalf("it does not end; it said %s", t.output)
		return nil
	}
}

// TestKillsOnTheWay kills executors, guest processes and mediatord while a process
// leaves the GPU with its context, and while it comes back. Whoever is hit ends, and
// nobody else: one that is away finds every byte, and no host memory stays behind.
func TestKillsOnTheWay(t *testing.T) {
	h := newHost(t, "[parking]", `after = "never"`, `context_after = "24h"`)
	conn, err := dbus.Connect(h.address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	bus := conn.Object("io.github.libvirt_vgpu.Mediator1", "/io/github/libvirt_vgpu/Mediator1")
	neighbour := h.traveller(bus)
	neighbour.isAway()
	before := h.parkings().Pools[0].Host
	draw := rand.New(rand.NewPCG(11, 12))
	for _, way := range []string{"leaving", "returning"} {
		for _, whom := range []string{"executor", "process", "mediatord"} {
			t.Run(whom+" "+way, func(t *testing.T) {
				onTheWay := 0
				for round := 0; round < killRounds(t, 1) || onTheWay == 0 && round < 20; round++ {
					if h.killOnTheWay(bus, neighbour.slot, way, whom, draw) {
						onTheWay++
					}
					h.until("the end of its host memory", func() bool {
						p := h.parkings()
						return len(p.Slots) == 1 && p.Pools[0].Host == before
					})
				}
				if onTheWay == 0 {
					t.Error("none was hit on the way")
				}
			})
		}
	}
	neighbour.right()
	_ = neighbour.asks.Close()
	if err := neighbour.ended(); err != nil {
		t.Errorf("the neighbour ended with %v: %s", err, neighbour.output)
	}
	h.nothingKept()
}

// killOnTheWay kills at a random moment of a process's way, and says whether it was
// still on it.
func (h *host) killOnTheWay(bus dbus.BusObject, neighbour, way, whom string, draw *rand.Rand) (onTheWay bool) {
	h.Helper()
	one := h.traveller(bus, neighbour)
	took := one.isAway() // the next time more or less as long
	begun := time.Now()
	<-one.returns()
	travel := one.leaves
	if way == "returning" {
		took = time.Since(begun)
		one.isAway()
		travel = one.returns
	}
	there := travel()
	time.Sleep(time.Duration(draw.Int64N(int64(took) + 1)))
	select {
	case <-there:
	default:
		onTheWay = true
	}
	switch whom {
	case "mediatord":
		h.kill()
		h.start()
		if way == "returning" {
			<-there
		}
		one.right()
		_ = one.asks.Close()
		if err := one.ended(); err != nil {
			h.Errorf("it ended with %v: %s", err, one.output)
		}
		return onTheWay
	case "executor":
		_ = syscall.Kill(one.server, syscall.SIGKILL)
		_, _ = io.WriteString(one.asks, "touch\n")
	case "process":
		_ = syscall.Kill(one.process, syscall.SIGKILL)
	}
	if err := one.ended(); err == nil {
		h.Errorf("%s killed: it ended well: %s", whom, one.output)
	}
	if whom == "executor" && !strings.Contains(one.output.String(), "result 719") {
		h.Errorf("without its executor it said %s", one.output)
	}
	return onTheWay
}
