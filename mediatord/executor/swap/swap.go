// Package swap is host memory for what lay in a GPU's: anonymous, page-locked
// piece by piece by whoever copies, and zeroed before it is given back.
package swap

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// Piece is how much is page-locked at once, in bytes. Nothing is copied across
// the end of a piece.
const Piece = 64 << 20

// Buffer is host memory of one process that nobody else maps. It is not in core
// files.
type Buffer struct {
	memory []byte
}

// New makes a buffer of size bytes. It takes pages as they are touched.
func New(size uint64) (*Buffer, error) {
	memory, err := unix.Mmap(-1, 0, int(size), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS|unix.MAP_NORESERVE)
	if err != nil {
		return nil, fmt.Errorf("making a swap buffer of %d bytes: %w", size, err)
	}
	_ = unix.Madvise(memory, unix.MADV_HUGEPAGE) // a kernel without them is slower
	if err := unix.Madvise(memory, unix.MADV_DONTDUMP); err != nil {
		return nil, errors.Join(fmt.Errorf("making a swap buffer: %w", err), unix.Munmap(memory))
	}
	return &Buffer{memory: memory}, nil
}

// Size is the buffer's in bytes.
func (b *Buffer) Size() uint64 { return uint64(len(b.memory)) }

// Pieces is how many pieces there are; the last one may be smaller.
func (b *Buffer) Pieces() int { return (len(b.memory) + Piece - 1) / Piece }

// Extent is where piece i lies in this process, and its bytes.
func (b *Buffer) Extent(i int) (address, size uint64) {
	piece := b.piece(i)
	return addressOf(piece), uint64(len(piece))
}

// Return zeroes piece i and gives its pages back to the kernel. Nothing may have
// it page-locked.
func (b *Buffer) Return(i int) error {
	piece := b.piece(i)
	clear(piece)
	if err := unix.Madvise(piece, unix.MADV_DONTNEED); err != nil {
		return fmt.Errorf("giving back a piece of a swap buffer: %w", err)
	}
	return nil
}

// Close ends the buffer, whose pieces were returned or never touched.
func (b *Buffer) Close() error {
	memory := b.memory
	b.memory = nil
	if err := unix.Munmap(memory); err != nil {
		return fmt.Errorf("unmapping a swap buffer: %w", err)
	}
	return nil
}

func (b *Buffer) piece(i int) []byte { return b.memory[i*Piece : min((i+1)*Piece, len(b.memory))] }

// Run is bytes that lie in one piece: At in the device's memory, Host in this
// process.
type Run struct{ At, Host, Size uint64 }

// Runs cuts size bytes at a device address, which belong at offset of the buffer,
// at the ends of pieces.
func (b *Buffer) Runs(at, size, offset uint64) []Run {
	var runs []Run
	base := addressOf(b.memory)
	for size > 0 {
		n := min(size, Piece-offset%Piece)
		runs = append(runs, Run{At: at, Host: base + offset, Size: n})
		at, offset, size = at+n, offset+n, size-n
	}
	return runs
}
