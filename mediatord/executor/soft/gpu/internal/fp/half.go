package fp

import "math"

// FromF16 widens a half.
func FromF16(h uint64) float64 {
	sign := h >> 15 & 1
	e := h >> 10 & 31
	frac := h & 0x3ff
	switch e {
	case 0:
		v := float64(frac) * 0x1p-24
		if sign == 1 {
			v = -v
		}
		return v
	case 31:
		return math.Float64frombits(sign<<63 | 0x7ff<<52 | frac<<42)
	}
	return math.Float64frombits(sign<<63 | (e-15+1023)<<52 | frac<<42)
}

// FromBF16 widens a bfloat16.
func FromBF16(h uint64) float64 { return float64(math.Float32frombits(uint32(h) << 16)) }

// ToF16 rounds to a half.
func ToF16(v float64, mode Mode) uint64 { return Round(v, F16, mode) }

// ToBF16 rounds to a bfloat16.
func ToBF16(v float64, mode Mode) uint64 { return Round(v, BF16, mode) }
