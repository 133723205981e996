// Package fp is floating-point arithmetic as PTX defines it where Go's own
// differs: fused multiply-add in single precision, directed rounding, half
// precision and bfloat16, conversions with saturation.
//
// The way to a correctly rounded narrow result is rounding to odd: an
// operation in float64 whose inexact result has its last bit set (Odd
// functions below) can be rounded again to any format of at most 51 bits in
// any mode without error (Boldo and Melquiond, "Emulation of FMA and
// correctly rounded sums: proved algorithms using rounding to odd").
package fp

import "math"

// Mode is a rounding mode.
type Mode uint8

// The rounding modes of PTX: to nearest even, to zero, to minus infinity, to
// plus infinity, to nearest with ties away from zero.
const (
	RN Mode = iota
	RZ
	RM
	RP
	RNA
)

// Format is an IEEE-like binary format.
type Format struct {
	Exponent int // bits of the exponent
	Fraction int // bits of the fraction
}

// The formats narrower than float64.
var (
	F16  = Format{5, 10}
	BF16 = Format{8, 7}
	F32  = Format{8, 23}
)

// The NaNs that the GPU produces.
const (
	NaN16 = 0x7fff
	NaN32 = 0x7fffffff
	NaN64 = 0x7ff8000000000000
)

// nan is the format's canonical NaN.
func (f Format) nan() uint64 { return 1<<(f.Exponent+f.Fraction) - 1 }

// inf is plus infinity.
func (f Format) inf() uint64 { return (1<<f.Exponent - 1) << f.Fraction }

// Round rounds x to the format and returns its bits. When x came from an
// inexact operation it must have been rounded to odd.
func Round(x float64, f Format, mode Mode) uint64 {
	b := math.Float64bits(x)
	sign := b >> 63
	signBit := sign << (f.Exponent + f.Fraction)
	e := int(b >> 52 & 0x7ff)
	frac := b & (1<<52 - 1)
	switch {
	case e == 0x7ff && frac != 0:
		return f.nan()
	case e == 0x7ff:
		return signBit | f.inf()
	case e == 0 && frac == 0:
		return signBit
	case e == 0:
		e = 1
	default:
		frac |= 1 << 52
	}
	bias := 1<<(f.Exponent-1) - 1
	te := e - 1023 + bias
	shift := 52 - f.Fraction
	if te < 1 {
		shift = min(shift+1-te, 63)
		te = 1
	}
	q := frac >> shift
	rest := frac & (1<<shift - 1)
	if roundsUp(q, rest, 1<<(shift-1), sign == 1, mode) {
		q++
	}
	r := uint64(te-1)<<f.Fraction + q
	if r >= f.inf() {
		r = f.overflow(sign == 1, mode)
	}
	return signBit | r
}

func roundsUp(q, rest, half uint64, negative bool, mode Mode) bool {
	switch mode {
	case RN:
		return rest > half || rest == half && q&1 == 1
	case RNA:
		return rest >= half
	case RM:
		return negative && rest != 0
	case RP:
		return !negative && rest != 0
	}
	return false
}

// overflow is the magnitude of a result beyond the largest finite number.
func (f Format) overflow(negative bool, mode Mode) uint64 {
	if mode == RZ || mode == RM && !negative || mode == RP && negative {
		return f.inf() - 1
	}
	return f.inf()
}

// Odd gives the last bit of a rounded result: v is the nearest float64 to
// the exact v+err.
func Odd(v, err float64) float64 {
	if !(err > 0 || err < 0) { // exact, or not finite
		return v
	}
	b := math.Float64bits(v)
	if b&1 == 0 {
		if (err > 0) == (v > 0) {
			b++
		} else {
			b--
		}
	}
	return math.Float64frombits(b)
}

// AddOdd is a+b rounded to odd.
func AddOdd(a, b float64) float64 {
	s := a + b
	t := s - a
	return Odd(s, (a-(s-t))+(b-t))
}

// DivOdd is a/b rounded to odd, for a and b that are float32 or narrower.
func DivOdd(a, b float64) float64 {
	q := a / b
	r := math.FMA(-q, b, a)
	if b < 0 {
		r = -r
	}
	return Odd(q, r)
}

// SqrtOdd is the square root of a rounded to odd, for a narrower than float64.
func SqrtOdd(a float64) float64 {
	q := math.Sqrt(a)
	return Odd(q, math.FMA(-q, q, a))
}
