package hostile

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"testing"

	"golang.org/x/sys/unix"

	"libvirt-vgpu/plugin/window"
)

var canary = []byte("CANARY-OF-ONE-TENANT")

// fill writes canaries all over a piece of memory.
func fill(memory []byte) {
	for at := 0; at+len(canary) <= len(memory); at += 64 {
		copy(memory[at:], canary)
	}
}

// leave has a process put canaries wherever it can, and ends it.
func (d *domain) leave() (image string) {
	d.Helper()
	p := d.process()
	w, err := p.work()
	check(d, err)
	fill(w.memory)
	w.Post("copy_htod", device, pinned, window.ChunkSize, 1)
	if sticky := w.Fence(1, 9, 1); sticky != 0 {
		d.Fatalf("sticky %d", sticky)
	}
	clear(w.memory)
	w.Post("copy_dtoh", pinned, device, window.ChunkSize, 1)
	if w.Fence(1, 9, 2); !bytes.Contains(w.memory, canary) {
		d.Fatal("the canary did not reach device memory")
	}
	first, err := p.chunks(8)
	check(d, err)
	for i := range 8 {
		fill(p.Window.ChunkMemory(first + i))
	}
	image = increment + "// of one tenant\n\x00"
	p.Must("image_begin", 2, len(image), digest(image))
	p.Post("image_inline", 2, image)
	p.Must("ctx_synchronize")
	memory := p.Memory()
	fill(memory[window.ChReplies:window.ChRing])
	fill(memory[window.ChRing:])
	check(d, p.close())
	return image
}

// search is where a process of the domain finds a canary, "" for nowhere.
func (d *domain) search() (where []string) {
	d.Helper()
	p := d.process()
	if bytes.Contains(p.Memory(), canary[:8]) {
		where = append(where, "channel")
	}
	w, err := p.work()
	check(d, err)
	var first int
	d.until("arena without the chunks of processes before", func() bool {
		first, err = p.chunks(int(p.Window.Chunks) - 4)
		return !errors.Is(err, unix.ENOMEM)
	})
	check(d, err)
	for i := range int(p.Window.Chunks) - 4 {
		if bytes.Contains(p.Window.ChunkMemory(first+i), canary[:8]) {
			where = append(where, "arena")
			break
		}
	}
	for _, va := range []uint64{device, device + 4<<20, device + 8<<20} {
		if va != device {
			w.Must("mem_block", va, 2<<20)
		}
		w.Post("copy_dtoh", pinned, va, window.ChunkSize, 1)
		if sticky := w.Fence(1, 9, uint32(va>>20)); sticky != 0 {
			d.Fatalf("sticky %d", sticky)
		}
		if bytes.Contains(w.memory, canary[:8]) {
			where = append(where, "device memory")
			break
		}
	}
	check(d, p.close())
	return where
}

// What a process leaves behind is seen by no other one, of its domain or another.
func TestNothingIsLeftBehind(t *testing.T) {
	s := begin(t, "")
	one, other := s.domain("one", 64<<20), s.domain("other", 64<<20)
	one.leave()
	for name, d := range map[string]*domain{"another domain": other, "another process of the domain": one} {
		s.until("end of the process", func() bool { return one.property("MemoryUsed").(uint64) == 0 && len(one.executors()) == 0 })
		if where := d.search(); len(where) != 0 {
			t.Errorf("%s finds canaries in %v", name, where)
		}
	}
}

// A process finds what another one of its domain has sent. That domains have caches
// of their own is tested where they are made, in mediatord/internal/mediator.
func TestModuleCacheKnowsTheDomainsImages(t *testing.T) {
	s := begin(t, "")
	one := s.domain("one", 64<<20)
	image := one.leave()
	p := one.process()
	p.Must("primary_retain", 0)
	cached := func(p *process) bool {
		return binary.LittleEndian.Uint32(p.Must("image_begin", 7, len(image), digest(image))) == 1
	}
	if !cached(p) {
		t.Error("the domain's own image is not cached")
	}
}

// Tokens of memory and events mean nothing in another domain, whole or guessed.
func TestTokensOfOthersMeanNothing(t *testing.T) {
	s := begin(t, "")
	one, other := s.domain("one", 64<<20).process(), s.domain("other", 64<<20).process()
	for _, p := range []*process{one, other} {
		p.Must("primary_retain", 0)
		p.Context = 1
	}
	properties := make([]byte, 32)
	for at, value := range map[int]uint32{0: 1, 4: 1, 8: 1} { // pinned, descriptor, on the device
		binary.LittleEndian.PutUint32(properties[at:], value)
	}
	one.Must("mem_create", 1, 2<<20, properties, 0)
	token := one.Must("mem_export", 1)
	one.Must("mem_block", device, 2<<20)
	block := one.Must("block_export", device)
	one.Post("event_create", 1, 4|2) // interprocess, no timing
	event := one.Must("event_export", 1)
	r := rand.New(rand.NewPCG(4, 5))
	tokens := [][]byte{token, block, event}
	for range 20 {
		guess := bytes.Clone(tokens[r.IntN(3)])
		randomBytes(r, guess[8:])
		tokens = append(tokens, guess)
	}
	for i, token := range tokens {
		if result, _ := other.Call("mem_import", 10+i, 2<<20, token); result == 0 {
			t.Errorf("memory by token %d of another domain", i)
		}
		if result, _ := other.Call("block_import", device+64<<20, 2<<20, token); result == 0 {
			t.Errorf("a block by token %d of another domain", i)
		}
		if result, _ := other.Call("event_import", 10+i, token); result == 0 {
			t.Errorf("an event by token %d of another domain", i)
		}
	}
	// which the domain itself may use
	if result, _ := one.Call("mem_import", 2, 2<<20, token); result != 0 {
		t.Errorf("own memory: %d", result)
	}
}
