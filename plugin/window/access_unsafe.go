package window

import (
	"sync/atomic"
	"unsafe"
)

// word is the aligned 32-bit word at an offset that the caller has checked
// against the geometry.
func (w *Window) word(offset uint64) *atomic.Uint32 {
	return (*atomic.Uint32)(unsafe.Pointer(&w.memory[offset : offset+4][0]))
}

// double is the aligned 64-bit word at an offset that the caller has checked
// against the geometry.
func (w *Window) double(offset uint64) *atomic.Uint64 {
	return (*atomic.Uint64)(unsafe.Pointer(&w.memory[offset : offset+8][0]))
}

func (w *Window) chunkWord(i int) *atomic.Uint32 {
	if err := w.CheckChunk(i); err != nil {
		panic(err)
	}
	return w.word(w.ChunkTable + uint64(i)*4)
}

// double is an aligned 64-bit word of the account's page.
func (a *Account) double(offset uint64) *atomic.Uint64 {
	return (*atomic.Uint64)(unsafe.Pointer(&a.memory[offset : offset+8][0]))
}
