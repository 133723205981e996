package gpu_test

import (
	"math"
	"math/big"
	"testing"
)

// floatEdges are float32 values around everything that can go wrong.
var floatEdges = []float32{0, float32(math.Copysign(0, -1)), 1, -1, 1.5, -2.5, 0.1, 3, 1 + 0x1p-23, 1 - 0x1p-24, 0x1p-149, -0x1p-149, 0x1p-127,
	0x1p-126, 1.9999999, 16777216, 16777217, math.MaxFloat32, -math.MaxFloat32, 2147483648, -2147483648, 4294967296, 9.3e18, 1e-20, -7e19,
	float32(math.Inf(1)), float32(math.Inf(-1)), float32(math.NaN())}

func bits32(list []float32) []uint64 {
	var out []uint64
	for _, v := range list {
		out = append(out, uint64(math.Float32bits(v)))
	}
	return out
}

var doubleEdges = []float64{0, math.Copysign(0, -1), 1, -1, 1.5, -2.5, 0.1, 1 + 0x1p-52, 1 - 0x1p-53, 0x1p-1074, -0x1p-1073, 0x1p-1022, 1e300, -1e300,
	math.MaxFloat64, 9007199254740993, 0x1p31, -0x1p31 - 0.5, 0x1p63, 0x1p64, 1e-310, math.MaxFloat32 * (1 + 0x1p-25), 0x1p-150, 3,
	math.Inf(1), math.Inf(-1), math.NaN()}

func bits64(list []float64) []uint64 {
	var out []uint64
	for _, v := range list {
		out = append(out, math.Float64bits(v))
	}
	return out
}

func f(v uint64) float32 { return math.Float32frombits(uint32(v)) }
func g(v uint64) float64 { return math.Float64frombits(v) }

// canon gives NaN the GPU's form.
func canon(v float32) uint64 {
	if v != v {
		return 0x7fffffff
	}
	return uint64(math.Float32bits(v))
}

func canon64(v float64) uint64 {
	if v != v {
		return 0x7ff8000000000000
	}
	return math.Float64bits(v)
}

func flush(v float32) float32 {
	if math.Abs(float64(v)) < 0x1p-126 {
		return float32(math.Copysign(0, float64(v)))
	}
	return v
}

// exact computes with math/big and rounds once to float32 (24 bits) or float64
// (53), or not at all (0). It is for finite operands.
func exact(op byte, a, b, c float64, mode big.RoundingMode, bits uint) *big.Float {
	x := new(big.Float).SetPrec(5000)
	fa, fb := big.NewFloat(a), big.NewFloat(b)
	switch op {
	case 'a':
		x.Add(fa, fb)
	case 'm':
		x.Mul(fa, fb)
	case 'f':
		x.Mul(fa, fb)
		x.Add(x, big.NewFloat(c))
	case 'd':
		x.SetPrec(400).Quo(fa, fb)
	}
	if bits == 0 {
		return x
	}
	return roundBig(x, mode, bits)
}

// roundBig rounds to the precision of float32 (24) or float64 (53),
// subnormals included. The result is exact unless it overflows.
func roundBig(x *big.Float, mode big.RoundingMode, bits uint) *big.Float {
	lowest := -148 // exponent (as MantExp counts) of the smallest subnormal
	if bits == 53 {
		lowest = -1073
	}
	if x.Sign() == 0 {
		return x
	}
	e := x.MantExp(nil)
	prec := int(bits)
	if normal := lowest + int(bits) - 1; e < normal {
		prec = e - lowest + 1
	}
	if prec >= 1 {
		return new(big.Float).SetPrec(uint(prec)).SetMode(mode).Set(x)
	}
	// Below the smallest subnormal: zero or that one.
	tiny := new(big.Float).SetMantExp(big.NewFloat(0.5), lowest)
	up := false
	switch mode {
	case big.ToPositiveInf:
		up = x.Sign() > 0
	case big.ToNegativeInf:
		up = x.Sign() < 0
	case big.ToNearestEven:
		half := new(big.Float).SetMantExp(big.NewFloat(0.5), lowest-1)
		up = new(big.Float).Abs(x).Cmp(half) > 0
	}
	if !up {
		tiny = new(big.Float)
	}
	if x.Sign() < 0 {
		tiny.Neg(tiny)
	}
	return tiny
}

