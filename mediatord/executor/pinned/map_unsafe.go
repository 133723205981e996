package pinned

import (
	"errors"
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"

	"libvirt-vgpu/plugin/window"
)

const reserveFlags = unix.MAP_PRIVATE | unix.MAP_ANONYMOUS | unix.MAP_NORESERVE

// pointer makes an address of this process a pointer; it points outside Go's heap.
func pointer(address uint64) unsafe.Pointer {
	return *(*unsafe.Pointer)(unsafe.Pointer(&address))
}

func reserve(base, size uint64) error {
	at, err := unix.MmapPtr(-1, 0, pointer(base), uintptr(size), unix.PROT_NONE, reserveFlags|unix.MAP_FIXED_NOREPLACE)
	if err != nil {
		return fmt.Errorf("mmap: %w", err)
	}
	if uint64(uintptr(at)) != base { // kernels before 4.17 take the flag as a hint
		_ = unix.MunmapPtr(at, uintptr(size))
		return fmt.Errorf("mmap: the kernel chose %#x instead", uintptr(at))
	}
	return nil
}

func reserveAgain(va, size uint64) error {
	_, err := unix.MmapPtr(-1, 0, pointer(va), uintptr(size), unix.PROT_NONE, reserveFlags|unix.MAP_FIXED)
	return err
}

func release(base, size uint64) error {
	return unix.MunmapPtr(pointer(base), uintptr(size))
}

func mapShared(fd int, offset int64, va, size uint64) error {
	_, err := unix.MmapPtr(fd, offset, pointer(va), uintptr(size), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_FIXED)
	return err
}

// hugeFrom is from how many bytes on huge pages pay: asking for them drains lists
// of all processors, whatever the size.
const hugeFrom = 8 * window.ChunkSize

// useHugePages puts each chunk of [va, va + size) on one page of 2 MiB where the
// kernel (6.1 or newer) has such pages: registering takes a tenth of the time, and
// the device translates fewer addresses. The kernel does it for chunks that have
// some page; reading makes one, and changes nothing. Without it all works on.
func useHugePages(va, size uint64) {
	if size < hugeFrom {
		return
	}
	memory := bytesAt(va, size)
	for at := 0; at < len(memory); at += window.ChunkSize {
		_ = unix.Madvise(memory[at:at+page], unix.MADV_POPULATE_READ)
	}
	_ = unix.Madvise(memory, unix.MADV_COLLAPSE)
}

// mapSharedIfFree fails with ErrTaken when something is mapped there.
func mapSharedIfFree(fd int, offset int64, va, size uint64) error {
	at, err := unix.MmapPtr(fd, offset, pointer(va), uintptr(size), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_FIXED_NOREPLACE)
	if errors.Is(err, unix.EEXIST) {
		return ErrTaken
	}
	if err != nil {
		return err
	}
	if uint64(uintptr(at)) != va { // kernels before 4.17 take the flag as a hint
		_ = unix.MunmapPtr(at, uintptr(size))
		return ErrTaken
	}
	return nil
}

func bytesAt(va, size uint64) []byte {
	return unsafe.Slice((*byte)(pointer(va)), size)
}
