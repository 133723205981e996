package simt

import (
	"errors"
	"fmt"

	"libvirt-vgpu/mediatord/executor/soft/ptx"
)

// ErrUnsupported marks instructions that the interpreter does not carry.
var ErrUnsupported = errors.New("not supported by the software GPU")

// CompileError says which instruction could not be compiled. It wraps
// ErrUnsupported when the instruction is good PTX.
type CompileError struct {
	Func string
	Line int // in the PTX text
	Msg  string
	Err  error
}

func (e *CompileError) Error() string {
	s := fmt.Sprintf("compiling %s: line %d: %s", e.Func, e.Line, e.Msg)
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

func (e *CompileError) Unwrap() error { return e.Err }

// Symbols is the module as a compiled function sees it.
type Symbols interface {
	// Func finds a function by name, nil when there is none.
	Func(name string) (f *ptx.Func, index int)
	// Var finds a variable of the module, nil when there is none.
	Var(name string) *ptx.Var
	// Address is where a .global or .const variable lies.
	Address(v *ptx.Var) uint64
	// Callable lists the device functions an indirect call may reach.
	Callable() []string
}

// Param is a parameter of a kernel in its parameter buffer.
type Param struct {
	Offset int
	Size   int
}

// Program is a kernel ready to run. It never changes.
type Program struct {
	Name        string
	Params      []Param
	ParamBytes  int // size of the parameter buffer
	SharedBytes int // static shared memory
	LocalBytes  int // per thread
	Registers   int // per thread, 32-bit as the driver counts

	code      []instr
	consts    []lanes
	regs      int // slots in a warp's register file
	preds     int
	entry     int32
	functions map[uint64]int32 // address to index in callees
	callees   []callee
}

// callee is a device function in a program.
type callee struct {
	name  string
	entry int32
	frame uint64 // bytes of its frame
}

// paramLayout computes where a kernel's parameters lie.
func paramLayout(f *ptx.Func) ([]Param, int) {
	var list []Param
	at := 0
	for _, v := range f.Params {
		at = alignUp(at, v.Align)
		list = append(list, Param{Offset: at, Size: v.Size()})
		at += v.Size()
	}
	return list, at
}

func alignUp(n, align int) int { return (n + align - 1) &^ (align - 1) }
