package soft

import (
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// mapAnonymous is memory of this process and its address.
func mapAnonymous(t *testing.T, size int) ([]byte, uint64) {
	t.Helper()
	b, err := unix.Mmap(-1, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Munmap(b); err != nil {
			t.Error(err)
		}
	})
	return b, uint64(uintptr(unsafe.Pointer(unsafe.SliceData(b))))
}
