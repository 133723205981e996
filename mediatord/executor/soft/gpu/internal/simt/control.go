package simt

import "libvirt-vgpu/mediatord/executor/soft/ptx"

func translateBra(g *generator) error {
	if err := g.want(1, 1); err != nil {
		return err
	}
	if g.cur.Operands[0].Kind != ptx.SymOperand {
		return g.invalid("%s: operand is not a label", g.cur.Name())
	}
	in := g.new(branch)
	in.extra = g.cur.Operands[0].Sym
	g.emit(in)
	return nil
}

// translateBrx carries brx.idx: a jump through a list of labels.
func translateBrx(g *generator) error {
	if err := g.want(2, 2); err != nil {
		return err
	}
	list, ok := g.fn.Targets[g.cur.Operands[1].Sym]
	if !ok || len(list) == 0 {
		return g.invalid("no .branchtargets %s", g.cur.Operands[1].Sym)
	}
	in := g.new(branchTable)
	var err error
	if in.a, err = g.src(0, u32); err != nil {
		return err
	}
	in.extra = append([]string(nil), list...)
	g.emit(in)
	return nil
}

func translateRet(g *generator) error {
	if g.fn.Entry {
		return translateExit(g)
	}
	g.emit(g.new(ret))
	return nil
}

func translateExit(g *generator) error {
	g.emit(g.new(exit))
	return nil
}

// translateTrap ends the kernel with a fault.
func translateTrap(g *generator) error {
	in := g.new(compute)
	in.run = func(w *warp, in *instr) { w.fail(Trapped, in, w.firstLane(), 0) }
	g.emit(in)
	return nil
}

// translateNothing carries what has no effect here: cache hints, fences (the
// accesses of Go's sync/atomic are ordered already), performance events.
func translateNothing(*generator) error { return nil }

// translateNanosleep tells the scheduler that the lanes wait for something.
func translateNanosleep(g *generator) error {
	in := g.new(compute)
	in.run = func(w *warp, _ *instr) { w.spins += spinLimit / 4 }
	g.emit(in)
	return nil
}

// callOp passes arguments between the frames of caller and callee.
type callOp struct {
	frame uint64 // of the caller
	args  []transfer
	rets  []transfer
	save  *linked // whose registers to save, nil without recursion
}

// transfer copies size bytes: from the caller's frame to the callee's for
// arguments, the other way round for results.
type transfer struct {
	caller, callee uint64
	size           uint64
}

// translateCall carries direct and indirect calls.
func translateCall(g *generator) error {
	operands := g.cur.Operands
	var rets, args []ptx.Operand
	if len(operands) > 0 && operands[0].Kind == ptx.ListOperand {
		rets, operands = operands[0].List, operands[1:]
	}
	if len(operands) == 0 {
		return g.invalid("call of nothing")
	}
	target := &operands[0]
	if operands = operands[1:]; len(operands) > 0 && operands[0].Kind == ptx.ListOperand {
		args, operands = operands[0].List, operands[1:]
	}
	if target.Kind == ptx.RegOperand {
		return g.indirectCall(target, rets, args, operands)
	}
	if systemCalls[target.Sym] != nil {
		return g.systemCall(target.Sym, rets, args)
	}
	var l *linked
	if f, _ := g.syms.Func(target.Sym); f != nil {
		l = g.funcs[f.Name]
	}
	if l == nil || l.index < 0 {
		return g.unsupported("call of %s, which has no body", target.Sym)
	}
	in := g.new(call)
	in.target = int32(l.index)
	return g.emitCall(in, rets, args, l.fn.Returns, l.fn.Params)
}

func (g *generator) indirectCall(target *ptx.Operand, rets, args, rest []ptx.Operand) error {
	if len(rest) != 1 {
		return g.invalid("indirect call without a prototype")
	}
	proto := g.fn.Prototypes[rest[0].Sym]
	if proto == nil {
		return g.unsupported("indirect call without .callprototype")
	}
	in := g.new(callIndirect)
	in.a = int32(target.Reg) + 1
	return g.emitCall(in, rets, args, proto.Returns, proto.Params)
}

func (g *generator) emitCall(in instr, rets, args []ptx.Operand, formalRets, formalArgs []*ptx.Var) error {
	op := &callOp{frame: g.unit.size}
	if g.cyclic {
		op.save = g.unit
	}
	callee := &linked{frame: map[*ptx.Var]uint64{}}
	g.frameVars(callee, formalArgs)
	g.frameVars(callee, formalRets)
	var err error
	if op.args, err = g.transfers(args, formalArgs, callee); err != nil {
		return err
	}
	if op.rets, err = g.transfers(rets, formalRets, callee); err != nil {
		return err
	}
	in.extra = op
	g.emit(in)
	if len(op.rets) > 0 {
		after := g.new(compute)
		after.extra, after.run = op, runResults
		g.emit(after)
	}
	return nil
}

func (g *generator) transfers(actual []ptx.Operand, formal []*ptx.Var, callee *linked) ([]transfer, error) {
	if len(actual) != len(formal) {
		return nil, g.invalid("call with %d arguments or results where %d are declared", len(actual), len(formal))
	}
	var list []transfer
	for i := range actual {
		at, ok := g.unit.frame[actual[i].Var]
		if actual[i].Kind != ptx.SymOperand || !ok || formal[i].Space == ptx.Register {
			return nil, g.unsupported("call with arguments in registers")
		}
		list = append(list, transfer{caller: at, callee: callee.frame[formal[i]], size: uint64(formal[i].Size())})
	}
	return list, nil
}
