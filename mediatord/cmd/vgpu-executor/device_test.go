package main

import (
	"encoding/binary"
	"testing"

	"golang.org/x/sys/unix"

	"libvirt-vgpu/mediatord/executor/guesttest"
)

const faulty = `.version 7.0
.target sm_70
.address_size 64
.visible .entry nowhere()
{
	.reg .b32 %r<2>;
	.reg .b64 %rd<2>;
	mov.u64 %rd1, 64;
	mov.u32 %r1, 1;
	st.global.u32 [%rd1], %r1;
	ret;
}
.visible .entry increment(.param .u64 at)
{
	.reg .b32 %r<3>;
	.reg .b64 %rd<2>;
	ld.param.u64 %rd1, [at];
	ld.global.u32 %r1, [%rd1];
	add.u32 %r2, %r1, 1;
	st.global.u32 [%rd1], %r2;
	ret;
}
.visible .global .align 4 .u32 counter = 5;
`

// loaded is a guest with context and module 1.
func loaded(t *testing.T, args ...string) (*guesttest.Guest, *guesttest.Executor) {
	t.Helper()
	g, e := launch(t, args...)
	g.Must("primary_retain", 0)
	g.Context = 1
	upload(g, 1, faulty)
	g.Must("module_load", 1, 1, 0, "")
	return g, e
}

func TestFaultBecomesSticky(t *testing.T) {
	g, e := loaded(t)
	g.Must("module_function", 1, 1, "nowhere")
	g.Post("stream_create", 1, 1, 0)
	g.Post("launch", 1, 1, 1, 1, 1, 1, 1, 0, 1, "")
	// nobody reaches the fence: the executor must find out by itself
	if sticky := g.Fence(1, 2, 1); sticky != 700 {
		t.Fatalf("sticky %d", sticky)
	}
	if m := e.Expect("fault"); m.Result != 700 {
		t.Errorf("fault is %+v", m)
	}
	var interrupts [8]byte
	if _, err := g.Interrupt.Read(interrupts[:]); err != nil {
		t.Error(err)
	}
	if r, _ := g.Call("stream_query", 1); r != 700 {
		t.Errorf("later call: %d", r)
	}
}

func TestGraphCapture(t *testing.T) {
	g, _ := loaded(t)
	g.Must("module_function", 1, 1, "increment")
	where := g.Must("module_global", 1, "counter")
	counter := binary.LittleEndian.Uint64(where)
	if size := binary.LittleEndian.Uint64(where[8:]); size != 4 {
		t.Fatalf("the counter has %d bytes", size)
	}
	params := binary.LittleEndian.AppendUint64(nil, counter)
	g.Post("stream_create", 1, 1, 0)
	g.Must("capture_begin", 1, 0)
	if status := binary.LittleEndian.Uint32(g.Must("capture_info", 1)); status != 1 {
		t.Errorf("capture status %d", status)
	}
	g.Post("launch", 1, 1, 1, 1, 1, 1, 1, 0, 1, params)
	g.Post("launch", 1, 1, 1, 1, 1, 1, 1, 0, 1, params)
	g.Post("fence", 1, 1, 1) // the guest's bug
	if r, _ := g.Call("stream_query", 0); r != 0 && r != 600 {
		t.Errorf("stream_query: %d", r)
	}
	if r, op := g.TakeAsync(); r != 900 || op != 3 {
		t.Errorf("a fence in a capture: %d of %#x", r, op)
	}
	g.Must("capture_end", 1, 1)
	nodes := g.Must("graph_nodes", 1, 0)
	if total := binary.LittleEndian.Uint64(nodes); total != 2 || len(nodes) != 16 {
		t.Fatalf("%d nodes in %d bytes", total, len(nodes))
	}
	if kind := binary.LittleEndian.Uint32(g.Must("node_type", binary.LittleEndian.Uint32(nodes[8:]))); kind != 0 {
		t.Errorf("node type %d", kind)
	}
	g.Must("graph_instantiate", 1, 1, 0)
	g.Must("graph_update", 1, 1)
	for range 3 {
		g.Post("graph_launch", 1, 1)
	}
	g.Own(0, 1)
	g.Must("map_pinned", hostVA, 0, 1, 0)
	g.Post("copy_dtoh", hostVA, counter, 4, 1)
	if sticky := g.Fence(1, 2, 1); sticky != 0 {
		t.Fatalf("sticky %d", sticky)
	}
	if value := binary.LittleEndian.Uint32(g.Window.ChunkMemory(0)); value != 5+6 {
		t.Errorf("counter is %d", value)
	}
	g.Post("graphexec_destroy", 1)
	g.Post("graph_destroy", 1)
	if r, _ := g.Call("graph_instantiate", 2, 1, 0); r != 400 {
		t.Errorf("destroyed graph: %d", r)
	}
}

