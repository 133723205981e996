package simt

import (
	"libvirt-vgpu/mediatord/executor/soft/ptx"
)

// generator translates one function.
type generator struct {
	*compiler
	fn       *ptx.Func
	unit     *linked
	code     []instr
	start    []int32 // first instr of each ptx instruction
	regs     int32   // virtual registers; 0 is fpReg, then the function's own
	predBase int32
	cur      *ptx.Instr
	carry    int32 // predicate of CC.CF, -1 until needed
}

// generate appends the function to the program.
func (c *compiler) generate(l *linked) error {
	g := &generator{compiler: c, fn: l.fn, unit: l, regs: int32(len(l.fn.Regs)) + 1, predBase: int32(c.prog.preds), carry: -1}
	l.preds = [2]int{c.prog.preds, len(l.fn.Regs)}
	c.prog.preds += len(l.fn.Regs)
	for i := range l.fn.Body {
		g.cur = &l.fn.Body[i]
		g.start = append(g.start, int32(len(g.code)))
		if err := g.instruction(); err != nil {
			return err
		}
	}
	g.start = append(g.start, int32(len(g.code)))
	end := g.new(exit) // falling off the end
	if !l.fn.Entry {
		end.kind = ret
	}
	end.guard = -1
	g.emit(end)
	if err := g.resolve(); err != nil {
		return err
	}
	l.base = int32(c.prog.regs)
	l.slots = allocate(g.code, g.regs, l.base)
	c.prog.regs += l.slots
	l.entry = int32(len(c.prog.code))
	for i := range g.code {
		g.relocate(&g.code[i], l.entry)
	}
	c.prog.code = append(c.prog.code, g.code...)
	return nil
}

// instruction translates g.cur.
func (g *generator) instruction() error {
	translate, ok := translators[g.cur.Op]
	if !ok {
		if unsupportedOps[g.cur.Op] {
			return g.unsupported("instruction %s", g.cur.Name())
		}
		return g.invalid("unknown instruction %s", g.cur.Name())
	}
	return translate(g)
}

func (g *generator) invalid(format string, args ...any) error {
	return g.errorf(g.fn, g.cur.Line, nil, format, args...)
}

func (g *generator) unsupported(format string, args ...any) error {
	return g.errorf(g.fn, g.cur.Line, ErrUnsupported, format, args...)
}

// new makes an instruction with the guard of g.cur and no operands.
func (g *generator) new(k kind) instr {
	in := instr{kind: k, guard: -1, d: none, a: none, b: none, c: none, pd: -1, pd2: -1, pa: -1}
	if g.cur != nil {
		in.line, in.name = int32(g.cur.Line), g.cur.Op
		if g.cur.Guard >= 0 {
			in.guard = g.pred(g.cur.Guard)
			if g.cur.GuardNot {
				in.guardNot = ^uint32(0)
			}
		}
	}
	return in
}

func (g *generator) emit(in instr) {
	if in.kind == compute || in.kind == warpSync {
		for _, p := range [...]*int32{&in.a, &in.b, &in.c} {
			if *p == none {
				*p = g.constant(0)
			}
		}
	}
	g.code = append(g.code, in)
}

// temp makes a new virtual register.
func (g *generator) temp() int32 {
	g.regs++
	return g.regs - 1
}

// pred is the predicate of a register of the function.
func (g *generator) pred(reg int) int32 { return g.predBase + int32(reg) }

// resolve turns the labels of branches into indices of g.code.
func (g *generator) resolve() error {
	for i := range g.code {
		in := &g.code[i]
		switch in.kind {
		case branch:
			at, err := g.label(in, in.extra.(string))
			if err != nil {
				return err
			}
			in.target, in.extra = at, nil
		case branchTable:
			var list []int32
			for _, name := range in.extra.([]string) {
				at, err := g.label(in, name)
				if err != nil {
					return err
				}
				list = append(list, at)
			}
			in.extra = list
		}
	}
	return nil
}

func (g *generator) label(in *instr, name string) (int32, error) {
	at, ok := g.fn.Labels[name]
	if !ok {
		return 0, g.errorf(g.fn, int(in.line), nil, "no label %s", name)
	}
	return g.start[at], nil
}

// relocate makes branch targets absolute.
func (g *generator) relocate(in *instr, entry int32) {
	switch in.kind {
	case branch:
		in.target += entry
	case branchTable:
		list := in.extra.([]int32)
		for i := range list {
			list[i] += entry
		}
	}
}
