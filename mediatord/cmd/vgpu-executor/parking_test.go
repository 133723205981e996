package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"libvirt-vgpu/mediatord/executor/guesttest"
)

// park has the executor move device memory, and returns what it answers.
func park(e *guesttest.Executor, limit int) guesttest.Message {
	e.Say(fmt.Sprintf(`{"type":"park","bytes":%d}`, limit))
	for {
		if m := e.Expect("parking"); m.Answer {
			return m
		}
	}
}

// physical is the bytes of device memory that the process has allocated, if its GPU
// is the one in software: there each allocation is a memfd.
func physical(t *testing.T, e *guesttest.Executor) int64 {
	t.Helper()
	var sum int64
	dir := fmt.Sprintf("/proc/%d/fd", e.PID())
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		name := dir + "/" + entry.Name()
		target, err := os.Readlink(name)
		if err != nil || !strings.HasPrefix(target, "/memfd:gpu-memory") {
			continue
		}
		if info, err := os.Stat(name); err == nil && info.Size()%(2*mib) == 0 { // modules' variables are smaller
			sum += info.Size()
		}
	}
	return sum
}

// wantPhysical compares physical, where it can be told.
func wantPhysical(t *testing.T, e *guesttest.Executor, when string, want int64) {
	t.Helper()
	if testBackend() != "soft" {
		return
	}
	if got := physical(t, e); got != want {
		t.Errorf("%s: %d bytes of device memory, want %d", when, got, want)
	}
}

// canaries counts pages full of a pattern in the executor's anonymous memory.
func canaries(t *testing.T, e *guesttest.Executor, pattern []byte) (pages int) {
	t.Helper()
	maps, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", e.PID()))
	if err != nil {
		t.Fatal(err)
	}
	memory, err := os.Open(fmt.Sprintf("/proc/%d/mem", e.PID()))
	if err != nil {
		t.Fatal(err)
	}
	defer memory.Close()
	full := bytes.Repeat(pattern, 4096/len(pattern))
	page := make([]byte, 4096)
	for line := range strings.Lines(string(maps)) {
		fields := strings.Fields(line)
		if len(fields) != 5 || !strings.HasPrefix(fields[1], "rw-p") {
			continue // it has a name, or cannot be written
		}
		var from, to int64
		if _, err := fmt.Sscanf(fields[0], "%x-%x", &from, &to); err != nil {
			t.Fatal(err)
		}
		for at := from; at < to; at += 4096 {
			if _, err := memory.ReadAt(page, at); err != nil {
				break // unmapped meanwhile
			}
			if bytes.Equal(page, full) {
				pages++
			}
		}
	}
	return pages
}

// parkWhole has the executor leave the GPU, and returns what it answers.
func parkWhole(e *guesttest.Executor, limit int) guesttest.Message {
	e.Say(fmt.Sprintf(`{"type":"park","context":true,"bytes":%d}`, limit))
	for {
		if m := e.Expect("parking"); m.Answer {
			return m
		}
	}
}

// awaitHost waits until the executor has given its host memory back.
func awaitHost(e *guesttest.Executor) {
	for e.Expect("parking").Host != 0 {
	}
}

const (
	blockSize = 6 * mib
	otherVA   = device + 64*mib // of virtual memory management
	mirrorVA  = device + 96*mib // the same memory once more
	canary    = 0xc5a1b2d3
)

// parkable is a guest with a context, a block, memory of its own at two addresses,
// a captured graph that increments the block's first word, an event and pinned
// memory.
func parkable(t *testing.T, args ...string) (*guesttest.Guest, *guesttest.Executor) {
	t.Helper()
	g, e := loaded(t, args...)
	g.Must("module_function", 1, 1, "increment")
	g.Post("stream_create", 1, 1, 0)
	g.Must("mem_block", device, blockSize)
	g.Post("fill", device, 0, canary, 4, blockSize/4, 1, 1)
	properties := make([]byte, 32)
	properties[0], properties[8] = 1, 1
	g.Must("mem_reserve", otherVA, 64*mib)
	g.Must("mem_create", 1, 2*mib, properties, 0)
	for va, access := range map[uint64]byte{otherVA: 3, mirrorVA: 1} {
		g.Must("mem_map", va, 2*mib, 0, 1, 0)
		g.Must("mem_set_access", va, 2*mib, 1, []byte{1, 0, 0, 0, 0, 0, 0, 0, access, 0, 0, 0})
	}
	g.Post("fill", otherVA, 0, canary+1, 4, 2*mib/4, 1, 1)
	params := binary.LittleEndian.AppendUint64(nil, device)
	g.Must("capture_begin", 1, 0)
	g.Post("launch", 1, 1, 1, 1, 1, 1, 1, 0, 1, params)
	g.Must("capture_end", 1, 1)
	g.Must("graph_instantiate", 1, 1, 0)
	g.Own(0, 1)
	g.Must("map_pinned", hostVA, 0, 1, 0)
	g.Post("event_create", 1, 0)
	g.Post("event_record", 1, 1, 0, 9, 1)
	if sticky := g.Fence(1, 5, 1); sticky != 0 {
		t.Fatalf("sticky %d", sticky)
	}
	return g, e
}