func finite(list ...float64) bool {
	for _, v := range list {
		if v-v != 0 {
			return false
		}
	}
	return true
}

// directed is the reference for a float32 operation in a rounding mode;
// operands that are not finite follow the nearest mode.
func directed(op byte, mode big.RoundingMode) func(a, b, c uint64) uint64 {
	return func(a, b, c uint64) uint64 {
		x, y, z := float64(f(a)), float64(f(b)), float64(f(c))
		near := map[byte]float64{'a': x + y, 'm': x * y, 'f': math.FMA(x, y, z), 'd': x / y}[op]
		if !finite(x, y, z) && op == 'f' || !finite(x, y) || op == 'd' && y == 0 {
			return canon(float32(near))
		}
		r := exact(op, x, y, z, mode, 24)
		v, _ := r.Float64()
		if v == 0 && exact(op, x, y, z, mode, 0).Sign() == 0 {
			v = math.Copysign(0, signOfZero(op, x, y, z, mode))
		}
		if math.Abs(v) > math.MaxFloat32 {
			toMax := mode == big.ToZero || mode == big.ToNegativeInf && v > 0 || mode == big.ToPositiveInf && v < 0
			if toMax {
				v = math.Copysign(math.MaxFloat32, v)
			} else {
				v = math.Inf(int(math.Copysign(1, v)))
			}
		}
		return uint64(math.Float32bits(float32(v)))
	}
}

// signOfZero is the sign of a result that is exactly zero.
func signOfZero(op byte, x, y, z float64, mode big.RoundingMode) float64 {
	sign := func(v float64) float64 { return math.Copysign(1, v) }
	if op == 'm' || op == 'd' {
		return sign(x) * sign(y)
	}
	p, q := sign(x), sign(y)
	if op == 'f' {
		p, q = sign(x)*sign(y), sign(z)
	}
	switch {
	case p == q:
		return p
	case mode == big.ToNegativeInf:
		return -1
	}
	return 1
}

