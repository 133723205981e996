package gpu_test

import (
	"math"
	"math/big"
	"testing"
)

// smallFormat is the reference for formats of 16 bits.
type smallFormat struct {
	exponent, fraction int
}

var half, brain = smallFormat{5, 10}, smallFormat{8, 7}

func (s smallFormat) value(h uint64) float64 {
	e, frac := int(h>>s.fraction)&(1<<s.exponent-1), float64(h&(1<<s.fraction-1))
	bias := 1<<(s.exponent-1) - 1
	scale := math.Ldexp(1, -s.fraction)
	var v float64
	switch e {
	case 0:
		v = math.Ldexp(frac*scale, 1-bias)
	case 1<<s.exponent - 1:
		if frac != 0 {
			return math.NaN()
		}
		v = math.Inf(1)
	default:
		v = math.Ldexp(1+frac*scale, e-bias)
	}
	if h>>15&1 == 1 {
		return -v
	}
	return v
}

// round finds the nearest number of the format by trying all of them between
// which the exact value lies; ties go to the even one.
func (s smallFormat) round(x *big.Float) uint64 {
	sign := uint64(0)
	if x.Signbit() {
		sign = 0x8000
	}
	abs := new(big.Float).Abs(x)
	low, high := uint64(0), uint64((1<<s.exponent-1)<<s.fraction) // high is infinity
	for high-low > 1 {
		mid := (low + high) / 2
		if big.NewFloat(s.value(mid)).Cmp(abs) <= 0 {
			low = mid
		} else {
			high = mid
		}
	}
	// Infinity lies one step beyond the largest number.
	next := math.Ldexp(1, 1<<(s.exponent-1))
	if high != (1<<s.exponent-1)<<s.fraction {
		next = s.value(high)
	}
	middle := new(big.Float).SetPrec(100).Add(big.NewFloat(s.value(low)), big.NewFloat(next))
	middle.Quo(middle, big.NewFloat(2))
	switch c := abs.Cmp(middle); {
	case c > 0 || c == 0 && low&1 == 1:
		return sign | high
	}
	return sign | low
}

// convert rounds a float64 that may be special.
func (s smallFormat) convert(v float64) uint64 {
	switch {
	case v != v:
		return 0x7fff
	case math.IsInf(v, 0):
		return uint64(math.Float64bits(v)>>48&0x8000) | (1<<s.exponent-1)<<s.fraction
	}
	return s.round(big.NewFloat(v))
}

// fused is a*b+c rounded once.
func (s smallFormat) fused(a, b, c uint64) uint64 {
	x, y, z := s.value(a), s.value(b), s.value(c)
	near := math.FMA(x, y, z)
	if !finite(x, y, z) {
		return s.convert(near)
	}
	e := exact('f', x, y, z, big.ToNearestEven, 0)
	if e.Sign() == 0 {
		return s.convert(near)
	}
	return s.round(e)
}

var halfEdges = []uint64{0, 0x8000, 0x3c00, 0xbc00, 0x3c01, 0x3bff, 1, 0x8001, 0x3ff, 0x400, 0x401, 0x7bff, 0xfbff, 0x7c00, 0xfc00, 0x7e01, 0x5640, 0x2e66, 0xc248, 0x0c01}

