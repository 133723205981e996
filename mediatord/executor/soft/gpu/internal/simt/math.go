package simt

import (
	"math"

	"libvirt-vgpu/mediatord/executor/soft/gpu/internal/fp"
	"libvirt-vgpu/mediatord/executor/soft/ptx"
)

// translateUnaryMath carries the instructions of one floating-point operand.
// The approximate ones are computed in float64 and rounded, which is within
// every bound that the ISA states.
func translateUnaryMath(g *generator) error {
	t, err := g.typ()
	if err != nil {
		return err
	}
	o, err := g.floatOp(t)
	if err != nil {
		return err
	}
	f, err := g.unaryMath(o)
	if err != nil {
		return err
	}
	return g.value(lanewise(t, o.finish(f)), nil, t)
}

func (g *generator) unaryMath(o floatOp) (fn, error) {
	mode, form := o.mode, o.form
	wide := o.typ.Width == 64
	switch g.cur.Op {
	case "sqrt":
		if wide {
			return func(a, _, _ uint64) uint64 { return fp.Canon64(fp.Directed64('r', f64(a), 0, 0, mode)) }, nil
		}
		return func(a, _, _ uint64) uint64 { return form.write(fp.SqrtOdd(form.read(a)), mode) }, nil
	case "rcp":
		if wide {
			return func(a, _, _ uint64) uint64 { return fp.Canon64(fp.Directed64('d', 1, f64(a), 0, mode)) }, nil
		}
		return func(a, _, _ uint64) uint64 { return form.write(fp.DivOdd(1, form.read(a)), mode) }, nil
	}
	real, ok := map[string]func(float64) float64{
		"rsqrt": func(v float64) float64 { return 1 / math.Sqrt(v) },
		"sin":   math.Sin,
		"cos":   math.Cos,
		"ex2":   math.Exp2,
		"lg2":   math.Log2,
		"tanh":  math.Tanh,
	}[g.cur.Op]
	if !ok || wide && g.cur.Op != "rsqrt" {
		return nil, g.invalid("unknown instruction %s", g.cur.Name())
	}
	return func(a, _, _ uint64) uint64 { return form.write(real(form.read(a)), fp.RN) }, nil
}

// translateTestp tests the class of a floating-point number.
func translateTestp(g *generator) error {
	t, err := g.typ()
	if err != nil {
		return err
	}
	form, ok := formatOf(t)
	if !ok || t.Width < 32 {
		return g.invalid("%s on this type", g.cur.Name())
	}
	smallest := 0x1p-126
	if t.Width == 64 {
		smallest = 0x1p-1022
	}
	var test func(v float64) bool
	for _, m := range g.cur.Mods {
		switch m {
		case "finite":
			test = func(v float64) bool { return v-v == 0 }
		case "infinite":
			test = func(v float64) bool { return math.IsInf(v, 0) }
		case "number":
			test = func(v float64) bool { return v == v }
		case "notanumber":
			test = func(v float64) bool { return v != v }
		case "normal":
			test = func(v float64) bool { return v-v == 0 && math.Abs(v) >= smallest }
		case "subnormal":
			test = func(v float64) bool { return v != 0 && math.Abs(v) < smallest }
		}
	}
	if test == nil {
		return g.invalid("%s tests nothing", g.cur.Name())
	}
	return g.predFromValues(func(a, _ uint64) bool { return test(form.read(a)) }, t)
}

// predFromValues emits p = f(a, b) for the operands after the first.
func (g *generator) predFromValues(f func(a, b uint64) bool, types ...ptx.Type) error {
	if err := g.want(len(types)+1, len(types)+1); err != nil {
		return err
	}
	in := g.new(compute)
	var err error
	if in.pd, err = g.predDst(&g.cur.Operands[0]); err != nil {
		return err
	}
	for i, p := range []*int32{&in.a, &in.b}[:len(types)] {
		if *p, err = g.src(i+1, types[i]); err != nil {
			return err
		}
	}
	in.run, in.extra = runCompare, &compareOp{compare: f}
	g.emit(in)
	return nil
}
