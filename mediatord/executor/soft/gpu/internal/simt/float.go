package simt

import (
	"math"

	"libvirt-vgpu/mediatord/executor/soft/gpu/internal/fp"
	"libvirt-vgpu/mediatord/executor/soft/ptx"
)

func f32(v uint64) float32 { return math.Float32frombits(uint32(v)) }
func f64(v uint64) float64 { return math.Float64frombits(v) }

// mode is the rounding mode among the modifiers.
func (g *generator) mode() fp.Mode {
	for _, m := range g.cur.Mods {
		switch m {
		case "rz", "rzi":
			return fp.RZ
		case "rm", "rmi":
			return fp.RM
		case "rp", "rpi":
			return fp.RP
		case "rna":
			return fp.RNA
		}
	}
	return fp.RN
}

// floatFormat reads and writes the values of a floating-point type.
type floatFormat struct {
	read  func(uint64) float64
	write func(float64, fp.Mode) uint64 // of a value exact or rounded to odd
	sign  uint64
	nan   uint64
	flush func(uint64) uint64
}

// formatOf knows the scalar floating-point types.
func formatOf(t ptx.Type) (floatFormat, bool) {
	switch {
	case t.Kind == ptx.Float && t.Width == 16:
		return floatFormat{fp.FromF16, fp.ToF16, 1 << 15, fp.NaN16, fp.Flush16}, true
	case t.Kind == ptx.BFloat && t.Width == 16:
		return floatFormat{fp.FromBF16, fp.ToBF16, 1 << 15, fp.NaN16, nil}, true
	case t.Kind == ptx.Float && t.Width == 32:
		return floatFormat{func(v uint64) float64 { return float64(f32(v)) },
			func(v float64, m fp.Mode) uint64 { return fp.Round(v, fp.F32, m) }, 1 << 31, fp.NaN32, fp.Flush32}, true
	case t.Kind == ptx.Float && t.Width == 64:
		return floatFormat{f64, func(v float64, _ fp.Mode) uint64 { return fp.Canon64(v) }, 1 << 63, fp.NaN64, nil}, true
	}
	return floatFormat{}, false
}

// floatOp describes the variants of a floating-point instruction.
type floatOp struct {
	typ  ptx.Type // of one lane
	form floatFormat
	mode fp.Mode
	ftz  bool
	sat  bool
	relu bool
}

func (g *generator) floatOp(t ptx.Type) (floatOp, error) {
	e := element(t)
	form, ok := formatOf(e)
	if !ok {
		return floatOp{}, g.unsupported("%s on this type", g.cur.Name())
	}
	return floatOp{typ: e, form: form, mode: g.mode(), ftz: g.has("ftz"), sat: g.has("sat"), relu: g.has("relu")}, nil
}

// finish wraps f with what the modifiers ask for before and after it.
func (o floatOp) finish(f fn) fn {
	if o.ftz && o.form.flush != nil {
		inner, flush := f, o.form.flush
		f = func(a, b, c uint64) uint64 { return flush(inner(flush(a), flush(b), flush(c))) }
	}
	if o.sat {
		inner := f
		f = func(a, b, c uint64) uint64 { return o.form.write(fp.Saturate(o.form.read(inner(a, b, c))), fp.RN) }
	}
	if o.relu {
		inner := f
		f = func(a, b, c uint64) uint64 {
			if v := inner(a, b, c); v&o.form.sign == 0 || v == o.form.nan {
				return v
			}
			return 0
		}
	}
	return f
}

// plain says that no modifier changes the result, so a fast path will do.
func (o floatOp) plain() bool {
	return o.mode == fp.RN && !o.ftz && !o.sat && !o.relu
}

// floatBinary carries add, sub, mul and div ('a', 's', 'm', 'd').
func floatBinary(g *generator, t ptx.Type, op byte) error {
	o, err := g.floatOp(t)
	if err != nil {
		return err
	}
	f := lanewise(t, o.finish(o.binary(op)))
	var run func(*warp, *instr)
	if o.plain() {
		switch op {
		case 'a':
			run = pick(t, nil, runAddF32, runAddF64)
		case 's':
			run = pick(t, nil, runSubF32, runSubF64)
		case 'm':
			run = pick(t, nil, runMulF32, runMulF64)
		}
	}
	return g.value(f, run, t, t)
}

