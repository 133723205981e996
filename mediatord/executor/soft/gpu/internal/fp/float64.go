package fp

import (
	"math"
	"math/big"
)

// exact is wide enough for any sum of products of float64s.
const exact = 4400

// Directed64 computes an operation on float64s in a directed rounding mode:
// 'a'dd, 'm'ultiply, 'f'used multiply-add, 'd'ivide, square 'r'oot.
func Directed64(op byte, a, b, c float64, mode Mode) float64 {
	near := nearest64(op, a, b, c)
	if mode == RN || special64(a) || special64(b) || special64(c) || near != near || op == 'd' && b == 0 {
		return near
	}
	x := new(big.Float).SetPrec(exact)
	fa, fb := big.NewFloat(a), big.NewFloat(b)
	switch op {
	case 'a':
		x.Add(fa, fb)
	case 'm':
		x.Mul(fa, fb)
	case 'f':
		x.Mul(fa, fb)
		x.Add(x, big.NewFloat(c))
	case 'd':
		x.SetPrec(256).Quo(fa, fb)
	case 'r':
		x.SetPrec(256).Sqrt(fa)
	}
	if x.Sign() == 0 {
		return zero64(op, a, b, c, near, mode)
	}
	return direct(x, mode)
}

func special64(v float64) bool { return math.IsNaN(v) || math.IsInf(v, 0) }

func nearest64(op byte, a, b, c float64) float64 {
	switch op {
	case 'a':
		return a + b
	case 'm':
		return a * b
	case 'f':
		return math.FMA(a, b, c)
	case 'd':
		return a / b
	}
	return math.Sqrt(a)
}

// zero64 is the sign of an exact zero: a sum of opposites is negative when
// rounding down, everything else is as in the nearest mode.
func zero64(op byte, a, b, c, near float64, mode Mode) float64 {
	if op == 'f' {
		a, b = math.Copysign(1, a)*math.Copysign(1, b), c
	}
	if mode == RM && (op == 'a' || op == 'f') && math.Signbit(a) != math.Signbit(b) {
		return math.Copysign(0, -1)
	}
	return near
}

// direct rounds x to a float64.
func direct(x *big.Float, mode Mode) float64 {
	v, acc := x.Float64()
	toward := math.Inf(-1)
	switch {
	case mode == RZ && x.Sign() < 0, mode == RP:
		if acc != big.Below {
			return v
		}
		toward = math.Inf(1)
	default:
		if acc != big.Above {
			return v
		}
	}
	return math.Nextafter(v, toward)
}

// IntOdd converts an integer to float64, rounding to odd.
func IntOdd(v uint64, signed bool) float64 {
	negative := signed && int64(v) < 0
	if negative {
		v = -v
	}
	if v >= 1<<53 {
		if v&0x7ff != 0 {
			v |= 0x800
		}
		v &^= 0x7ff
	}
	f := float64(v)
	if negative {
		return -f
	}
	return f
}

// IntTo64 converts an integer to float64 in the given mode.
func IntTo64(v uint64, signed bool, mode Mode) float64 {
	if mode == RN {
		if signed {
			return float64(int64(v))
		}
		return float64(v)
	}
	x := new(big.Float).SetPrec(64)
	if signed {
		x.SetInt64(int64(v))
	} else {
		x.SetUint64(v)
	}
	return direct(x, mode)
}

// Integral rounds to an integral value in floating point.
func Integral(v float64, mode Mode) float64 {
	switch mode {
	case RZ:
		return math.Trunc(v)
	case RM:
		return math.Floor(v)
	case RP:
		return math.Ceil(v)
	case RNA:
		return math.Round(v)
	}
	return math.RoundToEven(v)
}

// ToInt converts a float to an integer of the given width, rounding, then
// clamping to its range. NaN becomes 0, or 1<<63 (1<<31) when wide says that
// the source or the destination has 64 bits.
func ToInt(v float64, mode Mode, width int, signed, wide bool) uint64 {
	if v != v {
		if wide {
			return 1 << (width - 1)
		}
		return 0
	}
	v = Integral(v, mode)
	mask := ^uint64(0) >> (64 - width)
	if signed {
		limit := math.Ldexp(1, width-1)
		switch {
		case v >= limit:
			return mask >> 1
		case v < -limit:
			return 1 << (width - 1)
		}
		return uint64(int64(v)) & mask
	}
	switch {
	case v <= 0:
		return 0
	case v >= math.Ldexp(1, width):
		return mask
	}
	return uint64(v)
}
