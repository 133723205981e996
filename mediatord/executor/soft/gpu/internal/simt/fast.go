package simt

import (
	"math"
	"math/bits"

	"libvirt-vgpu/mediatord/executor/soft/gpu/internal/fp"
)

// The functions below execute the most frequent instructions without a call
// per lane. They compute all lanes and keep the active ones.

// src is the register or constant of an operand.
func (w *warp) src(r int32) *lanes {
	if r >= 0 {
		return &w.regs[r]
	}
	return &w.consts[^r]
}

// out is where a function that computes all lanes writes: the register
// itself when all lanes are active. commit must follow.
func (w *warp) out(r int32) *lanes {
	if w.mask == ^uint32(0) {
		return &w.regs[r]
	}
	return &w.scratch
}

// commit copies the active lanes from scratch to the register.
func (w *warp) commit(r int32) {
	if w.mask == ^uint32(0) {
		return
	}
	d := &w.regs[r]
	for m := w.mask; m != 0; m &= m - 1 {
		l := bits.TrailingZeros32(m) & 31
		d[l] = w.scratch[l]
	}
}

// setPred writes the active lanes of a predicate; -1 is nowhere.
func (w *warp) setPred(p int32, v uint32) {
	if p >= 0 {
		w.preds[p] = w.preds[p]&^w.mask | v&w.mask
	}
}

// runFn calls in.fn for every active lane.
func runFn(w *warp, in *instr) {
	a, b, c, d, f := w.src(in.a), w.src(in.b), w.src(in.c), &w.regs[in.d], in.fn
	if w.mask == ^uint32(0) {
		for l := range d {
			d[l] = f(a[l], b[l], c[l])
		}
		return
	}
	for m := w.mask; m != 0; m &= m - 1 {
		l := bits.TrailingZeros32(m) & 31
		d[l] = f(a[l], b[l], c[l])
	}
}

func runMov(w *warp, in *instr) {
	a := w.src(in.a)
	if w.mask == ^uint32(0) {
		w.regs[in.d] = *a
		return
	}
	d := &w.regs[in.d]
	for m := w.mask; m != 0; m &= m - 1 {
		l := bits.TrailingZeros32(m) & 31
		d[l] = a[l]
	}
}

func runAdd32(w *warp, in *instr) {
	a, b, o := w.src(in.a), w.src(in.b), w.out(in.d)
	for l := range o {
		o[l] = uint64(uint32(a[l] + b[l]))
	}
	w.commit(in.d)
}

func runSub32(w *warp, in *instr) {
	a, b, o := w.src(in.a), w.src(in.b), w.out(in.d)
	for l := range o {
		o[l] = uint64(uint32(a[l] - b[l]))
	}
	w.commit(in.d)
}

func runMul32(w *warp, in *instr) {
	a, b, o := w.src(in.a), w.src(in.b), w.out(in.d)
	for l := range o {
		o[l] = uint64(uint32(a[l]) * uint32(b[l]))
	}
	w.commit(in.d)
}

func runMad32(w *warp, in *instr) {
	a, b, c, o := w.src(in.a), w.src(in.b), w.src(in.c), w.out(in.d)
	for l := range o {
		o[l] = uint64(uint32(a[l])*uint32(b[l]) + uint32(c[l]))
	}
	w.commit(in.d)
}

func runAdd64(w *warp, in *instr) {
	a, b, o := w.src(in.a), w.src(in.b), w.out(in.d)
	for l := range o {
		o[l] = a[l] + b[l]
	}
	w.commit(in.d)
}

func runSub64(w *warp, in *instr) {
	a, b, o := w.src(in.a), w.src(in.b), w.out(in.d)
	for l := range o {
		o[l] = a[l] - b[l]
	}
	w.commit(in.d)
}

func runMulWideS32(w *warp, in *instr) {
	a, b, o := w.src(in.a), w.src(in.b), w.out(in.d)
	for l := range o {
		o[l] = uint64(int64(int32(a[l])) * int64(int32(b[l])))
	}
	w.commit(in.d)
}

func runMulWideU32(w *warp, in *instr) {
	a, b, o := w.src(in.a), w.src(in.b), w.out(in.d)
	for l := range o {
		o[l] = uint64(uint32(a[l])) * uint64(uint32(b[l]))
	}
	w.commit(in.d)
}

func runAnd(w *warp, in *instr) {
	a, b, o := w.src(in.a), w.src(in.b), w.out(in.d)
	for l := range o {
		o[l] = a[l] & b[l]
	}
	w.commit(in.d)
}

func runOr(w *warp, in *instr) {
	a, b, o := w.src(in.a), w.src(in.b), w.out(in.d)
	for l := range o {
		o[l] = a[l] | b[l]
	}
	w.commit(in.d)
}

func runXor(w *warp, in *instr) {
	a, b, o := w.src(in.a), w.src(in.b), w.out(in.d)
	for l := range o {
		o[l] = a[l] ^ b[l]
	}
	w.commit(in.d)
}

func runShl32(w *warp, in *instr) {
	a, b, o := w.src(in.a), w.src(in.b), w.out(in.d)
	for l := range o {
		o[l] = uint64(uint32(a[l]) << uint32(b[l]))
	}
	w.commit(in.d)
}