func TestSinglePrecision(t *testing.T) {
	d := newDevice(t)
	unary := func(fn func(v float32) float32) func(a, b, c uint64) uint64 {
		return func(a, _, _ uint64) uint64 { return canon(fn(f(a))) }
	}
	cases := []opCase{
		{op32("add.f32", "%fa, %fb"), func(a, b, _ uint64) uint64 { return canon(f(a) + f(b)) }},
		{op32("sub.f32", "%fa, %fb"), func(a, b, _ uint64) uint64 { return canon(f(a) - f(b)) }},
		{op32("mul.f32", "%fa, %fb"), func(a, b, _ uint64) uint64 { return canon(f(a) * f(b)) }},
		{op32("div.rn.f32", "%fa, %fb"), func(a, b, _ uint64) uint64 { return canon(f(a) / f(b)) }},
		{op32("sqrt.rn.f32", "%fa"), unary(func(v float32) float32 { return float32(math.Sqrt(float64(v))) })},
		{op32("rcp.rn.f32", "%fa"), unary(func(v float32) float32 { return 1 / v })},
		{op32("add.ftz.f32", "%fa, %fb"), func(a, b, _ uint64) uint64 { return canon(flush(flush(f(a)) + flush(f(b)))) }},
		{op32("mul.ftz.f32", "%fa, %fb"), func(a, b, _ uint64) uint64 { return canon(flush(flush(f(a)) * flush(f(b)))) }},
		{op32("add.sat.f32", "%fa, %fb"), func(a, b, _ uint64) uint64 {
			v := f(a) + f(b)
			if v > 0 {
				return canon(min(v, 1))
			}
			return 0
		}},
		{op32("neg.f32", "%fa"), func(a, _, _ uint64) uint64 { return a ^ 0x80000000 }},
		{op32("abs.f32", "%fa"), func(a, _, _ uint64) uint64 { return a &^ 0x80000000 }},
		{op32("copysign.f32", "%fa, %fb"), func(a, b, _ uint64) uint64 { return b&0x7fffffff | a&0x80000000 }},
		{op32("rsqrt.approx.f32", "%fa"), unary(func(v float32) float32 { return float32(1 / math.Sqrt(float64(v))) })},
		{op32("ex2.approx.f32", "%fa"), unary(func(v float32) float32 { return float32(math.Exp2(float64(v))) })},
		{op32("lg2.approx.f32", "%fa"), unary(func(v float32) float32 { return float32(math.Log2(float64(v))) })},
		{op32("tanh.approx.f32", "%fa"), unary(func(v float32) float32 { return float32(math.Tanh(float64(v))) })},
	}
	for name, op := range map[string]byte{"add": 'a', "mul": 'm', "div": 'd', "fma": 'f'} {
		for suffix, mode := range map[string]big.RoundingMode{"rn": big.ToNearestEven, "rz": big.ToZero, "rm": big.ToNegativeInf, "rp": big.ToPositiveInf} {
			operands := "%fa, %fb"
			if op == 'f' {
				operands += ", %fc"
			}
			cases = append(cases, opCase{op32(name+"."+suffix+".f32", operands), directed(op, mode)})
		}
	}
	for i, c := range cases {
		cases[i].body = floatResult(c.body)
	}
	checkOps(t, d, cases, bits32(floatEdges))
}

// floatResult lets an instruction write its 32 bits to a .f32 register.
func floatResult(body string) string {
	const from, to = " %d32, ", " %fd, "
	for i := 0; i+len(from) <= len(body); i++ {
		if body[i:i+len(from)] == from {
			rest := body[i+len(from):]
			end := len(rest) - len("cvt.u64.u32 %d, %d32;")
			return body[:i] + to + rest[:end] + "mov.b32 %d32, %fd; cvt.u64.u32 %d, %d32;"
		}
	}
	return body
}

// TestFusedMultiplyAddRounding tries sums that a detour through float64 would
// round twice.
func TestFusedMultiplyAddRounding(t *testing.T) {
	d := newDevice(t)
	var a, b, c []uint64
	add := func(x, y, z float64) {
		a = append(a, uint64(math.Float32bits(float32(x))))
		b = append(b, uint64(math.Float32bits(float32(y))))
		c = append(c, uint64(math.Float32bits(float32(z))))
	}
	// (1+i*e)(1-i*e) lies a little below 1, so the sum lies a little below (or
	// above) the middle between two numbers, where float64 cannot tell.
	for i := 1.0; i < 40; i++ {
		for j := 0.0; j < 8; j++ {
			for _, scale := range []float64{1, 0x1p40, 0x1p-100, 0x1p-126} {
				x, y, z := 1+i*0x1p-23, (1-i*0x1p-23)*0x1p-24, 1+j*0x1p-23
				add(x, y*scale, z*scale)
				add(-x, y*scale, z*scale)
				add(x, -y*scale, -z*scale)
				add(x, y*scale, -z*scale)
			}
		}
	}
	got := runSnippet(t, d, floatResult(op32("fma.rn.f32", "%fa, %fb, %fc")), a, b, c)
	want := directed('f', big.ToNearestEven)
	for i := range got {
		if w := want(a[i], b[i], c[i]); got[i] != w {
			t.Fatalf("fma(%v, %v, %v) = %#x, want %#x", f(a[i]), f(b[i]), f(c[i]), got[i], w)
		}
	}
}