func TestHalfPrecision(t *testing.T) {
	d := newDevice(t)
	for _, format := range []struct {
		name string
		smallFormat
		values []uint64
	}{
		{"f16", half, halfEdges},
		{"bf16", brain, []uint64{0, 0x8000, 0x3f80, 0xbf80, 0x3f81, 0x3f7f, 1, 0x8001, 0x7f, 0x80, 0x7f7f, 0xff7f, 0x7f80, 0xff80, 0x7fc1, 0x4248, 0x1001, 0xc2c8}},
	} {
		s, name := format.smallFormat, format.name
		pair := func(fn func(a, b, c uint64) uint64) func(a, b, c uint64) uint64 {
			return func(a, b, c uint64) uint64 {
				return fn(a&0xffff, b&0xffff, c&0xffff) | fn(a>>16&0xffff, b>>16&0xffff, c>>16&0xffff)<<16
			}
		}
		one := func(fn func(a, b, c uint64) uint64) func(a, b, c uint64) uint64 {
			return func(a, b, c uint64) uint64 { return fn(a&0xffff, b&0xffff, c&0xffff) }
		}
		add := func(a, b, _ uint64) uint64 { return s.convert(s.value(a) + s.value(b)) }
		mul := func(a, b, _ uint64) uint64 { return s.convert(s.value(a) * s.value(b)) }
		minimum := func(a, b, _ uint64) uint64 {
			return s.convert(math.Float64frombits(minMax64(s.value(a), s.value(b), false)))
		}
		// The upper lanes take the values in another order.
		values := make([]uint64, len(format.values))
		for i, v := range format.values {
			values[i] = v | format.values[(i*7+3)%len(format.values)]<<16
		}
		checkOps(t, d, []opCase{
			{op16("add."+name, "%a16, %b16"), one(add)},
			{op16("sub."+name, "%a16, %b16"), one(func(a, b, _ uint64) uint64 { return s.convert(s.value(a) - s.value(b)) })},
			{op16("mul."+name, "%a16, %b16"), one(mul)},
			{op16("fma.rn."+name, "%a16, %b16, %c16"), one(s.fused)},
			{op32("fma.rn."+name+"x2", "%a32, %b32, %c32"), pair(s.fused)},
			{op32("add."+name+"x2", "%a32, %b32"), pair(add)},
			{op32("mul."+name+"x2", "%a32, %b32"), pair(mul)},
			{op16("min."+name, "%a16, %b16"), one(minimum)},
			{op32("min."+name+"x2", "%a32, %b32"), pair(minimum)},
			{op16("neg."+name, "%a16"), one(func(a, _, _ uint64) uint64 { return a ^ 0x8000 })},
			{op16("abs."+name, "%a16"), one(func(a, _, _ uint64) uint64 { return a & 0x7fff })},
			{op16("fma.rn.relu."+name, "%a16, %b16, %c16"), one(func(a, b, c uint64) uint64 {
				if r := s.fused(a, b, c); r&0x8000 == 0 {
					return r
				}
				return 0
			})},
			{pred("setp.lt."+name, "%a16, %b16"), truth(func(a, b, _ uint64) bool { return s.value(a&0xffff) < s.value(b&0xffff) })},
			{"setp.geu." + name + "x2 %p|%q, %a32, %b32; selp.u64 %d, 1, 0, %p; @%q add.u64 %d, %d, 2;", func(a, b, _ uint64) uint64 {
				r := uint64(0)
				if !(s.value(a&0xffff) < s.value(b&0xffff)) {
					r = 1
				}
				if !(s.value(a>>16&0xffff) < s.value(b>>16&0xffff)) {
					r |= 2
				}
				return r
			}},
			{"cvt.f32." + name + " %fd, %a16; mov.b32 %d32, %fd; cvt.u64.u32 %d, %d32;", one(func(a, _, _ uint64) uint64 { return canon(float32(s.value(a))) })},
		}, values)
		checkOps(t, d, []opCase{
			{op16("cvt.rn."+name+".f32", "%fa"), func(a, _, _ uint64) uint64 { return s.convert(float64(f(a))) }},
			{op32("cvt.rn."+name+"x2.f32", "%fa, %fb"), func(a, b, _ uint64) uint64 {
				return s.convert(float64(f(a)))<<16 | s.convert(float64(f(b)))
			}},
			{op16("cvt.rn.relu."+name+".f32", "%fa"), func(a, _, _ uint64) uint64 {
				if r := s.convert(float64(f(a))); r&0x8000 == 0 {
					return r
				}
				return 0
			}},
		}, append(bits32(floatEdges), halfTies(s)...))
	}
	checkOps(t, d, []opCase{
		{op16("cvt.rn.f16.f64", "%da"), func(a, _, _ uint64) uint64 { return half.convert(g(a)) }},
		{op16("ex2.approx.f16", "%a16"), func(a, _, _ uint64) uint64 { return half.convert(math.Exp2(half.value(a & 0xffff))) }},
	}, bits64(doubleEdges))
	checkOps(t, d, []opCase{
		{op16("cvt.rn.f16.s32", "%a32"), func(a, _, _ uint64) uint64 { return half.convert(float64(int32(a))) }},
		{op32("cvt.rzi.s32.f16", "%a16"), func(a, _, _ uint64) uint64 {
			return toInt(math.Trunc(half.value(a&0xffff)), -0x1p31, 0x1p31, 0, 32)
		}},
	}, append(halfEdges, edges...))
}

// halfTies are float32 values in the middle between two numbers of a format.
func halfTies(s smallFormat) []uint64 {
	var list []uint64
	for _, h := range []uint64{0, 1, 2, 0x3ff, 0x400, 0x3c00, 0x3c01, 0x1234} {
		list = append(list, uint64(math.Float32bits(float32((s.value(h)+s.value(h+1))/2))))
	}
	return list
}
