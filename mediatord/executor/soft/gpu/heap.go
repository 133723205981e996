package gpu

import (
	"sort"
	"sync"
	"syscall"

	"libvirt-vgpu/mediatord/executor/soft/gpu/internal/vmem"
)

// pageSize is the granularity of addresses that the device hands out.
const pageSize = 4096

// Access is what kernels may do with mapped memory.
type Access = vmem.Access

// The kinds of access.
const (
	NoAccess  = vmem.NoAccess
	ReadOnly  = vmem.ReadOnly
	ReadWrite = vmem.ReadWrite
)

// Memory is physical device memory (CUmemGenericAllocationHandle). It lives
// until it is released and no longer mapped.
type Memory struct {
	data    []byte
	fd      int  // of the memfd behind it
	foreign bool // another device's: it counts there
	// exported: another device may have it as well.
	exported bool
	refs     int // the handle and the mappings
	held     bool
}

// Size is the size in bytes.
func (m *Memory) Size() uint64 { return uint64(len(m.data)) }

// addressRange is [base, base+size).
type addressRange struct{ base, size uint64 }

// mapping is physical memory, or lent memory when memory is nil, at an
// address.
type mapping struct {
	addressRange
	memory *Memory
	whole  bool // made by Alloc: Free undoes it
	own    bool // and its reservation
}

// heap is the device's memory: how much there is, which addresses are
// reserved, what is mapped where.
type heap struct {
	dev      *Device
	mu       sync.Mutex
	used     uint64
	reserved []addressRange // sorted, disjoint
	mappings map[uint64]*mapping
	physical map[*Memory]struct{}
	away     map[*Memory][]byte // what is in memory, between Checkpoint and Restore
	left     uint64             // what it had of its share then
}

func (h *heap) init(d *Device) {
	h.dev = d
	h.mappings = map[uint64]*mapping{}
	h.physical = map[*Memory]struct{}{}
}

// create makes physical memory. The caller holds h.mu.
func (h *heap) create(size uint64) (*Memory, error) {
	size = roundUp(size, pageSize)
	if size > h.dev.cfg.Memory-h.used {
		return nil, OutOfMemory
	}
	if !h.take(size) {
		return nil, OutOfMemory
	}
	m, err := newMemory(size)
	if err != nil {
		h.give(size)
		return nil, err
	}
	h.used += size
	h.physical[m] = struct{}{}
	return m, nil
}

// newMemory is memory with a handle, on no device yet.
func newMemory(size uint64) (*Memory, error) {
	fd, err := newFile(size)
	if err != nil {
		return nil, failure(OutOfMemory, "making %d bytes: %w", size, err)
	}
	data, err := mapFile(fd, size)
	if err != nil {
		_ = syscall.Close(fd)
		return nil, failure(OutOfMemory, "mapping %d bytes: %w", size, err)
	}
	return &Memory{data: data, fd: fd, refs: 1, held: true}, nil
}

// take takes bytes of the share, if there is one. The caller holds h.mu.
func (h *heap) take(bytes uint64) bool {
	return h.dev.cfg.Share == nil || h.dev.cfg.Share.Take(bytes)
}

// give gives them back. The caller holds h.mu.
func (h *heap) give(bytes uint64) {
	if h.dev.cfg.Share != nil {
		h.dev.cfg.Share.Give(bytes)
	}
}

// drop gives up one reference. The caller holds h.mu.
func (h *heap) drop(m *Memory) {
	if m.refs--; m.refs > 0 {
		return
	}
	if !m.foreign {
		h.used -= uint64(len(m.data))
		h.give(uint64(len(m.data)))
	}
	_ = syscall.Munmap(m.data) // cannot fail for a mapping that Mmap returned
	_ = syscall.Close(m.fd)
	delete(h.physical, m)
	m.data = nil
}

// reserve takes a range of addresses: at the hint when it is not 0, else
// wherever the device's own range has room, leaving a page free on both sides
// so that running over an end faults. The caller holds h.mu.
func (h *heap) reserve(size, align, hint uint64) (uint64, error) {
	if hint != 0 {
		if !h.free(hint, size) || hint+size < hint || hint+size > vmem.Limit {
			return 0, InvalidValue
		}
		h.insert(addressRange{hint, size})
		return hint, nil
	}
	at := roundUp(h.dev.cfg.HeapBase+pageSize, align)
	for _, r := range h.reserved {
		if r.base+r.size < at {
			continue
		}
		if r.base >= at && r.base-at >= size+pageSize {
			break
		}
		at = roundUp(r.base+r.size+pageSize, align)
	}
	end := h.dev.cfg.HeapBase + h.dev.cfg.HeapSize
	if at > end || end-at < size {
		return 0, OutOfMemory
	}
	h.insert(addressRange{at, size})
	return at, nil
}

func (h *heap) search(va uint64) int {
	return sort.Search(len(h.reserved), func(i int) bool { return h.reserved[i].base > va })
}

func (h *heap) free(va, size uint64) bool {
	i := h.search(va)
	return (i == 0 || h.reserved[i-1].base+h.reserved[i-1].size <= va) &&
		(i == len(h.reserved) || h.reserved[i].base >= va+size)
}

// covered says whether one reservation holds the range.
func (h *heap) covered(va, size uint64) bool {
	i := h.search(va) - 1
	return i >= 0 && va-h.reserved[i].base+size <= h.reserved[i].size
}

func (h *heap) insert(r addressRange) {
	i := h.search(r.base)
	h.reserved = append(h.reserved, addressRange{})
	copy(h.reserved[i+1:], h.reserved[i:])
	h.reserved[i] = r
}

// unreserve gives back a whole reservation.
func (h *heap) unreserve(va, size uint64) error {
	i := h.search(va) - 1
	if i < 0 || h.reserved[i] != (addressRange{va, size}) {
		return InvalidValue
	}
	h.reserved = append(h.reserved[:i], h.reserved[i+1:]...)
	return nil
}

// place maps memory. The caller holds h.mu.
func (h *heap) place(va uint64, data []byte, m *Memory, access Access) error {
	if err := h.dev.space.Map(va, data, access); err != nil {
		return failure(InvalidValue, "mapping %d bytes at %#x: %w", len(data), va, err)
	}
	if m != nil {
		m.refs++
	}
	h.mappings[va] = &mapping{addressRange: addressRange{va, uint64(len(data))}, memory: m}
	return nil
}

// remove unmaps one mapping and waits until no kernel uses it.
func (h *heap) remove(m *mapping) {
	_ = h.dev.space.Unmap(m.base, m.size) // what is in mappings is mapped
	delete(h.mappings, m.base)
	if m.memory != nil {
		h.drop(m.memory)
	}
}

func (h *heap) releaseAll() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, m := range h.mappings {
		h.remove(m)
	}
	for m := range h.physical {
		m.held, m.refs = false, 1
		h.drop(m)
	}
	h.reserved = nil
}

func roundUp(n, align uint64) uint64 {
	if align == 0 {
		return n
	}
	return (n + align - 1) / align * align
}
