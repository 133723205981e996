package simt

import (
	"math/bits"
	"strings"

	"libvirt-vgpu/mediatord/executor/soft/ptx"
)

// compareOp is a comparison and what it does with a predicate operand: and,
// or, xor ('a', 'o', 'x'), or nothing (0).
type compareOp struct {
	compare func(a, b uint64) bool
	combine byte
	value   uint64 // set: what a lane gets where the comparison holds
}

// comparison finds the function of a comparison operator for a type.
func comparison(name string, t ptx.Type) func(a, b uint64) bool {
	if isFloating(t) {
		return floatComparison(name, t)
	}
	signed := isSigned(t)
	less := func(a, b uint64) bool {
		if signed {
			return sext(a, t.Width) < sext(b, t.Width)
		}
		return low(a, t.Width) < low(b, t.Width)
	}
	switch name {
	case "eq":
		return func(a, b uint64) bool { return low(a^b, t.Width) == 0 }
	case "ne":
		return func(a, b uint64) bool { return low(a^b, t.Width) != 0 }
	case "lt", "lo":
		return less
	case "le", "ls":
		return func(a, b uint64) bool { return !less(b, a) }
	case "gt", "hi":
		return func(a, b uint64) bool { return less(b, a) }
	case "ge", "hs":
		return func(a, b uint64) bool { return !less(a, b) }
	}
	return nil
}

// floatComparison: the names ending in u also hold when an operand is NaN.
func floatComparison(name string, t ptx.Type) func(a, b uint64) bool {
	form, ok := formatOf(t)
	if !ok {
		return nil
	}
	read := form.read
	switch name {
	case "num":
		return func(a, b uint64) bool { x, y := read(a), read(b); return x == x && y == y }
	case "nan":
		return func(a, b uint64) bool { x, y := read(a), read(b); return x != x || y != y }
	case "eq":
		return func(a, b uint64) bool { return read(a) == read(b) }
	case "ne":
		return func(a, b uint64) bool { x, y := read(a), read(b); return x < y || x > y }
	case "lt":
		return func(a, b uint64) bool { return read(a) < read(b) }
	case "le":
		return func(a, b uint64) bool { return read(a) <= read(b) }
	case "gt":
		return func(a, b uint64) bool { return read(a) > read(b) }
	case "ge":
		return func(a, b uint64) bool { return read(a) >= read(b) }
	case "equ":
		return func(a, b uint64) bool { x, y := read(a), read(b); return !(x < y || x > y) }
	case "neu":
		return func(a, b uint64) bool { return read(a) != read(b) }
	case "ltu":
		return func(a, b uint64) bool { return !(read(a) >= read(b)) }
	case "leu":
		return func(a, b uint64) bool { return !(read(a) > read(b)) }
	case "gtu":
		return func(a, b uint64) bool { return !(read(a) <= read(b)) }
	case "geu":
		return func(a, b uint64) bool { return !(read(a) < read(b)) }
	}
	return nil
}

// compareOp reads the operator, the combination and .ftz from the modifiers.
func (g *generator) compareOp(t ptx.Type) (*compareOp, error) {
	op := &compareOp{}
	for _, m := range g.cur.Mods {
		switch m {
		case "and", "or", "xor":
			op.combine = m[0]
		default:
			if f := comparison(m, element(t)); f != nil && op.compare == nil {
				op.compare = f
			}
		}
	}
	if op.compare == nil {
		return nil, g.invalid("%s has no comparison for its type", g.cur.Name())
	}
	if form, _ := formatOf(element(t)); g.has("ftz") && form.flush != nil {
		inner, flush := op.compare, form.flush
		op.compare = func(a, b uint64) bool { return inner(flush(a), flush(b)) }
	}
	return op, nil
}

// translateSetp carries setp: p = (a op b) combined with c, q = the opposite
// combined with c. On packed types p and q are the two lanes.
func translateSetp(g *generator) error {
	if err := g.want(3, 4); err != nil {
		return err
	}
	t, err := g.typ()
	if err != nil {
		return err
	}
	op, err := g.compareOp(t)
	if err != nil {
		return err
	}
	in := g.new(compute)
	first := &g.cur.Operands[0]
	if in.pd, err = g.predDst(first); err != nil {
		return err
	}
	if in.pd2, err = g.predDst(first.Pair); err != nil {
		return err
	}
	if err := g.compareSources(&in, t); err != nil {
		return err
	}
	in.run, in.extra = runCompare, op
	if t.Lanes == 2 {
		in.run = runComparePacked
	} else if fast := fastCompare(g.cur.Mods, t); fast != nil && op.combine == 0 && in.pd2 < 0 && in.pd >= 0 {
		in.run = fast
	}
	g.emit(in)
	return nil
}

