package simt

import (
	"math/bits"

	"libvirt-vgpu/mediatord/executor/soft/ptx"
)

// translateLogic carries and, or, xor on values and predicates.
func translateLogic(g *generator) error {
	t, err := g.typ()
	if err != nil {
		return err
	}
	var f fn
	run := runAnd
	switch g.cur.Op {
	case "and":
		f = func(a, b, _ uint64) uint64 { return a & b }
	case "or":
		f = func(a, b, _ uint64) uint64 { return a | b }
		run = runOr
	case "xor":
		f = func(a, b, _ uint64) uint64 { return a ^ b }
		run = runXor
	}
	if t.Kind == ptx.Pred {
		return g.predValue(f)
	}
	return g.value(f, run, t, t)
}

func translateNot(g *generator) error {
	t, err := g.typ()
	if err != nil {
		return err
	}
	if t.Kind == ptx.Pred {
		return g.predValue(func(a, _, _ uint64) uint64 { return ^a })
	}
	return g.value(func(a, _, _ uint64) uint64 { return low(^a, t.Width) }, nil, t)
}

func translateCnot(g *generator) error {
	t, err := g.typ()
	if err != nil {
		return err
	}
	return g.value(func(a, _, _ uint64) uint64 {
		if low(a, t.Width) == 0 {
			return 1
		}
		return 0
	}, nil, t)
}

// translateShift carries shl and shr; amounts beyond the width shift
// everything out.
func translateShift(g *generator) error {
	t, err := g.typ()
	if err != nil {
		return err
	}
	if g.cur.Op == "shl" {
		return g.value(func(a, b, _ uint64) uint64 { return low(a<<low(b, 32), t.Width) }, pick(t, nil, runShl32, nil), t, u32)
	}
	if isSigned(t) {
		return g.value(func(a, b, _ uint64) uint64 {
			return low(uint64(sext(a, t.Width)>>low(b, 32)), t.Width)
		}, nil, t, u32)
	}
	return g.value(func(a, b, _ uint64) uint64 { return low(a, t.Width) >> low(b, 32) }, pick(t, nil, runShr32, nil), t, u32)
}

// translateFunnel carries shf.
func translateFunnel(g *generator) error {
	left, wrap := g.has("l"), g.has("wrap")
	return g.value(func(a, b, c uint64) uint64 {
		n := low(c, 32)
		if wrap {
			n &= 31
		} else {
			n = min(n, 32)
		}
		v := low(b, 32)<<32 | low(a, 32)
		if left {
			return v << n >> 32
		}
		return low(v>>n, 32)
	}, nil, u32, u32, u32)
}

// translateBfe carries bit field extract.
func translateBfe(g *generator) error {
	t, err := g.typ()
	if err != nil {
		return err
	}
	return g.value(func(a, b, c uint64) uint64 {
		pos, n := int(b&0xff), int(c&0xff)
		a = low(a, t.Width)
		if n == 0 {
			return 0
		}
		sign := uint64(0)
		if isSigned(t) {
			sign = a >> min(pos+n-1, t.Width-1) & 1
		}
		if pos >= t.Width {
			return low(-sign, t.Width)
		}
		n = min(n, 64)
		v := low(a>>pos, n)
		if avail := min(n, t.Width-pos); sign == 1 {
			v |= ^uint64(0) << (avail - 1) << 1
		}
		return low(v, t.Width)
	}, nil, t, u32, u32)
}

// translateBfi carries bit field insert, which has four sources.
func translateBfi(g *generator) error {
	t, err := g.typ()
	if err != nil {
		return err
	}
	return g.value4(func(a, b, c, d uint64) uint64 {
		pos, n := int(c&0xff), int(d&0xff)
		if pos >= t.Width || n == 0 {
			return low(b, t.Width)
		}
		mask := low(^uint64(0), min(n, 64)) << pos
		return low(b&^mask|a<<pos&mask, t.Width)
	}, t, t, u32, u32)
}

// fn4 computes one lane from four sources.
type fn4 func(a, b, c, d uint64) uint64

func (g *generator) value4(f fn4, types ...ptx.Type) error {
	if err := g.want(5, 5); err != nil {
		return err
	}
	in := g.new(compute)
	var err error
	if in.d, err = g.dst(0); err != nil {
		return err
	}
	in.vec = []int32{0}
	for i, p := range []*int32{&in.a, &in.b, &in.c, &in.vec[0]} {
		if *p, err = g.src(i+1, types[i]); err != nil {
			return err
		}
	}
	in.run, in.extra = runFn4, f
	g.emit(in)
	return nil
}

func runFn4(w *warp, in *instr) {
	f := in.extra.(fn4)
	a, b, c, d, o := w.src(in.a), w.src(in.b), w.src(in.c), w.src(in.vec[0]), &w.regs[in.d]
	for m := w.mask; m != 0; m &= m - 1 {
		l := bits.TrailingZeros32(m) & 31
		o[l] = f(a[l], b[l], c[l], d[l])
	}
}

