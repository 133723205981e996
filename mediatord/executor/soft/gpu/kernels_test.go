package gpu_test

import (
	"bytes"
	"math"
	"testing"
	"time"

	"libvirt-vgpu/mediatord/executor/soft/gpu"
)

func TestVectorAdd(t *testing.T) {
	d := newDevice(t)
	f := function(t, loadFile(t, d, "kernels.ptx"), "vectorAdd")
	for _, n := range []int{1, 31, 32, 1000, 70000} {
		a, b := ramp(n, func(i int) float64 { return float64(i) }), ramp(n, func(i int) float64 { return float64(i) / 3 })
		pa, pb, pc := upload(t, d, a), upload(t, d, b), upload(t, d, make([]float32, n))
		launch(t, d, f, (n+255)/256, 256, pa, pb, pc, int32(n))
		for i, v := range download[float32](t, d, pc, n) {
			if v != a[i]+b[i] {
				t.Fatalf("n=%d: c[%d] = %v, want %v", n, i, v, a[i]+b[i])
			}
		}
	}
}

func TestReduction(t *testing.T) {
	d := newDevice(t)
	f := function(t, loadFile(t, d, "kernels.ptx"), "reduceSum")
	for _, block := range []int{32, 128, 1024} {
		n := 50000
		in := ramp(n, func(i int) float64 { return float64(i % 7) })
		want := float32(0)
		for _, v := range in {
			want += v
		}
		out := upload(t, d, []float32{0})
		launch(t, d, f, 8, block, upload(t, d, in), out, int32(n))
		if got := download[float32](t, d, out, 1)[0]; got != want {
			t.Errorf("block %d: sum %v, want %v", block, got, want)
		}
	}
}

func TestMatrixProduct(t *testing.T) {
	d := newDevice(t)
	f := function(t, loadFile(t, d, "kernels.ptx"), "matrixMul")
	n := 50 // not a multiple of the tile
	a, b := ramp(n*n, func(i int) float64 { return float64(i%13) - 6 }), ramp(n*n, func(i int) float64 { return float64(i%17) / 8 })
	pc := upload(t, d, make([]float32, n*n))
	err := d.DefaultStream().Launch(gpu.Launch{Function: f, Grid: [3]uint32{4, 4, 1}, Block: [3]uint32{16, 16, 1},
		Params: params(t, f, upload(t, d, a), upload(t, d, b), pc, int32(n))})
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Synchronize(); err != nil {
		t.Fatal(err)
	}
	for i, got := range download[float32](t, d, pc, n*n) {
		var want float32
		for k := range n {
			want = float32(math.FMA(float64(a[i/n*n+k]), float64(b[k*n+i%n]), float64(want)))
		}
		if got != want {
			t.Fatalf("c[%d] = %v, want %v", i, got, want)
		}
	}
}

func TestDivergentLoops(t *testing.T) {
	d := newDevice(t)
	f := function(t, loadFile(t, d, "kernels.ptx"), "collatz")
	n := 1000
	in := make([]uint32, n)
	for i := range in {
		in[i] = uint32(i*7 + 1)
	}
	out := upload(t, d, make([]uint32, n))
	launch(t, d, f, 8, 128, upload(t, d, in), out, int32(n))
	for i, got := range download[uint32](t, d, out, n) {
		want := uint32(0)
		for v := uint64(in[i]); v != 1; want++ {
			if v&1 == 1 {
				v = 3*v + 1
			} else {
				v >>= 1
			}
		}
		if got != want {
			t.Fatalf("collatz(%d) = %d, want %d", in[i], got, want)
		}
	}
}

func TestHistogram(t *testing.T) {
	d := newDevice(t)
	f := function(t, loadFile(t, d, "kernels.ptx"), "histogram")
	in := make([]byte, 20000)
	want := make([]uint32, 256)
	for i := range in {
		in[i] = byte(i * i / 7)
		want[in[i]]++
	}
	bins := upload(t, d, make([]uint32, 256))
	launch(t, d, f, 6, 192, upload(t, d, in), bins, int32(len(in)))
	for i, got := range download[uint32](t, d, bins, 256) {
		if got != want[i] {
			t.Errorf("bin %d: %d, want %d", i, got, want[i])
		}
	}
}