func (g *generator) compareSources(in *instr, t ptx.Type) error {
	var err error
	if in.a, err = g.src(1, t); err != nil {
		return err
	}
	if in.b, err = g.src(2, t); err != nil {
		return err
	}
	if len(g.cur.Operands) == 4 {
		in.pa, in.paNot, err = g.predSrc(&g.cur.Operands[3])
	}
	return err
}

// translateSet carries set: a register becomes all ones or 1.0 where the
// comparison holds, otherwise 0.
func translateSet(g *generator) error {
	if err := g.want(3, 4); err != nil {
		return err
	}
	types := g.types()
	if len(types) != 2 {
		return g.invalid("%s needs two types", g.cur.Name())
	}
	dt, t := types[0], types[1]
	op, err := g.compareOp(t)
	if err != nil {
		return err
	}
	in := g.new(compute)
	if in.d, err = g.dst(0); err != nil {
		return err
	}
	if err := g.compareSources(&in, t); err != nil {
		return err
	}
	op.value = low(^uint64(0), dt.Width/dt.Lanes)
	if isFloating(dt) {
		form, ok := formatOf(element(dt))
		if !ok {
			return g.unsupported("%s on this type", g.cur.Name())
		}
		op.value = form.write(1, 0)
	}
	in.run, in.extra = runSet, op
	if t.Lanes == 2 {
		in.run = runSetPacked
	}
	g.emit(in)
	return nil
}

// with applies the boolean operator with predicate operand c.
func (op *compareOp) with(r, c uint32) uint32 {
	switch op.combine {
	case 'a':
		return r & c
	case 'o':
		return r | c
	case 'x':
		return r ^ c
	}
	return r
}

// mask compares all active lanes.
func (op *compareOp) mask(w *warp, in *instr, shift, width int) uint32 {
	a, b := w.src(in.a), w.src(in.b)
	var r uint32
	for m := w.mask; m != 0; m &= m - 1 {
		l := bits.TrailingZeros32(m) & 31
		if op.compare(low(a[l]>>shift, width), low(b[l]>>shift, width)) {
			r |= 1 << l
		}
	}
	return r
}

func (w *warp) predOperand(in *instr) uint32 {
	if in.pa < 0 {
		return 0
	}
	return w.preds[in.pa] ^ in.paNot
}

func runCompare(w *warp, in *instr) {
	op := in.extra.(*compareOp)
	r, c := op.mask(w, in, 0, 64), w.predOperand(in)
	w.setPred(in.pd, op.with(r, c))
	w.setPred(in.pd2, op.with(^r, c))
}

func runComparePacked(w *warp, in *instr) {
	op := in.extra.(*compareOp)
	c := w.predOperand(in)
	lowHalf, high := op.mask(w, in, 0, 16), op.mask(w, in, 16, 16)
	w.setPred(in.pd, op.with(lowHalf, c))
	w.setPred(in.pd2, op.with(high, c))
}

func runSet(w *warp, in *instr) {
	op := in.extra.(*compareOp)
	w.setLanes(in.d, op.with(op.mask(w, in, 0, 64), w.predOperand(in)), op.value)
}

func runSetPacked(w *warp, in *instr) {
	op := in.extra.(*compareOp)
	c := w.predOperand(in)
	r0, r1 := op.with(op.mask(w, in, 0, 16), c), op.with(op.mask(w, in, 16, 16), c)
	d := &w.regs[in.d]
	for m := w.mask; m != 0; m &= m - 1 {
		l := bits.TrailingZeros32(m) & 31
		d[l] = op.value*uint64(r0>>l&1) | op.value*uint64(r1>>l&1)<<16
	}
}

