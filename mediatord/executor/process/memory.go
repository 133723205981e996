package process

import (
	"encoding/binary"
	"sort"

	"libvirt-vgpu/mediatord/executor/driver"
	"libvirt-vgpu/mediatord/executor/wire"
	"libvirt-vgpu/plugin/window"
)

// deviceMemory accounts the process's device memory against the domain's quota.
type deviceMemory struct {
	account     *window.Account
	channel     int
	blocks      map[uint64]*physical   // mem_block and block_import: by address
	allocations map[uint32]*allocation // mem_create and mem_import: by handle number
	mappings    []memoryMapping        // mem_map: by address
	shares      map[int]int            // how often this process has each shared memory
}

// allocation is physical memory behind a handle; it lives until its handle is
// released and nothing maps it any more.
type allocation struct {
	physical
	mapped     int
	released   bool
	exportable bool
	flags      [8]byte // it was made with
}

type memoryMapping struct {
	va, size uint64
	offset   uint64 // in the allocation
	of       *allocation
}

func newDeviceMemory(account *window.Account, channel int) deviceMemory {
	return deviceMemory{account: account, channel: channel,
		blocks: map[uint64]*physical{}, allocations: map[uint32]*allocation{},
		shares: map[int]int{}}
}

func (m *deviceMemory) reserve(size uint64) driver.Result {
	if err := m.account.Reserve(m.channel, size); err != nil {
		return driver.ErrorOutOfMemory
	}
	return driver.Success
}

func (m *deviceMemory) free(size uint64) { m.account.Release(m.channel, size) }

func (m *deviceMemory) drop(a *allocation) {
	if a.released && a.mapped == 0 {
		m.give(&a.physical)
	}
}

func (m *deviceMemory) mapAt(va, size, offset uint64, a *allocation) {
	i := sort.Search(len(m.mappings), func(i int) bool { return m.mappings[i].va >= va })
	m.mappings = append(m.mappings, memoryMapping{})
	copy(m.mappings[i+1:], m.mappings[i:])
	m.mappings[i] = memoryMapping{va, size, offset, a}
	a.mapped++
}

// within is the run of mappings that start in [va, va + size).
func (m *deviceMemory) within(va, size uint64) (first, end int) {
	first = sort.Search(len(m.mappings), func(i int) bool { return m.mappings[i].va >= va })
	for end = first; end < len(m.mappings) && m.mappings[end].va-va < size; end++ {
	}
	return first, end
}

// mapped lists those mappings.
func (m *deviceMemory) mapped(va, size uint64) []memoryMapping {
	first, end := m.within(va, size)
	return m.mappings[first:end]
}

// unmapRange forgets those mappings.
func (m *deviceMemory) unmapRange(va, size uint64) {
	first, end := m.within(va, size)
	for _, mapping := range m.mappings[first:end] {
		mapping.of.mapped--
		m.drop(mapping.of)
	}
	m.mappings = append(m.mappings[:first], m.mappings[end:]...)
}

// checkDevice says whether [va, va + size) lies in the range that both sides
// keep for device memory, in whole granules.
func (p *Process) checkDevice(va, size uint64) bool {
	base := p.Pinned.Device()
	return va%p.Granularity == 0 && size%p.Granularity == 0 && size > 0 &&
		va >= base && size <= window.DeviceSize && va-base <= window.DeviceSize-size
}

// MemBlock implements wire.Handler.
func (p *Process) MemBlock(_ wire.Call, in wire.MemBlock) driver.Result {
	if _, used := p.memory.blocks[in.VA]; used || !p.checkDevice(in.VA, in.Size) {
		return driver.ErrorInvalidValue
	}
	if r := p.memory.reserve(in.Size); r != driver.Success {
		return r
	}
	if r := p.inRoom(in.Size, func() driver.Result { return p.Driver.MapBlock(in.VA, in.Size) }); r != driver.Success {
		p.memory.free(in.Size)
		return r
	}
	p.memory.blocks[in.VA] = &physical{size: in.Size, share: unshared}
	return driver.Success
}

// MemUnblock implements wire.Handler.
func (p *Process) MemUnblock(_ wire.Call, in wire.MemUnblock) driver.Result {
	block, ok := p.memory.blocks[in.VA]
	if !ok {
		return driver.ErrorInvalidValue
	}
	var r driver.Result
	if m := p.parkedBlock(in.VA); m != nil {
		r = p.forget(m)
	} else {
		r = p.Driver.UnmapBlock(in.VA)
	}
	if r == driver.Success {
		p.exports.forget(exportKey{block: in.VA})
		delete(p.memory.blocks, in.VA)
		p.memory.give(block)
	}
	return r
}

// MemInfo implements wire.Handler: what the domain may still have, never more
// than the device has.
func (p *Process) MemInfo(wire.Call, wire.MemInfo) (wire.MemInfoReply, driver.Result) {
	free, total, r := p.Driver.MemoryInfo()
	if r != driver.Success {
		return wire.MemInfoReply{}, r
	}
	if quota := p.Account.Quota(); quota != 0 {
		total = quota
		free = min(free, quota-min(quota, p.Account.Total()))
	}
	return wire.MemInfoReply{Free: free, Total: total}, driver.Success
}

// MemReserve implements wire.Handler.
func (p *Process) MemReserve(_ wire.Call, in wire.MemReserve) driver.Result {
	if !p.checkDevice(in.VA, in.Size) {
		return driver.ErrorInvalidValue
	}
	return p.Driver.AddressReserve(in.VA, in.Size)
}