// word reads device memory.
func word(g *guesttest.Guest, at uint64) uint32 {
	g.T.Helper()
	clear(g.Window.ChunkMemory(0)[:4])
	g.Post("copy_dtoh", hostVA, at, 4, 1)
	g.Must("ctx_synchronize")
	return binary.LittleEndian.Uint32(g.Window.ChunkMemory(0))
}

func TestParkedMemoryComesBack(t *testing.T) {
	g, e := parkable(t)
	full := int64(blockSize + 2*mib)
	wantPhysical(t, e, "before", full)
	used := g.Account.Used(guesttest.Channel)
	for round := range uint32(3) {
		m := park(e, 64*mib)
		if m.Parked != uint64(full) || m.Host < m.Parked || m.Message != "" {
			t.Fatalf("park: %+v", m)
		}
		wantPhysical(t, e, "parked", 0)
		pattern := binary.LittleEndian.AppendUint32(nil, canary)
		if n := canaries(t, e, pattern); n < blockSize/4096-1 {
			t.Errorf("%d pages of the block in host memory", n)
		}
		if now := g.Account.Used(guesttest.Channel); now != used {
			t.Errorf("%d bytes count for the domain, before they were %d", now, used)
		}
		g.Post("graph_launch", 1, 1) // wakes it
		if got := word(g, device); got != canary+1+round {
			t.Errorf("the block holds %#x", got)
		}
		for at, want := range map[uint64]uint32{device + blockSize - 4: canary, otherVA + 2*mib - 4: canary + 1, mirrorVA: canary + 1} {
			if got := word(g, at); got != want {
				t.Errorf("%#x holds %#x, want %#x", at, got, want)
			}
		}
		if got := word(g, binary.LittleEndian.Uint64(g.Must("module_global", 1, "counter"))); got != 5 {
			t.Errorf("the module's variable is %d", got)
		}
		wantPhysical(t, e, "awake", full)
		awaitHost(e)
		if n := canaries(t, e, pattern); n != 0 {
			t.Errorf("%d pages are left in host memory", n)
		}
		// the mirror is still read-only
		if flags := binary.LittleEndian.Uint64(g.Must("mem_get_access", mirrorVA)); flags != 1 {
			t.Errorf("access flags %d", flags)
		}
		g.Must("event_query", 1)
		if r, op := g.TakeAsync(); r != 0 {
			t.Errorf("posted op %#x failed with %d", op, r)
		}
	}
	g.Post("mem_unblock", device)
	g.Must("mem_unmap", otherVA, 2*mib)
	g.Must("mem_unmap", mirrorVA, 2*mib)
	g.Must("mem_release", 1)
	if r, op := g.TakeAsync(); r != 0 {
		t.Errorf("posted op %#x failed with %d", op, r)
	}
	wantPhysical(t, e, "freed", 0)
	if left := g.Account.Used(guesttest.Channel); left != used-uint64(full) {
		t.Errorf("%d bytes used at the end, code is %d", left, used-uint64(full))
	}
}

// Who is parked again at once has host memory of the last time being zeroed.
func TestParksAgainAtOnce(t *testing.T) {
	const large = 96 * mib
	g, e := parkable(t)
	g.Must("mem_block", device+256*mib, large)
	full := uint64(large + blockSize + 2*mib)
	for round := range uint32(10) {
		if m := park(e, 2*int(full)); m.Parked != full || m.Host != full {
			t.Fatalf("round %d: park: %+v", round, m)
		}
		g.Post("graph_launch", 1, 1)
		if got := word(g, device); got != canary+round+1 {
			t.Fatalf("round %d: the block holds %#x", round, got)
		}
	}
}

