package gpu_test

import (
	"math/big"
	"math/bits"
	"testing"
)

func abs32(v int32) int32 {
	if v < 0 {
		return -v
	}
	return v
}

func clamp32(v int64) int32 { return int32(min(max(v, -1<<31), 1<<31-1)) }

// The GPU divides by zero to all ones, and the remainder is the dividend.

func div32(a, b int32) int32 {
	if b == 0 {
		return -1
	}
	return a / b
}

func TestIntegerArithmetic(t *testing.T) {
	d := newDevice(t)
	mulHiS64 := func(a, b, _ int64) int64 {
		p := new(big.Int).Mul(big.NewInt(a), big.NewInt(b))
		return p.Rsh(p, 64).Int64()
	}
	checkOps(t, d, []opCase{
		{op32("add.s32", "%a32, %b32"), r32(func(a, b, _ uint32) uint32 { return a + b })},
		{op32("add.sat.s32", "%a32, %b32"), s32(func(a, b, _ int32) int32 { return clamp32(int64(a) + int64(b)) })},
		{op32("sub.sat.s32", "%a32, %b32"), s32(func(a, b, _ int32) int32 { return clamp32(int64(a) - int64(b)) })},
		{op32("sub.u32", "%a32, %b32"), r32(func(a, b, _ uint32) uint32 { return a - b })},
		{op16("add.s16", "%a16, %b16"), r16(func(a, b, _ uint16) uint16 { return a + b })},
		{op16("sub.u16", "%a16, %b16"), r16(func(a, b, _ uint16) uint16 { return a - b })},
		{op64("add.u64", "%a, %b"), func(a, b, _ uint64) uint64 { return a + b }},
		{op64("sub.s64", "%a, %b"), func(a, b, _ uint64) uint64 { return a - b }},
		{op32("add.u16x2", "%a32, %b32"), r32(func(a, b, _ uint32) uint32 { return (a+b)&0xffff | (a>>16+b>>16)<<16 })},
		{op32("max.s16x2", "%a32, %b32"), r32(func(a, b, _ uint32) uint32 {
			return uint32(uint16(max(int16(a), int16(b)))) | uint32(uint16(max(int16(a>>16), int16(b>>16))))<<16
		})},
		{op32("mul.lo.s32", "%a32, %b32"), r32(func(a, b, _ uint32) uint32 { return a * b })},
		{op32("mul.hi.s32", "%a32, %b32"), s32(func(a, b, _ int32) int32 { return int32(int64(a) * int64(b) >> 32) })},
		{op32("mul.hi.u32", "%a32, %b32"), r32(func(a, b, _ uint32) uint32 { return uint32(uint64(a) * uint64(b) >> 32) })},
		{op64("mul.wide.s32", "%a32, %b32"), func(a, b, _ uint64) uint64 { return uint64(int64(int32(a)) * int64(int32(b))) }},
		{op64("mul.wide.u32", "%a32, %b32"), func(a, b, _ uint64) uint64 { return uint64(uint32(a)) * uint64(uint32(b)) }},
		{op32("mul.wide.s16", "%a16, %b16"), func(a, b, _ uint64) uint64 { return uint64(uint32(int32(int16(a)) * int32(int16(b)))) }},
		{op16("mul.hi.u16", "%a16, %b16"), r16(func(a, b, _ uint16) uint16 { return uint16(uint32(a) * uint32(b) >> 16) })},
		{op16("mul.lo.s16", "%a16, %b16"), r16(func(a, b, _ uint16) uint16 { return a * b })},
		{op64("mul.lo.s64", "%a, %b"), func(a, b, _ uint64) uint64 { return a * b }},
		{op64("mul.hi.u64", "%a, %b"), func(a, b, _ uint64) uint64 { hi, _ := bits.Mul64(a, b); return hi }},
		{op64("mul.hi.s64", "%a, %b"), s64(mulHiS64)},
		{op32("mad.lo.s32", "%a32, %b32, %c32"), r32(func(a, b, c uint32) uint32 { return a*b + c })},
		{op32("mad.hi.s32", "%a32, %b32, %c32"), s32(func(a, b, c int32) int32 { return int32(int64(a)*int64(b)>>32) + c })},
		{op32("mad.hi.sat.s32", "%a32, %b32, %c32"), s32(func(a, b, c int32) int32 { return clamp32(int64(a)*int64(b)>>32 + int64(c)) })},
		{op64("mad.wide.s32", "%a32, %b32, %c"), func(a, b, c uint64) uint64 { return uint64(int64(int32(a))*int64(int32(b))) + c }},
		{op64("mad.wide.u32", "%a32, %b32, %c"), func(a, b, c uint64) uint64 { return uint64(uint32(a))*uint64(uint32(b)) + c }},
		{op64("mad.lo.u64", "%a, %b, %c"), func(a, b, c uint64) uint64 { return a*b + c }},
		{op32("mul24.lo.s32", "%a32, %b32"), s32(func(a, b, _ int32) int32 { return int32(int64(a<<8>>8) * int64(b<<8>>8)) })},
		{op32("mad24.hi.u32", "%a32, %b32, %c32"), r32(func(a, b, c uint32) uint32 { return uint32(uint64(a&0xffffff)*uint64(b&0xffffff)>>16) + c })},
		{op32("div.s32", "%a32, %b32"), s32(func(a, b, _ int32) int32 { return div32(a, b) })},
		{op32("rem.s32", "%a32, %b32"), s32(func(a, b, _ int32) int32 { return a - div32(a, b)*b })},
		{op32("div.u32", "%a32, %b32"), r32(func(a, b, _ uint32) uint32 {
			if b == 0 {
				return ^b
			}
			return a / b
		})},
		{op64("div.s64", "%a, %b"), s64(func(a, b, _ int64) int64 {
			if b == 0 {
				return -1
			}
			return a / b
		})},
		{op64("rem.u64", "%a, %b"), func(a, b, _ uint64) uint64 {
			if b == 0 {
				return a
			}
			return a % b
		}},
		{op16("div.s16", "%a16, %b16"), s16(func(a, b, _ int16) int16 {
			if b == 0 {
				return -1
			}
			return a / b
		})},
		{op32("abs.s32", "%a32"), s32(func(a, _, _ int32) int32 { return abs32(a) })},
		{op32("neg.s32", "%a32"), s32(func(a, _, _ int32) int32 { return -a })},
		{op16("neg.s16", "%a16"), s16(func(a, _, _ int16) int16 { return -a })},
		{op64("abs.s64", "%a"), s64(func(a, _, _ int64) int64 { return max(a, -a) })},
		{op32("min.s32", "%a32, %b32"), s32(func(a, b, _ int32) int32 { return min(a, b) })},
		{op32("max.u32", "%a32, %b32"), r32(func(a, b, _ uint32) uint32 { return max(a, b) })},
		{op64("min.u64", "%a, %b"), func(a, b, _ uint64) uint64 { return min(a, b) }},
		{op64("max.s64", "%a, %b"), s64(func(a, b, _ int64) int64 { return max(a, b) })},
		{op16("min.s16", "%a16, %b16"), s16(func(a, b, _ int16) int16 { return min(a, b) })},
		{op32("sad.s32", "%a32, %b32, %c32"), s32(func(a, b, c int32) int32 {
			if a < b {
				a, b = b, a
			}
			return c + a - b
		})},
		{op32("sad.u32", "%a32, %b32, %c32"), r32(func(a, b, c uint32) uint32 { return c + max(a, b) - min(a, b) })},
		{op32("dp4a.s32.u32", "%a32, %b32, %c32"), r32(func(a, b, c uint32) uint32 {
			for i := 0; i < 32; i += 8 {
				c += uint32(int32(int8(a>>i)) * int32(uint8(b>>i)))
			}
			return c
		})},
		{op32("dp2a.hi.s32.s32", "%a32, %b32, %c32"), r32(func(a, b, c uint32) uint32 {
			return c + uint32(int32(int16(a))*int32(int8(b>>16))+int32(int16(a>>16))*int32(int8(b>>24)))
		})},
	}, edges)
}

