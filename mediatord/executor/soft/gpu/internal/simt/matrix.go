package simt

import (
	"math"
	"math/bits"
	"slices"

	"libvirt-vgpu/mediatord/executor/soft/gpu/internal/fp"
	"libvirt-vgpu/mediatord/executor/soft/ptx"
)

// mmaOp is what one register of the result needs to know.
type mmaOp struct {
	shape    shape
	a, b     matrixElement
	accum    string // type of C and D
	saturate bool
	register int // of the result
	nA, nB   int // registers of the operands; in.vec has A, B, C
}

// translateMma carries mma.sync with dense operands. Sums are exact in float64 for every element and rounded once, where
// a GPU rounds on the way in a manner that nobody documents.
func translateMma(g *generator) error {
	if err := g.want(4, 4); err != nil {
		return err
	}
	op, err := g.mmaOp()
	if err != nil {
		return err
	}
	var sources []int32
	want := [4]int{op.resultRegisters(), op.nA, op.nB, op.resultRegisters()}
	for i := 1; i < len(want); i++ {
		registers, err := g.registers(i, want[i], g.srcRegister)
		if err != nil {
			return err
		}
		sources = append(sources, registers...)
	}
	targets, err := g.registers(0, want[0], g.dstOperand)
	if err != nil {
		return err
	}
	// a register of the result may be one of the operands: all are computed before one is written
	temps := make([]int32, len(targets))
	for i := range targets {
		in := g.new(warpSync)
		one := *op
		one.register = i
		temps[i] = g.temp()
		in.d, in.c, in.vec, in.extra, in.run = temps[i], g.constant(math.MaxUint32), slices.Clone(sources), &one, runMma
		g.emit(in)
	}
	for i, target := range targets {
		in := g.new(compute)
		in.d, in.a, in.run = target, temps[i], runMov
		g.emit(in)
	}
	return nil
}

func (g *generator) mmaOp() (*mmaOp, error) {
	op := &mmaOp{saturate: g.has("satfinite")}
	var types []string
	known := false
	for _, m := range g.cur.Mods {
		if s, ok := parseShape(m); ok {
			op.shape, known = s, true
		}
		if _, ok := matrixElements[m]; ok || m == "f32" || m == "s32" {
			types = append(types, m)
		}
	}
	if !known || len(types) != 4 || types[0] != types[3] || !g.has("row") || !g.has("col") {
		return nil, g.unsupported("instruction %s", g.cur.Name())
	}
	op.a, op.b, op.accum = matrixElements[types[1]], matrixElements[types[2]], types[0]
	op.nA, op.nB = op.a.registers(op.shape.m, op.shape.k), op.b.registers(op.shape.n, op.shape.k)
	whole, exact := op.accum == "s32", op.accum == "f64"
	if op.nA == 0 || op.nB == 0 || op.a.bits != op.b.bits || whole != (op.a.int != nil) || whole != (op.b.int != nil) ||
		exact != (op.a.bits == 64) {
		return nil, g.unsupported("instruction %s", g.cur.Name())
	}
	return op, nil
}

// resultRegisters: a lane has two accumulators for each eight rows; two of 16 bits share a register.
func (op *mmaOp) resultRegisters() int {
	rows := op.shape.m / fragmentRows
	if op.accum == "f16" {
		return rows
	}
	return 2 * rows
}

// registers are those of a vector operand, or of one that is a single register.
func (g *generator) registers(operand, count int, register func(*ptx.Operand) (int32, error)) ([]int32, error) {
	list := g.cur.Operands[operand : operand+1]
	if list[0].Kind == ptx.VectorOperand {
		list = list[0].List
	}
	if len(list) != count {
		return nil, g.invalid("%s with %d registers in operand %d, not %d", g.cur.Name(), len(list), operand, count)
	}
	var found []int32
	for i := range list {
		r, err := register(&list[i])
		if err != nil {
			return nil, err
		}
		found = append(found, r)
	}
	return found, nil
}

func (g *generator) srcRegister(op *ptx.Operand) (int32, error) { return g.srcOperand(op, u32) }

// runMma computes one register of the result.
func runMma(w *warp, in *instr) {
	op, d := in.extra.(*mmaOp), &w.regs[in.d]
	c := w.src(in.vec[op.nA+op.nB+op.register])
	for m := w.mask; m != 0; m &= m - 1 {
		l := bits.TrailingZeros32(m) & 31
		row, column := l/fragmentSpan, l%fragmentSpan*2
		if op.accum == "f16" {
			row += op.register * fragmentRows
			low16 := op.floating(w, in, row, column, fp.FromF16(c[l]&0xffff))
			high16 := op.floating(w, in, row, column+1, fp.FromF16(c[l]>>16&0xffff))
			d[l] = fp.ToF16(low16, fp.RN) | fp.ToF16(high16, fp.RN)<<16
			continue
		}
		row, column = row+op.register/2*fragmentRows, column+op.register%2
		switch op.accum {
		case "s32":
			d[l] = op.whole(w, in, row, column, int64(int32(c[l])))
		case "f32":
			start := float64(math.Float32frombits(uint32(c[l])))
			d[l] = uint64(math.Float32bits(float32(op.floating(w, in, row, column, start))))
		default:
			d[l] = math.Float64bits(op.floating(w, in, row, column, math.Float64frombits(c[l])))
		}
	}
}

func (op *mmaOp) floating(w *warp, in *instr, row, column int, sum float64) float64 {
	a, b := in.vec[:op.nA], in.vec[op.nA:op.nA+op.nB]
	for k := range op.shape.k {
		sum += op.a.float(op.a.get(w, a, op.shape.m, row, k)) * op.b.float(op.b.get(w, b, op.shape.n, column, k))
	}
	return sum
}

func (op *mmaOp) whole(w *warp, in *instr, row, column int, sum int64) uint64 {
	a, b := in.vec[:op.nA], in.vec[op.nA:op.nA+op.nB]
	for k := range op.shape.k {
		sum += op.a.int(op.a.get(w, a, op.shape.m, row, k)) * op.b.int(op.b.get(w, b, op.shape.n, column, k))
	}
	if op.saturate {
		sum = max(math.MinInt32, min(math.MaxInt32, sum))
	}
	return uint64(uint32(sum))
}