func TestDeviceFunctions(t *testing.T) {
	d := newDevice(t)
	m := loadFile(t, d, "kernels.ptx")
	x := ramp(64, func(i int) float64 { return float64(i)/8 - 4 })
	y := upload(t, d, make([]float32, 64))
	launch(t, d, function(t, m, "polynomial"), 2, 32, upload(t, d, x), y, int32(64))
	c := []float32{1, -0.5, 0.25, 3}
	for i, got := range download[float32](t, d, y, 64) {
		n, extra := 4, float32(0)
		if i&1 == 0 {
			n, extra = 2, 1
		}
		var v float32
		for k := n - 1; k >= 0; k-- {
			v = float32(math.FMA(float64(v), float64(x[i]), float64(c[k])))
		}
		if got != v+extra {
			t.Errorf("polynomial(%v) = %v, want %v", x[i], got, v+extra)
		}
	}

	out := upload(t, d, make([]uint32, 32))
	launch(t, d, function(t, m, "recursion"), 1, 32, out)
	fib := []uint32{0, 1, 1, 2, 3, 5, 8, 13, 21, 34, 55, 89, 144}
	for i, got := range download[uint32](t, d, out, 32) {
		if got != fib[i%13] {
			t.Errorf("fibonacci(%d) = %d, want %d", i%13, got, fib[i%13])
		}
	}

	which := make([]int32, 64)
	for i := range which {
		which[i] = int32(i * 5 % 3)
	}
	launch(t, d, function(t, m, "functionPointers"), 1, 64, upload(t, d, x), y, upload(t, d, which))
	for i, got := range download[float32](t, d, y, 64) {
		if want := []float32{x[i] + x[i], x[i] * x[i], -x[i]}[which[i]]; got != want {
			t.Errorf("function %d of %v = %v, want %v", which[i], x[i], got, want)
		}
	}
}

func TestDynamicSharedMemory(t *testing.T) {
	d := newDevice(t)
	f := function(t, loadFile(t, d, "kernels.ptx"), "reverse")
	data := make([]int32, 200)
	for i := range data {
		data[i] = int32(i)
	}
	p := upload(t, d, data)
	s := d.DefaultStream()
	if err := s.Launch(gpu.Launch{Function: f, Grid: [3]uint32{1, 1, 1}, Block: [3]uint32{200, 1, 1}, DynamicShared: 800, Params: params(t, f, p)}); err != nil {
		t.Fatal(err)
	}
	if err := s.Synchronize(); err != nil {
		t.Fatal(err)
	}
	for i, got := range download[int32](t, d, p, 200) {
		if got != int32(199-i) {
			t.Fatalf("data[%d] = %d", i, got)
		}
	}
}

func TestStructParameter(t *testing.T) {
	d := newDevice(t)
	f := function(t, loadFile(t, d, "kernels.ptx"), "structParameter")
	if n := f.Params()[0].Size; n != 32 {
		t.Fatalf("the structure has %d bytes", n)
	}
	type shape struct {
		Kind  int32
		Size  [3]float32
		Scale float64
		Tag   [8]byte
	}
	s := shape{Size: [3]float32{2, 3, 5}, Scale: 16, Tag: [8]byte{1, 2, 3, 4, 0xff}}
	want := []func(i int) float64{
		func(int) float64 { return 2 }, func(int) float64 { return 6 }, func(int) float64 { return 30 },
		func(i int) float64 { return []float64{2, 3, 5}[i%3] }, func(i int) float64 { return []float64{1, 2, 3, 4, -1}[i%5] },
		func(int) float64 { return 4 }, func(int) float64 { return float64(float32(5) / 3) }, func(int) float64 { return -1 },
	}
	out := upload(t, d, make([]float64, 32))
	for kind, f64 := range want {
		s.Kind = int32(kind)
		launch(t, d, f, 1, 32, s, out)
		for i, got := range download[float64](t, d, out, 32) {
			if got != f64(i)*16 {
				t.Errorf("kind %d, thread %d: %v, want %v", kind, i, got, f64(i)*16)
			}
		}
	}
}

func TestGlobals(t *testing.T) {
	d := newDevice(t)
	m := loadFile(t, d, "kernels.ptx")
	out, text := upload(t, d, make([]float64, 6)), upload(t, d, make([]byte, 6))
	launch(t, d, function(t, m, "useGlobals"), 1, 32, out, text)
	for i, got := range download[float64](t, d, out, 6) {
		if got != float64(i+1)*2 {
			t.Errorf("weight %d: %v", i, got)
		}
	}
	if got := download[byte](t, d, text, 6); !bytes.Equal(got, []byte("hello\x00")) {
		t.Errorf("message %q", got)
	}
	va, size, err := m.Global("counter")
	if err != nil || size != 4 {
		t.Fatalf("counter: size %d, %v", size, err)
	}
	if got := download[int32](t, d, va, 1)[0]; got != 42 {
		t.Errorf("counter = %d", got)
	}
	_, _, err = m.Global("absent")
	wantCode(t, "absent global", err, gpu.NotFound)
	_, err = m.Function("absent")
	wantCode(t, "absent function", err, gpu.NotFound)
}

