package simt

import (
	"math"

	"libvirt-vgpu/mediatord/executor/soft/ptx"
)

// translator turns the generator's current instruction into code.
type translator func(g *generator) error

// want checks the number of operands.
func (g *generator) want(low, high int) error {
	if n := len(g.cur.Operands); n < low || n > high {
		return g.invalid("%s with %d operands", g.cur.Name(), n)
	}
	return nil
}

// typ is the last modifier that is a type.
func (g *generator) typ() (ptx.Type, error) {
	for i := len(g.cur.Mods) - 1; i >= 0; i-- {
		if t, ok := ptx.ParseType(g.cur.Mods[i]); ok {
			if t.Width > 64 {
				return t, g.unsupported("instruction %s", g.cur.Name())
			}
			return t, nil
		}
	}
	return ptx.Type{}, g.invalid("%s without a type", g.cur.Name())
}

// types are all the modifiers that are types.
func (g *generator) types() []ptx.Type {
	var list []ptx.Type
	for _, m := range g.cur.Mods {
		if t, ok := ptx.ParseType(m); ok && t.Width <= 64 {
			list = append(list, t)
		}
	}
	return list
}

func (g *generator) has(mod string) bool { return g.cur.Has(mod) }

// dst is the register that operand i names; "_" is a register nobody reads.
func (g *generator) dst(i int) (int32, error) { return g.dstOperand(&g.cur.Operands[i]) }

func (g *generator) dstOperand(op *ptx.Operand) (int32, error) {
	switch {
	case op.Kind == ptx.SinkOperand:
		return g.temp(), nil
	case op.Kind != ptx.RegOperand || g.isPred(op):
		return 0, g.invalid("%s: the destination is not a register", g.cur.Name())
	}
	return int32(op.Reg) + 1, nil
}

func (g *generator) isPred(op *ptx.Operand) bool {
	return op.Kind == ptx.RegOperand && g.fn.Regs[op.Reg].Type.Kind == ptx.Pred
}

// width is the number of bits of the register that an operand names, 0 when
// it is none.
func (g *generator) width(op *ptx.Operand) int {
	if op.Kind == ptx.RegOperand {
		return g.fn.Regs[op.Reg].Type.Width
	}
	return 0
}

// predDst is the predicate that an operand names, -1 for "_".
func (g *generator) predDst(op *ptx.Operand) (int32, error) {
	switch {
	case op == nil || op.Kind == ptx.SinkOperand:
		return -1, nil
	case !g.isPred(op):
		return 0, g.invalid("%s: the destination is not a predicate", g.cur.Name())
	}
	return g.pred(op.Reg), nil
}

// predSrc is a predicate and the mask that negates it.
func (g *generator) predSrc(op *ptx.Operand) (int32, uint32, error) {
	if !g.isPred(op) {
		return 0, 0, g.invalid("%s: operand is not a predicate", g.cur.Name())
	}
	not := uint32(0)
	if op.Not {
		not = ^not
	}
	return g.pred(op.Reg), not, nil
}

// src is operand i as a value of type t.
func (g *generator) src(i int, t ptx.Type) (int32, error) {
	return g.srcOperand(&g.cur.Operands[i], t)
}

func (g *generator) srcOperand(op *ptx.Operand, t ptx.Type) (int32, error) {
	switch op.Kind {
	case ptx.RegOperand:
		if g.isPred(op) {
			return 0, g.invalid("%s: a predicate where a value is wanted", g.cur.Name())
		}
		return int32(op.Reg) + 1, nil
	case ptx.IntOperand, ptx.Float32Operand, ptx.Float64Operand:
		return g.constant(immediate(op, t)), nil
	case ptx.SpecialOperand:
		return g.special(op.Sym)
	case ptx.SymOperand:
		return g.address(op)
	case ptx.SinkOperand:
		return g.constant(0), nil
	}
	return 0, g.invalid("%s: malformed operand", g.cur.Name())
}

// immediate is the bits of a constant operand of type t.
func immediate(op *ptx.Operand, t ptx.Type) uint64 {
	v := op.Value
	isFloat := t.Kind == ptx.Float
	switch {
	case op.Kind == ptx.Float64Operand && t.Width == 32:
		v = uint64(math.Float32bits(float32(math.Float64frombits(v))))
	case op.Kind == ptx.Float32Operand && t.Width == 64:
		v = math.Float64bits(float64(math.Float32frombits(uint32(v))))
	case op.Kind == ptx.IntOperand && isFloat && t.Width == 32 && t.Lanes == 1:
		v = uint64(math.Float32bits(float32(int64(v))))
	case op.Kind == ptx.IntOperand && isFloat && t.Width == 64 && t.Lanes == 1:
		v = math.Float64bits(float64(int64(v)))
	}
	if t.Width > 0 && t.Width < 64 {
		v &= 1<<t.Width - 1
	}
	return v
}

// address is a register or constant with the address of a symbol in its own
// state space.
func (g *generator) address(op *ptx.Operand) (int32, error) {
	base, offset, err := g.place(op)
	if err != nil || base != fpReg {
		return g.constant(offset), err
	}
	in := g.new(compute)
	in.d, in.a, in.b, in.run = g.temp(), fpReg, g.constant(offset), runAdd64
	g.emit(in)
	return in.d, nil
}

// place finds a symbol: base is fpReg when the offset counts from the frame,
// otherwise a constant 0.
func (g *generator) place(op *ptx.Operand) (base int32, offset uint64, err error) {
	zero := g.constant(0)
	v := op.Var
	if v == nil {
		v = g.syms.Var(op.Sym)
	}
	if v == nil {
		if f, n := g.syms.Func(op.Sym); f != nil {
			return zero, CodeAddress(n), nil
		}
		return 0, 0, g.invalid("unknown symbol %s", op.Sym)
	}
	if at, ok := g.unit.frame[v]; ok {
		return fpReg, at + uint64(op.Offset), nil
	}
	switch v.Space {
	case ptx.Shared:
		return zero, g.sharedAddress(v) + uint64(op.Offset), nil
	case ptx.Param:
		for i, p := range g.fn.Params {
			if p == v {
				return zero, uint64(g.prog.Params[i].Offset) + uint64(op.Offset), nil
			}
		}
	case ptx.Global, ptx.Const:
		if op.Var == nil {
			return zero, g.syms.Address(v) + uint64(op.Offset), nil
		}
	}
	return 0, 0, g.unsupported("variable %s in this state space", op.Sym)
}

// value emits d = f(a, b, c) for the operands after the first; sources say
// their types.
func (g *generator) value(f fn, run func(*warp, *instr), sources ...ptx.Type) error {
	if err := g.want(len(sources)+1, len(sources)+1); err != nil {
		return err
	}
	in := g.new(compute)
	var err error
	if in.d, err = g.dst(0); err != nil {
		return err
	}
	for i, p := range []*int32{&in.a, &in.b, &in.c}[:len(sources)] {
		if *p, err = g.src(i+1, sources[i]); err != nil {
			return err
		}
	}
	in.fn, in.run = f, run
	if run == nil {
		in.run = runFn
	}
	g.emit(in)
	return nil
}
