package vm

import (
	"sync/atomic"
	"unsafe"
)

// word is the 32-bit word at an offset of a channel that is a multiple of four.
func (h *fakeHost) word(channel, offset int) *atomic.Uint32 {
	return (*atomic.Uint32)(unsafe.Pointer(&h.window.Channel(channel)[offset]))
}