func TestExtendedPrecision(t *testing.T) {
	d := newDevice(t)
	checkOps(t, d, []opCase{
		// The carry of a+b, into c+a.
		{"add.cc.u32 %t1, %a32, %b32; addc.u32 %d32, %c32, %a32; cvt.u64.u32 %d, %d32;", r32(func(a, b, c uint32) uint32 {
			_, carry := bits.Add32(a, b, 0)
			return c + a + carry
		})},
		{"add.cc.u64 %w2, %a, %b; addc.cc.u64 %w3, %b, %c; addc.u64 %d, 0, 0;", func(a, b, c uint64) uint64 {
			_, carry := bits.Add64(a, b, 0)
			_, carry = bits.Add64(b, c, carry)
			return carry
		}},
		{"sub.cc.u32 %t1, %a32, %b32; subc.u32 %d32, %c32, %a32; cvt.u64.u32 %d, %d32;", r32(func(a, b, c uint32) uint32 {
			_, borrow := bits.Sub32(a, b, 0)
			return c - a - borrow
		})},
		{"sub.cc.s64 %w2, %a, %b; subc.s64 %d, %c, 5;", func(a, b, c uint64) uint64 {
			_, borrow := bits.Sub64(a, b, 0)
			return c - 5 - borrow
		}},
		{"mad.lo.cc.u32 %t1, %a32, %b32, %c32; madc.hi.u32 %d32, %a32, %b32, 0; cvt.u64.u32 %d, %d32;", r32(func(a, b, c uint32) uint32 {
			return uint32((uint64(a)*uint64(b) + uint64(c)) >> 32)
		})},
	}, edges)
}

