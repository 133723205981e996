package gpu

import (
	"math"
	"sync/atomic"

	"libvirt-vgpu/mediatord/executor/soft/gpu/internal/simt"
	"libvirt-vgpu/mediatord/executor/soft/ptx"
)

// Function is a kernel, ready to launch.
type Function struct {
	mod        *Module
	source     *ptx.Func
	program    *simt.Program
	maxDynamic atomic.Int64
}

// Param is where a parameter lies in the parameter buffer, in bytes.
type Param = simt.Param

// Attributes are what cuFuncGetAttribute tells; sizes in bytes.
type Attributes struct {
	MaxThreadsPerBlock int
	SharedSize         int // static
	ConstSize          int
	LocalSize          int
	Registers          int
	PTXVersion         int // 10 * major + minor of .target
	BinaryVersion      int // of the device
	MaxDynamicShared   int
}

// Name is the kernel's name in the PTX text.
func (f *Function) Name() string { return f.source.Name }

// Module is the module that the kernel came from.
func (f *Function) Module() *Module { return f.mod }

// Params is the layout of the parameter buffer.
func (f *Function) Params() []Param { return f.program.Params }

// ParamBytes is the size of the parameter buffer.
func (f *Function) ParamBytes() int { return f.program.ParamBytes }

// Attributes describes the kernel.
func (f *Function) Attributes() Attributes {
	version, _, _ := targetVersion(f.mod.text.Target)
	return Attributes{
		MaxThreadsPerBlock: f.maxThreads(),
		SharedSize:         f.program.SharedBytes,
		ConstSize:          f.mod.konst,
		LocalSize:          f.program.LocalBytes,
		Registers:          f.program.Registers,
		PTXVersion:         version,
		BinaryVersion:      f.mod.dev.cfg.Major*10 + f.mod.dev.cfg.Minor,
		MaxDynamicShared:   int(f.maxDynamic.Load()),
	}
}

// maxThreads is the largest block that the kernel was compiled for. A required
// shape does not count (measured, driver 580).
func (f *Function) maxThreads() int {
	dims := f.source.MaxThreads
	if n := dims[0] * dims[1] * dims[2]; n > 0 {
		return min(MaxThreadsPerBlock, n)
	}
	return MaxThreadsPerBlock
}

// SetMaxDynamicShared allows launches with so much dynamic shared memory.
// CUDA_ERROR_INVALID_VALUE beyond what a block can have.
func (f *Function) SetMaxDynamicShared(n int) error {
	if n < 0 || n > MaxSharedOptIn-f.program.SharedBytes {
		return InvalidValue
	}
	f.maxDynamic.Store(int64(n))
	return nil
}

// The resources of a multiprocessor of an H200, for Occupancy.
const (
	threadsPerSM   = 2048
	blocksPerSM    = 32
	sharedPerSM    = 228 << 10
	sharedReserved = 1 << 10 // per block
	registersPerSM = 64 << 10
)

// Occupancy is how many blocks of that shape a multiprocessor would hold.
func (f *Function) Occupancy(threads, dynamicShared int) int {
	if threads <= 0 || threads > f.maxThreads() {
		return 0
	}
	warps := (threads + WarpSize - 1) / WarpSize
	n := min(blocksPerSM, threadsPerSM/(warps*WarpSize))
	n = min(n, sharedPerSM/(f.program.SharedBytes+dynamicShared+sharedReserved))
	return min(n, registersPerSM/(f.program.Registers*warps*WarpSize))
}

// floatInit is the bits of an initial value of a floating-point variable. The
// lexer keeps the width that the text chose: 0f is a float32, 0d and decimals
// are float64.
func floatInit(value uint64, in ptx.Init, width int) uint64 {
	switch {
	case in.Kind == ptx.Float64Operand && width == 4:
		return uint64(math.Float32bits(float32(math.Float64frombits(value))))
	case in.Kind == ptx.Float32Operand && width == 8:
		return math.Float64bits(float64(math.Float32frombits(uint32(value))))
	case in.Kind == ptx.IntOperand && width == 4:
		return uint64(math.Float32bits(float32(int64(value))))
	case in.Kind == ptx.IntOperand && width == 8:
		return math.Float64bits(float64(int64(value)))
	}
	return value
}
