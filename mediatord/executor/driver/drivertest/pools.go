package drivertest

import (
	"encoding/binary"

	"libvirt-vgpu/mediatord/executor/driver"
)

// DefaultPool implements driver.Driver; nothing is recorded.
func (r *Recorder) DefaultPool() (driver.Pool, driver.Result) { return DefaultPool, driver.Success }

// PoolCreate implements driver.Driver.
func (r *Recorder) PoolCreate(maxSize uint64, usage uint16) (driver.Pool, driver.Result) {
	h, result := r.create("PoolCreate", maxSize, usage)
	return driver.Pool(h), result
}

// PoolDestroy implements driver.Driver.
func (r *Recorder) PoolDestroy(p driver.Pool) driver.Result { return r.call("PoolDestroy", p) }

// PoolGetAttribute implements driver.Driver with what PoolBytes says; nothing is recorded.
func (r *Recorder) PoolGetAttribute(p driver.Pool, attribute uint32) (value [8]byte, result driver.Result) {
	binary.LittleEndian.PutUint64(value[:], r.PoolBytes[p][attribute])
	return value, driver.Success
}

// PoolSetAttribute implements driver.Driver.
func (r *Recorder) PoolSetAttribute(p driver.Pool, attribute uint32, value []byte) driver.Result {
	return r.call("PoolSetAttribute", p, attribute, value)
}

// PoolTrim implements driver.Driver.
func (r *Recorder) PoolTrim(p driver.Pool, keep uint64) driver.Result {
	return r.call("PoolTrim", p, keep)
}

// PoolSetAccess implements driver.Driver.
func (r *Recorder) PoolSetAccess(p driver.Pool, flags uint32) driver.Result {
	return r.call("PoolSetAccess", p, flags)
}

// PoolGetAccess implements driver.Driver.
func (r *Recorder) PoolGetAccess(p driver.Pool) (uint32, driver.Result) {
	return 3, r.call("PoolGetAccess", p)
}

// MemAllocAsync implements driver.Driver.
func (r *Recorder) MemAllocAsync(size uint64, p driver.Pool, s driver.Stream) (uint64, driver.Result) {
	address, result := r.create("MemAllocAsync", size, p, s)
	if result == driver.Success && r.OnAlloc != nil {
		r.OnAlloc(size)
	}
	return address, result
}

// MemFreeAsync implements driver.Driver.
func (r *Recorder) MemFreeAsync(address uint64, s driver.Stream) driver.Result {
	return r.call("MemFreeAsync", address, s)
}

// MemFreePool implements driver.Driver.
func (r *Recorder) MemFreePool(address uint64) driver.Result { return r.call("MemFreePool", address) }
