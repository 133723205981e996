package drivertest

import "libvirt-vgpu/mediatord/executor/driver"

// MapBlock implements driver.Driver.
func (r *Recorder) MapBlock(va uint64, size uint64) driver.Result {
	return r.call("MapBlock", va, size)
}

// UnmapBlock implements driver.Driver.
func (r *Recorder) UnmapBlock(va uint64) driver.Result {
	return r.call("UnmapBlock", va)
}

// PlaceDeviceMemory implements driver.Driver.
func (r *Recorder) PlaceDeviceMemory(base uint64) driver.Result {
	return r.call("PlaceDeviceMemory", base)
}

// AddressReserve implements driver.Driver.
func (r *Recorder) AddressReserve(va uint64, size uint64) driver.Result {
	return r.call("AddressReserve", va, size)
}

// AddressFree implements driver.Driver.
func (r *Recorder) AddressFree(va uint64, size uint64) driver.Result {
	return r.call("AddressFree", va, size)
}

// MemoryCreate implements driver.Driver.
func (r *Recorder) MemoryCreate(size uint64, exportable bool, flags [8]byte) (driver.Memory, driver.Result) {
	h, result := r.create("MemoryCreate", size, exportable, flags)
	return driver.Memory(h), result
}

// MemoryRelease implements driver.Driver.
func (r *Recorder) MemoryRelease(m driver.Memory) driver.Result {
	return r.call("MemoryRelease", m)
}

// MemoryMap implements driver.Driver.
func (r *Recorder) MemoryMap(va uint64, size uint64, offset uint64, m driver.Memory) driver.Result {
	return r.call("MemoryMap", va, size, offset, m)
}

// MemoryUnmap implements driver.Driver.
func (r *Recorder) MemoryUnmap(va uint64, size uint64) driver.Result {
	return r.call("MemoryUnmap", va, size)
}

// SetAccess implements driver.Driver.
func (r *Recorder) SetAccess(va uint64, size uint64, flags uint32) driver.Result {
	return r.call("SetAccess", va, size, flags)
}

// GetAccess implements driver.Driver.
func (r *Recorder) GetAccess(va uint64) (uint64, driver.Result) {
	return 1, r.call("GetAccess", va)
}

// HostRegister implements driver.Driver.
func (r *Recorder) HostRegister(address uint64, size uint64) driver.Result {
	return r.call("HostRegister", address, size)
}

// HostUnregister implements driver.Driver.
func (r *Recorder) HostUnregister(address uint64) driver.Result {
	return r.call("HostUnregister", address)
}

// MemoryInfo implements driver.Driver: 50 of 80 GB are free.
func (r *Recorder) MemoryInfo() (free, total uint64, result driver.Result) {
	free = r.FreeMemory
	if free == 0 {
		free = 50e9
	}
	return free, 80e9, r.call("MemoryInfo")
}
