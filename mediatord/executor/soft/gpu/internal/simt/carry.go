package simt

import (
	"math/bits"

	"libvirt-vgpu/mediatord/executor/soft/ptx"
)

// carryFlag is the predicate of the function that stands for CC.CF.
func (g *generator) carryFlag() int32 {
	if g.carry < 0 {
		g.carry = int32(g.prog.preds)
		g.prog.preds++
	}
	return g.carry
}

// carryOp says what an extended-precision instruction does with the flag.
type carryOp struct {
	width    int
	subtract bool
	in, out  bool
	product  fn // of mad
}

// translateCarry carries add.cc, addc, sub.cc and subc.
func translateCarry(g *generator, t ptx.Type) error {
	op := &carryOp{width: t.Width, subtract: g.cur.Op[0] == 's', in: g.cur.Op == "addc" || g.cur.Op == "subc", out: g.has("cc")}
	return g.carryValue(op, t, t)
}

// translateMadCarry carries mad.cc and madc.
func translateMadCarry(g *generator, t ptx.Type) error {
	mul, err := g.product(t)
	if err != nil {
		return err
	}
	op := &carryOp{width: t.Width, in: g.cur.Op == "madc", out: g.has("cc"), product: mul}
	return g.carryValue(op, t, t, t)
}

func (g *generator) carryValue(op *carryOp, types ...ptx.Type) error {
	if err := g.value(nil, runCarry, types...); err != nil {
		return err
	}
	in := &g.code[len(g.code)-1]
	in.pa = g.carryFlag()
	if op.out {
		in.pd = in.pa
	}
	in.extra = op
	return nil
}

func translateAddc(g *generator) error {
	t, err := g.typ()
	if err != nil {
		return err
	}
	return translateCarry(g, t)
}

func runCarry(w *warp, in *instr) {
	op := in.extra.(*carryOp)
	a, b, c := w.src(in.a), w.src(in.b), w.src(in.c)
	d := &w.regs[in.d]
	flags, result := w.preds[in.pa], uint32(0)
	for m := w.mask; m != 0; m &= m - 1 {
		l := bits.TrailingZeros32(m) & 31
		x, y, carry := a[l], b[l], uint64(0)
		if op.product != nil {
			x, y = op.product(x, y, 0), c[l]
		}
		if op.in {
			carry = uint64(flags >> l & 1)
		}
		var out uint64
		switch {
		case op.subtract && op.width == 64:
			x, out = bits.Sub64(x, y, carry)
		case op.subtract:
			x = x - y - carry
			out = x >> 63
		case op.width == 64:
			x, out = bits.Add64(x, y, carry)
		default:
			x = x + y + carry
			out = x >> op.width & 1
		}
		d[l] = low(x, op.width)
		result |= uint32(out) << l
	}
	if op.out {
		w.setPred(in.pd, result)
	}
}
