package simt

import (
	"math/bits"
	"sync/atomic"

	"libvirt-vgpu/mediatord/executor/soft/gpu/internal/vmem"
	"libvirt-vgpu/mediatord/executor/soft/ptx"
)

// memOp describes an access to memory.
type memOp struct {
	space  ptx.Space
	offset uint64 // added to the address register
	size   uint64 // bytes of an element
	total  uint64 // bytes of all elements, the alignment that is demanded
	sign   int    // width to which an element is sign-extended, 0 for none
	strong bool   // volatile, relaxed, acquire, release: an atomic access
	slot   uint   // of the view's cache
}

// memOp reads the modifiers and the address operand; it returns the base
// register.
func (g *generator) memOp(addr *ptx.Operand) (*memOp, int32, error) {
	t, err := g.typ()
	if err != nil {
		return nil, 0, err
	}
	if t.Width < 8 || g.has("async") || g.has("bulk") {
		return nil, 0, g.unsupported("instruction %s", g.cur.Name())
	}
	op := &memOp{space: g.space(), size: uint64(t.Bytes()), total: uint64(t.Bytes()), slot: uint(g.cur.Line)}
	for _, m := range g.cur.Mods {
		switch m {
		case "v2":
			op.total *= 2
		case "v4":
			op.total *= 4
		case "v8":
			op.total *= 8
		case "volatile", "relaxed", "acquire", "release", "mmio":
			op.strong = true
		}
	}
	if op.total > vmem.Granule {
		return nil, 0, g.unsupported("instruction %s", g.cur.Name())
	}
	base, err := g.baseAddress(op, addr)
	return op, base, err
}

// baseAddress is the register of an address; op.offset and op.space become
// what goes with it.
func (g *generator) baseAddress(op *memOp, addr *ptx.Operand) (int32, error) {
	if !addr.Address || len(addr.List) > 0 {
		return 0, g.invalid("%s: operand is not an address", g.cur.Name())
	}
	switch addr.Kind {
	case ptx.RegOperand:
		op.offset = uint64(addr.Offset)
		if op.space == ptx.Param && !g.fn.Entry {
			op.space = ptx.Local
		}
		return int32(addr.Reg) + 1, nil
	case ptx.IntOperand:
		op.offset = addr.Value
		return g.constant(0), nil
	case ptx.SymOperand:
		base, offset, err := g.place(addr)
		op.offset = offset
		if base == fpReg {
			op.space = ptx.Local
		}
		return base, err
	}
	return 0, g.invalid("%s: malformed address", g.cur.Name())
}

// translateLoad carries ld and ldu.
func translateLoad(g *generator) error {
	if err := g.want(2, 3); err != nil {
		return err
	}
	op, base, err := g.memOp(&g.cur.Operands[1])
	if err != nil {
		return err
	}
	in := g.new(compute)
	in.a, in.extra, in.vecDst = base, op, true
	targets := g.cur.Operands[:1]
	if targets[0].Kind == ptx.VectorOperand {
		targets = targets[0].List
	}
	if uint64(len(targets))*op.size != op.total {
		return g.invalid("%s with %d destinations", g.cur.Name(), len(targets))
	}
	for i := range targets {
		r, err := g.dstOperand(&targets[i])
		if err != nil {
			return err
		}
		in.vec = append(in.vec, r)
		if t, _ := g.typ(); isSigned(t) {
			op.sign = max(g.width(&targets[i]), t.Width)
		}
	}
	in.run = runLoad
	if len(in.vec) == 1 {
		in.d, in.vec, in.vecDst = in.vec[0], nil, false
		in.run = loadPath(op)
	}
	g.emit(in)
	return nil
}

// loadPath chooses the function for a load of one element.
func loadPath(op *memOp) func(*warp, *instr) {
	plain := op.sign == 0 && !op.strong
	switch {
	case plain && (op.space == ptx.Global || op.space == ptx.Const) && op.size == 4:
		return runLoadGlobal32
	case plain && op.space == ptx.Shared && op.size == 4:
		return runLoadShared32
	}
	return runLoad1
}

// translateStore carries st.
func translateStore(g *generator) error {
	if err := g.want(2, 3); err != nil {
		return err
	}
	op, base, err := g.memOp(&g.cur.Operands[0])
	if err != nil {
		return err
	}
	t, _ := g.typ()
	in := g.new(compute)
	in.a, in.extra = base, op
	sources := g.cur.Operands[1:2]
	if sources[0].Kind == ptx.VectorOperand {
		sources = sources[0].List
	}
	if uint64(len(sources))*op.size != op.total {
		return g.invalid("%s with %d sources", g.cur.Name(), len(sources))
	}
	for i := range sources {
		r, err := g.srcOperand(&sources[i], t)
		if err != nil {
			return err
		}
		in.vec = append(in.vec, r)
	}
	in.run = runStore
	if len(in.vec) == 1 && op.space == ptx.Global && op.size == 4 && !op.strong {
		in.run = runStoreGlobal32
	}
	g.emit(in)
	return nil
}