func (o floatOp) binary(op byte) fn {
	switch {
	case o.typ.Width == 64:
		mode := o.mode
		return func(a, b, _ uint64) uint64 {
			x, y, op := f64(a), f64(b), op
			if op == 's' {
				op, y = 'a', -y
			}
			return fp.Canon64(fp.Directed64(op, x, y, 0, mode))
		}
	case o.typ.Width == 32 && o.mode == fp.RN:
		return binary32(op)
	}
	read, write, mode := o.form.read, o.form.write, o.mode
	return func(a, b, _ uint64) uint64 {
		x, y := read(a), read(b)
		var v float64
		switch op {
		case 'a':
			v = sumOdd(x, y, mode)
		case 's':
			v = sumOdd(x, -y, mode)
		case 'm':
			v = x * y // exact: at most 48 bits
		case 'd':
			v = fp.DivOdd(x, y)
		}
		return write(v, mode)
	}
}

// sumOdd adds; an exact zero is negative when rounding down.
func sumOdd(x, y float64, mode fp.Mode) float64 {
	v := fp.AddOdd(x, y)
	if v == 0 && mode == fp.RM && (x != 0 || math.Signbit(x) != math.Signbit(y)) {
		return math.Copysign(0, -1)
	}
	return v
}

func binary32(op byte) fn {
	switch op {
	case 'a':
		return func(a, b, _ uint64) uint64 { return fp.Canon32(f32(a) + f32(b)) }
	case 's':
		return func(a, b, _ uint64) uint64 { return fp.Canon32(f32(a) - f32(b)) }
	case 'm':
		return func(a, b, _ uint64) uint64 { return fp.Canon32(f32(a) * f32(b)) }
	}
	return func(a, b, _ uint64) uint64 { return fp.Canon32(f32(a) / f32(b)) }
}

// translateFma carries fma and mad on floating point.
func translateFma(g *generator) error {
	t, err := g.typ()
	if err != nil {
		return err
	}
	o, err := g.floatOp(t)
	if err != nil {
		return err
	}
	mode, form := o.mode, o.form
	var f fn
	switch {
	case o.typ.Width == 64:
		f = func(a, b, c uint64) uint64 { return fp.Canon64(fp.Directed64('f', f64(a), f64(b), f64(c), mode)) }
	case o.typ.Width == 32 && mode == fp.RN:
		f = func(a, b, c uint64) uint64 { return fp.Canon32(fp.FMA32(f32(a), f32(b), f32(c))) }
	default:
		f = func(a, b, c uint64) uint64 {
			return form.write(sumOdd(form.read(a)*form.read(b), form.read(c), mode), mode)
		}
	}
	var run func(*warp, *instr)
	if o.plain() {
		run = pick(t, nil, runFmaF32, runFmaF64)
	}
	return g.value(lanewise(t, o.finish(f)), run, t, t, t)
}

// floatSign carries abs and neg, which only touch the sign; NaN stays NaN.
func floatSign(g *generator, t ptx.Type, f func(v, sign uint64) uint64) error {
	o, err := g.floatOp(t)
	if err != nil {
		return err
	}
	sign := o.form.sign
	return g.value(lanewise(t, o.finish(func(a, _, _ uint64) uint64 { return f(a, sign) })), nil, t)
}

// floatMinMax carries min and max: the number when one is NaN (the NaN with
// .NaN), and -0 below +0.
func floatMinMax(g *generator, t ptx.Type, largest bool) error {
	o, err := g.floatOp(t)
	if err != nil {
		return err
	}
	nan, abs := g.has("NaN"), g.has("xorsign")
	form := o.form
	two := func(a, b uint64) uint64 {
		x, y := form.read(a), form.read(b)
		switch {
		case x != x && y != y, nan && (x != x || y != y):
			return form.nan
		case x != x:
			return b
		case y != y:
			return a
		}
		less := x < y || x == y && a&form.sign != 0 && b&form.sign == 0
		if less == largest {
			return b
		}
		return a
	}
	f := func(a, b, _ uint64) uint64 {
		if !abs {
			return two(a, b)
		}
		return two(a&^form.sign, b&^form.sign)&^form.sign | (a^b)&form.sign
	}
	if len(g.cur.Operands) == 4 {
		three := func(a, b, c uint64) uint64 { return two(two(a, b), c) }
		return g.value(lanewise(t, o.finish(three)), nil, t, t, t)
	}
	return g.value(lanewise(t, o.finish(f)), nil, t, t)
}

// translateCopysign gives b the sign of a.
func translateCopysign(g *generator) error {
	t, err := g.typ()
	if err != nil {
		return err
	}
	sign := uint64(1) << (t.Width - 1)
	return g.value(func(a, b, _ uint64) uint64 { return b&^sign | a&sign }, nil, t, t)
}