func directed64(op byte, mode big.RoundingMode) func(a, b, c uint64) uint64 {
	return func(a, b, c uint64) uint64 {
		x, y, z := g(a), g(b), g(c)
		near := map[byte]float64{'a': x + y, 'm': x * y, 'f': math.FMA(x, y, z), 'd': x / y}[op]
		if !finite(x, y, z) && op == 'f' || !finite(x, y) || op == 'd' && y == 0 {
			return canon64(near)
		}
		r := exact(op, x, y, z, mode, 53)
		v, _ := r.Float64()
		if v == 0 && exact(op, x, y, z, mode, 0).Sign() == 0 {
			v = math.Copysign(0, signOfZero(op, x, y, z, mode))
		}
		if math.IsInf(v, 0) && (mode == big.ToZero || mode == big.ToNegativeInf && v > 0 || mode == big.ToPositiveInf && v < 0) {
			v = math.Copysign(math.MaxFloat64, v)
		}
		return math.Float64bits(v)
	}
}

func TestDoublePrecision(t *testing.T) {
	d := newDevice(t)
	result := func(instr string) string { return instr + "; mov.b64 %d, %dd;" }
	cases := []opCase{
		{result("add.f64 %dd, %da, %db"), func(a, b, _ uint64) uint64 { return canon64(g(a) + g(b)) }},
		{result("sub.f64 %dd, %da, %db"), func(a, b, _ uint64) uint64 { return canon64(g(a) - g(b)) }},
		{result("mul.f64 %dd, %da, %db"), func(a, b, _ uint64) uint64 { return canon64(g(a) * g(b)) }},
		{result("fma.rn.f64 %dd, %da, %db, %dc"), func(a, b, c uint64) uint64 { return canon64(math.FMA(g(a), g(b), g(c))) }},
		{result("div.rn.f64 %dd, %da, %db"), func(a, b, _ uint64) uint64 { return canon64(g(a) / g(b)) }},
		{result("sqrt.rn.f64 %dd, %da"), func(a, _, _ uint64) uint64 { return canon64(math.Sqrt(g(a))) }},
		{result("rcp.rn.f64 %dd, %da"), func(a, _, _ uint64) uint64 { return canon64(1 / g(a)) }},
		{result("min.f64 %dd, %da, %db"), func(a, b, _ uint64) uint64 { return minMax64(g(a), g(b), false) }},
		{result("max.f64 %dd, %da, %db"), func(a, b, _ uint64) uint64 { return minMax64(g(a), g(b), true) }},
		{result("neg.f64 %dd, %da"), func(a, _, _ uint64) uint64 { return a ^ 1<<63 }},
		{pred("setp.lt.f64", "%da, %db"), truth(func(a, b, _ uint64) bool { return g(a) < g(b) })},
		{pred("setp.geu.f64", "%da, %db"), truth(func(a, b, _ uint64) bool { return !(g(a) < g(b)) })},
		{pred("testp.subnormal.f64", "%da"), truth(func(a, _, _ uint64) bool { return g(a) != 0 && math.Abs(g(a)) < 0x1p-1022 })},
	}
	for name, op := range map[string]byte{"add": 'a', "mul": 'm', "div": 'd', "fma": 'f'} {
		for suffix, mode := range map[string]big.RoundingMode{"rz": big.ToZero, "rm": big.ToNegativeInf, "rp": big.ToPositiveInf} {
			operands := "%da, %db"
			if op == 'f' {
				operands += ", %dc"
			}
			cases = append(cases, opCase{result(name + "." + suffix + ".f64 %dd, " + operands), directed64(op, mode)})
		}
	}
	checkOps(t, d, cases, bits64(doubleEdges))
}

func minMax64(a, b float64, largest bool) uint64 {
	switch {
	case a != a:
		return canon64(b)
	case b != b:
		return canon64(a)
	case largest:
		return math.Float64bits(math.Max(a, b))
	}
	return math.Float64bits(math.Min(a, b))
}

