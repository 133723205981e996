package simt

import (
	"math/bits"

	"libvirt-vgpu/mediatord/executor/soft/gpu/internal/vmem"
)

// call enters a function with the lanes m.
func (w *warp) call(pc int32, in *instr, target int32, m uint32) {
	op, callee := in.extra.(*callOp), &w.block.grid.Program.callees[target]
	for n := m; n != 0; n &= n - 1 {
		l := bits.TrailingZeros32(n) & 31
		f := frame{pc: pc + 1, base: w.regs[fpReg][l]}
		next := f.base + op.frame
		if next+callee.frame > w.stride {
			w.fail(StackOverflow, in, l, next)
			return
		}
		for _, t := range op.args {
			w.copyLocal(l, next+t.callee, f.base+t.caller, t.size)
		}
		if op.save != nil {
			w.save(&f, op.save, l)
		}
		w.frames[l] = append(w.frames[l], f)
		w.regs[fpReg][l] = next
	}
	w.park(callee.entry, m)
}

// callIndirect enters the functions that the lanes name.
func (w *warp) callIndirect(pc int32, in *instr) {
	a, functions := w.src(in.a), w.block.grid.Program.functions
	for m := w.mask; m != 0; {
		first := bits.TrailingZeros32(m) & 31
		target, ok := functions[a[first]]
		if !ok {
			w.fail(IllegalAddress, in, first, a[first])
			return
		}
		var same uint32
		for n := m; n != 0; n &= n - 1 {
			if l := bits.TrailingZeros32(n) & 31; a[l] == a[first] {
				same |= 1 << l
			}
		}
		w.call(pc, in, target, same)
		m &^= same
	}
}

// ret sends lanes back to where they came from.
func (w *warp) ret(m uint32) {
	var back [WarpSize]int32
	for n := m; n != 0; n &= n - 1 {
		l := bits.TrailingZeros32(n) & 31
		top := len(w.frames[l]) - 1
		f := w.frames[l][top]
		w.frames[l] = w.frames[l][:top]
		w.regs[fpReg][l] = f.base
		if f.regs != nil {
			w.restore(&f, l)
		}
		back[l] = f.pc
	}
	w.scatter(m, func(l int) int32 { return back[l] })
}

// save keeps the caller's registers of a lane, which a recursive call would
// overwrite.
func (w *warp) save(f *frame, caller *linked, l int) {
	f.regs = make([]uint64, 1, caller.slots+1)
	f.regs[0] = uint64(caller.base)
	for r := range w.regs[caller.base:][:caller.slots] {
		f.regs = append(f.regs, w.regs[int(caller.base)+r][l])
	}
	first, n := caller.preds[0], caller.preds[1]
	f.preds = make([]bool, n)
	for i := range f.preds {
		f.preds[i] = w.preds[first+i]>>l&1 == 1
	}
	f.first = first
}

func (w *warp) restore(f *frame, l int) {
	base := int(f.regs[0])
	for i, v := range f.regs[1:] {
		w.regs[base+i][l] = v
	}
	for i, set := range f.preds {
		p := &w.preds[f.first+i]
		*p &^= 1 << l
		if set {
			*p |= 1 << l
		}
	}
}

// runResults copies the results of a call, which still lie in the callee's
// frame, to the caller's.
func runResults(w *warp, in *instr) {
	op := in.extra.(*callOp)
	for m := w.mask; m != 0; m &= m - 1 {
		l := bits.TrailingZeros32(m) & 31
		base := w.regs[fpReg][l]
		for _, t := range op.rets {
			w.copyLocal(l, base+t.caller, base+op.frame+t.callee, t.size)
		}
	}
}

// copyLocal copies within a lane's local memory.
func (w *warp) copyLocal(l int, dst, src, size uint64) {
	start := uint64(l) * w.stride
	mem := w.local.Bytes()[start : start+w.stride]
	copy(mem[dst:dst+size], mem[src:src+size])
}

// newLocal makes the local memory of a warp.
func newLocal(stride uint64) *vmem.Region {
	return vmem.NewRegion(make([]byte, max(stride, 16)*WarpSize))
}
