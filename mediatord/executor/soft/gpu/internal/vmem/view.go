package vmem

// slots is the size of a View's cache, a power of two.
const slots = 16

// View is one kernel worker's way into a Space: a small cache of the regions
// that its instructions used last. It is for one goroutine.
type View struct {
	space      *Space
	generation uint64
	cache      [slots]*Region
}

// nowhere holds no address.
var nowhere = &Region{base: ^uint64(0)}

// NewView makes a view with an empty cache.
func NewView(s *Space) *View {
	v := &View{space: s}
	v.forget()
	return v
}

func (v *View) forget() {
	for i := range v.cache {
		v.cache[i] = nowhere
	}
}

// Begin must precede the first access; until End no mapping changes.
func (v *View) Begin() {
	v.space.mu.RLock()
	if v.generation != v.space.generation {
		v.forget()
		v.generation = v.space.generation
	}
}

// End lets mappings change again.
func (v *View) End() { v.space.mu.RUnlock() }

// Recent is the region that the instruction with this number used last. It
// need not hold the address now wanted.
func (v *View) Recent(slot uint) *Region { return v.cache[slot%slots] }

// Find is the region that holds va and allows the access, or nil; it becomes
// Recent for the slot.
func (v *View) Find(slot uint, va uint64, access Access) *Region {
	r := v.space.find(va)
	if r == nil || r.access < access {
		return nil
	}
	v.cache[slot%slots] = r
	return r
}

// NewRegion makes a region outside any space: shared memory, whose addresses
// start at 0, or the parameters of a launch. The length must be a multiple of
// Granule.
func NewRegion(data []byte) *Region {
	return &Region{size: uint64(len(data)), access: ReadWrite, data: data, addr: addrOf(data)}
}

// Bytes is the region's memory.
func (r *Region) Bytes() []byte { return r.data }

// Offset is the position of va in the region; ok is false when the region
// does not hold va or does not allow the access.
func (r *Region) Offset(va uint64, access Access) (uint64, bool) {
	off := va - r.base
	return off, off < r.size && r.access >= access
}
