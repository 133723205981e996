package gpu

// MemInfo is the device memory that is not in use, and all of it, in bytes.
func (d *Device) MemInfo() (free, total uint64) {
	d.memory.mu.Lock()
	defer d.memory.mu.Unlock()
	free = d.cfg.Memory - d.memory.used
	if d.cfg.Share != nil {
		shared, err := d.cfg.Share.Free()
		if err != nil {
			shared = 0
		}
		free = min(free, shared)
	}
	return free, d.cfg.Memory
}

// TakeShare takes bytes of memory that the device shares, for what lies outside its heap.
// It fails with OutOfMemory.
func (d *Device) TakeShare(bytes uint64) error {
	d.memory.mu.Lock()
	defer d.memory.mu.Unlock()
	if !d.memory.take(bytes) {
		return OutOfMemory
	}
	return nil
}

// GiveShare gives back what TakeShare has taken.
func (d *Device) GiveShare(bytes uint64) {
	d.memory.mu.Lock()
	defer d.memory.mu.Unlock()
	d.memory.give(bytes)
}

// Alloc makes device memory of at least size bytes at an address of the
// device's choice, aligned to a page. CUDA_ERROR_INVALID_VALUE for size 0,
// CUDA_ERROR_OUT_OF_MEMORY when there is not enough.
func (d *Device) Alloc(size uint64) (uint64, error) { return d.alloc(0, size) }

// AllocAt makes device memory at va, which may lie in a reservation or
// outside of all of them; size is rounded up to pages.
func (d *Device) AllocAt(va, size uint64) error {
	if va == 0 || va%pageSize != 0 {
		return InvalidValue
	}
	_, err := d.alloc(va, size)
	return err
}

func (d *Device) alloc(va, size uint64) (uint64, error) {
	if err := d.Err(); err != nil {
		return 0, err
	}
	h := &d.memory
	h.mu.Lock()
	defer h.mu.Unlock()
	if size == 0 {
		return 0, InvalidValue
	}
	if size > d.cfg.Memory {
		return 0, OutOfMemory
	}
	size = roundUp(size, pageSize)
	own := va == 0 || !h.covered(va, size)
	if own {
		var err error
		if va, err = h.reserve(size, pageSize, va); err != nil {
			return 0, err
		}
	}
	m, err := h.create(size)
	if err == nil {
		if err = h.place(va, m.data, m, ReadWrite); err != nil {
			h.drop(m)
		}
	}
	if err != nil {
		if own {
			_ = h.unreserve(va, size)
		}
		return 0, err
	}
	h.mappings[va].whole, h.mappings[va].own = true, own
	m.held = false
	h.drop(m) // the mapping holds it
	return va, nil
}

// Free gives memory of Alloc or AllocAt back after all streams have finished
// what was submitted so far. va is its first address.
func (d *Device) Free(va uint64) error {
	if err := d.Synchronize(); err != nil {
		return err
	}
	return d.release(va)
}

func (d *Device) release(va uint64) error {
	h := &d.memory
	h.mu.Lock()
	defer h.mu.Unlock()
	m := h.mappings[va]
	if m == nil || !m.whole || m.memory == nil {
		return InvalidValue
	}
	h.remove(m)
	if m.own {
		return h.unreserve(m.base, m.size)
	}
	return nil
}

// MapHost lets kernels and copies use data, which the caller lends, at va.
// Both must be aligned to 16 bytes; pinned memory that keeps its address is
// mapped page by page.
func (d *Device) MapHost(va uint64, data []byte) error {
	if err := d.Err(); err != nil {
		return err
	}
	h := &d.memory
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.place(va, data, nil, ReadWrite)
}

// UnmapHost ends the loan of MapHost. On return nothing touches the slice any
// more; work that still refers to it will fault.
func (d *Device) UnmapHost(va uint64) error {
	h := &d.memory
	h.mu.Lock()
	defer h.mu.Unlock()
	m := h.mappings[va]
	if m == nil || m.memory != nil {
		return InvalidValue
	}
	h.remove(m)
	return nil
}