// setLanes writes v to the active lanes in r and 0 to the other active ones.
func (w *warp) setLanes(d int32, r uint32, v uint64) {
	o := &w.regs[d]
	for m := w.mask; m != 0; m &= m - 1 {
		l := bits.TrailingZeros32(m) & 31
		o[l] = v * uint64(r>>l&1)
	}
}

// fastCompare is the fast path of the common integer and float comparisons.
func fastCompare(mods []string, t ptx.Type) func(*warp, *instr) {
	if t.Lanes != 1 {
		return nil
	}
	key := strings.Join(mods, ".")
	switch key {
	case "lt.s32":
		return runLtS32
	case "ge.s32":
		return runGeS32
	case "gt.s32":
		return runGtS32
	case "le.s32":
		return runLeS32
	case "eq.s32", "eq.u32", "eq.b32":
		return runEq32
	case "ne.s32", "ne.u32", "ne.b32":
		return runNe32
	case "lt.u32":
		return runLtU32
	case "ge.u32":
		return runGeU32
	case "gt.f32":
		return runGtF32
	case "lt.f32":
		return runLtF32
	}
	return nil
}

// translateSelp carries selp: a where p holds, otherwise b.
func translateSelp(g *generator) error {
	if err := g.want(4, 4); err != nil {
		return err
	}
	t, err := g.typ()
	if err != nil {
		return err
	}
	in := g.new(compute)
	if in.d, err = g.dst(0); err != nil {
		return err
	}
	if in.a, err = g.src(1, t); err != nil {
		return err
	}
	if in.b, err = g.src(2, t); err != nil {
		return err
	}
	if in.pa, in.paNot, err = g.predSrc(&g.cur.Operands[3]); err != nil {
		return err
	}
	in.run = runSelp
	g.emit(in)
	return nil
}

func runSelp(w *warp, in *instr) {
	a, b, d := w.src(in.a), w.src(in.b), &w.regs[in.d]
	p := w.preds[in.pa] ^ in.paNot
	for m := w.mask; m != 0; m &= m - 1 {
		l := bits.TrailingZeros32(m) & 31
		v := b[l]
		if p>>l&1 != 0 {
			v = a[l]
		}
		d[l] = v
	}
}

// translateSlct carries slct: a where c >= 0, otherwise b.
func translateSlct(g *generator) error {
	types := g.types()
	if len(types) != 2 {
		return g.invalid("%s needs two types", g.cur.Name())
	}
	t, ct := types[0], types[1]
	isFloat, ftz := isFloating(ct), g.has("ftz")
	return g.value(func(a, b, c uint64) uint64 {
		ok := int32(c) >= 0
		if isFloat {
			v := f32(c)
			ok = v >= 0 || ftz && v > -0x1p-126
		}
		if ok {
			return a
		}
		return b
	}, nil, t, t, ct)
}

// predValue emits a function of predicates, bit by bit.
func (g *generator) predValue(f fn) error {
	if err := g.want(2, 3); err != nil {
		return err
	}
	in := g.new(compute)
	var err error
	if in.pd, err = g.predDst(&g.cur.Operands[0]); err != nil {
		return err
	}
	op := &predOp{f: f, b: -1}
	if op.a, op.aNot, err = g.predSource(&g.cur.Operands[1]); err != nil {
		return err
	}
	if len(g.cur.Operands) == 3 {
		if op.b, op.bNot, err = g.predSource(&g.cur.Operands[2]); err != nil {
			return err
		}
	}
	in.run, in.extra = runPred, op
	g.emit(in)
	return nil
}

// predOp is a function of two predicates; -1 stands for a constant, whose
// value is then the mask.
type predOp struct {
	f          fn
	a, b       int32
	aNot, bNot uint32
}

// predSource is a predicate or a constant 0 or 1.
func (g *generator) predSource(op *ptx.Operand) (int32, uint32, error) {
	if op.Kind == ptx.IntOperand {
		if op.Value&1 != 0 {
			return -1, ^uint32(0), nil
		}
		return -1, 0, nil
	}
	return g.predSrc(op)
}

func runPred(w *warp, in *instr) {
	op := in.extra.(*predOp)
	a, b := op.aNot, op.bNot
	if op.a >= 0 {
		a ^= w.preds[op.a]
	}
	if op.b >= 0 {
		b ^= w.preds[op.b]
	}
	w.setPred(in.pd, uint32(op.f(uint64(a), uint64(b), 0)))
}
