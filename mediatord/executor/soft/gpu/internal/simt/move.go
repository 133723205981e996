package simt

import (
	"math/bits"

	"libvirt-vgpu/mediatord/executor/soft/ptx"
)

// translateMov carries mov, with vectors that are packed or taken apart.
func translateMov(g *generator) error {
	if err := g.want(2, 2); err != nil {
		return err
	}
	t, err := g.typ()
	if err != nil {
		return err
	}
	d, s := &g.cur.Operands[0], &g.cur.Operands[1]
	switch {
	case t.Kind == ptx.Pred:
		return g.predValue(func(a, _, _ uint64) uint64 { return a })
	case t.Width == 128:
		return g.unsupported("instruction %s", g.cur.Name())
	case d.Kind == ptx.VectorOperand:
		return g.unpack(d, s, t)
	case s.Kind == ptx.VectorOperand:
		return g.pack(d, s, t)
	}
	return g.value(nil, runMov, t)
}

// unpack emits {d0, d1, ...} = s.
func (g *generator) unpack(d, s *ptx.Operand, t ptx.Type) error {
	in := g.new(compute)
	var err error
	if in.a, err = g.srcOperand(s, t); err != nil {
		return err
	}
	in.vecDst = true
	for i := range d.List {
		r, err := g.dstOperand(&d.List[i])
		if err != nil {
			return err
		}
		in.vec = append(in.vec, r)
	}
	if len(in.vec) == 0 {
		return g.invalid("%s: empty vector", g.cur.Name())
	}
	in.imm = uint64(t.Width / len(in.vec))
	in.run = runUnpack
	g.emit(in)
	return nil
}

// pack emits d = {s0, s1, ...}.
func (g *generator) pack(d, s *ptx.Operand, t ptx.Type) error {
	in := g.new(compute)
	var err error
	if in.d, err = g.dstOperand(d); err != nil {
		return err
	}
	if len(s.List) == 0 {
		return g.invalid("%s: empty vector", g.cur.Name())
	}
	part := ptx.Type{Kind: ptx.Bits, Width: t.Width / len(s.List), Lanes: 1}
	for i := range s.List {
		r, err := g.srcOperand(&s.List[i], part)
		if err != nil {
			return err
		}
		in.vec = append(in.vec, r)
	}
	in.imm = uint64(part.Width)
	in.run = runPack
	g.emit(in)
	return nil
}

func runUnpack(w *warp, in *instr) {
	a := *w.src(in.a) // a copy: the source may be among the destinations
	for i, r := range in.vec {
		d, shift := &w.regs[r], uint64(i)*in.imm
		for m := w.mask; m != 0; m &= m - 1 {
			l := bits.TrailingZeros32(m) & 31
			d[l] = low(a[l]>>shift, int(in.imm))
		}
	}
}

func runPack(w *warp, in *instr) {
	var v lanes
	for i, r := range in.vec {
		s, shift := w.src(r), uint64(i)*in.imm
		for l := range v {
			v[l] |= low(s[l], int(in.imm)) << shift
		}
	}
	d := &w.regs[in.d]
	for m := w.mask; m != 0; m &= m - 1 {
		l := bits.TrailingZeros32(m) & 31
		d[l] = v[l]
	}
}

// special emits the read of a special register.
func (g *generator) special(name string) (int32, error) {
	f, ok := specials[name]
	if !ok {
		return 0, g.unsupported("register %s", name)
	}
	in := g.new(compute)
	in.d, in.run = g.temp(), f
	g.emit(in)
	return in.d, nil
}

// uniform reads a special register that is the same for all lanes.
func uniform(f func(w *warp) uint64) func(*warp, *instr) {
	return func(w *warp, in *instr) {
		v, d := f(w), &w.regs[in.d]
		for m := w.mask; m != 0; m &= m - 1 {
			d[bits.TrailingZeros32(m)&31] = v
		}
	}
}

// perLane reads a special register that differs between lanes.
func perLane(f func(w *warp, lane int) uint64) func(*warp, *instr) {
	return func(w *warp, in *instr) {
		d := &w.regs[in.d]
		for m := w.mask; m != 0; m &= m - 1 {
			l := bits.TrailingZeros32(m) & 31
			d[l] = f(w, l)
		}
	}
}

