package simt

import (
	"fmt"

	"libvirt-vgpu/mediatord/executor/soft/ptx"
)

// recursionStack is the local memory per thread of kernels whose depth of
// calls is not known beforehand.
const recursionStack = 16 << 10

// Compile makes a program of a kernel and all functions that it may call.
// The error is a *CompileError.
func Compile(syms Symbols, kernel *ptx.Func) (*Program, error) {
	c := &compiler{
		syms: syms, prog: &Program{Name: kernel.Name, functions: map[uint64]int32{}},
		constIndex: map[uint64]int32{}, shared: map[*ptx.Var]uint64{}, funcs: map[string]*linked{},
	}
	c.constant(0)
	c.prog.Params, c.prog.ParamBytes = paramLayout(kernel)
	c.prog.regs, c.prog.preds = 1, 0
	root, err := c.link(kernel, 0)
	if err != nil {
		return nil, err
	}
	c.prog.SharedBytes = c.sharedTop
	c.prog.LocalBytes, c.cyclic = stackSize(root)
	for _, l := range c.order {
		if err := c.generate(l); err != nil {
			return nil, err
		}
	}
	c.patchEntries()
	c.prog.entry = root.entry
	c.prog.Registers = min(255, max(16, root.slots+2))
	return c.prog, nil
}

type compiler struct {
	syms       Symbols
	prog       *Program
	constIndex map[uint64]int32
	shared     map[*ptx.Var]uint64
	sharedTop  int
	funcs      map[string]*linked
	order      []*linked // callees before callers
	cyclic     bool      // a function may call itself
}

// linked is a function that takes part in the program.
type linked struct {
	fn       *ptx.Func
	index    int // in prog.callees, -1 for the kernel
	calls    []*linked
	frame    map[*ptx.Var]uint64
	size     uint64 // of the frame
	entry    int32
	base     int32 // first slot of its registers
	slots    int
	preds    [2]int // first predicate and number of them
	indirect bool
}

func (c *compiler) errorf(f *ptx.Func, line int, cause error, format string, args ...any) error {
	return &CompileError{Func: f.Name, Line: line, Msg: fmt.Sprintf(format, args...), Err: cause}
}

// constant is the operand for a value that is the same in all lanes.
func (c *compiler) constant(v uint64) int32 {
	if i, ok := c.constIndex[v]; ok {
		return ^i
	}
	i := int32(len(c.prog.consts))
	var l lanes
	for k := range l {
		l[k] = v
	}
	c.prog.consts = append(c.prog.consts, l)
	c.constIndex[v] = i
	return ^i
}

// link finds the functions and shared variables that f refers to and lays
// out its frame.
func (c *compiler) link(f *ptx.Func, depth int) (*linked, error) {
	if l, ok := c.funcs[f.Name]; ok {
		return l, nil
	}
	l := &linked{fn: f, index: -1, frame: map[*ptx.Var]uint64{}}
	c.funcs[f.Name] = l
	if !f.Entry {
		l.index = len(c.prog.callees)
		c.prog.callees = append(c.prog.callees, callee{name: f.Name})
		_, n := c.syms.Func(f.Name)
		c.prog.functions[CodeAddress(n)] = int32(l.index)
		c.frameVars(l, f.Params)
		c.frameVars(l, f.Returns)
	}
	c.frameVars(l, f.Vars)
	l.size = uint64(alignUp(int(l.size), 16))
	for _, v := range f.Vars {
		c.placeShared(v)
	}
	for i := range f.Body {
		in := &f.Body[i]
		for k := range in.Operands {
			if err := c.linkOperand(l, in, &in.Operands[k], depth); err != nil {
				return nil, err
			}
		}
	}
	c.order = append(c.order, l)
	return l, nil
}

func (c *compiler) linkOperand(l *linked, in *ptx.Instr, op *ptx.Operand, depth int) error {
	for i := range op.List {
		if err := c.linkOperand(l, in, &op.List[i], depth); err != nil {
			return err
		}
	}
	if in.Op == "call" && op.Kind == ptx.RegOperand && !l.indirect {
		l.indirect = true
		for _, name := range c.syms.Callable() {
			if err := c.linkCall(l, in, name, depth); err != nil {
				return err
			}
		}
	}
	if op.Kind != ptx.SymOperand || op.Var != nil {
		return nil
	}
	if v := c.syms.Var(op.Sym); v != nil {
		c.placeShared(v)
		return nil
	}
	return c.linkCall(l, in, op.Sym, depth)
}

func (c *compiler) linkCall(l *linked, in *ptx.Instr, name string, depth int) error {
	f, _ := c.syms.Func(name)
	if f == nil || !f.HasBody || f.Entry {
		return nil
	}
	if depth > 1000 {
		return c.errorf(l.fn, in.Line, ErrUnsupported, "more than 1000 nested functions")
	}
	callee, err := c.link(f, depth+1)
	if err == nil {
		l.calls = append(l.calls, callee)
	}
	return err
}

// frameVars gives the local and parameter variables their places in the
// frame.
func (c *compiler) frameVars(l *linked, vars []*ptx.Var) {
	for _, v := range vars {
		if v.Space != ptx.Local && v.Space != ptx.Param {
			continue
		}
		at := uint64(alignUp(int(l.size), v.Align))
		l.frame[v] = at
		l.size = at + uint64(v.Size())
	}
}

// placeShared gives a shared variable its place; all open arrays share the
// place behind the static ones.
func (c *compiler) placeShared(v *ptx.Var) {
	if v.Space != ptx.Shared || v.Unsized {
		return
	}
	if _, ok := c.shared[v]; ok {
		return
	}
	at := alignUp(c.sharedTop, v.Align)
	c.shared[v] = uint64(at)
	c.sharedTop = at + v.Size()
}

// sharedAddress is where a shared variable lies.
func (c *compiler) sharedAddress(v *ptx.Var) uint64 {
	if v.Unsized {
		return dynamicOffset(c.sharedTop)
	}
	return c.shared[v]
}

// dynamicOffset is where dynamic shared memory starts behind so much static
// shared memory.
func dynamicOffset(static int) uint64 { return uint64(alignUp(static, 16)) }

// stackSize is the local memory that the deepest chain of calls needs, and
// whether there is no deepest one.
func stackSize(root *linked) (size int, cyclic bool) {
	size, cyclic = deepest(root, map[*linked]int{})
	if cyclic {
		size += recursionStack
	}
	return alignUp(size, 16), cyclic
}

// deepest adds up frames along the longest chain; state is -1 while a
// function is on the chain.
func deepest(l *linked, state map[*linked]int) (int, bool) {
	if d, ok := state[l]; ok {
		return max(d, 0), d < 0
	}
	state[l] = -1
	longest, cyclic := 0, false
	for _, callee := range l.calls {
		d, cyc := deepest(callee, state)
		longest = max(longest, d)
		cyclic = cyclic || cyc
	}
	state[l] = longest + int(l.size)
	return state[l], cyclic
}

// patchEntries tells calls where functions start.
func (c *compiler) patchEntries() {
	for _, l := range c.order {
		if l.index < 0 {
			continue
		}
		out := &c.prog.callees[l.index]
		out.entry, out.frame = l.entry, l.size
	}
}
