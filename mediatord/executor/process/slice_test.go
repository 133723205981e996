package process

import (
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
	logtest "github.com/sirupsen/logrus/hooks/test"

	"libvirt-vgpu/mediatord/executor/cuda/cudatest"
	"libvirt-vgpu/mediatord/executor/driver"
	"libvirt-vgpu/mediatord/executor/guesttest"
	"libvirt-vgpu/mediatord/executor/wire"
	"libvirt-vgpu/mediatord/internal/lease"
	"libvirt-vgpu/plugin/window"
)

// sliced waits until the driver has been asked for slices in this order, and for no others.
func (h *harness) sliced(want ...string) {
	h.T.Helper()
	var asked []string
	h.WaitFor(func() bool {
		for _, call := range h.driver.Calls() {
			if strings.HasPrefix(call, "SetSlice") {
				asked = append(asked, call)
			}
		}
		return len(asked) >= len(want)
	})
	if !slices.Equal(asked, want) {
		h.T.Errorf("the driver was asked for %q, want %q", asked, want)
	}
}

func TestSliceFollowsTheLease(t *testing.T) {
	terms := limitedTerms()
	terms.Slice = 100 * time.Microsecond
	page, holder := leaseOf(t, terms)
	log, lines := logtest.NewNullLogger()
	h := newHarness(t, func(c *Config) { c.Lease, c.Clock, c.Log = page, lease.NewClock(), log })
	h.sliced("SetSlice 100µs") // before the process has asked for anything
	h.must("primary_retain", 0)
	h.Context = primary
	set := func(slice time.Duration) {
		terms.Slice = slice
		holder.Set(terms)
	}
	set(200 * time.Microsecond)
	if r := h.post("copy_htod_inline", 0x300000000000, 0, "some bytes"); r != driver.Success {
		t.Fatalf("copying: %d", r)
	}
	h.sliced("SetSlice 200µs")
	set(0)
	h.process.Quiet() // the ring is empty
	h.sliced("SetSlice 0s")
	terms.Budget = lease.Unlimited
	set(300 * time.Microsecond)
	if r := h.post("copy_htod_inline", 0x300000000000, 0, "some bytes"); r != driver.Success {
		t.Fatalf("copying: %d", r)
	}
	h.sliced("SetSlice 300µs")
	terms.Budget = time.Millisecond
	set(300 * time.Microsecond)
	h.process.Quiet()
	h.driver.Fail["SetSlice"] = driver.ErrorNotSupported
	for _, slice := range []time.Duration{100 * time.Microsecond, 400 * time.Microsecond} {
		set(slice)
		h.process.Quiet()
		h.sliced("SetSlice " + slice.String())
	}
	h.process.slice.mu.Lock() // the last has been logged then
	defer h.process.slice.mu.Unlock()
	warnings := 0
	for _, line := range lines.AllEntries() {
		if line.Level == logrus.WarnLevel && strings.Contains(line.Message, "slice") {
			warnings++
		}
	}
	if warnings != 1 {
		t.Errorf("a driver that refuses is told of %d times, want once", warnings)
	}
}

// A process that posts without a pause gets to it with its next record, whoever consumes it.
func TestSliceIsSeenByWhoBursts(t *testing.T) {
	for name, terms := range map[string]lease.Terms{"unlimited": unlimitedTerms(), "limited": limitedTerms()} {
		t.Run(name, func(t *testing.T) {
			page, holder := leaseOf(t, terms)
			h, _ := onEmptyDriver(t, cudatest.BuildEmptyDriver(t), page)
			for i := range 20 {
				if i%2 == 1 {
					terms.Slice = time.Duration(50+i) * time.Microsecond
					holder.Set(terms)
				}
				if r := h.post("launch", 1, 1, 1, 1, 1, 1, 1, 0, 1, []byte{}); r != driver.Success {
					t.Fatalf("launching: %d", r)
				}
				if seen := h.process.slice.seen; seen != terms.Slice {
					t.Errorf("launch %d went with a slice of %v, the lease says %v", i, seen, terms.Slice)
				}
			}
		})
	}
}

// asked counts what it is asked for.
type asked struct{ times atomic.Int32 }

func (a *asked) SetSlice(time.Duration) (int, error) { a.times.Add(1); return 1, nil }

// Whatever a process posts, the slice stays what the lease says.
func TestNoRecordChangesTheSlice(t *testing.T) {
	terms := unlimitedTerms()
	terms.Slice = 200 * time.Microsecond
	page, _ := leaseOf(t, terms)
	h := inContext(t, func(c *Config) { c.Lease, c.Clock = page, lease.NewClock() })
	driver := new(asked)
	h.WaitFor(func() bool { // the lease is followed on a thread of its own
		h.process.slice.mu.Lock()
		defer h.process.slice.mu.Unlock()
		return h.process.slice.set == terms.Slice
	})
	h.process.slice.driver = driver
	random := rand.New(rand.NewPCG(1, 2))
	payload := make([]byte, 512)
	known := 0
	for opcode := range uint16(1 << 12) {
		if wire.Name(opcode) != "" {
			known++
		}
		for i := range payload {
			payload[i] = byte(random.Uint32() >> 30) // small numbers name what there is
		}
		h.consume(guesttest.Header(opcode, uint16(opcode%4), uint32(opcode), primary, payload), window.RingSize)
	}
	if known < 100 {
		t.Fatalf("%d opcodes are known", known)
	}
	h.process.slice.mu.Lock()
	defer h.process.slice.mu.Unlock()
	if s := &h.process.slice; s.seen != terms.Slice || s.set != terms.Slice || driver.times.Load() != 0 {
		t.Errorf("the lease says %v, it is %v and %v, and was changed %d times", terms.Slice, s.seen, s.set, driver.times.Load())
	}
}