// specials are the special registers.
var specials = map[string]func(*warp, *instr){
	"%tid.x":              perLane(func(w *warp, l int) uint64 { return w.tid[0][l] }),
	"%tid.y":              perLane(func(w *warp, l int) uint64 { return w.tid[1][l] }),
	"%tid.z":              perLane(func(w *warp, l int) uint64 { return w.tid[2][l] }),
	"%ntid.x":             uniform(func(w *warp) uint64 { return uint64(w.block.grid.Block[0]) }),
	"%ntid.y":             uniform(func(w *warp) uint64 { return uint64(w.block.grid.Block[1]) }),
	"%ntid.z":             uniform(func(w *warp) uint64 { return uint64(w.block.grid.Block[2]) }),
	"%ctaid.x":            uniform(func(w *warp) uint64 { return uint64(w.block.id[0]) }),
	"%ctaid.y":            uniform(func(w *warp) uint64 { return uint64(w.block.id[1]) }),
	"%ctaid.z":            uniform(func(w *warp) uint64 { return uint64(w.block.id[2]) }),
	"%nctaid.x":           uniform(func(w *warp) uint64 { return uint64(w.block.grid.Grid[0]) }),
	"%nctaid.y":           uniform(func(w *warp) uint64 { return uint64(w.block.grid.Grid[1]) }),
	"%nctaid.z":           uniform(func(w *warp) uint64 { return uint64(w.block.grid.Grid[2]) }),
	"%laneid":             perLane(func(_ *warp, l int) uint64 { return uint64(l) }),
	"%warpid":             uniform(func(w *warp) uint64 { return uint64(w.id) }),
	"%nwarpid":            uniform(func(*warp) uint64 { return maxWarps }),
	"%smid":               uniform(func(w *warp) uint64 { return uint64(w.block.worker) }),
	"%nsmid":              uniform(func(w *warp) uint64 { return uint64(w.block.grid.workers) }),
	"%gridid":             uniform(func(w *warp) uint64 { return w.block.grid.ID }),
	"%lanemask_eq":        perLane(func(_ *warp, l int) uint64 { return 1 << l }),
	"%lanemask_lt":        perLane(func(_ *warp, l int) uint64 { return 1<<l - 1 }),
	"%lanemask_le":        perLane(func(_ *warp, l int) uint64 { return 2<<l - 1 }),
	"%lanemask_gt":        perLane(func(_ *warp, l int) uint64 { return 0xffffffff &^ (2<<l - 1) }),
	"%lanemask_ge":        perLane(func(_ *warp, l int) uint64 { return 0xffffffff &^ (1<<l - 1) }),
	"%clock":              uniform(func(w *warp) uint64 { return uint64(uint32(w.block.grid.clock())) }),
	"%clock_hi":           uniform(func(w *warp) uint64 { return w.block.grid.clock() >> 32 }),
	"%clock64":            uniform(func(w *warp) uint64 { return w.block.grid.clock() }),
	"%globaltimer":        uniform(func(w *warp) uint64 { return w.block.grid.wallTime() }),
	"%globaltimer_lo":     uniform(func(w *warp) uint64 { return uint64(uint32(w.block.grid.wallTime())) }),
	"%globaltimer_hi":     uniform(func(w *warp) uint64 { return w.block.grid.wallTime() >> 32 }),
	"%dynamic_smem_size":  uniform(func(w *warp) uint64 { return uint64(w.block.grid.DynamicShared) }),
	"%total_smem_size":    uniform(func(w *warp) uint64 { return uint64(w.block.grid.sharedBytes()) }),
	"%aggr_smem_size":     uniform(func(w *warp) uint64 { return uint64(w.block.grid.sharedBytes()) }),
	"%clusterid.x":        uniform(func(w *warp) uint64 { return uint64(w.block.id[0]) }),
	"%clusterid.y":        uniform(func(w *warp) uint64 { return uint64(w.block.id[1]) }),
	"%clusterid.z":        uniform(func(w *warp) uint64 { return uint64(w.block.id[2]) }),
	"%nclusterid.x":       uniform(func(w *warp) uint64 { return uint64(w.block.grid.Grid[0]) }),
	"%nclusterid.y":       uniform(func(w *warp) uint64 { return uint64(w.block.grid.Grid[1]) }),
	"%nclusterid.z":       uniform(func(w *warp) uint64 { return uint64(w.block.grid.Grid[2]) }),
	"%cluster_ctaid.x":    uniform(func(*warp) uint64 { return 0 }),
	"%cluster_ctaid.y":    uniform(func(*warp) uint64 { return 0 }),
	"%cluster_ctaid.z":    uniform(func(*warp) uint64 { return 0 }),
	"%cluster_nctaid.x":   uniform(func(*warp) uint64 { return 1 }),
	"%cluster_nctaid.y":   uniform(func(*warp) uint64 { return 1 }),
	"%cluster_nctaid.z":   uniform(func(*warp) uint64 { return 1 }),
	"%cluster_ctarank":    uniform(func(*warp) uint64 { return 0 }),
	"%cluster_nctarank":   uniform(func(*warp) uint64 { return 1 }),
	"%envreg0":            uniform(func(*warp) uint64 { return 0 }),
	"%envreg1":            uniform(func(*warp) uint64 { return 0 }),
	"%envreg2":            uniform(func(*warp) uint64 { return 0 }),
	"%current_graph_exec": uniform(func(*warp) uint64 { return 0 }),
}
