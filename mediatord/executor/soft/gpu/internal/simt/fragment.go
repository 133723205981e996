package simt

import (
	"fmt"
	"math"

	"libvirt-vgpu/mediatord/executor/soft/gpu/internal/fp"
)

// Matrices of mma live in the registers of a warp, a fragment in each lane. All shapes follow one rule (PTX ISA, "Matrix
// fragments for mma"): lanes stand in eight rows of four. Along the inner dimension a register holds as many neighbouring
// elements as fit, and the four lanes of a row follow each other; the next registers go on 8 rows further down, then
// further along the inner dimension. B is laid out as A's transpose. Accumulators have two neighbours in each row.
const (
	fragmentRows = 8
	fragmentSpan = WarpSize / fragmentRows // lanes in a row
)

// matrixElement is a type of mma's operands.
type matrixElement struct {
	bits  int // of an element
	float func(bits uint64) float64
	int   func(bits uint64) int64
}

var matrixElements = map[string]matrixElement{
	"f16":  {bits: 16, float: fp.FromF16},
	"bf16": {bits: 16, float: fp.FromBF16},
	"tf32": {bits: 32, float: func(b uint64) float64 { return float64(math.Float32frombits(uint32(b) &^ (1<<13 - 1))) }},
	"f64":  {bits: 64, float: math.Float64frombits},
	"s8":   {bits: 8, int: func(b uint64) int64 { return int64(int8(b)) }},
	"u8":   {bits: 8, int: func(b uint64) int64 { return int64(uint8(b)) }},
	"s4":   {bits: 4, int: func(b uint64) int64 { return sext(b, 4) }},
	"u4":   {bits: 4, int: func(b uint64) int64 { return int64(b & 15) }},
}

// shape is what mma's name says: D = A (m by k) * B (k by n) + C.
type shape struct{ m, n, k int }

func parseShape(mod string) (s shape, ok bool) {
	_, err := fmt.Sscanf(mod, "m%dn%dk%d", &s.m, &s.n, &s.k)
	return s, err == nil && s.n == fragmentRows && (s.m == fragmentRows || s.m == 2*fragmentRows)
}

// perRegister is the number of elements in a register of 32 bits, or in one of 64 for those that are as wide.
func (e matrixElement) perRegister() int { return max(1, 32/e.bits) }

// registers is the number of registers of a fragment with that many rows and elements along the inner dimension; 0 when
// they do not fill registers.
func (e matrixElement) registers(rows, k int) int {
	step := fragmentSpan * e.perRegister()
	if k%step != 0 {
		return 0
	}
	return rows / fragmentRows * (k / step)
}

// at finds an element of a fragment: its register, lane and first bit.
func (e matrixElement) at(rows, row, k int) (register, lane, bit int) {
	per := e.perRegister()
	step := fragmentSpan * per
	register = k/step*(rows/fragmentRows) + row/fragmentRows
	lane = row%fragmentRows*fragmentSpan + k%step/per
	return register, lane, k % per * e.bits
}

// get reads an element from the registers of a fragment.
func (e matrixElement) get(w *warp, registers []int32, rows, row, k int) uint64 {
	register, lane, bit := e.at(rows, row, k)
	return low(w.src(registers[register])[lane]>>bit, e.bits)
}
