package process

import (
	"cmp"
	"slices"

	"libvirt-vgpu/mediatord/executor/driver"
)

// moved is memory that can lie in host memory instead: a block, or an allocation
// with all its mappings.
type moved struct {
	va, size uint64      // where it is copied from and to
	offset   uint64      // in the buffer
	of       *allocation // nil: a block
	number   uint32      // of the allocation's handle; 0: released
	mappings []movedMapping
}

type movedMapping struct {
	memoryMapping
	access uint32
	gone   bool // unmapped by the process while it was parked
}

// accessReadWrite is CU_MEM_ACCESS_FLAGS_PROT_READWRITE.
const accessReadWrite = 3

// movable lists what can move, up to limit bytes, and its size: memory that no
// other process has, at an address at which all of it can be copied.
func (p *Process) movable(limit uint64) (list []*moved, size uint64) {
	var all []*moved
	for va, block := range p.memory.blocks {
		if block.share == unshared {
			all = append(all, &moved{va: va, size: block.size})
		}
	}
	all = append(all, p.movableAllocations()...)
	slices.SortFunc(all, func(a, b *moved) int { return cmp.Compare(a.va, b.va) })
	for _, m := range all {
		if m.size > limit-size {
			continue
		}
		m.offset = size
		size += m.size
		list = append(list, m)
	}
	return list, size
}

func (p *Process) movableAllocations() []*moved {
	byAllocation := map[*allocation]*moved{}
	for number, a := range p.memory.allocations {
		byAllocation[a] = &moved{of: a, number: number}
	}
	stays := map[*allocation]bool{}
	for _, mapping := range p.memory.mappings {
		a := mapping.of
		m := byAllocation[a]
		if m == nil { // mapped and released
			m = &moved{of: a}
			byAllocation[a] = m
		}
		access, r := p.Driver.GetAccess(mapping.va)
		if r != driver.Success {
			stays[a] = true
		}
		if mapping.offset == 0 && mapping.size == a.size {
			m.va, m.size = mapping.va, mapping.size
		}
		m.mappings = append(m.mappings, movedMapping{memoryMapping: mapping, access: uint32(access)})
	}
	var list []*moved
	for a, m := range byAllocation {
		if m.size > 0 && a.share == unshared && !stays[a] {
			list = append(list, m)
		}
	}
	return list
}

// accessible lets copies reach the memory where it was mapped, or ends that.
func (p *Process) accessible(m *moved, copies bool) driver.Result {
	for _, mapping := range m.mappings {
		if mapping.va != m.va || mapping.access == accessReadWrite || mapping.gone {
			continue
		}
		access := mapping.access
		if copies {
			access = accessReadWrite
		}
		return p.Driver.SetAccess(m.va, m.size, access)
	}
	return driver.Success
}

// takeOut gives the device's memory back and keeps the addresses.
func (p *Process) takeOut(m *moved) driver.Result {
	if m.of == nil {
		return p.Driver.UnmapBlock(m.va)
	}
	for _, mapping := range m.mappings {
		if r := p.Driver.MemoryUnmap(mapping.va, mapping.size); r != driver.Success {
			return r
		}
	}
	if m.number == 0 {
		return driver.Success // the mappings held it
	}
	native, _ := p.tables.Get(driver.KindMemory, m.number)
	return p.Driver.MemoryRelease(driver.Memory(native))
}

// putBack makes new memory where the old one was, accessible to copies. On an
// error nothing is there.
func (p *Process) putBack(m *moved) driver.Result {
	if m.of == nil {
		return p.Driver.MapBlock(m.va, m.size)
	}
	memory, r := p.Driver.MemoryCreate(m.of.size, m.of.exportable, m.of.flags)
	if r != driver.Success {
		return r
	}
	for i, mapping := range m.mappings {
		if r = p.mapAgain(m, mapping, memory); r == driver.Success {
			continue
		}
		for _, done := range m.mappings[:i] {
			p.Driver.MemoryUnmap(done.va, done.size)
		}
		p.Driver.MemoryRelease(memory)
		return r
	}
	if m.number == 0 {
		return p.Driver.MemoryRelease(memory)
	}
	p.tables.Put(driver.KindMemory, m.number, uint64(memory))
	return driver.Success
}

func (p *Process) mapAgain(m *moved, mapping movedMapping, memory driver.Memory) driver.Result {
	if r := p.Driver.MemoryMap(mapping.va, mapping.size, mapping.offset, memory); r != driver.Success {
		return r
	}
	access := mapping.access
	if mapping.va == m.va {
		access = accessReadWrite
	}
	if access == 0 {
		return driver.Success
	}
	r := p.Driver.SetAccess(mapping.va, mapping.size, access)
	if r != driver.Success {
		p.Driver.MemoryUnmap(mapping.va, mapping.size)
	}
	return r
}
