package gpu_test

import (
	"math"
	"math/big"
	"math/bits"
	"testing"

	"libvirt-vgpu/mediatord/executor/soft/gpu"
)

func TestSoftmax(t *testing.T) {
	d := newDevice(t)
	f := function(t, loadFile(t, d, "models.ptx"), "softmax")
	const rows, cols = 5, 300
	in := ramp(rows*cols, func(i int) float64 { return math.Sin(float64(i)) * 9 })
	out := upload(t, d, make([]float32, rows*cols))
	launch(t, d, f, rows, 128, upload(t, d, in), out, int32(cols))
	got := download[float32](t, d, out, rows*cols)
	for r := range rows {
		row := in[r*cols : (r+1)*cols]
		sum := 0.0
		for _, v := range row {
			sum += math.Exp(float64(v))
		}
		for c, v := range row {
			if want := math.Exp(float64(v)) / sum; !close32(float64(got[r*cols+c]), want, 1e-6) {
				t.Fatalf("softmax[%d][%d] = %v, want %v", r, c, got[r*cols+c], want)
			}
		}
	}
}

func bf16(v float32) uint16 { return uint16(math.Float32bits(v) >> 16) }

func TestRMSNorm(t *testing.T) {
	d := newDevice(t)
	f := function(t, loadFile(t, d, "models.ptx"), "rmsNorm")
	const rows, cols = 3, 256
	x, w := make([]uint16, rows*cols), make([]uint16, cols)
	for i := range x {
		x[i] = bf16(float32(i%19) - 9)
	}
	for i := range w {
		w[i] = bf16(float32(i%4) + 0.5)
	}
	y := upload(t, d, make([]uint16, rows*cols))
	launch(t, d, f, rows, 128, upload(t, d, x), upload(t, d, w), y, int32(cols))
	value := func(h uint16) float64 { return float64(math.Float32frombits(uint32(h) << 16)) }
	for i, got := range download[uint16](t, d, y, rows*cols) {
		sum := 0.0
		for _, v := range x[i/cols*cols : (i/cols+1)*cols] {
			sum += value(v) * value(v)
		}
		want := value(x[i]) / math.Sqrt(sum/cols+1e-6) * value(w[i%cols])
		if math.Abs(value(got)-want) > math.Abs(want)/200 {
			t.Fatalf("y[%d] = %v, want %v", i, value(got), want)
		}
	}
}

func TestHalf2(t *testing.T) {
	d := newDevice(t)
	f := function(t, loadFile(t, d, "models.ptx"), "half2Axpy")
	// 1.5 and -2 times 0x3c00 (1) ... 0x3cff, plus 0.25 and 3.
	x, y := make([]uint32, 256), make([]uint32, 256)
	for i := range x {
		x[i] = 0x3c003c00 + uint32(i)*0x10001
		y[i] = 0x42003400
	}
	py := upload(t, d, y)
	launch(t, d, f, 2, 128, uint32(0xc0003e00), upload(t, d, x), py, int32(256))
	for i, got := range download[uint32](t, d, py, 256) {
		v := 1 + float64(i)/1024
		if lo, hi := halfValue(uint16(got)), halfValue(uint16(got>>16)); math.Abs(lo-(1.5*v+0.25)) > 0.001 || math.Abs(hi-(3-2*v)) > 0.0005 {
			t.Errorf("%d: %v %v, want %v %v", i, lo, hi, 1.5*v+0.25, 3-2*v)
		}
	}
}

// halfValue decodes a normal half.
func halfValue(h uint16) float64 {
	v := math.Ldexp(1+float64(h&0x3ff)/1024, int(h>>10&31)-15)
	if h>>15 == 1 {
		return -v
	}
	return v
}

func TestInt8Dot(t *testing.T) {
	d := newDevice(t)
	f := function(t, loadFile(t, d, "models.ptx"), "int8Dot")
	a, b := make([]int8, 400), make([]int8, 400)
	want := int32(0)
	for i := range a {
		a[i], b[i] = int8(i*37), int8(i*91+5)
		want += int32(a[i]) * int32(b[i])
	}
	out := upload(t, d, []int32{0})
	launch(t, d, f, 1, 32, upload(t, d, a), upload(t, d, b), out, int32(100))
	if got := download[int32](t, d, out, 1)[0]; got != want {
		t.Errorf("dot product %d, want %d", got, want)
	}
}

