package guesttest

import (
	"testing"

	"golang.org/x/sys/unix"
)

// FreeRange returns the start of size bytes of addresses that nothing uses, for
// tests that stay clear of the fixed ranges (where the race detector lives).
func FreeRange(t testing.TB, size uintptr) uint64 {
	t.Helper()
	at, err := unix.MmapPtr(-1, 0, nil, size+alignment, unix.PROT_NONE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS|unix.MAP_NORESERVE)
	check(t, err)
	check(t, unix.MunmapPtr(at, size+alignment))
	return (uint64(uintptr(at)) + alignment - 1) &^ (alignment - 1)
}

// alignment is that of a chunk.
const alignment = 2 << 20
