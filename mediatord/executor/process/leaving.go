package process

import (
	"slices"

	"libvirt-vgpu/mediatord/executor/driver"
)

// A parked process may free memory: that needs no room on the GPU, and brings it
// nearer to waking. What frees other memory goes to the driver.

// parkedBlock is the block at an address, if it is parked.
func (p *Process) parkedBlock(va uint64) *moved {
	for _, m := range p.parking.moved {
		if m.of == nil && m.va == va {
			return m
		}
	}
	return nil
}

// parkedAllocation is what is parked of an allocation.
func (p *Process) parkedAllocation(a *allocation) *moved {
	for _, m := range p.parking.moved {
		if m.of == a {
			return m
		}
	}
	return nil
}

// parkedIn says whether anything of [va, va + size) is parked.
func (p *Process) parkedIn(va, size uint64) bool {
	return slices.ContainsFunc(p.parking.moved, func(m *moved) bool {
		if m.of == nil {
			return m.va < va+size && va < m.va+m.size
		}
		return slices.ContainsFunc(m.mappings, func(f movedMapping) bool { return f.va < va+size && va < f.va+f.size })
	})
}

// forget drops parked memory that the process has freed. Its bytes stay in the
// buffer until all of it is given back.
func (p *Process) forget(gone *moved) driver.Result {
	k := &p.parking
	k.moved = slices.DeleteFunc(k.moved, func(m *moved) bool { return m == gone })
	k.bytes.Add(-gone.size)
	if len(k.moved) == 0 && !p.Away() { // else when the contexts are back, with which the driver will look for the buffer
		if r := p.enterRegistrar(); r != driver.Success {
			return r
		}
		p.unparked()
	}
	p.tellParking("", false)
	return driver.Success
}

// unmapParked is the unmapping of a range of which something is parked.
func (p *Process) unmapParked(va, size uint64) driver.Result {
	inside, end := p.memory.mapped(va, size), va
	for _, mapping := range inside {
		if mapping.va != end {
			return driver.ErrorInvalidValue
		}
		end += mapping.size
	}
	if end != va+size {
		return driver.ErrorInvalidValue
	}
	for _, mapping := range inside {
		m := p.parkedAllocation(mapping.of)
		if m == nil {
			if r := p.Driver.MemoryUnmap(mapping.va, mapping.size); r != driver.Success {
				return r
			}
			continue
		}
		m.unmap(mapping.va)
		if r := p.forgetFreed(m); r != driver.Success {
			return r
		}
	}
	return driver.Success
}

// unmap notes that a mapping is gone. That through which the bytes will come back is
// made once more then, for so long.
func (m *moved) unmap(va uint64) {
	m.mappings = slices.DeleteFunc(m.mappings, func(f movedMapping) bool { return f.va == va && va != m.va })
	for i := range m.mappings {
		if m.mappings[i].va == va {
			m.mappings[i].gone = true
		}
	}
}

// forgetFreed forgets an allocation that has neither handle nor mapping any more.
func (p *Process) forgetFreed(m *moved) driver.Result {
	if m.number == 0 && !slices.ContainsFunc(m.mappings, func(f movedMapping) bool { return !f.gone }) {
		return p.forget(m)
	}
	return driver.Success
}

// unmapGone ends the mapping that was only made to bring the bytes back.
func (p *Process) unmapGone(m *moved) driver.Result {
	for _, mapping := range m.mappings {
		if mapping.gone {
			return p.Driver.MemoryUnmap(mapping.va, mapping.size)
		}
	}
	return driver.Success
}
