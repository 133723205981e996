package ptx

// Version is a PTX ISA version.
type Version struct{ Major, Minor int }

// The newest PTX ISA that Parse accepts.
const (
	MaxMajor = 9
	MaxMinor = 0
)

// Less compares versions.
func (v Version) Less(o Version) bool {
	return v.Major < o.Major || v.Major == o.Major && v.Minor < o.Minor
}

// Module is one translation unit.
type Module struct {
	Version     Version
	Target      string   // such as "sm_75" or "sm_90a"
	Options     []string // further words of .target, such as "debug"
	AddressSize int      // 32 or 64
	Vars        []*Var   // in the order of the text; declarations included
	Funcs       []*Func  // in the order of the text; declarations included
	Aliases     map[string]string
}

// Var is a variable or a formal parameter.
type Var struct {
	Name    string
	Space   Space
	Linkage Linkage
	Type    Type
	Align   int // in bytes, at least the type's size
	Count   int // number of elements, 0 when Unsized
	Unsized bool
	Vector  int // elements of a .v2 or .v4 element, otherwise 1
	Init    []Init
	Line    int
}

// Size is the size in bytes; 0 for an unsized array.
func (v *Var) Size() int { return v.Count * v.Vector * v.Type.Bytes() }

// Init is one element of an initialiser: a number, or the address of Sym plus
// Add. A Byte other than -1 takes only that byte of the address (mask()).
type Init struct {
	Value   uint64
	Kind    OperandKind // how Value was written: Int-, Float32- or Float64Operand
	Sym     string
	Add     int64
	Generic bool
	Byte    int
}

// Reg is a register of a function.
type Reg struct {
	Name string
	Type Type
}

// Prototype is a .callprototype: the shape of an indirect call.
type Prototype struct {
	Returns, Params []*Var
}

// Func is a kernel (.entry) or a device function (.func).
type Func struct {
	Name       string
	Entry      bool
	Linkage    Linkage
	Returns    []*Var
	Params     []*Var
	MaxThreads [3]int // .maxntid, zero when absent
	ReqThreads [3]int // .reqntid, zero when absent
	MinBlocks  int    // .minnctapersm
	Line       int

	HasBody    bool
	Regs       []Reg
	Vars       []*Var // of the body, whatever their scope, names made unique
	Body       []Instr
	Labels     map[string]int // index in Body of the instruction that follows
	Targets    map[string][]string
	Prototypes map[string]*Prototype
}

// Instr is one instruction.
type Instr struct {
	Line     int
	Guard    int // register of the guard predicate, -1 when there is none
	GuardNot bool
	Op       string   // such as "ld"
	Mods     []string // without dots, such as "global", "v2", "f32"
	Operands []Operand
}

// Name is the opcode with its modifiers, as in the text.
func (in *Instr) Name() string {
	s := in.Op
	for _, m := range in.Mods {
		s += "." + m
	}
	return s
}

// Has says whether the instruction carries a modifier.
func (in *Instr) Has(mod string) bool {
	for _, m := range in.Mods {
		if m == mod {
			return true
		}
	}
	return false
}

// OperandKind tells which fields of an Operand count.
type OperandKind uint8

// The kinds of operands.
const (
	RegOperand     OperandKind = iota // Reg, Not
	IntOperand                        // Value
	Float32Operand                    // Value: the bits of a float32
	Float64Operand                    // Value: the bits of a float64
	SymOperand                        // Sym or Var, Offset
	SpecialOperand                    // Sym: such as "%tid.x"
	VectorOperand                     // List
	ListOperand                       // List: arguments of a call
	SinkOperand                       // "_"
)

// Operand is an operand. In brackets (Address) it is a register or a symbol
// or a number with Offset. Pair is what follows "|", as in "%r1|%p1".
type Operand struct {
	Kind    OperandKind
	Address bool
	Not     bool // "!%p1"
	Reg     int  // index in Func.Regs
	Value   uint64
	Offset  int64
	Sym     string
	Var     *Var // set when the name is a variable of the function
	List    []Operand
	Pair    *Operand
}