func translatePopc(g *generator) error {
	return bitCount(g, func(a uint64, _ int) uint64 { return uint64(bits.OnesCount64(a)) })
}

func translateClz(g *generator) error {
	return bitCount(g, func(a uint64, width int) uint64 { return uint64(bits.LeadingZeros64(a) - 64 + width) })
}

func translateBrev(g *generator) error {
	return bitCount(g, func(a uint64, width int) uint64 { return bits.Reverse64(a) >> (64 - width) })
}

func bitCount(g *generator, f func(a uint64, width int) uint64) error {
	t, err := g.typ()
	if err != nil {
		return err
	}
	return g.value(func(a, _, _ uint64) uint64 { return f(low(a, t.Width), t.Width) }, nil, t)
}

// translateBfind finds the highest bit that differs from the sign.
func translateBfind(g *generator) error {
	t, err := g.typ()
	if err != nil {
		return err
	}
	shift := g.has("shiftamt")
	return g.value(func(a, _, _ uint64) uint64 {
		v := extend(a, t)
		if isSigned(t) && int64(v) < 0 {
			v = ^v
		}
		n := bits.Len64(v) - 1
		if n < 0 {
			return 0xffffffff
		}
		if shift {
			n = t.Width - 1 - n
		}
		return uint64(n)
	}, nil, t)
}

// translateFns finds the n-th set bit from a position.
func translateFns(g *generator) error {
	return g.value(func(mask, base, offset uint64) uint64 {
		n, pos, step := int32(offset), int(low(base, 32)), 1
		if n < 0 {
			n, step = -n, -1
		}
		if n == 0 {
			if pos < 32 && mask>>pos&1 == 1 {
				return uint64(pos)
			}
			return 0xffffffff
		}
		for ; pos >= 0 && pos < 32; pos += step {
			if mask>>pos&1 == 1 {
				if n--; n == 0 {
					return uint64(pos)
				}
			}
		}
		return 0xffffffff
	}, nil, u32, u32, u32)
}

// translatePrmt permutes the bytes of two words.
func translatePrmt(g *generator) error {
	mode := ""
	for _, m := range g.cur.Mods {
		switch m {
		case "f4e", "b4e", "rc8", "ecl", "ecr", "rc16":
			mode = m
		}
	}
	return g.value(func(a, b, c uint64) uint64 {
		v := low(b, 32)<<32 | low(a, 32)
		var r uint64
		for i := 0; i < 4; i++ {
			sel := prmtSelect(mode, i, c)
			x := v >> (8 * (sel & 7)) & 0xff
			if sel&8 != 0 {
				x = x >> 7 * 0xff
			}
			r |= x << (8 * i)
		}
		return r
	}, nil, u32, u32, u32)
}

// prmtSelect is the selector of byte i of the result.
func prmtSelect(mode string, i int, c uint64) int {
	n := int(c & 3)
	switch mode {
	case "f4e":
		return n + i
	case "b4e":
		return (n - i) & 7
	case "rc8":
		return n
	case "ecl":
		return max(i, n)
	case "ecr":
		return min(i, n)
	case "rc16":
		return n&1*2 + i&1
	}
	return int(c >> (4 * i) & 15)
}

// translateLop3 carries lop3: a truth table of three inputs.
func translateLop3(g *generator) error {
	if g.has("BOOL") {
		return g.unsupported("instruction %s", g.cur.Name())
	}
	if err := g.want(5, 5); err != nil {
		return err
	}
	op := g.cur.Operands[4]
	if op.Kind != ptx.IntOperand {
		return g.invalid("the truth table of lop3 is not a constant")
	}
	table := op.Value
	saved := g.cur
	short := *g.cur
	short.Operands = short.Operands[:4]
	g.cur = &short
	defer func() { g.cur = saved }()
	return g.value(func(a, b, c uint64) uint64 {
		var r uint64
		for i := 0; i < 8; i++ {
			if table>>i&1 == 0 {
				continue
			}
			x, y, z := a, b, c
			if i&4 == 0 {
				x = ^x
			}
			if i&2 == 0 {
				y = ^y
			}
			if i&1 == 0 {
				z = ^z
			}
			r |= x & y & z
		}
		return low(r, 32)
	}, nil, u32, u32, u32)
}

// translateBmsk makes a mask of b bits from position a.
func translateBmsk(g *generator) error {
	wrap := g.has("wrap")
	return g.value(func(a, b, _ uint64) uint64 {
		pos, n := low(a, 32), low(b, 32)
		if wrap {
			pos, n = pos&31, n&31
		}
		return low(low(^uint64(0), 32)>>(32-min(n, 32))<<pos, 32)
	}, nil, u32, u32)
}
