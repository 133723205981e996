// Package vmem is the software GPU's address space: byte slices mapped at
// addresses of the caller's choice, and the accesses that kernels and copies
// make to them.
//
// Lock order: Space.mu is a leaf. A View between Begin and End holds it for
// reading, so Map and Unmap wait until every running kernel has come to the
// end of its slice of instructions; after Unmap returns nobody touches the
// bytes any more. Nothing that holds a View may call Map or Unmap.
package vmem

import (
	"errors"
	"sort"
	"sync"
)

// Granule is what addresses and sizes of mappings must be multiples of. An
// aligned access of up to Granule bytes never crosses the end of a region.
const Granule = 16

// Limit is the first address that cannot be mapped; above it lie the windows
// through which generic addresses reach shared and local memory.
const Limit = 1 << 48

// The errors of Map, Unmap, Protect and the copies.
var (
	ErrOverlap   = errors.New("address range is mapped already")
	ErrAlignment = errors.New("address range is not aligned")
	ErrNotMapped = errors.New("address range is not mapped")
)

// Access is what kernels and copies may do with a region.
type Access uint8

// The kinds of access; each includes the ones before it.
const (
	NoAccess Access = iota
	ReadOnly
	ReadWrite
)

// Region is one mapping. It never changes after Map.
type Region struct {
	base   uint64
	size   uint64
	access Access
	data   []byte
	addr   hostAddr // of data[0]
}

// Space is an address space, safe for concurrent use.
type Space struct {
	mu         sync.RWMutex
	regions    []*Region // by base, disjoint
	generation uint64
}

// Map makes data accessible at va. The slice must stay valid until Unmap.
func (s *Space) Map(va uint64, data []byte, access Access) error {
	size := uint64(len(data))
	if size == 0 || va == 0 || va%Granule != 0 || size%Granule != 0 || va >= Limit || Limit-va < size {
		return ErrAlignment
	}
	r := &Region{base: va, size: size, access: access, data: data, addr: addrOf(data)}
	if !r.addr.aligned() {
		return ErrAlignment
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	i := s.after(va)
	if i > 0 && s.regions[i-1].end() > va || i < len(s.regions) && s.regions[i].base < r.end() {
		return ErrOverlap
	}
	s.regions = append(s.regions, nil)
	copy(s.regions[i+1:], s.regions[i:])
	s.regions[i] = r
	s.generation++
	return nil
}

func (r *Region) end() uint64 { return r.base + r.size }

// after is the index of the first region whose base is above va.
func (s *Space) after(va uint64) int {
	return sort.Search(len(s.regions), func(i int) bool { return s.regions[i].base > va })
}

// whole finds the regions that fill [va, va+size) exactly at both ends.
func (s *Space) whole(va, size uint64) (int, int, error) {
	i := s.after(va) - 1
	if i < 0 || s.regions[i].base != va || size == 0 {
		return 0, 0, ErrNotMapped
	}
	for j := i; j < len(s.regions) && s.regions[j].end() <= va+size; j++ {
		if s.regions[j].end() == va+size {
			return i, j + 1, nil
		}
	}
	return 0, 0, ErrNotMapped
}

// Unmap removes the regions in [va, va+size), whose ends must be ends of
// regions. On return no kernel and no copy uses them any more.
func (s *Space) Unmap(va, size uint64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	i, j, err := s.whole(va, size)
	if err != nil {
		return err
	}
	s.regions = append(s.regions[:i], s.regions[j:]...)
	s.generation++
	return nil
}

// Protect changes the access to the regions in [va, va+size), whose ends must
// be ends of regions.
func (s *Space) Protect(va, size uint64, access Access) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	i, j, err := s.whole(va, size)
	if err != nil {
		return err
	}
	for ; i < j; i++ {
		r := *s.regions[i]
		r.access = access
		s.regions[i] = &r
	}
	s.generation++
	return nil
}

// find is the region that holds va, or nil. The caller holds s.mu.
func (s *Space) find(va uint64) *Region {
	if i := s.after(va) - 1; i >= 0 && va-s.regions[i].base < s.regions[i].size {
		return s.regions[i]
	}
	return nil
}

// Bounds returns the mapping that holds va.
func (s *Space) Bounds(va uint64) (base, size uint64, ok bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if r := s.find(va); r != nil {
		return r.base, r.size, true
	}
	return 0, 0, false
}

// Mapped says whether every byte of [va, va+size) may be accessed that way.
func (s *Space) Mapped(va, size uint64, access Access) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for size > 0 {
		r := s.find(va)
		if r == nil || r.access < access {
			return false
		}
		n := min(r.end()-va, size)
		va += n
		size -= n
	}
	return true
}
