package main

import (
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"libvirt-vgpu/mediatord/executor/guesttest"
	"libvirt-vgpu/mediatord/executor/modcache"
	"libvirt-vgpu/plugin/api"
	"libvirt-vgpu/plugin/window"
)

var executorBinary string

// TestMain builds the executor, unless VGPU_TEST_EXECUTOR names one.
func TestMain(m *testing.M) {
	if executorBinary = os.Getenv("VGPU_TEST_EXECUTOR"); executorBinary != "" {
		os.Exit(m.Run())
	}
	dir, err := os.MkdirTemp("", "vgpu-executor-test")
	if err == nil {
		executorBinary = filepath.Join(dir, "vgpu-executor")
		build := exec.Command("go", "build", "-o", executorBinary, ".")
		build.Stderr = os.Stderr
		err = build.Run()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "building executor:", err)
		os.Exit(1)
	}
	code := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

const vectorAdd = `.version 7.0
.target sm_70
.address_size 64
.visible .entry add(.param .u64 a, .param .u64 b, .param .u64 c, .param .u32 n)
{
	.reg .pred %p<2>;
	.reg .b32 %r<6>;
	.reg .f32 %f<4>;
	.reg .b64 %rd<11>;
	ld.param.u64 %rd1, [a];
	ld.param.u64 %rd2, [b];
	ld.param.u64 %rd3, [c];
	ld.param.u32 %r2, [n];
	mov.u32 %r3, %ntid.x;
	mov.u32 %r4, %ctaid.x;
	mov.u32 %r5, %tid.x;
	mad.lo.s32 %r1, %r3, %r4, %r5;
	setp.ge.u32 %p1, %r1, %r2;
	@%p1 bra done;
	mul.wide.u32 %rd4, %r1, 4;
	add.s64 %rd5, %rd1, %rd4;
	add.s64 %rd6, %rd2, %rd4;
	add.s64 %rd7, %rd3, %rd4;
	ld.global.f32 %f1, [%rd5];
	ld.global.f32 %f2, [%rd6];
	add.f32 %f3, %f1, %f2;
	st.global.f32 [%rd7], %f3;
done:
	ret;
}
`

const (
	mib     = 1 << 20
	quota   = 256 * mib
	device  = window.DeviceBase
	hostVA  = window.PinnedBase + 4*window.ChunkSize
	library = 1
	kernel  = 7
)

// testBackend is soft, or what VGPU_TEST_BACKEND says: the tests are a real GPU's too.
func testBackend() string {
	if name := os.Getenv("VGPU_TEST_BACKEND"); name != "" {
		return name
	}
	return "soft"
}

func launch(t *testing.T, args ...string) (*guesttest.Guest, *guesttest.Executor) {
	t.Helper()
	g := guesttest.New(t, 32*mib, quota)
	e := g.Start(executorBinary, append([]string{"--backend", testBackend()}, args...)...)
	e.Expect("ready")
	return g, e
}

// upload sends an image in two inline pieces and returns whether it was cached.
func upload(g *guesttest.Guest, number uint32, image string) bool {
	g.T.Helper()
	sum := modcache.Sum([]byte(image))
	cached := binary.LittleEndian.Uint32(g.Must("image_begin", number, len(image), sum[:]))
	if cached == 0 {
		g.Post("image_inline", number, image[:len(image)/2])
		g.Post("image_inline", number, image[len(image)/2:])
	}
	return cached == 1
}

func TestVectorAdd(t *testing.T) {
	g, e := launch(t)
	g.Must("primary_retain", 0)
	g.Context = 1
	upload(g, 1, vectorAdd+"\x00")
	g.Must("library_load", library, 1, 0, "")
	g.Post("image_drop", 1)
	var info api.FunctionInfo
	if err := info.UnmarshalBinary(g.Must("library_kernel", kernel, library, "add")); err != nil {
		t.Fatal(err)
	}
	if len(info.Parameters) != 4 || info.Parameters[3] != (api.Parameter{Offset: 24, Size: 4}) || info.Attributes[0] != 1024 {
		t.Fatalf("function info is %+v", info)
	}
	const n = 1000
	g.Own(0, 2)
	g.Must("map_pinned", hostVA, 0, 2, 0)
	code := g.Account.Used(guesttest.Channel)
	g.Must("mem_block", device, 2*mib)
	if used := g.Account.Used(guesttest.Channel); used != code+2*mib {
		t.Errorf("%d bytes accounted beside code", used-code)
	}
	memory := g.Window.ChunkMemory(0)
	for i := range n {
		binary.LittleEndian.PutUint32(memory[i*4:], math.Float32bits(float32(i)))
		binary.LittleEndian.PutUint32(memory[65536+i*4:], math.Float32bits(0.5))
	}
	g.Post("stream_create", 1, 1, 0)
	g.Post("copy_htod", device, hostVA, n*4, 1)
	// b straight from pinned memory, which the kernel reads at its address
	params := make([]byte, 28)
	for i, p := range []uint64{device, hostVA + 65536, device + 65536} {
		binary.LittleEndian.PutUint64(params[i*8:], p)
	}
	binary.LittleEndian.PutUint32(params[24:], n)
	g.Post("launch_kernel", kernel, 8, 1, 1, 128, 1, 1, 0, 1, params)
	g.Post("copy_dtoh", hostVA+window.ChunkSize, device+65536, n*4, 1)
	if sticky := g.Fence(1, 5, 1); sticky != 0 {
		t.Fatalf("sticky %d", sticky)
	}
	out := g.Window.ChunkMemory(1)
	for i := range n {
		if got := math.Float32frombits(binary.LittleEndian.Uint32(out[i*4:])); got != float32(i)+0.5 {
			t.Fatalf("element %d is %v", i, got)
		}
	}
	if r, op := g.TakeAsync(); r != 0 {
		t.Errorf("posted op %#x failed with %d", op, r)
	}
	g.Must("unmap_pinned", hostVA)
	g.Post("mem_unblock", device)
	g.Must("ctx_synchronize")
	if used := g.Account.Used(guesttest.Channel); used != code {
		t.Errorf("%d bytes accounted at the end, %d of them code", used, code)
	}
	_ = e.Control.Close()
	if code := e.ExitCode(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}
