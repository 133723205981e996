// Package pinned keeps the arena chunks that a guest process and its executor
// map at the same address, so that the device reaches one memory under one
// address. Not safe for concurrent use.
package pinned

import (
	"errors"
	"fmt"
	"sort"

	"libvirt-vgpu/plugin/window"
)

// Errors of this package.
var (
	// ErrRange: an address outside the pinned range or misaligned, or one that
	// is in use.
	ErrRange = errors.New("address not usable for pinned memory")
	// ErrChunk: chunks that do not exist or belong to somebody else.
	ErrChunk = errors.New("chunks are not the channel's own")
)

// Mapping is a run of chunks mapped at VA.
type Mapping struct {
	VA, Size uint64
	First    int // chunk
	// Registered is the user's: whether the driver knows the memory.
	Registered bool
}

// Range is the reserved address range and what is mapped in it.
type Range struct {
	window     *window.Window
	channel    int
	base, size uint64
	mappings   []*Mapping // by VA
}

// Reserve takes the addresses [base, base + size) of this process for chunks of
// the channel. It fails if something is mapped there.
func Reserve(w *window.Window, channel int, base, size uint64) (*Range, error) {
	if err := reserve(base, size); err != nil {
		return nil, fmt.Errorf("reserving pinned range %#x: %w", base, err)
	}
	return &Range{window: w, channel: channel, base: base, size: size}, nil
}

// Close unmaps everything.
func (r *Range) Close() error {
	r.mappings = nil
	return release(r.base, r.size)
}

// Map maps count chunks from byte offset of the arena on at va. It fails with
// ErrRange or ErrChunk, or with the kernel's error.
func (r *Range) Map(va, offset uint64, count uint32) (*Mapping, error) {
	size := uint64(count) * window.ChunkSize
	if va%window.ChunkSize != 0 || va < r.base || size == 0 || size > r.size || va-r.base > r.size-size {
		return nil, fmt.Errorf("%w: %d chunks at %#x", ErrRange, count, va)
	}
	i := r.after(va)
	if i < len(r.mappings) && r.mappings[i].VA < va+size || i > 0 && r.mappings[i-1].end() > va {
		return nil, fmt.Errorf("%w: %d chunks at %#x overlap a mapping", ErrRange, count, va)
	}
	first := offset / window.ChunkSize
	if offset%window.ChunkSize != 0 || first >= uint64(r.window.Chunks) || !r.window.OwnsChunks(r.channel, int(first), int(count)) {
		return nil, fmt.Errorf("%w: %d from offset %#x of the arena on", ErrChunk, count, offset)
	}
	if err := mapShared(int(r.window.File().Fd()), int64(r.window.ChunkOffset(int(first))), va, size); err != nil {
		return nil, fmt.Errorf("mapping %d chunks at %#x: %w", count, va, err)
	}
	m := &Mapping{VA: va, Size: size, First: int(first)}
	r.mappings = append(r.mappings, nil)
	copy(r.mappings[i+1:], r.mappings[i:])
	r.mappings[i] = m
	return m, nil
}

// Unmap ends m, which Map has returned.
func (r *Range) Unmap(m *Mapping) error {
	i := r.after(m.VA) - 1
	r.mappings = append(r.mappings[:i], r.mappings[i+1:]...)
	if err := reserveAgain(m.VA, m.Size); err != nil {
		return fmt.Errorf("unmapping chunks at %#x: %w", m.VA, err)
	}
	return nil
}

// At returns the mapping that starts at va, nil if there is none.
func (r *Range) At(va uint64) *Mapping {
	if i := r.after(va) - 1; i >= 0 && r.mappings[i].VA == va {
		return r.mappings[i]
	}
	return nil
}

// Holding returns the mappings that contain chunk.
func (r *Range) Holding(chunk int) []*Mapping {
	var out []*Mapping
	for _, m := range r.mappings {
		if chunk >= m.First && uint64(chunk-m.First) < m.Size/window.ChunkSize {
			out = append(out, m)
		}
	}
	return out
}

// All returns every mapping in order of address.
func (r *Range) All() []*Mapping { return r.mappings }

// Check fails with ErrRange unless one mapping holds all size bytes at va.
func (r *Range) Check(va, size uint64) error {
	i := r.after(va) - 1
	if i < 0 || va > r.mappings[i].end() || size > r.mappings[i].end()-va {
		return fmt.Errorf("%w: no mapping holds %d bytes at %#x", ErrRange, size, va)
	}
	return nil
}

// Read appends size bytes at va to to. It fails with ErrRange.
func (r *Range) Read(to []byte, va, size uint64) ([]byte, error) {
	if err := r.Check(va, size); err != nil {
		return to, err
	}
	return append(to, bytesAt(va, size)...), nil
}

// after is the index of the first mapping that starts behind va.
func (r *Range) after(va uint64) int {
	return sort.Search(len(r.mappings), func(i int) bool { return r.mappings[i].VA > va })
}

func (m *Mapping) end() uint64 { return m.VA + m.Size }
