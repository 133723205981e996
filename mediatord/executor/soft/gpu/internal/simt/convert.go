package simt

import (
	"math"

	"libvirt-vgpu/mediatord/executor/soft/gpu/internal/fp"
	"libvirt-vgpu/mediatord/executor/soft/ptx"
)

// translateCvt carries cvt between all integer and floating-point types, and
// cvt.pack.
func translateCvt(g *generator) error {
	types := g.types()
	switch {
	case g.has("pack"):
		return translateCvtPack(g, types)
	case len(types) != 2:
		return g.invalid("%s needs two types", g.cur.Name())
	case types[0].Lanes == 2 && types[1].Lanes == 1 && len(g.cur.Operands) == 3:
		return translateCvtPair(g, types[0], types[1])
	}
	dt, st := types[0], types[1]
	if len(g.cur.Operands) != 2 {
		return g.unsupported("instruction %s", g.cur.Name())
	}
	f, err := g.conversion(dt, st)
	if err != nil {
		return err
	}
	width := g.width(&g.cur.Operands[0])
	if isSigned(dt) && width > dt.Width { // a wider register gets the sign
		inner, from := f, dt.Width
		f = func(a, _, _ uint64) uint64 { return low(uint64(sext(inner(a, 0, 0), from)), width) }
	}
	var run func(*warp, *instr)
	if dt.Width == 64 && st.Width == 32 && st.Kind == ptx.Unsigned && !isFloating(dt) {
		run = runMov
	}
	return g.value(f, run, st)
}

// conversion is the function of cvt from st to dt.
func (g *generator) conversion(dt, st ptx.Type) (fn, error) {
	from, to := isFloating(st), isFloating(dt)
	switch {
	case dt.Kind == ptx.TF32:
		mode := g.mode()
		return func(a, _, _ uint64) uint64 {
			return fp.Round(float64(f32(a)), fp.Format{Exponent: 8, Fraction: 10}, mode) << 13
		}, nil
	case st.Lanes != 1 || dt.Lanes != 1 || st.Kind >= ptx.TF32 || dt.Kind >= ptx.TF32:
		return nil, g.unsupported("instruction %s", g.cur.Name())
	case !from && !to:
		return g.intToInt(dt, st), nil
	case from && !to:
		return g.floatToInt(dt, st), nil
	case !from:
		return g.intToFloat(dt, st), nil
	}
	return g.floatToFloat(dt, st), nil
}

func (g *generator) intToInt(dt, st ptx.Type) fn {
	if !g.has("sat") {
		return func(a, _, _ uint64) uint64 { return low(extend(a, st), dt.Width) }
	}
	return func(a, _, _ uint64) uint64 {
		v := extend(a, st)
		negative := isSigned(st) && int64(v) < 0
		top := low(^uint64(0), dt.Width)
		switch {
		case !isSigned(dt) && negative:
			return 0
		case !isSigned(dt):
			return min(v, top)
		case negative:
			return low(uint64(max(int64(v), -int64(top>>1)-1)), dt.Width)
		}
		return min(v, top>>1)
	}
}

func (g *generator) floatToInt(dt, st ptx.Type) fn {
	form, _ := formatOf(st)
	mode := g.mode()
	wide := st.Width == 64 || dt.Width == 64
	flush := form.flush
	if !g.has("ftz") || flush == nil {
		flush = func(v uint64) uint64 { return v }
	}
	return func(a, _, _ uint64) uint64 {
		return fp.ToInt(form.read(flush(a)), mode, dt.Width, isSigned(dt), wide)
	}
}

func (g *generator) intToFloat(dt, st ptx.Type) fn {
	form, _ := formatOf(dt)
	mode := g.mode()
	sat := g.has("sat")
	return func(a, _, _ uint64) uint64 {
		v := extend(a, st)
		var r uint64
		if dt.Width == 64 {
			r = math.Float64bits(fp.IntTo64(v, isSigned(st), mode))
		} else {
			r = form.write(fp.IntOdd(v, isSigned(st)), mode)
		}
		if sat {
			r = form.write(fp.Saturate(form.read(r)), fp.RN)
		}
		return r
	}
}

