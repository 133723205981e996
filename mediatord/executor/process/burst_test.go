package process

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"libvirt-vgpu/mediatord/executor/channel"
	"libvirt-vgpu/mediatord/executor/control"
	"libvirt-vgpu/mediatord/executor/cuda"
	"libvirt-vgpu/mediatord/executor/cuda/cudatest"
	"libvirt-vgpu/mediatord/executor/driver"
	"libvirt-vgpu/mediatord/executor/guesttest"
	"libvirt-vgpu/mediatord/executor/wire"
	"libvirt-vgpu/mediatord/internal/lease"
	"libvirt-vgpu/plugin/window"
)

func unlimitedTerms() lease.Terms {
	return lease.Terms{Budget: lease.Unlimited, ClearBy: lease.Never, Expiry: lease.Never}
}

func limitedTerms() lease.Terms {
	return lease.Terms{Budget: 10 * time.Millisecond, ClearBy: lease.Never, Expiry: lease.Never}
}

// onEmptyDriver is a process on a copy of a driver library without a GPU, with
// functions, kernels and streams 1 and 2, and the file that the library writes.
func onEmptyDriver(t *testing.T, library string, page *lease.Page) (h *harness, log string) {
	t.Helper()
	directory := t.TempDir()
	log = filepath.Join(directory, "log")
	t.Setenv(cudatest.LogVariable, log)
	code, err := os.ReadFile(library)
	if err == nil {
		err = os.WriteFile(filepath.Join(directory, "libcuda.so.1"), code, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	gpu, err := cuda.OpenLibrary(filepath.Join(directory, "libcuda.so.1"), "0")
	if err != nil {
		t.Fatal(err)
	}
	runtime.LockOSThread() // a context is current in a thread
	t.Cleanup(runtime.UnlockOSThread)
	h = newHarness(t, func(c *Config) { c.Driver, c.Lease, c.Clock = gpu, page, lease.NewClock() })
	h.must("primary_retain", 0)
	h.Context = primary
	for number := uint32(1); number <= 2; number++ {
		h.process.tables.Put(driver.KindFunction, number, uint64(0xf0+number))
		h.process.tables.Put(driver.KindKernel, number, uint64(0xa0+number))
		h.process.noteParameters(driver.KindFunction, number, number*40)
		if r := h.post("stream_create", number, 1, 0); r != driver.Success {
			t.Fatalf("making a stream: %d", r)
		}
	}
	h.Own(0, 3)
	h.must("map_pinned", h.base, 0, 1, 0) // two mappings side by side, and a third apart
	h.must("map_pinned", h.base+window.ChunkSize, window.ChunkSize, 1, 0)
	h.must("map_pinned", h.base+3*window.ChunkSize, 2*window.ChunkSize, 1, 0)
	h.process.noteParameters(driver.KindKernel, 1, 4100) // more than C deals with; of kernel 2 the driver is asked
	return h, log
}

// anyRecord is a record as the guest's library posts it, mostly, or with
// something wrong.
func anyRecord(h *harness, random *rand.Rand) []byte {
	number := func() int { return []int{1, 1, 1, 1, 2, 2, 0, 3, 1 << 30}[random.IntN(9)] }
	stream := func() int { return []int{1, 1, 1, 1, 1, 2, 0, 7}[random.IntN(8)] }
	size := []int{0, 0, 8, 40, 200, 4096, 4104}[random.IntN(7)]
	grid := []int{1, 2, 3, 4, 5, 6, 7, 8, 9, cudatest.RefusedGrid}[random.IntN(10)]
	parameters := make([]byte, size)
	for i := range parameters {
		parameters[i] = byte(random.Uint32())
	}
	var r []byte
	switch kind := random.IntN(24); {
	case kind < 8:
		r = h.Record(window.NoReply, "launch", number(), grid, 1, 3, 32, 2, 1, 64, stream(), parameters)
	case kind < 12:
		r = h.Record(window.NoReply, "launch_kernel", number(), grid, 1, 3, 32, 2, 1, 64, stream(), parameters)
	case kind < 17:
		slot := []int{1, 2, 3, 100, window.FenceCount - 1}[random.IntN(5)]
		r = h.Record(window.NoReply, "fence", stream(), slot, random.Uint32())
	case kind < 21:
		bytes := []int{0, 4, 8, 4096, window.ChunkSize, cudatest.RefusedGrid}[random.IntN(6)]
		r = anyCopy(h, random, bytes, stream())
	case kind < 22:
		r = h.Record(window.NoReply, "copy_dtod", 1, 2, 3, stream())
	case kind < 23:
		r = h.Record(3, "stream_query", stream())
	default:
		r = h.Record(window.NoReply, "event_create", 1+random.IntN(1000), 0)
	}
	le := binary.LittleEndian
	switch random.IntN(40) {
	case 0:
		le.PutUint32(r[window.RecCtx:], 0)
	case 1:
		le.PutUint32(r[window.RecCtx:], 77) // no such context
	}
	return r
}

// anyCopy is one to or from pinned memory, up to a chunk of which is there.
func anyCopy(h *harness, random *rand.Rand, bytes, stream int) []byte {
	at := h.base + []uint64{0, 64, window.ChunkSize - 4, window.ChunkSize, 3 * window.ChunkSize}[random.IntN(5)]
	if random.IntN(2) == 0 {
		return h.Record(window.NoReply, "copy_htod", 77, at, bytes, stream)
	}
	return h.Record(window.NoReply, "copy_dtoh", at, 77, bytes, stream)
}

// lastCopy is one that ends the context or the process.
func lastCopy(h *harness, random *rand.Rand) []byte {
	return anyCopy(h, random, []int{cudatest.RefusedGrid + 1, 2*window.ChunkSize + 1, 1 << 62}[random.IntN(3)], 1)
}

// spoil makes a record one that no guest library writes.
func spoil(r []byte, random *rand.Rand) []byte {
	le := binary.LittleEndian
	switch random.IntN(6) {
	case 0:
		le.PutUint32(r[window.RecReserved:], 5)
	case 1:
		le.PutUint16(r[window.RecReply:], uint16(random.IntN(100)))
	case 2:
		le.PutUint32(r, uint32(random.IntN(len(r))))
	case 3:
		le.PutUint16(r[window.RecOpcode:], uint16(random.Uint32()))
	case 4:
		le.PutUint32(r, uint32(len(r)+window.RingSize))
	default:
		le.PutUint32(r[window.RecPayload+4:], random.Uint32()) // a fence's slot, a grid
	}
	return r
}

var pinnedAddress = regexp.MustCompile(`0x[0-9a-f]{8,}`)

// outcome is what a process's channel and driver look like after records.
func outcome(h *harness, log string, failure error) string {
	text, _ := os.ReadFile(log)
	fences := sha256.Sum256(h.Memory()[window.ChFences : window.ChFences+4*window.FenceCount])
	var left []byte // words that say that a record is there
	for at := window.ChRing; at < window.ChRing+window.RingSize; at += window.Line {
		if word := h.Memory()[at : at+4]; !bytes.Equal(word, make([]byte, 4)) {
			left = append(left, word...)
		}
	}
	result, opcode := h.TakeAsync()
	h.process.statistics.publish()
	if failure != nil { // each process's pinned memory lies elsewhere
		failure = errors.New(pinnedAddress.ReplaceAllStringFunc(failure.Error(), func(text string) string {
			at, _ := strconv.ParseUint(text, 0, 64)
			return fmt.Sprintf("base+%#x", at-h.base)
		}))
	}
	return fmt.Sprintf("%sfences %x\nasync %d by %#x, sticky %d, ring %x, statistics %+v, %d fences known, error %v", text, fences,
		result, opcode, h.Sticky(), left, h.process.statistics.Statistics, len(h.process.fences.active), failure)
}

// A burst takes records without a look at TAIL for each, which producers write, and who commits what
// was not reserved is found out all the same.
func TestABurstSeldomLooksAtTail(t *testing.T) {
	h, _ := onEmptyDriver(t, cudatest.BuildEmptyDriver(t), nil)
	const unseen = 16 << 10
	record := h.Record(window.NoReply, "launch", 1, 1, 1, 1, 32, 1, 1, 0, 1, make([]byte, 40))
	h.Push(record)
	if consumed, err := h.consumer.Step(); !consumed || err != nil {
		t.Fatalf("an honest record: %v, %v", consumed, err)
	}
	honest := h.Tail()
	var failure error
	for failure == nil && h.Tail() < honest+2*unseen {
		h.Push(record)
		h.StoreTail(honest)
		_, failure = h.consumer.Step()
	}
	beyond := h.Head() - honest
	if !errors.Is(failure, channel.ErrRecord) || beyond == 0 || beyond > unseen {
		t.Errorf("%d bytes that were not reserved were consumed before %v", beyond, failure)
	}
}

// Whatever is in the ring, a burst does to driver and channel what happens when
// every record is consumed by itself.
func TestABurstDoesWhatRecordsDoOneByOne(t *testing.T) {
	library := cudatest.BuildEmptyDriver(t)
	for seed := range uint64(8) {
		var outcomes [2]string
		for i, bursts := range []bool{false, true} {
			var page *lease.Page
			if seed%2 == 0 {
				page, _ = leaseOf(t, unlimitedTerms())
			}
			h, log := onEmptyDriver(t, library, page)
			if !bursts {
				h.process.burster = nil
			}
			random := rand.New(rand.NewPCG(seed, 0))
			var failure error
			for range 25 {
				for range 1 + random.IntN(80) {
					h.Push(anyRecord(h, random))
				}
				spoilt := random.IntN(20) == 0
				switch {
				case spoilt && random.IntN(2) == 0:
					h.Push(lastCopy(h, random))
				case spoilt:
					h.Push(spoil(anyRecord(h, random), random))
				}
				for consumed := true; consumed && failure == nil; {
					consumed, failure = h.consumer.Step()
				}
				if failure != nil || spoilt {
					break
				}
				if h.Head() != h.Tail() {
					t.Fatalf("HEAD is %d after everything was consumed, TAIL %d", h.Head(), h.Tail())
				}
			}
			outcomes[i] = outcome(h, log, failure)
		}
		compare(t, seed, outcomes[0], outcomes[1])
	}
}

// A launch never has less than its kernel takes, nor anything behind it but zeros.
func TestABurstFillsShortParameters(t *testing.T) {
	h, log := onEmptyDriver(t, cudatest.BuildEmptyDriver(t), nil)
	long := bytes.Repeat([]byte{0xff}, 4096)
	sizes := []int{4096, 8, 4096, 39, 1, 40, 41, 0}
	for _, size := range sizes {
		h.Push(h.Record(window.NoReply, "launch", 1, 1, 1, 1, 1, 1, 1, 0, 1, long[:size]))
	}
	for consumed := true; consumed; {
		var err error
		if consumed, err = h.consumer.Step(); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	if len(lines) != len(sizes) {
		t.Fatalf("%d launches:\n%s", len(lines), text)
	}
	for i, size := range sizes {
		got := long[:size]
		if size > 0 && size < 40 {
			got = append(bytes.Clone(got), make([]byte, 40-size)...)
		}
		sum := uint32(0)
		for _, b := range got {
			sum = sum*31 + uint32(b)
		}
		if want := fmt.Sprintf(" %d %d", len(got), sum); !strings.HasSuffix(lines[i], want) {
			t.Errorf("a launch with %d bytes: %q, should end with %q", size, lines[i], want)
		}
	}
}

// What mediatord wants is done while a program posts launches without a pause.
func TestABurstGivesWayToMediatord(t *testing.T) {
	h, _ := onEmptyDriver(t, cudatest.BuildEmptyDriver(t), nil)
	ended := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		if r := h.process.enter(primary); r != driver.Success {
			t.Errorf("entering the context: %d", r)
		}
		ended <- h.consumer.Run()
	}()
	resumed := func() int {
		count := 0
		for _, m := range h.sent() {
			if m.Type == control.Resumed {
				count++
			}
		}
		return count
	}
	for round := 1; round <= 20; round++ {
		h.process.Resume()
		h.consumer.Wake()
		for deadline := time.Now().Add(guesttest.Timeout); resumed() < round; {
			if time.Now().After(deadline) {
				t.Fatal("the executor does not listen to mediatord")
			}
			h.Post("launch", 1, 1, 1, 1, 1, 1, 1, 0, 1, []byte{})
		}
		if round%2 == 0 { // let it wait for a record by itself
			h.WaitFor(func() bool { return h.Head() == h.Tail() })
		}
	}
	h.Push(guesttest.Header(0xfff, window.NoReply, 1, primary, nil))
	if err := <-ended; err == nil {
		t.Error("the consumer ended without an error")
	}
}

// Once the lease is limited, every launch is asked for.
func TestABurstEndsWithTheUnlimitedLease(t *testing.T) {
	page, holder := leaseOf(t, unlimitedTerms())
	h, _ := onEmptyDriver(t, cudatest.BuildEmptyDriver(t), page)
	launch := func() {
		t.Helper()
		if r := h.post("launch", 1, 1, 1, 1, 1, 1, 1, 0, 1, []byte{}); r != driver.Success {
			t.Fatalf("launching: %d", r)
		}
	}
	for range 3 {
		launch()
	}
	if state := holder.State(lease.NewClock().Now()); !state.Flying || state.InFlight != 0 {
		t.Errorf("under an unlimited lease: %+v", state)
	}
	holder.Set(limitedTerms())
	launch()
	if state := holder.State(lease.NewClock().Now()); !state.Flying || state.InFlight == 0 {
		t.Errorf("under a limited lease: %+v", state)
	}
}

// A launch for which the driver has no memory is Go's: others may make room for it.
func TestABurstLeavesLaunchesWithoutMemory(t *testing.T) {
	h, _ := onEmptyDriver(t, cudatest.BuildEmptyDriver(t), nil)
	for _, made := range []bool{true, false} {
		asked := 0
		h.makeRoom = func(uint64) bool { asked++; return made }
		want := driver.Success
		if !made {
			want = driver.ErrorOutOfMemory
		}
		if r := h.post("launch", 1, cudatest.RefusedGrid, 3, 1, 1, 1, 1, 0, 1, []byte{}); r != want || asked != 1 {
			t.Errorf("room made %v: result %d, asked %d times", made, r, asked)
		}
	}
}

// Where a launch or a fence needs more than the driver's call, none is plain.
func TestNothingIsPlainWhileCapturedOrParked(t *testing.T) {
	h, _ := onEmptyDriver(t, cudatest.BuildEmptyDriver(t), nil)
	p := h.process
	plain := func() bool { return p.Bursts(wire.OpLaunch) && p.Bursts(wire.OpLaunchKernel) && p.Bursts(wire.OpFence) }
	if !plain() || p.Bursts(wire.OpLaunchEx) || p.Bursts(wire.OpStreamDestroy) {
		t.Error("launches and fences are plain, and nothing else is")
	}
	p.captures[1] = 0
	if plain() {
		t.Error("launches are plain during a capture")
	}
	delete(p.captures, 1)
	p.parking.moved = make([]*moved, 1)
	if plain() {
		t.Error("launches are plain while memory is parked")
	}
	p.parking.moved = nil
	if !plain() {
		t.Error("launches are not plain again")
	}
}
