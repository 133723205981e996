package lease

import (
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// words are the memory of a page.
type words []byte

// word is an aligned 32-bit word at a constant offset.
func (w words) word(at int) *atomic.Uint32 {
	return (*atomic.Uint32)(unsafe.Pointer(&w[at : at+4][0]))
}

// double is an aligned 64-bit word at a constant offset.
func (w words) double(at int) *atomic.Uint64 {
	return (*atomic.Uint64)(unsafe.Pointer(&w[at : at+8][0]))
}

// microseconds are in a 32-bit word.
func (w words) microseconds(at int) time.Duration {
	return time.Duration(w.word(at).Load()) * time.Microsecond
}

// address is where a place lies; mapped memory stays there.
func (w words) address(at int) uintptr { return uintptr(unsafe.Pointer(&w[at])) }

func addressOf(word *atomic.Uint64) uintptr { return uintptr(unsafe.Pointer(word)) }

// Operations of futex(2), between processes.
const (
	opWait = 0
	opWake = 1
)

// futexWait returns when woken, at once if the word is not value, or after d.
func futexWait(word *atomic.Uint32, value uint32, d time.Duration) {
	t := unix.NsecToTimespec(int64(d))
	_, _, _ = unix.Syscall6(unix.SYS_FUTEX, uintptr(unsafe.Pointer(word)), opWait, uintptr(value), uintptr(unsafe.Pointer(&t)), 0, 0)
}

func futexWake(word *atomic.Uint32) {
	_, _, _ = unix.Syscall6(unix.SYS_FUTEX, uintptr(unsafe.Pointer(word)), opWake, 1, 0, 0, 0)
}
