package simt

import "math/bits"

// collective makes an instruction that needs the lanes of a member mask: with
// .sync it waits for them, without it takes the lanes that are there.
func (g *generator) collective(maskOperand int, run func(*warp, *instr)) (instr, error) {
	in := g.new(compute)
	in.run = run
	if !g.has("sync") {
		return in, nil
	}
	if maskOperand >= len(g.cur.Operands) {
		return in, g.invalid("%s without a member mask", g.cur.Name())
	}
	in.kind = warpSync
	var err error
	in.c, err = g.src(maskOperand, u32)
	return in, err
}

// shuffleOp names the lane to read from.
type shuffleOp struct {
	mode byte // 'u'p, 'd'own, 'b'fly, 'i'dx
}

func translateShfl(g *generator) error {
	if err := g.want(4, 5); err != nil {
		return err
	}
	in, err := g.collective(4, runShfl)
	if err != nil {
		return err
	}
	op := &shuffleOp{}
	for _, m := range g.cur.Mods {
		switch m {
		case "up", "down", "bfly", "idx":
			op.mode = m[0]
		}
	}
	if op.mode == 0 {
		return g.invalid("%s has no mode", g.cur.Name())
	}
	if in.d, err = g.dst(0); err != nil {
		return err
	}
	if in.pd, err = g.predDst(g.cur.Operands[0].Pair); err != nil {
		return err
	}
	in.vec = []int32{0}
	for i, p := range []*int32{&in.a, &in.b, &in.vec[0]} {
		if *p, err = g.src(i+1, u32); err != nil {
			return err
		}
	}
	in.extra = op
	g.emit(in)
	return nil
}

func runShfl(w *warp, in *instr) {
	op := in.extra.(*shuffleOp)
	a := *w.src(in.a) // a copy: it may be the destination
	b, c, d := w.src(in.b), w.src(in.vec[0]), &w.regs[in.d]
	var valid uint32
	for m := w.mask; m != 0; m &= m - 1 {
		lane := bits.TrailingZeros32(m) & 31
		j, ok := op.source(lane, int(b[lane]&31), int(c[lane]))
		if ok {
			valid |= 1 << lane
		} else {
			j = lane
		}
		d[lane] = a[j]
	}
	w.setPred(in.pd, valid)
}

// source is the lane that a lane reads, as the ISA defines it.
func (op *shuffleOp) source(lane, b, c int) (int, bool) {
	clamp, segment := c&31, c>>8&31
	highest := lane&segment | clamp&^segment
	j := 0
	switch op.mode {
	case 'u':
		j = lane - b
		return j & 31, j >= highest
	case 'd':
		j = lane + b
	case 'b':
		j = lane ^ b
	default:
		j = lane&segment | b&^segment
	}
	return j & 31, j <= highest
}

// translateVote carries vote.all, any, uni and ballot.
func translateVote(g *generator) error {
	if err := g.want(2, 3); err != nil {
		return err
	}
	in, err := g.collective(2, nil)
	if err != nil {
		return err
	}
	if in.pa, in.paNot, err = g.predSrc(&g.cur.Operands[1]); err != nil {
		return err
	}
	if g.has("ballot") {
		if in.d, err = g.dst(0); err != nil {
			return err
		}
		in.run = func(w *warp, in *instr) {
			w.setLanes(in.d, ^uint32(0), uint64(w.predOperand(in)&w.mask))
		}
		g.emit(in)
		return nil
	}
	if in.pd, err = g.predDst(&g.cur.Operands[0]); err != nil {
		return err
	}
	var holds func(yes, all uint32) bool
	switch {
	case g.has("all"):
		holds = func(yes, all uint32) bool { return yes == all }
	case g.has("any"):
		holds = func(yes, _ uint32) bool { return yes != 0 }
	case g.has("uni"):
		holds = func(yes, all uint32) bool { return yes == 0 || yes == all }
	default:
		return g.invalid("%s has no mode", g.cur.Name())
	}
	in.run = func(w *warp, in *instr) {
		r := uint32(0)
		if holds(w.predOperand(in)&w.mask, w.mask) {
			r = ^r
		}
		w.setPred(in.pd, r)
	}
	g.emit(in)
	return nil
}

// translateMatch carries match.any and match.all.
func translateMatch(g *generator) error {
	if err := g.want(3, 3); err != nil {
		return err
	}
	t, err := g.typ()
	if err != nil {
		return err
	}
	in, err := g.collective(2, runMatchAny)
	if err != nil {
		return err
	}
	if in.d, err = g.dst(0); err != nil {
		return err
	}
	if in.pd, err = g.predDst(g.cur.Operands[0].Pair); err != nil {
		return err
	}
	if in.a, err = g.src(1, t); err != nil {
		return err
	}
	if g.has("all") {
		in.run = runMatchAll
	}
	g.emit(in)
	return nil
}