// What is unmapped while it is parked comes back behind its handle.
func TestUnmappedWhileParked(t *testing.T) {
	g, e := parkable(t)
	if m := park(e, 64*mib); m.Parked != blockSize+2*mib {
		t.Fatalf("park: %+v", m)
	}
	g.Must("mem_unmap", otherVA, 2*mib)
	g.Must("mem_unmap", mirrorVA, 2*mib)
	wantPhysical(t, e, "unmapped", 0)
	g.Post("mem_unblock", device)
	if m := e.Expect("parking"); m.Parked != 2*mib {
		t.Errorf("after freeing the block: %+v", m)
	}
	g.Must("mem_map", mirrorVA, 2*mib, 0, 1, 0)
	g.Must("mem_set_access", mirrorVA, 2*mib, 1, []byte{1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0})
	if got := word(g, mirrorVA+8); got != canary+1 {
		t.Errorf("mapped again it holds %#x", got)
	}
	wantPhysical(t, e, "awake", 2*mib)
	if r, op := g.TakeAsync(); r != 0 {
		t.Errorf("posted op %#x failed with %d", op, r)
	}
}

// Fences and events are answered without the memory.
func TestParkedProcessMayWait(t *testing.T) {
	g, e := parkable(t)
	if m := park(e, 64*mib); m.Parked == 0 {
		t.Fatalf("park: %+v", m)
	}
	g.Post("event_record", 1, 1, 0, 9, 2)
	g.Fence(1, 5, 2)
	if g.FenceWord(9) != 2 {
		t.Error("the event was not recorded")
	}
	wantPhysical(t, e, "after a wait", 0)
}

// Only what is behind released handles, or at one address, moves too.
func TestReleasedHandlesPark(t *testing.T) {
	g, e := parkable(t)
	g.Must("mem_release", 1)
	if m := park(e, 64*mib); m.Parked != blockSize+2*mib {
		t.Fatalf("park: %+v", m)
	}
	if got := word(g, mirrorVA+8); got != canary+1 {
		t.Errorf("the mirror holds %#x", got)
	}
	g.Must("mem_unmap", otherVA, 2*mib)
	g.Must("mem_unmap", mirrorVA, 2*mib)
	wantPhysical(t, e, "after unmapping", blockSize)
}

func TestWhoIsNotParked(t *testing.T) {
	g, e := parkable(t)
	refuses := func(what, why string) {
		t.Helper()
		if m := park(e, 64*mib); m.Parked != 0 || !strings.Contains(m.Message, why) {
			t.Errorf("%s: %+v", what, m)
		}
		wantPhysical(t, e, what, blockSize+2*mib)
	}
	word := g.Window.ChunkMemory(0)[64:68]
	clear(word)
	g.Post("stream_wait_value32", 1, hostVA+64, 1, 0)
	refuses("a stream that waits", "it has work")
	binary.LittleEndian.PutUint32(word, 1)
	g.Must("ctx_synchronize")
	g.Must("capture_begin", 1, 0)
	refuses("a capture", "captures")
	g.Must("capture_end", 1, 2)
	if m := park(e, mib); m.Parked != 0 || !strings.Contains(m.Message, "host memory") {
		t.Errorf("too little host memory: %+v", m)
	}
	clear(word)
	g.Post("stream_create", 2, 1, 0)
	g.Post("stream_wait_value32", 2, hostVA+64, 1, 0)
	g.Post("stream_destroy", 2)
	binary.LittleEndian.PutUint32(word, 1)
	if testBackend() != "soft" { // there the end of a stream waits for its work
		refuses("work of a stream that has ended", "ended a stream")
	}
	g.Must("ctx_synchronize")
	if m := park(e, blockSize); m.Parked != blockSize {
		t.Errorf("with room for one of two: %+v", m)
	}
	wantPhysical(t, e, "half parked", 2*mib)
}

// A guest that never stops to ask and to write loses nothing by being parked all
// the time.
func TestParkingBesideWork(t *testing.T) {
	g, e := parkable(t)
	const rounds = 300
	for i := range uint32(rounds) {
		e.Say(`{"type":"park","bytes":67108864}`)
		g.Post("graph_launch", 1, 1)
		if i%10 == 9 {
			if got := word(g, device); got != canary+i+1 {
				t.Fatalf("after %d launches the block holds %#x", i+1, got)
			}
		}
		for len(e.Messages) > 0 {
			<-e.Messages
		}
	}
	if r, op := g.TakeAsync(); r != 0 {
		t.Errorf("posted op %#x failed with %d", op, r)
	}
}