func runShr32(w *warp, in *instr) {
	a, b, o := w.src(in.a), w.src(in.b), w.out(in.d)
	for l := range o {
		o[l] = uint64(uint32(a[l]) >> uint32(b[l]))
	}
	w.commit(in.d)
}

func runAddF32(w *warp, in *instr) {
	a, b, o := w.src(in.a), w.src(in.b), w.out(in.d)
	for l := range o {
		o[l] = fp.Canon32(f32(a[l]) + f32(b[l]))
	}
	w.commit(in.d)
}

func runSubF32(w *warp, in *instr) {
	a, b, o := w.src(in.a), w.src(in.b), w.out(in.d)
	for l := range o {
		o[l] = fp.Canon32(f32(a[l]) - f32(b[l]))
	}
	w.commit(in.d)
}

func runMulF32(w *warp, in *instr) {
	a, b, o := w.src(in.a), w.src(in.b), w.out(in.d)
	for l := range o {
		o[l] = fp.Canon32(f32(a[l]) * f32(b[l]))
	}
	w.commit(in.d)
}

func runFmaF32(w *warp, in *instr) {
	a, b, c, o := w.src(in.a), w.src(in.b), w.src(in.c), w.out(in.d)
	for l := range o {
		o[l] = fp.Canon32(fp.FMA32(f32(a[l]), f32(b[l]), f32(c[l])))
	}
	w.commit(in.d)
}

func runAddF64(w *warp, in *instr) {
	a, b, o := w.src(in.a), w.src(in.b), w.out(in.d)
	for l := range o {
		o[l] = fp.Canon64(f64(a[l]) + f64(b[l]))
	}
	w.commit(in.d)
}

func runSubF64(w *warp, in *instr) {
	a, b, o := w.src(in.a), w.src(in.b), w.out(in.d)
	for l := range o {
		o[l] = fp.Canon64(f64(a[l]) - f64(b[l]))
	}
	w.commit(in.d)
}

func runMulF64(w *warp, in *instr) {
	a, b, o := w.src(in.a), w.src(in.b), w.out(in.d)
	for l := range o {
		o[l] = fp.Canon64(f64(a[l]) * f64(b[l]))
	}
	w.commit(in.d)
}

func runFmaF64(w *warp, in *instr) {
	a, b, c, o := w.src(in.a), w.src(in.b), w.src(in.c), w.out(in.d)
	for l := range o {
		o[l] = fp.Canon64(math.FMA(f64(a[l]), f64(b[l]), f64(c[l])))
	}
	w.commit(in.d)
}

func runLtS32(w *warp, in *instr) {
	a, b := w.src(in.a), w.src(in.b)
	var r uint32
	for l := range a {
		if int32(a[l]) < int32(b[l]) {
			r |= 1 << l
		}
	}
	w.setPred(in.pd, r)
}

func runGeS32(w *warp, in *instr) {
	a, b := w.src(in.a), w.src(in.b)
	var r uint32
	for l := range a {
		if int32(a[l]) >= int32(b[l]) {
			r |= 1 << l
		}
	}
	w.setPred(in.pd, r)
}

func runGtS32(w *warp, in *instr) {
	a, b := w.src(in.a), w.src(in.b)
	var r uint32
	for l := range a {
		if int32(a[l]) > int32(b[l]) {
			r |= 1 << l
		}
	}
	w.setPred(in.pd, r)
}

func runLeS32(w *warp, in *instr) {
	a, b := w.src(in.a), w.src(in.b)
	var r uint32
	for l := range a {
		if int32(a[l]) <= int32(b[l]) {
			r |= 1 << l
		}
	}
	w.setPred(in.pd, r)
}

func runEq32(w *warp, in *instr) {
	a, b := w.src(in.a), w.src(in.b)
	var r uint32
	for l := range a {
		if uint32(a[l]) == uint32(b[l]) {
			r |= 1 << l
		}
	}
	w.setPred(in.pd, r)
}

func runNe32(w *warp, in *instr) {
	a, b := w.src(in.a), w.src(in.b)
	var r uint32
	for l := range a {
		if uint32(a[l]) != uint32(b[l]) {
			r |= 1 << l
		}
	}
	w.setPred(in.pd, r)
}

func runLtU32(w *warp, in *instr) {
	a, b := w.src(in.a), w.src(in.b)
	var r uint32
	for l := range a {
		if uint32(a[l]) < uint32(b[l]) {
			r |= 1 << l
		}
	}
	w.setPred(in.pd, r)
}

func runGeU32(w *warp, in *instr) {
	a, b := w.src(in.a), w.src(in.b)
	var r uint32
	for l := range a {
		if uint32(a[l]) >= uint32(b[l]) {
			r |= 1 << l
		}
	}
	w.setPred(in.pd, r)
}

func runGtF32(w *warp, in *instr) {
	a, b := w.src(in.a), w.src(in.b)
	var r uint32
	for l := range a {
		if f32(a[l]) > f32(b[l]) {
			r |= 1 << l
		}
	}
	w.setPred(in.pd, r)
}

func runLtF32(w *warp, in *instr) {
	a, b := w.src(in.a), w.src(in.b)
	var r uint32
	for l := range a {
		if f32(a[l]) < f32(b[l]) {
			r |= 1 << l
		}
	}
	w.setPred(in.pd, r)
}