// floatToFloat converts between formats; between equal ones .rni and the like
// round to an integral value.
func (g *generator) floatToFloat(dt, st ptx.Type) fn {
	sf, _ := formatOf(st)
	df, _ := formatOf(dt)
	mode, sat, relu, ftz, satfinite := g.mode(), g.has("sat"), g.has("relu"), g.has("ftz"), g.has("satfinite")
	integral := dt == st && (g.has("rni") || g.has("rzi") || g.has("rmi") || g.has("rpi"))
	return func(a, _, _ uint64) uint64 {
		if ftz && sf.flush != nil {
			a = sf.flush(a)
		}
		v := sf.read(a)
		if integral {
			v = fp.Integral(v, mode)
		}
		if sat {
			v = fp.Saturate(v)
		}
		r := df.write(v, mode)
		if relu && r&df.sign != 0 {
			r = 0
		}
		if satfinite && v-v != 0 && v == v {
			r--
		}
		if ftz && df.flush != nil {
			r = df.flush(r)
		}
		return r
	}
}

// translateCvtPair carries cvt.f16x2.f32 d, a, b: a becomes the upper half.
func translateCvtPair(g *generator, dt, st ptx.Type) error {
	e := element(dt)
	if _, ok := formatOf(e); !ok || st.Kind != ptx.Float || st.Width != 32 {
		return g.unsupported("instruction %s", g.cur.Name())
	}
	f := g.floatToFloat(e, st)
	return g.value(func(a, b, _ uint64) uint64 { return f(a, 0, 0)<<16 | f(b, 0, 0) }, nil, st, st)
}

// translateCvtPack carries cvt.pack.sat: a and b saturated and packed, above
// what c holds.
func translateCvtPack(g *generator, types []ptx.Type) error {
	if len(types) < 2 || !g.has("sat") {
		return g.invalid("%s needs .sat and two types", g.cur.Name())
	}
	dt, st := types[0], types[1]
	f := g.intToInt(dt, st)
	w := dt.Width
	if len(g.cur.Operands) == 3 {
		return g.value(func(a, b, _ uint64) uint64 { return low(f(a, 0, 0)<<w|f(b, 0, 0), 32) }, nil, st, st)
	}
	return g.value(func(a, b, c uint64) uint64 {
		return low(c<<(2*w)|f(a, 0, 0)<<w|f(b, 0, 0), 32)
	}, nil, st, st, u32)
}

// translateCvta converts between the generic addresses and those of a space.
func translateCvta(g *generator) error {
	window, err := g.window()
	if err != nil {
		return err
	}
	t, err := g.typ()
	if err != nil {
		return err
	}
	if g.has("to") {
		return g.value(func(a, _, _ uint64) uint64 { return a - window }, runMovIf(window == 0), t)
	}
	return g.value(func(a, _, _ uint64) uint64 { return a + window }, runMovIf(window == 0), t)
}

func runMovIf(ok bool) func(*warp, *instr) {
	if ok {
		return runMov
	}
	return nil
}

// space is the state space among the modifiers.
func (g *generator) space() ptx.Space {
	for _, m := range g.cur.Mods {
		if s, ok := ptx.ParseSpace(m); ok {
			return s
		}
	}
	return ptx.Generic
}

// window is what a space's addresses lack to be generic.
func (g *generator) window() (uint64, error) {
	switch g.space() {
	case ptx.Global, ptx.Const:
		return 0, nil
	case ptx.Shared:
		return sharedWindow, nil
	case ptx.Local:
		return localWindow, nil
	case ptx.Param:
		if g.fn.Entry {
			return paramWindow, nil
		}
		return localWindow, nil
	}
	return 0, g.unsupported("instruction %s", g.cur.Name())
}

// translateIsspacep asks whether a generic address lies in a space.
func translateIsspacep(g *generator) error {
	window, err := g.window()
	if err != nil {
		return err
	}
	u64 := ptx.Type{Kind: ptx.Unsigned, Width: 64, Lanes: 1}
	return g.predFromValues(func(a, _ uint64) bool { return a&^windowMask == window }, u64)
}