func runMatchAny(w *warp, in *instr) {
	a, d := w.src(in.a), &w.regs[in.d]
	var r lanes
	for m := w.mask; m != 0; m &= m - 1 {
		i := bits.TrailingZeros32(m) & 31
		for n := w.mask; n != 0; n &= n - 1 {
			if j := bits.TrailingZeros32(n) & 31; a[i] == a[j] {
				r[i] |= 1 << j
			}
		}
	}
	for m := w.mask; m != 0; m &= m - 1 {
		l := bits.TrailingZeros32(m) & 31
		d[l] = r[l]
	}
}

func runMatchAll(w *warp, in *instr) {
	a := w.src(in.a)
	first := a[bits.TrailingZeros32(w.mask)&31]
	same := ^uint32(0)
	for m := w.mask; m != 0; m &= m - 1 {
		if a[bits.TrailingZeros32(m)&31] != first {
			same = 0
		}
	}
	w.setPred(in.pd, same)
	w.setLanes(in.d, same, uint64(w.mask))
}

// translateRedux carries redux.sync on integers.
func translateRedux(g *generator) error {
	if err := g.want(3, 3); err != nil {
		return err
	}
	t, err := g.typ()
	if err != nil {
		return err
	}
	in, err := g.collective(2, runRedux)
	if err != nil {
		return err
	}
	if in.fn, err = g.atomUpdate(t); err != nil {
		return err
	}
	if in.d, err = g.dst(0); err != nil {
		return err
	}
	if in.a, err = g.src(1, t); err != nil {
		return err
	}
	g.emit(in)
	return nil
}

func runRedux(w *warp, in *instr) {
	a := w.src(in.a)
	first := bits.TrailingZeros32(w.mask) & 31
	v := a[first]
	for m := w.mask & (w.mask - 1); m != 0; m &= m - 1 {
		v = in.fn(v, a[bits.TrailingZeros32(m)&31], 0)
	}
	w.setLanes(in.d, ^uint32(0), v)
}

// translateElect carries elect.sync: the lowest lane is elected.
func translateElect(g *generator) error {
	if err := g.want(2, 2); err != nil {
		return err
	}
	in, err := g.collective(1, func(w *warp, in *instr) {
		leader := bits.TrailingZeros32(w.mask)
		w.setLanes(in.d, ^uint32(0), uint64(leader))
		w.setPred(in.pd, 1<<leader)
	})
	if err != nil {
		return err
	}
	if in.d, err = g.dst(0); err != nil {
		return err
	}
	if in.pd, err = g.predDst(g.cur.Operands[0].Pair); err != nil {
		return err
	}
	g.emit(in)
	return nil
}

// translateActivemask carries activemask.
func translateActivemask(g *generator) error {
	return g.value(nil, func(w *warp, in *instr) { w.setLanes(in.d, ^uint32(0), uint64(w.mask)) })
}

// barOp is a barrier of the block. Operand a is its number, b the
// number of threads, none for all of the block.
type barOp struct {
	arrive bool // does not wait
	reduce byte // 'p'opc, 'a'nd, 'o'r, or 0
}

// clusterBarrier is the number of the barrier that stands for the cluster's,
// behind those that a program can name.
const clusterBarrier = 16

// translateBar carries bar, barrier and bar.warp.sync.
func translateBar(g *generator) error {
	switch {
	case g.has("warp"):
		if err := g.want(1, 1); err != nil {
			return err
		}
		in, err := g.collective(0, func(*warp, *instr) {})
		if err == nil {
			g.emit(in)
		}
		return err
	case g.has("cluster"):
		return g.clusterBar()
	}
	in := g.new(barrier)
	op := &barOp{arrive: g.has("arrive")}
	operands := g.cur.Operands
	if g.has("red") {
		if len(operands) < 3 {
			return g.invalid("%s with %d operands", g.cur.Name(), len(operands))
		}
		if err := g.barReduction(&in, op); err != nil {
			return err
		}
		operands = operands[1 : len(operands)-1]
	}
	if len(operands) < 1 || len(operands) > 2 {
		return g.invalid("%s with %d operands", g.cur.Name(), len(operands))
	}
	var err error
	if in.a, err = g.srcOperand(&operands[0], u32); err != nil {
		return err
	}
	if len(operands) == 2 {
		if in.b, err = g.srcOperand(&operands[1], u32); err != nil {
			return err
		}
	} else if op.arrive {
		return g.invalid("%s without a thread count", g.cur.Name())
	}
	in.extra = op
	g.emit(in)
	return nil
}

func (g *generator) barReduction(in *instr, op *barOp) error {
	operands := g.cur.Operands
	var err error
	if in.pa, in.paNot, err = g.predSrc(&operands[len(operands)-1]); err != nil {
		return err
	}
	if g.has("popc") {
		op.reduce = 'p'
		in.d, err = g.dst(0)
		return err
	}
	op.reduce = 'o'
	if g.has("and") {
		op.reduce = 'a'
	}
	in.pd, err = g.predDst(&operands[0])
	return err
}

// clusterBar: a cluster is one block, so only the wait does something.
func (g *generator) clusterBar() error {
	if g.has("arrive") {
		return nil
	}
	in := g.new(barrier)
	in.a = g.constant(clusterBarrier)
	in.extra = &barOp{}
	g.emit(in)
	return nil
}
