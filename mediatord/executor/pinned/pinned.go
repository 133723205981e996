// Package pinned keeps the arena memory that a guest process and its executor
// map at the same address, so that the device reaches one memory under one
// address: chunks in a range that both keep for them, and pages elsewhere, where
// the guest process had its memory before. Not safe for concurrent use.
package pinned

import (
	"errors"
	"fmt"
	"slices"
	"sort"

	"libvirt-vgpu/mediatord/executor/driver"
	"libvirt-vgpu/plugin/window"
)

// Errors of this package.
var (
	// ErrRange: an address that no honest process names: outside the pinned range,
	// misaligned, or in use for pinned memory.
	ErrRange = errors.New("address not usable for pinned memory")
	// ErrTaken: an address elsewhere where this process has something of its own.
	ErrTaken = errors.New("address in use by the executor")
	// ErrChunk: chunks that do not exist or belong to somebody else.
	ErrChunk = errors.New("chunks are not the channel's own")
)

// Mapping is memory of the arena, from byte Offset on, mapped at VA.
type Mapping struct {
	VA, Size uint64
	Offset   uint64
	// Elsewhere is outside the range: pages that hold memory of the guest process.
	Elsewhere bool
	// Registered is the user's: whether the driver knows the memory of a mapping.
	Registered bool
}

// Range is the reserved address range and what is mapped in it.
type Range struct {
	window     *window.Window
	channel    int
	base, size uint64
	device     uint64          // where the range of device memory begins
	mappings   []*Mapping      // by VA
	extents    []driver.Extent // of mappings
}

// Addresses is a range of addresses of this process that nothing else gets.
type Addresses struct{ base, size uint64 }

// ReserveAddresses takes [base, base + size). It fails if something is mapped there.
func ReserveAddresses(base, size uint64) (Addresses, error) {
	if err := reserve(base, size); err != nil {
		return Addresses{}, fmt.Errorf("reserving pinned range %#x: %w", base, err)
	}
	return Addresses{base, size}, nil
}

// Of is the range for chunks of a channel.
func (a Addresses) Of(w *window.Window, channel int) *Range {
	return &Range{window: w, channel: channel, base: a.base, size: a.size, device: window.DeviceBase}
}

// Close unmaps everything.
func (r *Range) Close() error {
	var failures []error
	for _, m := range r.mappings {
		if m.Elsewhere {
			failures = append(failures, release(m.VA, m.Size))
		}
	}
	r.mappings, r.extents = nil, nil
	return errors.Join(append(failures, release(r.base, r.size))...)
}

// overlaps says whether [va, va + size) meets a mapping; next is the index of the
// first mapping behind va.
func (r *Range) overlaps(va, size uint64) (next int, yes bool) {
	next = r.after(va)
	return next, next < len(r.mappings) && r.mappings[next].VA < va+size || next > 0 && r.mappings[next-1].end() > va
}

// owned says whether all chunks that hold part of size bytes of the arena are the
// channel's.
func (r *Range) owned(offset, size uint64) bool {
	first := offset / window.ChunkSize
	arena := uint64(r.window.Chunks) * window.ChunkSize
	return size <= arena && offset <= arena-size &&
		r.window.OwnsChunks(r.channel, int(first), int((offset+size-1)/window.ChunkSize-first+1))
}

func (r *Range) insert(i int, m *Mapping) *Mapping {
	r.mappings = slices.Insert(r.mappings, i, m)
	r.extents = slices.Insert(r.extents, i, driver.Extent{Begin: m.VA, End: m.end()})
	return m
}

// file is where the arena's byte offset lies in the window.
func (r *Range) file(offset uint64) (fd int, at int64) {
	return int(r.window.File().Fd()), int64(r.window.ChunkOffset(0) + offset)
}

