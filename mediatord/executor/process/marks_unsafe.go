package process

import (
	"sync/atomic"
	"unsafe"
)

// marks is the memory into which the GPU writes how far streams have got. It is
// not Go's, so it stays where it is.
type marks []byte

func (m marks) address() uint64 { return uint64(uintptr(unsafe.Pointer(unsafe.SliceData(m)))) }

func (m marks) word(i int) *atomic.Uint32 {
	return (*atomic.Uint32)(unsafe.Pointer(&m[i*4 : i*4+4][0]))
}