func TestBitInstructions(t *testing.T) {
	d := newDevice(t)
	bfe := func(a uint64, width int, pos, n uint64, signed bool) uint64 {
		pos, n = pos&0xff, n&0xff
		var r uint64
		top := uint64(width - 1)
		sign := uint64(0)
		if signed && n > 0 {
			sign = a >> min(pos+n-1, top) & 1
		}
		for i := range uint64(width) {
			bit := sign
			if i < n && pos+i <= top {
				bit = a >> (pos + i) & 1
			}
			r |= bit << i
		}
		return r
	}
	bfi := func(a, b uint64, width int, pos, n uint64) uint64 {
		pos, n = pos&0xff, n&0xff
		for i := uint64(0); i < n && pos+i < uint64(width); i++ {
			b = b&^(1<<(pos+i)) | (a>>i&1)<<(pos+i)
		}
		return b
	}
	checkOps(t, d, []opCase{
		{op32("and.b32", "%a32, %b32"), r32(func(a, b, _ uint32) uint32 { return a & b })},
		{op64("or.b64", "%a, %b"), func(a, b, _ uint64) uint64 { return a | b }},
		{op16("xor.b16", "%a16, %b16"), r16(func(a, b, _ uint16) uint16 { return a ^ b })},
		{op32("not.b32", "%a32"), r32(func(a, _, _ uint32) uint32 { return ^a })},
		{op16("not.b16", "%a16"), r16(func(a, _, _ uint16) uint16 { return ^a })},
		{op64("cnot.b64", "%a"), truth(func(a, _, _ uint64) bool { return a == 0 })},
		{op32("shl.b32", "%a32, %b32"), r32(func(a, b, _ uint32) uint32 { return a << b })},
		{op32("shr.u32", "%a32, %b32"), r32(func(a, b, _ uint32) uint32 { return a >> b })},
		{op32("shr.s32", "%a32, %b32"), func(a, b, _ uint64) uint64 { return uint64(uint32(int32(a) >> uint32(b))) }},
		{op64("shl.b64", "%a, %b32"), func(a, b, _ uint64) uint64 { return a << uint32(b) }},
		{op64("shr.s64", "%a, %b32"), func(a, b, _ uint64) uint64 { return uint64(int64(a) >> uint32(b)) }},
		{op16("shl.b16", "%a16, %b32"), func(a, b, _ uint64) uint64 { return uint64(uint16(a) << uint32(b)) }},
		{op16("shr.s16", "%a16, %b32"), func(a, b, _ uint64) uint64 { return uint64(uint16(int16(a) >> uint32(b))) }},
		{op32("shf.l.wrap.b32", "%a32, %b32, %c32"), r32(func(a, b, c uint32) uint32 {
			return uint32((uint64(b)<<32 | uint64(a)) << (c & 31) >> 32)
		})},
		{op32("shf.r.clamp.b32", "%a32, %b32, %c32"), r32(func(a, b, c uint32) uint32 {
			return uint32((uint64(b)<<32 | uint64(a)) >> min(c, 32))
		})},
		{op32("bfe.u32", "%a32, %b32, %c32"), func(a, b, c uint64) uint64 { return bfe(uint64(uint32(a)), 32, b, c, false) }},
		{op32("bfe.s32", "%a32, %b32, %c32"), func(a, b, c uint64) uint64 { return bfe(uint64(uint32(a)), 32, b, c, true) }},
		{op64("bfe.u64", "%a, %b32, %c32"), func(a, b, c uint64) uint64 { return bfe(a, 64, b, c, false) }},
		{op64("bfe.s64", "%a, %b32, %c32"), func(a, b, c uint64) uint64 { return bfe(a, 64, b, c, true) }},
		{op32("bfi.b32", "%a32, %b32, %c32, 9"), func(a, b, c uint64) uint64 { return uint64(uint32(bfi(a, uint64(uint32(b)), 32, c, 9))) }},
		{op64("bfi.b64", "%a, %b, %c32, %a32"), func(a, b, c uint64) uint64 { return bfi(a, b, 64, c, a) }},
		{op32("popc.b32", "%a32"), func(a, _, _ uint64) uint64 { return uint64(bits.OnesCount32(uint32(a))) }},
		{op32("popc.b64", "%a"), func(a, _, _ uint64) uint64 { return uint64(bits.OnesCount64(a)) }},
		{op32("clz.b32", "%a32"), func(a, _, _ uint64) uint64 { return uint64(bits.LeadingZeros32(uint32(a))) }},
		{op32("clz.b64", "%a"), func(a, _, _ uint64) uint64 { return uint64(bits.LeadingZeros64(a)) }},
		{op32("brev.b32", "%a32"), r32(func(a, _, _ uint32) uint32 { return bits.Reverse32(a) })},
		{op64("brev.b64", "%a"), func(a, _, _ uint64) uint64 { return bits.Reverse64(a) }},
		{op32("bfind.u32", "%a32"), r32(func(a, _, _ uint32) uint32 { return uint32(bits.Len32(a)) - 1 })},
		{op32("bfind.shiftamt.s32", "%a32"), r32(func(a, _, _ uint32) uint32 {
			if int32(a) < 0 {
				a = ^a
			}
			if a == 0 {
				return ^a
			}
			return uint32(bits.LeadingZeros32(a))
		})},
		{op32("bfind.s64", "%a"), func(a, _, _ uint64) uint64 {
			if int64(a) < 0 {
				a = ^a
			}
			return uint64(uint32(bits.Len64(a)) - 1)
		}},
		{op32("prmt.b32", "%a32, %b32, %c32"), r32(func(a, b, c uint32) uint32 {
			v := uint64(b)<<32 | uint64(a)
			var r uint32
			for i := 0; i < 4; i++ {
				sel := c >> (4 * i)
				x := byte(v >> (8 * (sel & 7)))
				if sel&8 != 0 {
					x = byte(int8(x) >> 7)
				}
				r |= uint32(x) << (8 * i)
			}
			return r
		})},
		{op32("prmt.b32.f4e", "%a32, %b32, %c32"), r32(func(a, b, c uint32) uint32 {
			return uint32((uint64(b)<<32 | uint64(a)) >> (8 * (c & 3)))
		})},
		{op32("prmt.b32.rc8", "%a32, %b32, %c32"), r32(func(a, _, c uint32) uint32 { return a >> (8 * (c & 3)) & 0xff * 0x01010101 })},
		{op32("lop3.b32", "%a32, %b32, %c32, 0x96"), r32(func(a, b, c uint32) uint32 { return a ^ b ^ c })},
		{op32("lop3.b32", "%a32, %b32, %c32, 0xca"), r32(func(a, b, c uint32) uint32 { return a&b | ^a&c })},
		{op32("lop3.b32", "%a32, %b32, %c32, 0x15"), r32(func(a, b, c uint32) uint32 { return ^(a&b | c) })},
		{op32("bmsk.clamp.b32", "%a32, %b32"), r32(func(a, b, _ uint32) uint32 { return uint32((uint64(1)<<min(b, 32) - 1) << min(a, 63)) })},
		{op32("fns.b32", "%a32, 3, 2"), r32(func(a, _, _ uint32) uint32 {
			n := 0
			for i := range 32 {
				if i >= 3 && a>>i&1 == 1 {
					if n++; n == 2 {
						return uint32(i)
					}
				}
			}
			return 0xffffffff
		})},
	}, edges)
}

