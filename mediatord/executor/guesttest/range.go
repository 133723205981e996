package guesttest

import (
	"testing"

	"golang.org/x/sys/unix"
)

// aside is more than everything a test maps beside a free range.
const aside = 64 << 30

// FreeRange returns the start of size bytes of addresses that nothing uses, for
// tests that stay clear of the fixed ranges (where the race detector lives).
// Other threads map memory meanwhile: the range is the middle of a gap whose ends
// the kernel hands out first.
func FreeRange(t testing.TB, size uintptr) uint64 {
	t.Helper()
	gap := size + alignment + 2*aside
	at, err := unix.MmapPtr(-1, 0, nil, gap, unix.PROT_NONE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS|unix.MAP_NORESERVE)
	check(t, err)
	check(t, unix.MunmapPtr(at, gap))
	return (uint64(uintptr(at)) + aside + alignment - 1) &^ (alignment - 1)
}

// alignment is that of a chunk.
const alignment = 2 << 20
