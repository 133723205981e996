// Package simt compiles PTX functions to a compact form and executes grids of
// them: warps of 32 lanes in lock step, blocks of warps on goroutines.
//
// A register is one value per lane, zero-extended to 64 bits; a predicate is
// a mask with one bit per lane. Every instruction runs for all lanes of a
// group at once. Lanes that branch apart form groups with their own program
// counters; of the groups that can run the one with the lowest counter goes
// first, so groups meet again at the first instruction that they share. Lanes
// that spin on memory let the others pass (forward progress as on Volta and
// newer).
//
// Lock order: a worker holds its vmem.View while a block runs and takes
// nothing else then.
package simt

// WarpSize is the number of lanes of a warp.
const WarpSize = 32

// lanes is one register of a warp.
type lanes [WarpSize]uint64

// The windows through which generic addresses reach the memory that is not in
// the address space. They start at vmem.Limit; nothing can be mapped there.
const (
	sharedWindow = 1 << 48
	localWindow  = 2 << 48
	paramWindow  = 3 << 48
	codeWindow   = 4 << 48
	windowBits   = 48
	windowMask   = 1<<windowBits - 1
)

// CodeAddress is the address of the n-th function of a module, for function
// pointers.
func CodeAddress(n int) uint64 { return codeWindow + uint64(n+1)*16 }
