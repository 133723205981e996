package simt

// none stands for an absent register operand.
const none = int32(-1 << 31)

// fpReg is the register that holds the lane's frame address in local memory.
const fpReg = 0

// kind tells the instructions that change the flow of control or wait for
// other lanes from those that only compute.
type kind uint8

const (
	compute kind = iota
	branch       // to target
	branchTable
	call
	callIndirect
	ret
	exit
	barrier
	warpSync // computes when all lanes of mask operand c have come
)

// fn computes one lane.
type fn func(a, b, c uint64) uint64

// instr is a decoded instruction. A register operand that is not negative is
// a slot of the register file, a negative one is ^index of a constant.
type instr struct {
	run      func(w *warp, in *instr)
	fn       fn
	kind     kind
	guard    int32  // predicate, -1 for none
	guardNot uint32 // all ones for a negated guard

	d, a, b, c int32
	vec        []int32 // further registers, read or (vecDst) written
	vecDst     bool

	pd, pd2 int32  // predicates written, -1 for none
	pa      int32  // predicate read, -1 for none
	paNot   uint32 // all ones when pa is negated

	target int32 // branch: program counter; call: index in callees
	extra  any   // *memOp, *atomOp, *barOp, *callOp, []int32
	imm    uint64
	line   int32
	name   string
}

// defs calls f for every register operand that the instruction writes.
func (in *instr) defs(f func(*int32)) {
	if in.d >= 0 {
		f(&in.d)
	}
	if in.vecDst {
		in.eachVec(f)
	}
}

// uses calls f for every register operand that the instruction reads.
func (in *instr) uses(f func(*int32)) {
	for _, p := range [...]*int32{&in.a, &in.b, &in.c} {
		if *p >= 0 {
			f(p)
		}
	}
	if !in.vecDst {
		in.eachVec(f)
	}
}

func (in *instr) eachVec(f func(*int32)) {
	for i := range in.vec {
		if in.vec[i] >= 0 {
			f(&in.vec[i])
		}
	}
}
