package simt

import (
	"math/bits"

	"libvirt-vgpu/mediatord/executor/soft/gpu/internal/vmem"
	"libvirt-vgpu/mediatord/executor/soft/ptx"
)

// copyOp is a cp.async: size bytes from global to shared memory, of which
// those beyond the source size are zero.
type copyOp struct {
	from, to memOp
}

// translateAsync carries cp.async, executed at once; committing and waiting
// for groups have nothing left to do.
func translateAsync(g *generator) error {
	mods := g.cur.Mods
	if len(mods) == 0 || mods[0] != "async" || g.has("bulk") || g.has("mbarrier") {
		return g.unsupported("instruction %s", g.cur.Name())
	}
	if g.has("commit_group") || g.has("wait_group") || g.has("wait_all") {
		return nil
	}
	if err := g.want(3, 5); err != nil {
		return err
	}
	size := g.cur.Operands[2]
	if size.Kind != ptx.IntOperand || size.Value != 4 && size.Value != 8 && size.Value != 16 {
		return g.invalid("%s copies 4, 8 or 16 bytes", g.cur.Name())
	}
	n := size.Value
	op := &copyOp{
		to:   memOp{space: ptx.Shared, size: n, total: n},
		from: memOp{space: ptx.Global, size: n, total: n, slot: uint(g.cur.Line)},
	}
	in := g.new(compute)
	var err error
	if in.a, err = g.baseAddress(&op.to, &g.cur.Operands[0]); err != nil {
		return err
	}
	if in.b, err = g.baseAddress(&op.from, &g.cur.Operands[1]); err != nil {
		return err
	}
	in.c = g.constant(n)
	if len(g.cur.Operands) > 3 {
		if last := &g.cur.Operands[3]; g.isPred(last) {
			if in.pa, in.paNot, err = g.predSrc(last); err != nil {
				return err
			}
		} else if g.width(last) != 64 { // a 64-bit operand is a cache policy
			if in.c, err = g.src(3, u32); err != nil {
				return err
			}
		}
	}
	in.run, in.extra = runAsyncCopy, op
	g.emit(in)
	return nil
}

func runAsyncCopy(w *warp, in *instr) {
	op := in.extra.(*copyOp)
	a, b, c := w.src(in.a), w.src(in.b), w.src(in.c)
	ignore := w.predOperand(in)
	for m := w.mask; m != 0; m &= m - 1 {
		l := bits.TrailingZeros32(m) & 31
		to, at := w.resolve(&op.to, in, l, a[l]+op.to.offset, vmem.ReadWrite)
		if to == nil {
			return
		}
		dst := to.Bytes()[at : at+op.to.size]
		n := min(c[l], op.to.size)
		if ignore>>l&1 != 0 {
			n = 0
		}
		clear(dst[n:])
		if n == 0 {
			continue
		}
		from, off := w.resolve(&op.from, in, l, b[l]+op.from.offset, vmem.ReadOnly)
		if from == nil {
			return
		}
		copy(dst[:n], from.Bytes()[off:])
	}
}