// resolve finds the memory behind an address; nil after a fault.
func (w *warp) resolve(op *memOp, in *instr, lane int, addr uint64, access vmem.Access) (*vmem.Region, uint64) {
	if addr&(op.total-1) != 0 {
		w.fail(MisalignedAddress, in, lane, addr)
		return nil, 0
	}
	space := op.space
	if space == ptx.Generic {
		space, addr = spaceOf(addr)
	}
	var r *vmem.Region
	switch space {
	case ptx.Global, ptx.Const:
		r = w.view.Recent(op.slot)
		if off, ok := r.Offset(addr, access); ok {
			return r, off
		}
		if r = w.view.Find(op.slot, addr, access); r == nil {
			w.fail(IllegalAddress, in, lane, addr)
			return nil, 0
		}
	case ptx.Shared:
		r = w.block.shared
	case ptx.Local:
		if addr >= w.stride {
			w.fail(IllegalAddress, in, lane, addr)
			return nil, 0
		}
		r, addr = w.local, addr+uint64(lane)*w.stride
	case ptx.Param:
		r = w.block.grid.params
	}
	off, ok := r.Offset(addr, access)
	if !ok {
		w.fail(IllegalAddress, in, lane, addr)
		return nil, 0
	}
	return r, off
}

// spaceOf takes a generic address apart.
func spaceOf(addr uint64) (ptx.Space, uint64) {
	switch addr &^ windowMask {
	case sharedWindow:
		return ptx.Shared, addr & windowMask
	case localWindow:
		return ptx.Local, addr & windowMask
	case paramWindow:
		return ptx.Param, addr & windowMask
	}
	return ptx.Global, addr
}

func (op *memOp) load(r *vmem.Region, off uint64) uint64 {
	var v uint64
	switch op.size {
	case 1:
		v = r.Load8(off)
	case 2:
		v = r.Load16(off)
	case 4:
		if op.strong {
			v = uint64(atomic.LoadUint32(r.Word32(off)))
		} else {
			v = r.Load32(off)
		}
	default:
		if op.strong {
			v = atomic.LoadUint64(r.Word64(off))
		} else {
			v = r.Load64(off)
		}
	}
	if op.sign != 0 {
		v = low(uint64(sext(v, int(op.size)*8)), op.sign)
	}
	return v
}

func (op *memOp) store(r *vmem.Region, off, v uint64) {
	switch op.size {
	case 1:
		r.Store8(off, v)
	case 2:
		r.Store16(off, v)
	case 4:
		if op.strong {
			atomic.StoreUint32(r.Word32(off), uint32(v))
		} else {
			r.Store32(off, v)
		}
	default:
		if op.strong {
			atomic.StoreUint64(r.Word64(off), v)
		} else {
			r.Store64(off, v)
		}
	}
}

func runLoad(w *warp, in *instr) {
	op := in.extra.(*memOp)
	a := *w.src(in.a) // a copy: it may be among the destinations
	for m := w.mask; m != 0; m &= m - 1 {
		l := bits.TrailingZeros32(m) & 31
		r, off := w.resolve(op, in, l, a[l]+op.offset, vmem.ReadOnly)
		if r == nil {
			return
		}
		for _, d := range in.vec {
			w.regs[d][l] = op.load(r, off)
			off += op.size
		}
	}
	if op.strong {
		w.spins++
	}
}

func runLoad1(w *warp, in *instr) {
	op := in.extra.(*memOp)
	a, d := w.src(in.a), &w.regs[in.d]
	for m := w.mask; m != 0; m &= m - 1 {
		l := bits.TrailingZeros32(m) & 31
		r, off := w.resolve(op, in, l, a[l]+op.offset, vmem.ReadOnly)
		if r == nil {
			return
		}
		d[l] = op.load(r, off)
	}
	if op.strong {
		w.spins++
	}
}

func runLoadGlobal32(w *warp, in *instr) {
	op := in.extra.(*memOp)
	a, d := w.src(in.a), &w.regs[in.d]
	r := w.view.Recent(op.slot)
	for m := w.mask; m != 0; m &= m - 1 {
		l := bits.TrailingZeros32(m) & 31
		addr := a[l] + op.offset
		off, ok := r.Offset(addr, vmem.ReadOnly)
		if !ok || off&3 != 0 {
			if r, off = w.resolve(op, in, l, addr, vmem.ReadOnly); r == nil {
				return
			}
		}
		d[l] = r.Load32(off)
	}
}

func runLoadShared32(w *warp, in *instr) {
	op := in.extra.(*memOp)
	a, d, r := w.src(in.a), &w.regs[in.d], w.block.shared
	for m := w.mask; m != 0; m &= m - 1 {
		l := bits.TrailingZeros32(m) & 31
		off := a[l] + op.offset
		if _, ok := r.Offset(off, vmem.ReadOnly); !ok || off&3 != 0 {
			w.resolve(op, in, l, off, vmem.ReadOnly)
			return
		}
		d[l] = r.Load32(off)
	}
}

func runStore(w *warp, in *instr) {
	op := in.extra.(*memOp)
	a := w.src(in.a)
	for m := w.mask; m != 0; m &= m - 1 {
		l := bits.TrailingZeros32(m) & 31
		r, off := w.resolve(op, in, l, a[l]+op.offset, vmem.ReadWrite)
		if r == nil {
			return
		}
		for _, s := range in.vec {
			op.store(r, off, w.src(s)[l])
			off += op.size
		}
	}
	w.spins = 0
}

func runStoreGlobal32(w *warp, in *instr) {
	op := in.extra.(*memOp)
	a, v := w.src(in.a), w.src(in.vec[0])
	r := w.view.Recent(op.slot)
	for m := w.mask; m != 0; m &= m - 1 {
		l := bits.TrailingZeros32(m) & 31
		addr := a[l] + op.offset
		off, ok := r.Offset(addr, vmem.ReadWrite)
		if !ok || off&3 != 0 {
			if r, off = w.resolve(op, in, l, addr, vmem.ReadWrite); r == nil {
				return
			}
		}
		r.Store32(off, v[l])
	}
	w.spins = 0
}