func TestWideMath(t *testing.T) {
	d := newDevice(t)
	f := function(t, loadFile(t, d, "models.ptx"), "wideMath")
	a := []uint64{0, 1, 5, 1 << 63, math.MaxUint64, 0x123456789abcdef0, 1 << 32, 0xffffffff00000001, 77, 1e18}
	b := []uint64{1, 3, math.MaxUint64, 7, math.MaxUint64, 0xfedcba9, 1 << 31, 0x100000000, math.MaxInt64, 10}
	out := upload(t, d, make([]uint64, 8*len(a)))
	launch(t, d, f, 1, len(a), upload(t, d, a), upload(t, d, b), out)
	got := download[uint64](t, d, out, 8*len(a))
	for i := range a {
		x, y := a[i], b[i]
		hi, _ := bits.Mul64(x, y)
		p := new(big.Int).Mul(new(big.Int).SetUint64(x), new(big.Int).SetUint64(y))
		p.Add(p, new(big.Int).SetUint64(x)).Rsh(p, 64)
		rotate := x << (y & 63)
		if y&63 != 0 {
			rotate |= x >> (64 - y&63)
		}
		want := []uint64{x / y, x % y, hi, uint64(int64(x) / int64(y)), uint64(bits.LeadingZeros64(x)) + 64*uint64(bits.OnesCount64(y)),
			rotate, p.Uint64(), bits.Reverse64(x) ^ floatToUint(float64(int64(y)))}
		for k := range want {
			if k == 5 && y&63 == 0 {
				continue // a shift by 64 is undefined in C++
			}
			if got[8*i+k] != want[k] {
				t.Errorf("%#x, %#x: result %d is %#x, want %#x", x, y, k, got[8*i+k], want[k])
			}
		}
	}
}

// floatToUint converts as cvt.rzi.u64.f64 does.
func floatToUint(v float64) uint64 {
	switch {
	case v <= 0:
		return 0
	case v >= 0x1p64:
		return math.MaxUint64
	}
	return uint64(v)
}

func TestTranscendental(t *testing.T) {
	d := newDevice(t)
	m := loadFile(t, d, "models.ptx")
	x := ramp(64, func(i int) float64 { return (float64(i) - 31.5) * math.Pow(1.1, float64(i%17)) })
	out := upload(t, d, make([]float32, 8*64))
	launch(t, d, function(t, m, "transcendental"), 1, 64, upload(t, d, x), out)
	names := []string{"sin", "cos", "exp", "log", "tanh", "pow", "erf", "fmod"}
	for i, got := range download[float32](t, d, out, 8*64) {
		v := float64(x[i/8])
		want := []float64{math.Sin(v), math.Cos(v), math.Exp(v), math.Log(math.Abs(v)), math.Tanh(v),
			math.Pow(math.Abs(v), float64(float32(0.3))), math.Erf(v), math.Mod(v, float64(float32(1.7)))}[i%8]
		if i%8 == 2 {
			want = float64(float32(want))
		}
		if !close32(float64(got), want, 4e-6) {
			t.Errorf("%s(%v) = %v, want %v", names[i%8], v, got, want)
		}
	}
	wide := make([]float64, 64)
	for i := range wide {
		wide[i] = float64(x[i])
	}
	out = upload(t, d, make([]float64, 4*64))
	launch(t, d, function(t, m, "transcendental64"), 1, 64, upload(t, d, wide), out)
	for i, got := range download[float64](t, d, out, 4*64) {
		v := wide[i/4]
		want := []float64{math.Sin(v), math.Exp(v), math.Log(math.Abs(v)), math.Cbrt(v)}[i%4]
		if !close32(got, want, 1e-14) {
			t.Errorf("function %d of %v = %v, want %v", i%4, v, got, want)
		}
	}
}

func TestDequantise(t *testing.T) {
	d := newDevice(t)
	f := function(t, loadFile(t, d, "models.ptx"), "dequantise")
	const n = 40
	blocks := make([]byte, 18*n)
	for i := range blocks {
		blocks[i] = byte(i * 29)
	}
	for i := range n { // scale 2^(i%8-4)
		blocks[18*i], blocks[18*i+1] = 0, byte((i%8-4+15)<<2)
	}
	out := upload(t, d, make([]float32, 32*n))
	launch(t, d, f, 2, 32, upload(t, d, blocks), out, int32(n))
	for i, got := range download[float32](t, d, out, 32*n) {
		q := blocks[18*(i/32)+2+i%16]
		if i%32 >= 16 {
			q >>= 4
		}
		if want := math.Ldexp(float64(int(q&15)-8), i/32%8-4); float64(got) != want {
			t.Fatalf("weight %d = %v, want %v", i, got, want)
		}
	}
}

func TestVectorAccess(t *testing.T) {
	d := newDevice(t)
	f := function(t, loadFile(t, d, "models.ptx"), "copyVectors")
	in := ramp(400, func(i int) float64 { return float64(i) })
	out := upload(t, d, make([]float32, 400))
	launch(t, d, f, 1, 128, upload(t, d, in), out, int32(100))
	for i, got := range download[float32](t, d, out, 400) {
		if want := in[i^3]; got != want {
			t.Fatalf("out[%d] = %v, want %v", i, got, want)
		}
	}
}

func TestEveryTestKernelCompiles(t *testing.T) {
	d := newDevice(t)
	for _, file := range []string{"kernels.ptx", "models.ptx"} {
		m := loadFile(t, d, file)
		for _, name := range m.Kernels() {
			if _, err := m.Function(name); err != nil {
				t.Errorf("%s: %v", file, err)
			}
		}
	}
	wantCode(t, "sticky error", d.Err(), gpu.Success)
}