func TestFloatComparisons(t *testing.T) {
	d := newDevice(t)
	unordered := func(a, b uint64) bool { return f(a) != f(a) || f(b) != f(b) }
	minMax := func(a, b uint64, largest bool) uint64 {
		return canon(float32(math.Float64frombits(minMax64(float64(f(a)), float64(f(b)), largest))))
	}
	cases := []opCase{
		{pred("setp.eq.f32", "%fa, %fb"), truth(func(a, b, _ uint64) bool { return f(a) == f(b) })},
		{pred("setp.ne.f32", "%fa, %fb"), truth(func(a, b, _ uint64) bool { return f(a) != f(b) && !unordered(a, b) })},
		{pred("setp.lt.f32", "%fa, %fb"), truth(func(a, b, _ uint64) bool { return f(a) < f(b) })},
		{pred("setp.le.f32", "%fa, %fb"), truth(func(a, b, _ uint64) bool { return f(a) <= f(b) })},
		{pred("setp.gt.f32", "%fa, %fb"), truth(func(a, b, _ uint64) bool { return f(a) > f(b) })},
		{pred("setp.ge.f32", "%fa, %fb"), truth(func(a, b, _ uint64) bool { return f(a) >= f(b) })},
		{pred("setp.equ.f32", "%fa, %fb"), truth(func(a, b, _ uint64) bool { return f(a) == f(b) || unordered(a, b) })},
		{pred("setp.neu.f32", "%fa, %fb"), truth(func(a, b, _ uint64) bool { return f(a) != f(b) })},
		{pred("setp.ltu.f32", "%fa, %fb"), truth(func(a, b, _ uint64) bool { return !(f(a) >= f(b)) })},
		{pred("setp.leu.f32", "%fa, %fb"), truth(func(a, b, _ uint64) bool { return !(f(a) > f(b)) })},
		{pred("setp.gtu.f32", "%fa, %fb"), truth(func(a, b, _ uint64) bool { return !(f(a) <= f(b)) })},
		{pred("setp.geu.f32", "%fa, %fb"), truth(func(a, b, _ uint64) bool { return !(f(a) < f(b)) })},
		{pred("setp.num.f32", "%fa, %fb"), truth(func(a, b, _ uint64) bool { return !unordered(a, b) })},
		{pred("setp.nan.f32", "%fa, %fb"), truth(func(a, b, _ uint64) bool { return unordered(a, b) })},
		{pred("setp.gt.ftz.f32", "%fa, %fb"), truth(func(a, b, _ uint64) bool { return flush(f(a)) > flush(f(b)) })},
		{pred("testp.finite.f32", "%fa"), truth(func(a, _, _ uint64) bool { return finite(float64(f(a))) })},
		{pred("testp.infinite.f32", "%fa"), truth(func(a, _, _ uint64) bool { return math.IsInf(float64(f(a)), 0) })},
		{pred("testp.notanumber.f32", "%fa"), truth(func(a, _, _ uint64) bool { return f(a) != f(a) })},
		{pred("testp.normal.f32", "%fa"), truth(func(a, _, _ uint64) bool { return finite(float64(f(a))) && math.Abs(float64(f(a))) >= 0x1p-126 })},
		{floatResult(op32("min.f32", "%fa, %fb")), func(a, b, _ uint64) uint64 { return minMax(a, b, false) }},
		{floatResult(op32("max.f32", "%fa, %fb")), func(a, b, _ uint64) uint64 { return minMax(a, b, true) }},
		{floatResult(op32("max.NaN.f32", "%fa, %fb")), func(a, b, _ uint64) uint64 {
			if unordered(a, b) {
				return 0x7fffffff
			}
			return minMax(a, b, true)
		}},
		{floatResult(op32("slct.f32.f32", "%fa, %fb, %fc")), func(a, b, c uint64) uint64 {
			if f(c) >= 0 {
				return a
			}
			return b
		}},
	}
	checkOps(t, d, cases, bits32(floatEdges))
}