func TestComparisons(t *testing.T) {
	d := newDevice(t)
	checkOps(t, d, []opCase{
		{pred("setp.eq.s32", "%a32, %b32"), truth(func(a, b, _ uint64) bool { return uint32(a) == uint32(b) })},
		{pred("setp.ne.u64", "%a, %b"), truth(func(a, b, _ uint64) bool { return a != b })},
		{pred("setp.lt.s32", "%a32, %b32"), truth(func(a, b, _ uint64) bool { return int32(a) < int32(b) })},
		{pred("setp.le.s32", "%a32, %b32"), truth(func(a, b, _ uint64) bool { return int32(a) <= int32(b) })},
		{pred("setp.gt.s32", "%a32, %b32"), truth(func(a, b, _ uint64) bool { return int32(a) > int32(b) })},
		{pred("setp.ge.s32", "%a32, %b32"), truth(func(a, b, _ uint64) bool { return int32(a) >= int32(b) })},
		{pred("setp.lt.u32", "%a32, %b32"), truth(func(a, b, _ uint64) bool { return uint32(a) < uint32(b) })},
		{pred("setp.lo.u32", "%a32, %b32"), truth(func(a, b, _ uint64) bool { return uint32(a) < uint32(b) })},
		{pred("setp.hs.u32", "%a32, %b32"), truth(func(a, b, _ uint64) bool { return uint32(a) >= uint32(b) })},
		{pred("setp.ge.u32", "%a32, 7"), truth(func(a, _, _ uint64) bool { return uint32(a) >= 7 })},
		{pred("setp.gt.u64", "%a, %b"), truth(func(a, b, _ uint64) bool { return a > b })},
		{pred("setp.le.s64", "%a, %b"), truth(func(a, b, _ uint64) bool { return int64(a) <= int64(b) })},
		{pred("setp.lt.s16", "%a16, %b16"), truth(func(a, b, _ uint64) bool { return int16(a) < int16(b) })},
		{pred("setp.hi.u16", "%a16, %b16"), truth(func(a, b, _ uint64) bool { return uint16(a) > uint16(b) })},
		{"setp.gt.s32 %q, %c32, 40; setp.lt.and.s32 %p|%r, %a32, %b32, %q; selp.u64 %d, 1, 0, %p; @%r add.u64 %d, %d, 2;", func(a, b, c uint64) uint64 {
			switch {
			case int32(c) <= 40:
				return 0
			case int32(a) < int32(b):
				return 1
			}
			return 2
		}},
		{"setp.gt.s32 %q, %c32, 40; setp.eq.or.b32 %p, %a32, %b32, !%q; selp.u64 %d, %a, %b, %p;", func(a, b, c uint64) uint64 {
			if uint32(a) == uint32(b) || int32(c) <= 40 {
				return a
			}
			return b
		}},
		{"setp.gt.s32 %q, %c32, 40; setp.eq.xor.b32 %p, %a32, %b32, %q; selp.u64 %d, 1, 0, %p;", truth(func(a, b, c uint64) bool {
			return (uint32(a) == uint32(b)) != (int32(c) > 40)
		})},
		{op32("set.lt.u32.s32", "%a32, %b32"), func(a, b, _ uint64) uint64 {
			if int32(a) < int32(b) {
				return 0xffffffff
			}
			return 0
		}},
		{op32("set.lt.f32.s32", "%a32, %b32"), func(a, b, _ uint64) uint64 {
			if int32(a) < int32(b) {
				return 0x3f800000
			}
			return 0
		}},
		{op64("slct.u64.s32", "%a, %b, %c32"), func(a, b, c uint64) uint64 {
			if int32(c) >= 0 {
				return a
			}
			return b
		}},
		{"setp.lt.u32 %p, %a32, %b32; setp.lt.u32 %q, %b32, %c32; and.pred %r, %p, !%q; or.pred %r, %r, %q; not.pred %r, %r; xor.pred %r, %r, %p; mov.pred %p, %r; selp.u64 %d, 1, 0, %p;",
			truth(func(a, b, c uint64) bool {
				p, q := uint32(a) < uint32(b), uint32(b) < uint32(c)
				return !(p && !q || q) != p
			})},
	}, edges)
}

