package ptx

// Kind is the interpretation of a value's bits.
type Kind uint8

// The kinds of PTX types.
const (
	Bits     Kind = iota // .b8 to .b128
	Unsigned             // .u8 to .u64
	Signed               // .s8 to .s64
	Float                // .f16, .f32, .f64
	BFloat               // .bf16
	TF32                 // .tf32
	E4M3                 // .e4m3
	E5M2                 // .e5m2
	Pred                 // .pred
)

// Type is a PTX fundamental type. Lanes is 2 for the packed types such as
// .f16x2, otherwise 1; Width is the width in bits of the whole value.
type Type struct {
	Kind  Kind
	Width int
	Lanes int
}

// Bytes is the size of a value in memory.
func (t Type) Bytes() int { return t.Width / 8 }

var typeNames = map[string]Type{
	"b8": {Bits, 8, 1}, "b16": {Bits, 16, 1}, "b32": {Bits, 32, 1}, "b64": {Bits, 64, 1}, "b128": {Bits, 128, 1},
	"u8": {Unsigned, 8, 1}, "u16": {Unsigned, 16, 1}, "u32": {Unsigned, 32, 1}, "u64": {Unsigned, 64, 1},
	"s8": {Signed, 8, 1}, "s16": {Signed, 16, 1}, "s32": {Signed, 32, 1}, "s64": {Signed, 64, 1},
	"u16x2": {Unsigned, 32, 2}, "s16x2": {Signed, 32, 2},
	"f16": {Float, 16, 1}, "f16x2": {Float, 32, 2}, "f32": {Float, 32, 1}, "f32x2": {Float, 64, 2}, "f64": {Float, 64, 1},
	"bf16": {BFloat, 16, 1}, "bf16x2": {BFloat, 32, 2}, "tf32": {TF32, 32, 1},
	"e4m3": {E4M3, 8, 1}, "e4m3x2": {E4M3, 16, 2}, "e5m2": {E5M2, 8, 1}, "e5m2x2": {E5M2, 16, 2},
	"pred": {Pred, 1, 1},
}

// ParseType finds a type by its name without the dot, such as "f16x2".
func ParseType(name string) (Type, bool) {
	t, ok := typeNames[name]
	return t, ok
}

// Space is a PTX state space.
type Space uint8

// The state spaces. Generic stands for an address that says nothing.
const (
	Generic Space = iota
	Global
	Const
	Shared
	Local
	Param
	Register
)

var spaceNames = map[string]Space{
	"global": Global, "const": Const, "shared": Shared, "local": Local, "param": Param, "reg": Register,
}

// ParseSpace finds a state space by its name without the dot; sub-spaces such
// as "shared::cta" and "param::func" count as their space.
func ParseSpace(name string) (Space, bool) {
	switch name {
	case "shared::cta", "shared::cluster":
		name = "shared"
	case "param::entry", "param::func":
		name = "param"
	}
	s, ok := spaceNames[name]
	return s, ok
}

// Linkage says who may see a symbol.
type Linkage uint8

// The linkages.
const (
	Static Linkage = iota
	Visible
	Extern
	Weak
	Common
)