// Parked with its context the process has nothing on the GPU, and its next call finds
// everything: twice, with memory that was parked before, and after a question that brought
// only the context.
func TestContextsParked(t *testing.T) {
	g, e := parkable(t)
	const room = 1 << 30
	for round, before := range []func(){
		func() {},
		func() { park(e, room) },
		func() {
			parkWhole(e, room)
			if sticky := g.Fence(1, 6, 1); sticky != 0 { // is reached where the context is
				t.Fatalf("sticky %d", sticky)
			}
			g.Must("stream_query", 1)
		},
	} {
		before()
		m := parkWhole(e, room)
		if !m.Context || m.Parked != blockSize+2*mib {
			t.Fatalf("round %d: %+v", round, m)
		}
		if testBackend() == "soft" {
			if held := heldPhysical(t, e); held != 0 {
				t.Errorf("round %d: %d bytes of device memory", round, held)
			}
		}
		g.Post("graph_launch", 1, 1)
		if got := word(g, device); got != canary+uint32(round)+1 {
			t.Errorf("round %d: the block holds %#x", round, got)
		}
		if got := word(g, otherVA); got != canary+1 {
			t.Errorf("round %d: the allocation holds %#x", round, got)
		}
		awaitHost(e)
	}
	if r, op := g.TakeAsync(); r != 0 {
		t.Errorf("posted op %#x failed with %d", op, r)
	}
	parkWhole(e, room)
	if err := e.Control.Close(); err != nil { // as mediatord's end
		t.Fatal(err)
	}
	e.ExitCode()
}

// A process that is parked with its context ends everything that it has, and that is gone
// when the context is back: all memory, and the contexts themselves, so that it can begin
// anew.
func TestEndsWhileItIsAway(t *testing.T) {
	g, e := parkable(t)
	used := g.Account.Used(guesttest.Channel)
	if m := parkWhole(e, 1<<30); !m.Context {
		t.Fatalf("park: %+v", m)
	}
	g.Post("graphexec_destroy", 1)
	g.Post("graph_destroy", 1)
	g.Post("event_destroy", 1)
	g.Post("stream_destroy", 1)
	g.Must("module_unload", 1)
	g.Must("unmap_pinned", hostVA)
	g.Post("mem_unblock", device)
	g.Must("mem_unmap", otherVA, 2*mib)
	g.Must("mem_unmap", mirrorVA, 2*mib)
	g.Must("mem_release", 1)
	g.Must("mem_unreserve", otherVA, 64*mib)
	g.Post("primary_release")
	g.Context = 0
	if sticky := g.Fence(0, 6, 1); sticky != 0 {
		t.Fatalf("sticky %d", sticky)
	}
	for m := e.Expect("parking"); m.Parked != 0; m = e.Expect("parking") {
		if !m.Context {
			t.Fatalf("the context has come back: %+v", m)
		}
	}
	if left := g.Account.Used(guesttest.Channel); left != 0 {
		t.Errorf("%d of %d bytes are used", left, used)
	}
	g.Must("primary_retain", 0)
	g.Context = 1
	awaitHost(e)
	wantPhysical(t, e, "afterwards", 0)
	g.Own(0, 1)
	g.Must("map_pinned", hostVA, 0, 1, 0)
	g.Must("mem_block", device, blockSize)
	g.Post("stream_create", 1, 1, 0)
	g.Post("fill", device, 0, canary+7, 4, blockSize/4, 1, 1)
	if got := word(g, device+blockSize-4); got != canary+7 {
		t.Errorf("the new block holds %#x", got)
	}
	if r, op := g.TakeAsync(); r != 0 {
		t.Errorf("posted op %#x failed with %d", op, r)
	}
}

// heldPhysical is how many bytes of the software GPU's memory hold something, variables
// of modules included.
func heldPhysical(t *testing.T, e *guesttest.Executor) (sum int64) {
	t.Helper()
	dir := fmt.Sprintf("/proc/%d/fd", e.PID())
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		name := dir + "/" + entry.Name()
		target, err := os.Readlink(name)
		if err != nil || !strings.HasPrefix(target, "/memfd:gpu-memory") {
			continue
		}
		var stat unix.Stat_t
		if unix.Stat(name, &stat) == nil {
			sum += stat.Blocks * 512
		}
	}
	return sum
}