// Map maps count chunks from byte offset of the arena on at va. It fails with
// ErrRange or ErrChunk, or with the kernel's error.
func (r *Range) Map(va, offset uint64, count uint32) (*Mapping, error) {
	size := uint64(count) * window.ChunkSize
	if va%window.ChunkSize != 0 || va < r.base || size == 0 || size > r.size || va-r.base > r.size-size {
		return nil, fmt.Errorf("%w: %d chunks at %#x", ErrRange, count, va)
	}
	i, overlaps := r.overlaps(va, size)
	if overlaps {
		return nil, fmt.Errorf("%w: %d chunks at %#x overlap a mapping", ErrRange, count, va)
	}
	if offset%window.ChunkSize != 0 || !r.owned(offset, size) {
		return nil, fmt.Errorf("%w: %d from offset %#x of the arena on", ErrChunk, count, offset)
	}
	fd, at := r.file(offset)
	if err := mapShared(fd, at, va, size); err != nil {
		return nil, fmt.Errorf("mapping %d chunks at %#x: %w", count, va, err)
	}
	useHugePages(va, size)
	return r.insert(i, &Mapping{VA: va, Size: size, Offset: offset}), nil
}

// Addresses that a process of the guest may have memory at.
const (
	lowest  = 1 << 16
	highest = 1 << 47
	page    = 4096
)

// inUserHalf says whether a process may have all of [va, va + size).
func inUserHalf(va, size uint64) bool {
	return va >= lowest && va <= highest && size <= highest-va
}

// MapElsewhere maps size bytes from byte offset of the arena on, all whole pages,
// at va outside the range. It fails with ErrRange, ErrChunk, ErrTaken, or with the
// kernel's error.
func (r *Range) MapElsewhere(va, offset, size uint64) (*Mapping, error) {
	if va%page != 0 || size%page != 0 || size == 0 || !inUserHalf(va, size) {
		return nil, fmt.Errorf("%w: %d bytes at %#x", ErrRange, size, va)
	}
	for _, reserved := range [...][2]uint64{{r.base, r.size}, {r.device, window.DeviceSize}} {
		if va < reserved[0]+reserved[1] && reserved[0] < va+size {
			return nil, fmt.Errorf("%w: %d bytes at %#x lie in a range with a meaning of its own", ErrRange, size, va)
		}
	}
	i, overlaps := r.overlaps(va, size)
	if overlaps {
		return nil, fmt.Errorf("%w: %d bytes at %#x overlap a mapping", ErrRange, size, va)
	}
	if offset%page != 0 || !r.owned(offset, size) {
		return nil, fmt.Errorf("%w: %d bytes from offset %#x of the arena on", ErrChunk, size, offset)
	}
	fd, at := r.file(offset)
	if err := mapSharedIfFree(fd, at, va, size); err != nil {
		return nil, fmt.Errorf("mapping %d bytes at %#x: %w", size, va, err)
	}
	return r.insert(i, &Mapping{VA: va, Size: size, Offset: offset, Elsewhere: true}), nil
}

// Unmap ends m, which Map has returned.
func (r *Range) Unmap(m *Mapping) error {
	i := r.after(m.VA) - 1
	r.mappings, r.extents = slices.Delete(r.mappings, i, i+1), slices.Delete(r.extents, i, i+1)
	undo := reserveAgain
	if m.Elsewhere {
		undo = release
	}
	if err := undo(m.VA, m.Size); err != nil {
		return fmt.Errorf("unmapping memory at %#x: %w", m.VA, err)
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
		if at := uint64(chunk) * window.ChunkSize; m.Offset < at+window.ChunkSize && at < m.Offset+m.Size {
			out = append(out, m)
		}
	}
	return out
}

// All returns every mapping in order of address.
func (r *Range) All() []*Mapping { return r.mappings }

// Extents are where All lie, in order; they hold until the next Map, MapElsewhere or Unmap.
func (r *Range) Extents() []driver.Extent { return r.extents }

// Check fails with ErrRange unless mappings hold all size bytes at va. Adjacent ones
// do so together.
func (r *Range) Check(va, size uint64) error {
	i := r.after(va) - 1
	if i < 0 || va > r.mappings[i].end() {
		return fmt.Errorf("%w: no mapping holds %d bytes at %#x", ErrRange, size, va)
	}
	end := r.mappings[i].end()
	for ; size > end-va; end = r.mappings[i].end() {
		i++
		if i == len(r.mappings) || r.mappings[i].VA != end {
			return fmt.Errorf("%w: no mapping holds %d bytes at %#x", ErrRange, size, va)
		}
	}
	return nil
}

// after is the index of the first mapping that starts behind va.
func (r *Range) after(va uint64) int {
	return sort.Search(len(r.mappings), func(i int) bool { return r.mappings[i].VA > va })
}

func (m *Mapping) end() uint64 { return m.VA + m.Size }
