package simt

import (
	"math/bits"

	"libvirt-vgpu/mediatord/executor/soft/ptx"
)

// u32 is the type of counts and shift amounts.
var u32 = ptx.Type{Kind: ptx.Unsigned, Width: 32, Lanes: 1}

// sext extends the low width bits of v with their sign.
func sext(v uint64, width int) int64 {
	s := 64 - width
	return int64(v<<s) >> s
}

// low keeps the low width bits.
func low(v uint64, width int) uint64 { return v & (^uint64(0) >> (64 - width)) }

// isSigned says whether the type counts as signed.
func isSigned(t ptx.Type) bool { return t.Kind == ptx.Signed }

// isFloating says that the arithmetic of a type is floating point.
func isFloating(t ptx.Type) bool { return t.Kind == ptx.Float || t.Kind == ptx.BFloat }

// extend widens a register's value to 64 bits according to the type.
func extend(v uint64, t ptx.Type) uint64 {
	if t.Kind == ptx.Signed {
		return uint64(sext(v, t.Width))
	}
	return low(v, t.Width)
}

// lanewise applies f to the 16-bit halves of packed types.
func lanewise(t ptx.Type, f fn) fn {
	if t.Lanes == 1 {
		return f
	}
	half := t.Width / 2
	mask := uint64(1)<<half - 1
	return func(a, b, c uint64) uint64 {
		return f(a&mask, b&mask, c&mask)&mask | f(a>>half, b>>half, c>>half)&mask<<half
	}
}

// element is the type of one lane of a packed type.
func element(t ptx.Type) ptx.Type {
	return ptx.Type{Kind: t.Kind, Width: t.Width / t.Lanes, Lanes: 1}
}

func translateAdd(g *generator) error {
	t, err := g.typ()
	if err != nil {
		return err
	}
	if g.has("cc") {
		return translateCarry(g, t)
	}
	if isFloating(t) {
		return floatBinary(g, t, 'a')
	}
	if g.has("sat") {
		return g.value(func(a, b, _ uint64) uint64 { return saturate32(sext(a, 32) + sext(b, 32)) }, nil, t, t)
	}
	e := element(t)
	f := lanewise(t, func(a, b, _ uint64) uint64 { return low(a+b, e.Width) })
	return g.value(f, pick(t, nil, runAdd32, runAdd64), t, t)
}

func translateSub(g *generator) error {
	t, err := g.typ()
	if err != nil {
		return err
	}
	if g.has("cc") {
		return translateCarry(g, t)
	}
	if isFloating(t) {
		return floatBinary(g, t, 's')
	}
	if g.has("sat") {
		return g.value(func(a, b, _ uint64) uint64 { return saturate32(sext(a, 32) - sext(b, 32)) }, nil, t, t)
	}
	e := element(t)
	f := lanewise(t, func(a, b, _ uint64) uint64 { return low(a-b, e.Width) })
	return g.value(f, pick(t, nil, runSub32, runSub64), t, t)
}

// pick chooses a fast path by width; packed types have none.
func pick(t ptx.Type, w16, w32, w64 func(*warp, *instr)) func(*warp, *instr) {
	switch {
	case t.Lanes != 1:
		return nil
	case t.Width == 16:
		return w16
	case t.Width == 32:
		return w32
	case t.Width == 64:
		return w64
	}
	return nil
}

// saturate32 clamps to the range of int32.
func saturate32(v int64) uint64 {
	return uint64(uint32(min(max(v, -1<<31), 1<<31-1)))
}

// mulHigh is the upper half of a product.
func mulHigh(a, b uint64, t ptx.Type) uint64 {
	if t.Width == 64 {
		hi, _ := bits.Mul64(a, b)
		if t.Kind == ptx.Signed {
			if int64(a) < 0 {
				hi -= b
			}
			if int64(b) < 0 {
				hi -= a
			}
		}
		return hi
	}
	return low(extend(a, t)*extend(b, t)>>t.Width, t.Width)
}

// product is the function of mul and of the product in mad.
func (g *generator) product(t ptx.Type) (fn, error) {
	switch {
	case g.has("wide") && t.Width > 32:
		return nil, g.invalid("%s on this type", g.cur.Name())
	case g.has("wide"):
		return func(a, b, _ uint64) uint64 { return low(extend(a, t)*extend(b, t), 2*t.Width) }, nil
	case g.has("hi"):
		return func(a, b, _ uint64) uint64 { return mulHigh(a, b, t) }, nil
	case g.has("lo"):
		return func(a, b, _ uint64) uint64 { return low(a*b, t.Width) }, nil
	}
	return nil, g.invalid("%s without .lo, .hi or .wide", g.cur.Name())
}

func translateMul(g *generator) error {
	t, err := g.typ()
	if err != nil {
		return err
	}
	if isFloating(t) {
		return floatBinary(g, t, 'm')
	}
	f, err := g.product(t)
	if err != nil {
		return err
	}
	var run func(*warp, *instr)
	switch {
	case g.has("lo"):
		run = pick(t, nil, runMul32, nil)
	case g.has("wide") && t.Width == 32 && isSigned(t):
		run = runMulWideS32
	case g.has("wide") && t.Width == 32:
		run = runMulWideU32
	}
	return g.value(f, run, t, t)
}

