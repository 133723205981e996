package soft

import (
	"libvirt-vgpu/mediatord/executor/driver"
	"libvirt-vgpu/mediatord/executor/soft/gpu"
)

// MapBlock implements driver.DeviceMemory.
func (d *Driver) MapBlock(va, size uint64) driver.Result { return d.result(d.dev.AllocAt(va, size)) }

// UnmapBlock implements driver.DeviceMemory. It waits for the streams.
func (d *Driver) UnmapBlock(va uint64) driver.Result { return d.result(d.dev.Free(va)) }

// MemoryInfo implements driver.DeviceMemory.
func (d *Driver) MemoryInfo() (free, total uint64, r driver.Result) {
	free, total = d.dev.MemInfo()
	return free, total, d.result(d.dev.Err())
}

// PlaceDeviceMemory implements driver.DeviceMemory: to this device all addresses are alike.
func (d *Driver) PlaceDeviceMemory(uint64) driver.Result { return driver.Success }

// AddressReserve implements driver.DeviceMemory.
func (d *Driver) AddressReserve(va, size uint64) driver.Result {
	_, err := d.dev.Reserve(size, 0, va)
	return d.result(err)
}

// AddressFree implements driver.DeviceMemory.
func (d *Driver) AddressFree(va, size uint64) driver.Result {
	return d.result(d.dev.FreeReservation(va, size))
}

// compressible is CU_MEM_ALLOCATION_COMP_GENERIC, the only kind of compression.
const compressible = 1

// MemoryCreate implements driver.DeviceMemory. Nothing is compressed.
func (d *Driver) MemoryCreate(size uint64, _ bool, flags [8]byte) (driver.Memory, driver.Result) {
	if flags[0] > compressible {
		return 0, driver.ErrorInvalidValue
	}
	m, err := d.dev.CreateMemory(size)
	if err != nil {
		return 0, d.result(err)
	}
	return driver.Memory(d.memories.put(m)), driver.Success
}

// MemoryRelease implements driver.DeviceMemory.
func (d *Driver) MemoryRelease(m driver.Memory) driver.Result {
	memory, ok := d.memories.take(uint64(m))
	if !ok {
		return driver.ErrorInvalidValue
	}
	return d.result(d.dev.ReleaseMemory(memory))
}

// MemoryMap implements driver.DeviceMemory.
func (d *Driver) MemoryMap(va, size, offset uint64, m driver.Memory) driver.Result {
	memory, ok := d.memories.items[uint64(m)]
	if !ok {
		return driver.ErrorInvalidValue
	}
	return d.result(d.dev.MapMemory(va, size, offset, memory))
}

// MemoryUnmap implements driver.DeviceMemory.
func (d *Driver) MemoryUnmap(va, size uint64) driver.Result {
	return d.result(d.dev.UnmapMemory(va, size))
}

// Access flags (CUmemAccess_flags).
const (
	accessNone      = 0
	accessRead      = 1
	accessReadWrite = 3
)

// SetAccess implements driver.DeviceMemory.
func (d *Driver) SetAccess(va, size uint64, flags uint32) driver.Result {
	access := gpu.NoAccess
	switch flags {
	case accessNone:
	case accessRead:
		access = gpu.ReadOnly
	case accessReadWrite:
		access = gpu.ReadWrite
	default:
		return driver.ErrorInvalidValue
	}
	return d.result(d.dev.SetAccess(va, size, access))
}

// GetAccess implements driver.DeviceMemory.
func (d *Driver) GetAccess(va uint64) (uint64, driver.Result) {
	_, _, mapped := d.dev.Bounds(va)
	switch {
	case !mapped:
		return 0, driver.ErrorInvalidValue
	case d.dev.Mapped(va, 1, gpu.ReadWrite):
		return accessReadWrite, driver.Success
	case d.dev.Mapped(va, 1, gpu.ReadOnly):
		return accessRead, driver.Success
	}
	return accessNone, driver.Success
}
