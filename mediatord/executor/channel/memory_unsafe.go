package channel

import (
	"fmt"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"

	"libvirt-vgpu/plugin/window"
)

// mapTwice maps size bytes of fd at offset twice in a row, so that a record that
// wraps is contiguous.
func mapTwice(fd int, offset int64, size uintptr) ([]byte, error) {
	at, err := unix.MmapPtr(-1, 0, nil, 2*size, unix.PROT_NONE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS|unix.MAP_NORESERVE)
	if err != nil {
		return nil, fmt.Errorf("reserving addresses for the ring: %w", err)
	}
	for _, half := range []uintptr{0, size} {
		_, err := unix.MmapPtr(fd, offset, unsafe.Add(at, half), size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_FIXED)
		if err != nil {
			_ = unix.MunmapPtr(at, 2*size)
			return nil, fmt.Errorf("mapping the ring: %w", err)
		}
	}
	return unsafe.Slice((*byte)(at), 2*size), nil
}

func unmapTwice(ring []byte) error {
	if err := unix.MunmapPtr(unsafe.Pointer(unsafe.SliceData(ring)), uintptr(len(ring))); err != nil {
		return fmt.Errorf("unmapping the ring: %w", err)
	}
	return nil
}

func addressOf(b []byte) uint64 { return uint64(uintptr(unsafe.Pointer(unsafe.SliceData(b)))) }

// word32 is the aligned word at a constant offset inside the channel.
func (c *Channel) word32(offset int) *atomic.Uint32 {
	return (*atomic.Uint32)(unsafe.Pointer(&c.memory[offset : offset+4][0]))
}

func (c *Channel) word64(offset int) *atomic.Uint64 {
	return (*atomic.Uint64)(unsafe.Pointer(&c.memory[offset : offset+8][0]))
}

// clear zeroes the first word of each line from a position of the ring on. The
// stores may be late, but not later than the next atomic one: HEAD's.
func (c *Channel) clear(position, lines uint64) {
	for at := position; lines > 0; lines-- {
		*(*uint32)(unsafe.Pointer(&c.ring[at : at+4][0])) = 0
		at += window.Line
	}
}

// fetch brings the lines at a position of the ring, below RingSize, closer.
func (c *Channel) fetch(position uint64) { prefetch(unsafe.Pointer(&c.ring[position])) }

// ringWord is the aligned word at a position of the ring below RingSize.
func (c *Channel) ringWord(position uint64) *atomic.Uint32 {
	return (*atomic.Uint32)(unsafe.Pointer(&c.ring[position : position+4][0]))
}
