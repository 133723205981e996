package simt

import (
	"math"
	"math/bits"
	"sync/atomic"

	"libvirt-vgpu/mediatord/executor/soft/gpu/internal/fp"
	"libvirt-vgpu/mediatord/executor/soft/gpu/internal/vmem"
	"libvirt-vgpu/mediatord/executor/soft/ptx"
)

// atomOp is an atomic read-modify-write; update computes the new value from
// the old one and the operands.
type atomOp struct {
	memOp
	update fn
}

// translateAtom carries atom and red.
func translateAtom(g *generator) error {
	operands := g.cur.Operands
	isRed := g.cur.Op == "red"
	if isRed {
		operands = append([]ptx.Operand{{Kind: ptx.SinkOperand}}, operands...)
	}
	if len(operands) < 3 || g.has("v2") || g.has("v4") || g.has("v8") {
		return g.unsupported("instruction %s", g.cur.Name())
	}
	m, base, err := g.memOp(&operands[1])
	if err != nil {
		return err
	}
	if m.size == 1 {
		return g.invalid("%s on this type", g.cur.Name())
	}
	t, _ := g.typ()
	op := &atomOp{memOp: *m}
	if op.update, err = g.atomUpdate(t); err != nil {
		return err
	}
	in := g.new(compute)
	if in.d, err = g.dstOperand(&operands[0]); err != nil {
		return err
	}
	in.a = base
	if in.b, err = g.srcOperand(&operands[2], t); err != nil {
		return err
	}
	if g.has("cas") {
		if len(operands) < 4 {
			return g.invalid("%s with %d operands", g.cur.Name(), len(g.cur.Operands))
		}
		if in.c, err = g.srcOperand(&operands[3], t); err != nil {
			return err
		}
	}
	in.run, in.extra = runAtom, op
	g.emit(in)
	return nil
}

func (g *generator) atomUpdate(t ptx.Type) (fn, error) {
	width := t.Width
	for _, m := range g.cur.Mods {
		switch m {
		case "add":
			return g.atomAdd(t)
		case "min", "max":
			return g.atomMinMax(t, m == "max")
		case "inc":
			return func(old, b, _ uint64) uint64 {
				if old >= b {
					return 0
				}
				return old + 1
			}, nil
		case "dec":
			return func(old, b, _ uint64) uint64 {
				if old == 0 || old > b {
					return b
				}
				return old - 1
			}, nil
		case "exch":
			return func(_, b, _ uint64) uint64 { return b }, nil
		case "cas":
			return func(old, b, c uint64) uint64 {
				if old == low(b, width) {
					return c
				}
				return old
			}, nil
		case "and":
			return func(old, b, _ uint64) uint64 { return old & b }, nil
		case "or":
			return func(old, b, _ uint64) uint64 { return old | b }, nil
		case "xor":
			return func(old, b, _ uint64) uint64 { return old ^ b }, nil
		}
	}
	return nil, g.invalid("%s has no operation", g.cur.Name())
}

func (g *generator) atomAdd(t ptx.Type) (fn, error) {
	e := element(t)
	if !isFloating(e) {
		return func(old, b, _ uint64) uint64 { return low(old+b, t.Width) }, nil
	}
	o := floatOp{typ: e}
	var ok bool
	if o.form, ok = formatOf(e); !ok {
		return nil, g.unsupported("instruction %s", g.cur.Name())
	}
	if e.Width == 64 {
		return func(old, b, _ uint64) uint64 {
			return fp.Canon64(math.Float64frombits(old) + math.Float64frombits(b))
		}, nil
	}
	return lanewise(t, o.binary('a')), nil
}

func (g *generator) atomMinMax(t ptx.Type, largest bool) (fn, error) {
	if isFloating(t) {
		return nil, g.unsupported("instruction %s", g.cur.Name())
	}
	signed := isSigned(t)
	return func(old, b, _ uint64) uint64 {
		less := old < low(b, t.Width)
		if signed {
			less = sext(old, t.Width) < sext(b, t.Width)
		}
		if less == largest {
			return low(b, t.Width)
		}
		return old
	}, nil
}

func runAtom(w *warp, in *instr) {
	op := in.extra.(*atomOp)
	a, b, c, d := w.src(in.a), w.src(in.b), w.src(in.c), &w.regs[in.d]
	changed := false
	for m := w.mask; m != 0; m &= m - 1 {
		l := bits.TrailingZeros32(m) & 31
		r, off := w.resolve(&op.memOp, in, l, a[l]+op.offset, vmem.ReadWrite)
		if r == nil {
			return
		}
		old, now := op.apply(r, off, b[l], c[l])
		changed = changed || old != now
		d[l] = old
	}
	if changed {
		w.spins = 0
	} else {
		w.spins++
	}
}

// apply updates memory and returns the value before and after.
func (op *atomOp) apply(r *vmem.Region, off, b, c uint64) (old, now uint64) {
	switch op.size {
	case 8:
		p := r.Word64(off)
		for {
			old = atomic.LoadUint64(p)
			now = op.update(old, b, c)
			if atomic.CompareAndSwapUint64(p, old, now) {
				return old, now
			}
		}
	case 4:
		p := r.Word32(off)
		for {
			old = uint64(atomic.LoadUint32(p))
			now = op.update(old, b, c)
			if atomic.CompareAndSwapUint32(p, uint32(old), uint32(now)) {
				return old, now
			}
		}
	}
	p, shift := r.Word32(off&^3), off&2*8
	for {
		word := atomic.LoadUint32(p)
		old = uint64(uint16(word >> shift))
		now = op.update(old, b, c)
		if atomic.CompareAndSwapUint32(p, word, word&^(0xffff<<shift)|uint32(now)<<shift) {
			return old, now
		}
	}
}
