package guesttest_test

import (
	"testing"

	"golang.org/x/sys/unix"

	"libvirt-vgpu/mediatord/executor/guesttest"
	"libvirt-vgpu/mediatord/executor/pinned"
)

// A thread's stack or a file that is mapped meanwhile does not land in a free range.
func TestAFreeRangeStaysFree(t *testing.T) {
	const size = 32 << 20
	base := guesttest.FreeRange(t, size)
	for i := range 64 {
		length := uintptr(4096) << (i % 16) // to 128 MiB: the free range would fit some, and some would fit it
		at, err := unix.MmapPtr(-1, 0, nil, length, unix.PROT_NONE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS|unix.MAP_NORESERVE)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = unix.MunmapPtr(at, length) })
	}
	if _, err := pinned.ReserveAddresses(base, size); err != nil {
		t.Error(err)
	}
}