// toInt is the reference for conversions to integers.
func toInt(v float64, low, high float64, nan uint64, width uint) uint64 {
	mask := uint64(1)<<width - 1
	if width == 64 {
		mask = ^uint64(0)
	}
	switch {
	case v != v:
		return nan
	case v <= low:
		i, _ := big.NewFloat(low).Int(nil)
		return new(big.Int).And(i, new(big.Int).SetUint64(mask)).Uint64()
	case v >= high:
		i, _ := big.NewFloat(high).Int(nil)
		return i.Sub(i, big.NewInt(1)).Uint64() & mask
	}
	i, _ := big.NewFloat(v).Int(nil)
	if i.Sign() < 0 {
		i.Add(i, new(big.Int).Lsh(big.NewInt(1), width))
	}
	return i.Uint64() & mask
}

func TestFloatConversions(t *testing.T) {
	d := newDevice(t)
	wide := func(v uint64) float64 { return float64(f(v)) }
	cases := []opCase{
		{op32("cvt.rzi.s32.f32", "%fa"), func(a, _, _ uint64) uint64 { return toInt(math.Trunc(wide(a)), -0x1p31, 0x1p31, 0, 32) }},
		{op32("cvt.rni.s32.f32", "%fa"), func(a, _, _ uint64) uint64 { return toInt(math.RoundToEven(wide(a)), -0x1p31, 0x1p31, 0, 32) }},
		{op32("cvt.rmi.s32.f32", "%fa"), func(a, _, _ uint64) uint64 { return toInt(math.Floor(wide(a)), -0x1p31, 0x1p31, 0, 32) }},
		{op32("cvt.rpi.u32.f32", "%fa"), func(a, _, _ uint64) uint64 { return toInt(math.Ceil(wide(a)), 0, 0x1p32, 0, 32) }},
		{op64("cvt.rzi.u64.f32", "%fa"), func(a, _, _ uint64) uint64 { return toInt(math.Trunc(wide(a)), 0, 0x1p64, 1<<63, 64) }},
		{op64("cvt.rzi.s64.f32", "%fa"), func(a, _, _ uint64) uint64 { return toInt(math.Trunc(wide(a)), -0x1p63, 0x1p63, 1<<63, 64) }},
		{op16("cvt.rzi.s16.f32", "%fa"), func(a, _, _ uint64) uint64 { return toInt(math.Trunc(wide(a)), -0x1p15, 0x1p15, 0, 16) }},
		{op32("cvt.rzi.u8.f32", "%fa"), func(a, _, _ uint64) uint64 { return toInt(math.Trunc(wide(a)), 0, 256, 0, 8) }},
		{floatResult(op32("cvt.rni.f32.f32", "%fa")), func(a, _, _ uint64) uint64 { return canon(float32(math.RoundToEven(wide(a)))) }},
		{floatResult(op32("cvt.rmi.f32.f32", "%fa")), func(a, _, _ uint64) uint64 { return canon(float32(math.Floor(wide(a)))) }},
		{floatResult(op32("cvt.sat.f32.f32", "%fa")), func(a, _, _ uint64) uint64 {
			if v := f(a); v > 0 {
				return canon(min(v, 1))
			}
			return 0
		}},
		{"cvt.f64.f32 %dd, %fa; mov.b64 %d, %dd;", func(a, _, _ uint64) uint64 { return canon64(wide(a)) }},
		{op32("cvt.rna.tf32.f32", "%fa"), func(a, _, _ uint64) uint64 {
			switch v := f(a); {
			case v != v:
				return 0x7fffe000
			case math.IsInf(float64(v), 0):
				return a
			}
			return (a + 0x1000) &^ 0x1fff
		}},
	}
	checkOps(t, d, cases, bits32(floatEdges))

	narrow := func(mode big.RoundingMode) func(a, _, _ uint64) uint64 {
		return func(a, _, _ uint64) uint64 {
			v := g(a)
			if !finite(v) || v == 0 {
				return canon(float32(v))
			}
			r, _ := roundBig(big.NewFloat(v), mode, 24).Float64()
			if math.Abs(r) > math.MaxFloat32 {
				if mode == big.ToZero || mode == big.ToNegativeInf && r > 0 || mode == big.ToPositiveInf && r < 0 {
					r = math.Copysign(math.MaxFloat32, r)
				} else {
					r = math.Copysign(math.Inf(1), r)
				}
			}
			if r == 0 {
				r = math.Copysign(0, v)
			}
			return uint64(math.Float32bits(float32(r)))
		}
	}
	checkOps(t, d, []opCase{
		{floatResult(op32("cvt.rn.f32.f64", "%da")), narrow(big.ToNearestEven)},
		{floatResult(op32("cvt.rz.f32.f64", "%da")), narrow(big.ToZero)},
		{floatResult(op32("cvt.rm.f32.f64", "%da")), narrow(big.ToNegativeInf)},
		{floatResult(op32("cvt.rp.f32.f64", "%da")), narrow(big.ToPositiveInf)},
		{op32("cvt.rzi.s32.f64", "%da"), func(a, _, _ uint64) uint64 { return toInt(math.Trunc(g(a)), -0x1p31, 0x1p31, 1<<31, 32) }},
		{op64("cvt.rni.s64.f64", "%da"), func(a, _, _ uint64) uint64 { return toInt(math.RoundToEven(g(a)), -0x1p63, 0x1p63, 1<<63, 64) }},
		{op64("cvt.rzi.u64.f64", "%da"), func(a, _, _ uint64) uint64 { return toInt(math.Trunc(g(a)), 0, 0x1p64, 1<<63, 64) }},
		{"cvt.rpi.f64.f64 %dd, %da; mov.b64 %d, %dd;", func(a, _, _ uint64) uint64 { return canon64(math.Ceil(g(a))) }},
	}, bits64(doubleEdges))

	fromInt := func(signed bool, mode big.RoundingMode, bits uint) func(a, _, _ uint64) uint64 {
		return func(a, _, _ uint64) uint64 {
			i := new(big.Int).SetUint64(a)
			if signed {
				i.SetInt64(int64(a))
			}
			v, _ := roundBig(new(big.Float).SetPrec(64).SetInt(i), mode, bits).Float64()
			if bits == 24 {
				return uint64(math.Float32bits(float32(v)))
			}
			return math.Float64bits(v)
		}
	}
	checkOps(t, d, []opCase{
		{floatResult(op32("cvt.rn.f32.s64", "%a")), fromInt(true, big.ToNearestEven, 24)},
		{floatResult(op32("cvt.rn.f32.u64", "%a")), fromInt(false, big.ToNearestEven, 24)},
		{floatResult(op32("cvt.rz.f32.u64", "%a")), fromInt(false, big.ToZero, 24)},
		{floatResult(op32("cvt.rm.f32.s64", "%a")), fromInt(true, big.ToNegativeInf, 24)},
		{floatResult(op32("cvt.rn.f32.s32", "%a32")), func(a, _, _ uint64) uint64 { return uint64(math.Float32bits(float32(int32(a)))) }},
		{floatResult(op32("cvt.rn.f32.u8", "%a32")), func(a, _, _ uint64) uint64 { return uint64(math.Float32bits(float32(uint8(a)))) }},
		{"cvt.rn.f64.s64 %dd, %a; mov.b64 %d, %dd;", fromInt(true, big.ToNearestEven, 53)},
		{"cvt.rp.f64.u64 %dd, %a; mov.b64 %d, %dd;", fromInt(false, big.ToPositiveInf, 53)},
		{"cvt.rz.f64.s64 %dd, %a; mov.b64 %d, %dd;", fromInt(true, big.ToZero, 53)},
		{"cvt.rn.f64.u32 %dd, %a32; mov.b64 %d, %dd;", func(a, _, _ uint64) uint64 { return math.Float64bits(float64(uint32(a))) }},
	}, edges)
}