// Reserve takes a range of addresses (cuMemAddressReserve): at hint when it is
// not 0, or CUDA_ERROR_INVALID_VALUE when that is taken.
func (d *Device) Reserve(size, align, hint uint64) (uint64, error) {
	if err := d.Err(); err != nil {
		return 0, err
	}
	if size == 0 || size%pageSize != 0 || hint%pageSize != 0 || align&(align-1) != 0 {
		return 0, InvalidValue
	}
	d.memory.mu.Lock()
	defer d.memory.mu.Unlock()
	return d.memory.reserve(size, max(align, pageSize), hint)
}

// FreeReservation gives a range of Reserve back (cuMemAddressFree); nothing
// may be mapped in it.
func (d *Device) FreeReservation(va, size uint64) error {
	h := &d.memory
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, m := range h.mappings {
		if m.base < va+size && va < m.base+m.size {
			return InvalidValue
		}
	}
	return h.unreserve(va, size)
}

// CreateMemory makes physical memory (cuMemCreate) of size bytes, a multiple
// of the page size.
func (d *Device) CreateMemory(size uint64) (*Memory, error) {
	if err := d.Err(); err != nil {
		return nil, err
	}
	if size == 0 || size%pageSize != 0 {
		return nil, InvalidValue
	}
	d.memory.mu.Lock()
	defer d.memory.mu.Unlock()
	return d.memory.create(size)
}

// ReleaseMemory gives the handle back (cuMemRelease); mappings keep the
// memory alive.
func (d *Device) ReleaseMemory(m *Memory) error {
	d.memory.mu.Lock()
	defer d.memory.mu.Unlock()
	if !m.held {
		return InvalidValue
	}
	m.held = false
	d.memory.drop(m)
	return nil
}

// MapMemory maps size bytes of m from offset at va (cuMemMap), inside a
// reservation. Nobody can access them before SetAccess.
func (d *Device) MapMemory(va, size, offset uint64, m *Memory) error {
	if err := d.Err(); err != nil {
		return err
	}
	h := &d.memory
	h.mu.Lock()
	defer h.mu.Unlock()
	if !m.held || size == 0 || size%pageSize != 0 || va%pageSize != 0 || offset%pageSize != 0 ||
		offset > m.Size() || size > m.Size()-offset || !h.covered(va, size) {
		return InvalidValue
	}
	return h.place(va, m.data[offset:offset+size], m, NoAccess)
}

// UnmapMemory undoes the MapMemory calls that fill [va, va+size).
func (d *Device) UnmapMemory(va, size uint64) error {
	h := &d.memory
	h.mu.Lock()
	defer h.mu.Unlock()
	list, err := h.filling(va, size)
	if err != nil {
		return err
	}
	for _, m := range list {
		h.remove(m)
	}
	return nil
}

// filling lists the mappings that fill a range exactly.
func (h *heap) filling(va, size uint64) ([]*mapping, error) {
	var list []*mapping
	for at := va; at != va+size; {
		m := h.mappings[at]
		if m == nil || m.memory == nil || m.whole || m.size > va+size-at {
			return nil, InvalidValue
		}
		list = append(list, m)
		at += m.size
	}
	return list, nil
}

// SetAccess changes what kernels and copies may do with the mappings that
// fill [va, va+size).
func (d *Device) SetAccess(va, size uint64, access Access) error {
	h := &d.memory
	h.mu.Lock()
	defer h.mu.Unlock()
	if _, err := h.filling(va, size); err != nil {
		return err
	}
	if err := d.space.Protect(va, size, access); err != nil {
		return failure(InvalidValue, "setting access to %#x: %w", va, err)
	}
	return nil
}

// Bounds is the mapping that holds va; ok is false when there is none.
func (d *Device) Bounds(va uint64) (base, size uint64, ok bool) { return d.space.Bounds(va) }

// Mapped says whether all of [va, va+size) may be accessed that way.
func (d *Device) Mapped(va, size uint64, access Access) bool { return d.space.Mapped(va, size, access) }

// Read copies device memory at once, without regard to streams.
func (d *Device) Read(p []byte, va uint64) error { return located(d.space.Read(p, va), va) }

// Write copies to device memory at once, without regard to streams.
func (d *Device) Write(va uint64, p []byte) error { return located(d.space.Write(va, p), va) }

func located(err error, va uint64) error {
	if err == nil {
		return nil
	}
	return failure(InvalidValue, "address %#x: %w", va, err)
}
