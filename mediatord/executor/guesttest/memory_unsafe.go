package guesttest

import (
	"sync/atomic"
	"unsafe"
)

func (g *Guest) word32(offset int) *atomic.Uint32 {
	return (*atomic.Uint32)(unsafe.Pointer(&g.Memory()[offset]))
}

func (g *Guest) word64(offset int) *atomic.Uint64 {
	return (*atomic.Uint64)(unsafe.Pointer(&g.Memory()[offset]))
}