func TestIntegerConversions(t *testing.T) {
	d := newDevice(t)
	sat := func(v, low, high int64) uint64 { return uint64(min(max(v, low), high)) }
	checkOps(t, d, []opCase{
		{op64("cvt.s64.s32", "%a32"), func(a, _, _ uint64) uint64 { return uint64(int64(int32(a))) }},
		{op64("cvt.u64.u32", "%a32"), func(a, _, _ uint64) uint64 { return uint64(uint32(a)) }},
		{op64("cvt.s64.s8", "%a32"), func(a, _, _ uint64) uint64 { return uint64(int64(int8(a))) }},
		{op32("cvt.s32.s8", "%a32"), func(a, _, _ uint64) uint64 { return uint64(uint32(int32(int8(a)))) }},
		{op32("cvt.u32.u8", "%a16"), func(a, _, _ uint64) uint64 { return a & 0xff }},
		{op32("cvt.s32.s16", "%a16"), func(a, _, _ uint64) uint64 { return uint64(uint32(int32(int16(a)))) }},
		{op16("cvt.u16.u64", "%a"), func(a, _, _ uint64) uint64 { return a & 0xffff }},
		{op32("cvt.s8.s32", "%a32"), func(a, _, _ uint64) uint64 { return uint64(uint32(int32(int8(a)))) }},
		{op32("cvt.u8.u32", "%a32"), func(a, _, _ uint64) uint64 { return a & 0xff }},
		{op32("cvt.sat.u8.s32", "%a32"), func(a, _, _ uint64) uint64 { return sat(int64(int32(a)), 0, 255) }},
		{op32("cvt.sat.s8.s32", "%a32"), func(a, _, _ uint64) uint64 { return uint64(uint32(sat(int64(int32(a)), -128, 127))) }},
		{op32("cvt.sat.s32.s64", "%a"), func(a, _, _ uint64) uint64 { return uint64(uint32(sat(int64(a), -1<<31, 1<<31-1))) }},
		{op32("cvt.sat.s32.u32", "%a32"), func(a, _, _ uint64) uint64 { return min(uint64(uint32(a)), 1<<31-1) }},
		{op64("cvt.sat.u64.s32", "%a32"), func(a, _, _ uint64) uint64 { return uint64(max(int64(int32(a)), 0)) }},
		{op32("cvt.pack.sat.u8.s32.b32", "%a32, %b32, %c32"), func(a, b, c uint64) uint64 {
			return uint64(uint32(c<<16 | sat(int64(int32(a)), 0, 255)<<8 | sat(int64(int32(b)), 0, 255)))
		}},
		{"mov.b64 {%t1, %t2}, %a; mov.b64 %d, {%t2, %t1};", func(a, _, _ uint64) uint64 { return a<<32 | a>>32 }},
		{"mov.b64 {%h0, %h1, %h2, %h3}, %a; mov.b64 %d, {%h3, %h2, %h1, %h0};", func(a, _, _ uint64) uint64 {
			return a<<48 | a<<16&0xffff00000000 | a>>16&0xffff0000 | a>>48
		}},
		{"mov.b32 {%h0, _}, %a32; mov.b32 %d32, {%h0, %b16}; cvt.u64.u32 %d, %d32;", func(a, b, _ uint64) uint64 {
			return a&0xffff | b&0xffff<<16
		}},
	}, edges)
}