// MemUnreserve implements wire.Handler.
func (p *Process) MemUnreserve(_ wire.Call, in wire.MemUnreserve) driver.Result {
	if p.parkedIn(in.VA, in.Size) {
		if r := p.wake(); r != driver.Success {
			return r
		}
	}
	return p.Driver.AddressFree(in.VA, in.Size)
}

// Places and values of CUmemAllocationProp; the vGPU is device 0.
const (
	propType         = 0
	propHandleTypes  = 4
	propLocation     = 8
	propLocationID   = 12
	propWin32        = 16
	propFlags        = 24
	allocationPinned = 1
	locationDevice   = 1
	handleDescriptor = 1
)

// MemCreate implements wire.Handler. Memory may leave the process as a
// descriptor, in no other way.
func (p *Process) MemCreate(_ wire.Call, in wire.MemCreate) driver.Result {
	le := binary.LittleEndian
	if !p.tables.Free(driver.KindMemory, in.M) {
		return driver.ErrorInvalidHandle
	}
	switch {
	case in.Flags != 0, in.Size == 0, in.Size%p.Granularity != 0, le.Uint32(in.Properties[propType:]) != allocationPinned:
		return driver.ErrorInvalidValue
	case le.Uint32(in.Properties[propHandleTypes:])&^handleDescriptor != 0, le.Uint64(in.Properties[propWin32:]) != 0,
		le.Uint32(in.Properties[propLocation:]) != locationDevice:
		return driver.ErrorNotSupported
	case le.Uint32(in.Properties[propLocationID:]) != 0:
		return driver.ErrorInvalidDevice
	}
	if r := p.memory.reserve(in.Size); r != driver.Success {
		return r
	}
	exportable := le.Uint32(in.Properties[propHandleTypes:]) == handleDescriptor
	flags := [8]byte(in.Properties[propFlags:])
	var m driver.Memory
	r := p.inRoom(in.Size, func() (r driver.Result) {
		m, r = p.Driver.MemoryCreate(in.Size, exportable, flags)
		return r
	})
	if r != driver.Success {
		p.memory.free(in.Size)
		return r
	}
	p.tables.Put(driver.KindMemory, in.M, uint64(m))
	p.memory.allocations[in.M] = &allocation{physical: physical{size: in.Size, share: unshared}, exportable: exportable, flags: flags}
	return driver.Success
}

// MemRelease implements wire.Handler.
func (p *Process) MemRelease(_ wire.Call, in wire.MemRelease) driver.Result {
	native, ok := p.tables.Get(driver.KindMemory, in.M)
	if !ok {
		return driver.ErrorInvalidValue
	}
	a := p.memory.allocations[in.M]
	var r driver.Result
	if m := p.parkedAllocation(a); m != nil { // the driver's is released already
		m.number = 0
		r = p.forgetFreed(m)
	} else {
		r = p.Driver.MemoryRelease(driver.Memory(native))
	}
	if r == driver.Success {
		p.exports.forget(exportKey{memory: in.M})
		a.released = true
		p.memory.drop(a)
		delete(p.memory.allocations, in.M)
		p.tables.Delete(driver.KindMemory, in.M)
	}
	return r
}

// MemMap implements wire.Handler.
func (p *Process) MemMap(_ wire.Call, in wire.MemMap) driver.Result {
	native, ok := p.tables.Get(driver.KindMemory, in.M)
	if !ok || in.Flags != 0 || !p.checkDevice(in.VA, in.Size) {
		return driver.ErrorInvalidValue
	}
	r := p.Driver.MemoryMap(in.VA, in.Size, in.Offset, driver.Memory(native))
	if r == driver.Success {
		p.memory.mapAt(in.VA, in.Size, in.Offset, p.memory.allocations[in.M])
	}
	return r
}

// MemUnmap implements wire.Handler.
func (p *Process) MemUnmap(_ wire.Call, in wire.MemUnmap) driver.Result {
	var r driver.Result
	if p.Away() || p.parkedIn(in.VA, in.Size) {
		r = p.unmapParked(in.VA, in.Size)
	} else {
		r = p.Driver.MemoryUnmap(in.VA, in.Size)
	}
	if r == driver.Success {
		p.memory.unmapRange(in.VA, in.Size)
	}
	return r
}

// accessDescriptor is the size of CUmemAccessDesc: u32 location type, u32
// location id, u32 flags.
const accessDescriptor = 12

// MemSetAccess implements wire.Handler.
func (p *Process) MemSetAccess(_ wire.Call, in wire.MemSetAccess) driver.Result {
	if uint64(len(in.Descriptors)) != uint64(in.Count)*accessDescriptor {
		return p.violate("setting access: %d bytes for %d descriptors", len(in.Descriptors), in.Count)
	}
	if in.Count == 0 {
		return driver.ErrorInvalidValue
	}
	le := binary.LittleEndian
	for d := in.Descriptors; len(d) > 0; d = d[accessDescriptor:] {
		if le.Uint32(d) != locationDevice {
			return driver.ErrorNotSupported
		}
		if le.Uint32(d[4:]) != 0 {
			return driver.ErrorInvalidDevice
		}
		if r := p.Driver.SetAccess(in.VA, in.Size, le.Uint32(d[8:])); r != driver.Success {
			return r
		}
	}
	return driver.Success
}

// MemGetAccess implements wire.Handler.
func (p *Process) MemGetAccess(_ wire.Call, in wire.MemGetAccess) (wire.MemGetAccessReply, driver.Result) {
	flags, r := p.Driver.GetAccess(in.VA)
	return wire.MemGetAccessReply{Flags: flags}, r
}
