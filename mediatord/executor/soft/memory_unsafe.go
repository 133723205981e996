package soft

import (
	"sync/atomic"
	"unsafe"
)

// hostBytes is registered memory of this process; it is mapped until it is
// unregistered.
func hostBytes(address, size uint64) []byte {
	return unsafe.Slice((*byte)(*(*unsafe.Pointer)(unsafe.Pointer(&address))), size)
}

// word64 is the aligned 64-bit word at an offset of memory that processes share.
func word64(memory []byte, offset int) *atomic.Uint64 {
	return (*atomic.Uint64)(unsafe.Pointer(&memory[offset : offset+8][0]))
}