func translateMad(g *generator) error {
	t, err := g.typ()
	if err != nil {
		return err
	}
	if isFloating(t) {
		return translateFma(g)
	}
	if g.has("cc") || g.cur.Op == "madc" {
		return translateMadCarry(g, t)
	}
	mul, err := g.product(t)
	if err != nil {
		return err
	}
	sum := t
	if g.has("wide") {
		sum.Width *= 2
	}
	f := func(a, b, c uint64) uint64 { return low(mul(a, b, 0)+c, sum.Width) }
	if g.has("sat") {
		f = func(a, b, c uint64) uint64 { return saturate32(sext(mul(a, b, 0), 32) + sext(c, 32)) }
	}
	var run func(*warp, *instr)
	if g.has("lo") && t.Width == 32 && !g.has("sat") {
		run = runMad32
	}
	return g.value(f, run, t, t, sum)
}

// translateMul24 carries mul24 and mad24.
func translateMul24(g *generator) error {
	t, err := g.typ()
	if err != nil {
		return err
	}
	shift := 0
	if g.has("hi") {
		shift = 16
	}
	mul := func(a, b uint64) uint64 {
		if isSigned(t) {
			return low(uint64(sext(a, 24)*sext(b, 24)>>shift), 32)
		}
		return low(low(a, 24)*low(b, 24)>>shift, 32)
	}
	if g.cur.Op == "mul24" {
		return g.value(func(a, b, _ uint64) uint64 { return mul(a, b) }, nil, t, t)
	}
	return g.value(func(a, b, c uint64) uint64 { return low(mul(a, b)+c, 32) }, nil, t, t, t)
}

// quotient divides as the GPU does: by zero it gives all ones.
func quotient(a, b uint64, t ptx.Type) uint64 {
	a, b = extend(a, t), extend(b, t)
	switch {
	case b == 0:
		return low(^uint64(0), t.Width)
	case isSigned(t):
		return low(uint64(int64(a)/int64(b)), t.Width)
	}
	return a / b
}

func translateDiv(g *generator) error {
	t, err := g.typ()
	if err != nil {
		return err
	}
	if isFloating(t) {
		return floatBinary(g, t, 'd')
	}
	return g.value(func(a, b, _ uint64) uint64 { return quotient(a, b, t) }, nil, t, t)
}

func translateRem(g *generator) error {
	t, err := g.typ()
	if err != nil {
		return err
	}
	return g.value(func(a, b, _ uint64) uint64 { return low(a-quotient(a, b, t)*b, t.Width) }, nil, t, t)
}

func translateAbs(g *generator) error {
	t, err := g.typ()
	if err != nil {
		return err
	}
	if isFloating(t) {
		return floatSign(g, t, func(v, sign uint64) uint64 { return v &^ sign })
	}
	return g.value(func(a, _, _ uint64) uint64 {
		if v := sext(a, t.Width); v < 0 {
			return low(uint64(-v), t.Width)
		}
		return low(a, t.Width)
	}, nil, t)
}

func translateNeg(g *generator) error {
	t, err := g.typ()
	if err != nil {
		return err
	}
	if isFloating(t) {
		return floatSign(g, t, func(v, sign uint64) uint64 { return v ^ sign })
	}
	return g.value(func(a, _, _ uint64) uint64 { return low(-a, t.Width) }, nil, t)
}

// translateMinMax carries min and max.
func translateMinMax(g *generator) error {
	t, err := g.typ()
	if err != nil {
		return err
	}
	largest := g.cur.Op == "max"
	if isFloating(t) {
		return floatMinMax(g, t, largest)
	}
	e := element(t)
	relu := g.has("relu")
	f := lanewise(t, func(a, b, _ uint64) uint64 {
		x, y := extend(a, e), extend(b, e)
		less := x < y
		if isSigned(e) {
			less = int64(x) < int64(y)
		}
		if less == largest {
			x = y
		}
		if relu && int64(x) < 0 {
			x = 0
		}
		return low(x, e.Width)
	})
	return g.value(f, nil, t, t)
}

// translateSad carries sad: c + |a - b|.
func translateSad(g *generator) error {
	t, err := g.typ()
	if err != nil {
		return err
	}
	return g.value(func(a, b, c uint64) uint64 {
		x, y := extend(a, t), extend(b, t)
		if isSigned(t) && int64(x) < int64(y) || !isSigned(t) && x < y {
			x, y = y, x
		}
		return low(c+x-y, t.Width)
	}, nil, t, t, t)
}

// translateDot carries dp4a and dp2a; the types are those of a and of b.
func translateDot(g *generator) error {
	types := g.types()
	if len(types) != 2 {
		return g.invalid("%s needs two types", g.cur.Name())
	}
	at, bt := types[0], types[1]
	n, aw, boff := 4, 8, 0
	if g.cur.Op == "dp2a" {
		n, aw = 2, 16
		if g.has("hi") {
			boff = 16
		}
	}
	part := func(v uint64, shift, width int, signed bool) uint64 {
		v = low(v>>shift, width)
		if signed {
			return uint64(sext(v, width))
		}
		return v
	}
	return g.value(func(a, b, c uint64) uint64 {
		for i := 0; i < n; i++ {
			c += part(a, i*aw, aw, isSigned(at)) * part(b, boff+i*8, 8, isSigned(bt))
		}
		return low(c, 32)
	}, nil, u32, u32, u32)
}
