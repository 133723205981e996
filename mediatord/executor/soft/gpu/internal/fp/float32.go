package fp

import "math"

// FMA32 is a*b+c rounded once to nearest.
func FMA32(a, b, c float32) float32 {
	p := float64(a) * float64(b) // exact: 48 bits
	s := p + float64(c)
	if math.Float64bits(s)&0x0fffffff != 0 {
		return float32(s) // not near a tie, so rounding twice is rounding once
	}
	t := s - p
	return float32(Odd(s, (p-(s-t))+(float64(c)-t)))
}

// Canon32 is the bits of v with the GPU's NaN.
func Canon32(v float32) uint64 {
	if v != v {
		return NaN32
	}
	return uint64(math.Float32bits(v))
}

// Canon64 is the bits of v with the GPU's NaN.
func Canon64(v float64) uint64 {
	if v != v {
		return NaN64
	}
	return math.Float64bits(v)
}

// Flush32 replaces a subnormal by the zero of its sign.
func Flush32(bits uint64) uint64 {
	if bits&0x7f800000 == 0 {
		return bits & 0x80000000
	}
	return bits
}

// Flush16 replaces a subnormal half by the zero of its sign.
func Flush16(bits uint64) uint64 {
	if bits&0x7c00 == 0 {
		return bits & 0x8000
	}
	return bits
}

// Saturate limits v to [0, 1]; NaN becomes 0.
func Saturate(v float64) float64 {
	if v > 1 {
		return 1
	}
	if v > 0 {
		return v
	}
	return 0
}