func TestEventsAndNotify(t *testing.T) {
	g, _ := loaded(t)
	g.Post("event_create", 1, 0)
	g.Post("event_create", 2, 0)
	g.Post("event_record", 1, 0, 0, 7, 1)
	g.Post("event_record", 2, 0, 0, 7, 2)
	g.Post("notify", 0)
	// Slow replies interrupt too; the one of notify comes behind the fences.
	for g.FenceWord(7) != 2 {
		fds := []unix.PollFd{{Fd: int32(g.Interrupt.Fd()), Events: unix.POLLIN}}
		if n, err := unix.Poll(fds, int(guesttest.Timeout.Milliseconds())); n != 1 {
			t.Fatalf("no interrupt: %v", err)
		}
		var count [8]byte
		if _, err := g.Interrupt.Read(count[:]); err != nil {
			t.Fatal(err)
		}
	}
	g.Must("event_elapsed", 1, 2)
	g.Must("event_query", 2)
}

func TestQuotaIsTheDomains(t *testing.T) {
	g, _ := loaded(t)
	code := g.Account.Used(guesttest.Channel)
	if err := g.Account.Reserve(0, quota-4*mib-code); err != nil { // another process
		t.Fatal(err)
	}
	if r, _ := g.Call("mem_block", device, 6*mib); r != 2 {
		t.Errorf("over the quota: %d", r)
	}
	g.Must("mem_block", device, 4*mib)
	info := g.Must("mem_info")
	if free, total := binary.LittleEndian.Uint64(info), binary.LittleEndian.Uint64(info[8:]); free != 0 || total != quota {
		t.Errorf("%d of %d are free", free, total)
	}
}

func TestModuleCacheIsShared(t *testing.T) {
	dir := t.TempDir()
	g, _ := loaded(t, "--module-cache", dir)
	if !g.WaitFor(func() bool { return upload(g, nextImage(), faulty) }) {
		t.Error("an image sent before is not cached")
	}
	other, _ := launch(t, "--module-cache", dir)
	if !upload(other, 1, faulty) {
		t.Error("another process's image is not cached")
	}
	other.Must("primary_retain", 0)
	other.Context = 1
	other.Must("library_load", 1, 1, 0, "")
}

var images uint32 = 100

func nextImage() uint32 {
	images++
	return images
}

func TestBadImages(t *testing.T) {
	g, _ := loaded(t)
	elf := make([]byte, 64)
	copy(elf, "\x7fELF\x02\x01\x01")
	for name, tc := range map[string]struct {
		image string
		want  uint32
	}{
		"machine code":       {string(elf), 209},
		"bad text":           {".version 7.0\n.target sm_70\nnonsense\n", 218},
		"text of the future": {".version 77.0\n.target sm_70\n.address_size 64\n", 222},
		"lying fatbin":       {"\x50\xed\x55\xba\x01\x00\x10\x00\xff\x00\x00\x00\x00\x00\x00\x00", 200},
	} {
		number := nextImage()
		upload(g, number, tc.image)
		if r, _ := g.Call("library_load", 9, number, 0, ""); r != tc.want {
			t.Errorf("%s: %d, want %d", name, r, tc.want)
		}
	}
	options := binary.LittleEndian.AppendUint64(nil, uint64(100)<<32|6)
	number := nextImage()
	upload(g, number, ".version 7.0\n.target sm_70\nnonsense\n")
	if _, logs := g.Call("module_load", 9, number, 1, options); len(logs) < 20 || int(binary.LittleEndian.Uint32(logs[4:])) != len(logs)-8 {
		t.Errorf("error log is %q", logs)
	}
}

func TestVirtualMemory(t *testing.T) {
	g, _ := loaded(t)
	code := g.Account.Used(guesttest.Channel)
	properties := make([]byte, 32)
	properties[0], properties[8] = 1, 1
	g.Must("mem_reserve", device, 8*mib)
	g.Must("mem_create", 1, 2*mib, properties, 0)
	g.Must("mem_map", device+2*mib, 2*mib, 0, 1, 0)
	g.Must("mem_set_access", device+2*mib, 2*mib, 1, []byte{1, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0})
	if flags := binary.LittleEndian.Uint64(g.Must("mem_get_access", device+2*mib)); flags != 3 {
		t.Errorf("access flags %d", flags)
	}
	g.Own(0, 1)
	g.Must("map_pinned", hostVA, 0, 1, 0)
	g.Post("fill", device+2*mib, 0, 0x01020304, 4, 1024, 1, 0)
	g.Post("copy_htod_inline", device+2*mib+8, 0, "inline")
	g.Post("copy_dtoh", hostVA, device+2*mib, 16, 0)
	g.Fence(0, 1, 1)
	if got := string(g.Window.ChunkMemory(0)[:16]); got != "\x04\x03\x02\x01\x04\x03\x02\x01inline\x02\x01" {
		t.Errorf("memory holds %q", got)
	}
	g.Must("mem_unmap", device+2*mib, 2*mib)
	g.Must("mem_release", 1)
	g.Must("mem_unreserve", device, 8*mib)
	if used := g.Account.Used(guesttest.Channel); used != code {
		t.Errorf("%d bytes used at the end, %d of them code", used, code)
	}
	if r, op := g.TakeAsync(); r != 0 {
		t.Errorf("posted op %#x failed with %d", op, r)
	}
}
