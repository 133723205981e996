package gpu_test

import (
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"testing"
	"unsafe"

	"libvirt-vgpu/mediatord/executor/soft/gpu"
)

// newDevice makes a device that is closed with the test.
func newDevice(t testing.TB) *gpu.Device {
	t.Helper()
	d, err := gpu.New(gpu.Config{Memory: 256 << 20})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.Close)
	return d
}

// loadFile loads a module from testdata.
func loadFile(t testing.TB, d *gpu.Device, name string) *gpu.Module {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return load(t, d, string(text))
}

func load(t testing.TB, d *gpu.Device, text string) *gpu.Module {
	t.Helper()
	m, err := d.LoadModule(text)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func function(t testing.TB, m *gpu.Module, name string) *gpu.Function {
	t.Helper()
	f, err := m.Function(name)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// params packs the parameters of a kernel.
func params(t testing.TB, f *gpu.Function, values ...any) []byte {
	t.Helper()
	layout := f.Params()
	if len(values) != len(layout) {
		t.Fatalf("%s has %d parameters, not %d", f.Name(), len(layout), len(values))
	}
	buf := make([]byte, f.ParamBytes())
	for i, v := range values {
		b, err := binary.Append(nil, binary.LittleEndian, v)
		if err != nil || len(b) != layout[i].Size {
			t.Fatalf("parameter %d of %s has %d bytes, not %d (%v)", i, f.Name(), layout[i].Size, len(b), err)
		}
		copy(buf[layout[i].Offset:], b)
	}
	return buf
}

// launch runs a kernel on the default stream and waits for it.
func launch(t testing.TB, d *gpu.Device, f *gpu.Function, grid, block int, values ...any) {
	t.Helper()
	if err := tryLaunch(t, d, f, grid, block, values...); err != nil {
		t.Fatal(err)
	}
}

func tryLaunch(t testing.TB, d *gpu.Device, f *gpu.Function, grid, block int, values ...any) error {
	t.Helper()
	s := d.DefaultStream()
	err := s.Launch(gpu.Launch{Function: f, Grid: [3]uint32{uint32(grid), 1, 1}, Block: [3]uint32{uint32(block), 1, 1},
		Params: params(t, f, values...)})
	if err != nil {
		return err
	}
	return s.Synchronize()
}

// upload puts a slice into device memory.
func upload[T any](t testing.TB, d *gpu.Device, data []T) uint64 {
	t.Helper()
	va, err := d.Alloc(uint64(max(len(bytesOf(data)), 1)))
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Write(va, bytesOf(data)); err != nil {
		t.Fatal(err)
	}
	return va
}

// download reads n values from device memory.
func download[T any](t testing.TB, d *gpu.Device, va uint64, n int) []T {
	t.Helper()
	data := make([]T, n)
	if err := d.Read(bytesOf(data), va); err != nil {
		t.Fatal(err)
	}
	return data
}

func bytesOf[T any](s []T) []byte {
	if len(s) == 0 {
		return nil
	}
	return unsafe.Slice((*byte)(unsafe.Pointer(&s[0])), len(s)*int(unsafe.Sizeof(s[0])))
}

// wantCode checks the driver code of an error.
func wantCode(t testing.TB, what string, err error, want gpu.Result) {
	t.Helper()
	if got := gpu.CodeOf(err); got != want {
		t.Errorf("%s: %d (%v), want %d", what, got, err, want)
	}
}

func close32(got, want, tolerance float64) bool {
	if math.IsNaN(want) || math.IsInf(want, 0) {
		return math.IsNaN(got) && math.IsNaN(want) || got == want
	}
	return math.Abs(got-want) <= tolerance*math.Max(1, math.Abs(want))
}

func ramp(n int, f func(i int) float64) []float32 {
	list := make([]float32, n)
	for i := range list {
		list[i] = float32(f(i))
	}
	return list
}

// snippet is a kernel around a few instructions; thread i has a, b and c (64
// bits each) from the three inputs and leaves its result in d.
func snippet(body string) string {
	return fmt.Sprintf(`.version 8.0
.target sm_90
.address_size 64
.visible .entry k(.param .u64 pa, .param .u64 pb, .param .u64 pc, .param .u64 pd)
{
	.reg .pred %%p, %%q, %%r;
	.reg .b16 %%a16, %%b16, %%c16, %%d16, %%h<8>;
	.reg .b32 %%a32, %%b32, %%c32, %%d32, %%t<16>;
	.reg .f32 %%fa, %%fb, %%fc, %%fd;
	.reg .f64 %%da, %%db, %%dc, %%dd;
	.reg .b64 %%a, %%b, %%c, %%d, %%w<8>;
	mov.u32 %%t0, %%tid.x;
	mov.u32 %%t1, %%ctaid.x;
	mov.u32 %%t2, %%ntid.x;
	mad.lo.u32 %%t0, %%t1, %%t2, %%t0;
	mul.wide.u32 %%w0, %%t0, 8;
	ld.param.u64 %%w1, [pa];
	add.s64 %%w1, %%w1, %%w0;
	ld.global.b64 %%a, [%%w1];
	ld.param.u64 %%w1, [pb];
	add.s64 %%w1, %%w1, %%w0;
	ld.global.b64 %%b, [%%w1];
	ld.param.u64 %%w1, [pc];
	add.s64 %%w1, %%w1, %%w0;
	ld.global.b64 %%c, [%%w1];
	cvt.u32.u64 %%a32, %%a; cvt.u32.u64 %%b32, %%b; cvt.u32.u64 %%c32, %%c;
	cvt.u16.u64 %%a16, %%a; cvt.u16.u64 %%b16, %%b; cvt.u16.u64 %%c16, %%c;
	mov.b32 %%fa, %%a32; mov.b32 %%fb, %%b32; mov.b32 %%fc, %%c32;
	mov.b64 %%da, %%a; mov.b64 %%db, %%b; mov.b64 %%dc, %%c;
	mov.b64 %%d, 0;
	%s
	ld.param.u64 %%w1, [pd];
	add.s64 %%w1, %%w1, %%w0;
	st.global.b64 [%%w1], %%d;
	ret;
}
`, body)
}

// runSnippet executes a snippet for each of the inputs.
func runSnippet(t testing.TB, d *gpu.Device, body string, a, b, c []uint64) []uint64 {
	t.Helper()
	m := load(t, d, snippet(body))
	f := function(t, m, "k")
	pa, pb, pc := upload(t, d, a), upload(t, d, b), upload(t, d, c)
	pd := upload(t, d, make([]uint64, len(a)))
	block := 32
	for len(a)%block != 0 {
		block--
	}
	launch(t, d, f, len(a)/block, block, pa, pb, pc, pd)
	out := download[uint64](t, d, pd, len(a))
	for _, p := range []uint64{pa, pb, pc, pd} {
		if err := d.Free(p); err != nil {
			t.Fatal(err)
		}
	}
	if err := m.Unload(); err != nil {
		t.Fatal(err)
	}
	return out
}