func TestLocks(t *testing.T) {
	d := newDevice(t)
	m := loadFile(t, d, "kernels.ptx")
	lock, counter := upload(t, d, []int32{0}), upload(t, d, []int32{0})
	launch(t, d, function(t, m, "spinLock"), 6, 64, lock, counter)
	if got := download[int32](t, d, counter, 1)[0]; got != 6*64 {
		t.Errorf("counter = %d, want %d", got, 6*64)
	}
	const blocks = 40
	out := upload(t, d, make([]uint32, blocks*32))
	launch(t, d, function(t, m, "gridBarrier"), blocks, 32, upload(t, d, []uint32{0}), out)
	for i, got := range download[uint32](t, d, out, blocks*32) {
		if got != blocks {
			t.Fatalf("thread %d saw %d blocks", i, got)
		}
	}
}

func TestWarpVotes(t *testing.T) {
	d := newDevice(t)
	f := function(t, loadFile(t, d, "kernels.ptx"), "warpVotes")
	in := make([]int32, 64)
	for i := range in {
		in[i] = int32(i*11%9) - 3
	}
	out := upload(t, d, make([]uint32, 64))
	launch(t, d, f, 1, 64, upload(t, d, in), out)
	got := download[uint32](t, d, out, 64)
	for w := 0; w < 64; w += 32 {
		want := votes(in[w : w+32])
		for l := range want {
			if got[w+l] != want[l] {
				t.Errorf("thread %d: %#x, want %#x", w+l, got[w+l], want[l])
			}
		}
	}
}

// votes is what warpVotes computes for one warp.
func votes(in []int32) []uint32 {
	var positive, odd uint32
	seven := false
	for l, v := range in {
		if v > 0 {
			positive |= 1 << l
			if v&1 == 1 {
				odd |= 1 << l
			}
			seven = seven || v == 7
		}
	}
	out := make([]uint32, 32)
	for l, v := range in {
		r := positive
		if v > 0 {
			var same uint32
			for k, u := range in {
				if u == v {
					same |= 1 << k
				}
			}
			r = r ^ odd*3
			r++
			if seven {
				r += 2
			}
			r ^= same * 5
		} else {
			r += uint32(l)
		}
		s := v
		if l%8 >= 3 {
			s = in[l-3]
		}
		out[l] = r + uint32(s) + uint32(popcount(r)) + uint32(leadingZeros(r)) + uint32(firstSet(r))
	}
	return out
}

func popcount(v uint32) (n int) {
	for ; v != 0; v &= v - 1 {
		n++
	}
	return n
}

func leadingZeros(v uint32) (n int) {
	for ; n < 32 && v>>(31-n)&1 == 0; n++ {
	}
	return n
}

func firstSet(v uint32) int {
	for i := range 32 {
		if v>>i&1 == 1 {
			return i + 1
		}
	}
	return 0
}

func TestExecutedInstructions(t *testing.T) {
	d := newDevice(t)
	f := function(t, loadFile(t, d, "kernels.ptx"), "vectorAdd")
	p := upload(t, d, make([]float32, 64))
	launch(t, d, f, 1, 32, p, p, p, int32(32))
	if got := d.Executed(); got < 32*15 || got > 32*40 {
		t.Errorf("%d instructions for 32 threads", got)
	}
}

func BenchmarkVectorAdd(b *testing.B) {
	d := newDevice(b)
	f := function(b, loadFile(b, d, "kernels.ptx"), "vectorAdd")
	n := 1 << 20
	p := upload(b, d, make([]float32, n))
	start := time.Now()
	for b.Loop() {
		launch(b, d, f, n/256, 256, p, p, p, int32(n))
	}
	b.ReportMetric(float64(d.Executed())/time.Since(start).Seconds()/1e6, "Minstr/s")
}

func BenchmarkMatrixProduct(b *testing.B) {
	d := newDevice(b)
	f := function(b, loadFile(b, d, "kernels.ptx"), "matrixMul")
	n := 128
	p := upload(b, d, make([]float32, n*n))
	start := time.Now()
	for b.Loop() {
		s := d.DefaultStream()
		_ = s.Launch(gpu.Launch{Function: f, Grid: [3]uint32{8, 8, 1}, Block: [3]uint32{16, 16, 1}, Params: params(b, f, p, p, p, int32(n))})
		if err := s.Synchronize(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(d.Executed())/time.Since(start).Seconds()/1e6, "Minstr/s")
}

func BenchmarkEmptyLaunch(b *testing.B) {
	d := newDevice(b)
	f := function(b, loadFile(b, d, "kernels.ptx"), "vectorAdd")
	p := upload(b, d, make([]float32, 32))
	for b.Loop() {
		launch(b, d, f, 1, 32, p, p, p, int32(32))
	}
}
