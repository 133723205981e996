package cuda

/*
#include <stddef.h>
#include <stdint.h>

struct vg_location {
	int type, id;
};
struct vg_allocation {
	int type, handle_types;
	struct vg_location location;
	void *win32;
	unsigned char flags[8];
};
struct vg_access {
	struct vg_location location;
	int flags;
};
_Static_assert(sizeof(struct vg_allocation) == 32 && sizeof(struct vg_access) == 12, "ABI");

#define LOCATION_DEVICE 1
#define ALLOCATION_PINNED 1

static int vg_mem_info(void *f, size_t *free, size_t *total) { return ((int (*)(size_t *, size_t *))f)(free, total); }
static int vg_address_reserve(void *f, unsigned long long *va, size_t size, unsigned long long hint)
{
	return ((int (*)(unsigned long long *, size_t, size_t, unsigned long long, unsigned long long))f)(va, size, 0, hint, 0);
}
static int vg_range(void *f, unsigned long long va, size_t size)
{
	return ((int (*)(unsigned long long, size_t))f)(va, size);
}
static int vg_mem_create(void *f, unsigned long long *memory, size_t size, int handle_types, int device,
			 unsigned long long flags)
{
	struct vg_allocation a = {ALLOCATION_PINNED, handle_types, {LOCATION_DEVICE, device}, NULL, {0}};

	for (int i = 0; i < 8; i++)
		a.flags[i] = (unsigned char)(flags >> 8 * i);
	return ((int (*)(unsigned long long *, size_t, const struct vg_allocation *, unsigned long long))f)(memory, size, &a, 0);
}
static int vg_granularity(void *f, size_t *granularity, int device)
{
	struct vg_allocation a = {ALLOCATION_PINNED, 0, {LOCATION_DEVICE, device}, NULL, {0}};

	return ((int (*)(size_t *, const struct vg_allocation *, int))f)(granularity, &a, 0);
}
static int vg_mem_release(void *f, unsigned long long memory) { return ((int (*)(unsigned long long))f)(memory); }
static int vg_mem_map(void *f, unsigned long long va, size_t size, size_t offset, unsigned long long memory)
{
	return ((int (*)(unsigned long long, size_t, size_t, unsigned long long, unsigned long long))f)(va, size, offset, memory, 0);
}
static int vg_set_access(void *f, unsigned long long va, size_t size, int device, int flags)
{
	struct vg_access a = {{LOCATION_DEVICE, device}, flags};

	return ((int (*)(unsigned long long, size_t, const struct vg_access *, size_t))f)(va, size, &a, 1);
}
static int vg_get_access(void *f, unsigned long long *flags, int device, unsigned long long va)
{
	struct vg_location l = {LOCATION_DEVICE, device};

	return ((int (*)(unsigned long long *, const struct vg_location *, unsigned long long))f)(flags, &l, va);
}
static int vg_host_register(void *f, unsigned long long address, size_t size, unsigned int flags)
{
	return ((int (*)(void *, size_t, unsigned int))f)((void *)(uintptr_t)address, size, flags);
}
static int vg_host_unregister(void *f, unsigned long long address)
{
	return ((int (*)(void *))f)((void *)(uintptr_t)address);
}
static int vg_device_pointer(void *f, unsigned long long *device, unsigned long long address)
{
	return ((int (*)(unsigned long long *, void *, unsigned int))f)(device, (void *)(uintptr_t)address, 0);
}
*/
import "C"

import (
	"encoding/binary"

	"libvirt-vgpu/mediatord/executor/driver"
	"libvirt-vgpu/plugin/window"
)

const (
	accessReadWrite = 3
	hostPortable    = 1
	hostMapped      = 2
)

// MapBlock implements driver.DeviceMemory.
func (d *Driver) MapBlock(va, size uint64) (result driver.Result) {
	if r := d.AddressReserve(va, size); r != driver.Success {
		return r
	}
	defer func() {
		if result != driver.Success {
			d.AddressFree(va, size)
		}
	}()
	m, r := d.MemoryCreate(size, true, [8]byte{})
	if r != driver.Success {
		return r
	}
	return d.placeBlock(va, size, m)
}

// placeBlock maps memory read-write; the mapping keeps it.
func (d *Driver) placeBlock(va, size uint64, m driver.Memory) driver.Result {
	r := d.MemoryMap(va, size, 0, m)
	if released := d.MemoryRelease(m); r == driver.Success {
		r = released
	}
	if r != driver.Success {
		return r
	}
	if r := d.SetAccess(va, size, accessReadWrite); r != driver.Success {
		d.MemoryUnmap(va, size)
		return r
	}
	d.blocks[va] = size
	return driver.Success
}

// UnmapBlock implements driver.DeviceMemory.
func (d *Driver) UnmapBlock(va uint64) driver.Result {
	size, ok := d.blocks[va]
	if !ok {
		return driver.ErrorInvalidValue
	}
	if r := d.MemoryUnmap(va, size); r != driver.Success {
		return r
	}
	delete(d.blocks, va)
	return d.AddressFree(va, size)
}

// MemoryInfo implements driver.DeviceMemory.
func (d *Driver) MemoryInfo() (free, total uint64, r driver.Result) {
	var f, t C.size_t
	result := C.vg_mem_info(d.fn.cuMemGetInfo_v2, &f, &t)
	return uint64(f), uint64(t), driver.Result(result)
}

// PlaceDeviceMemory implements driver.DeviceMemory. A driver that reserves nothing
// before there is a context is asked again with the first allocation.
func (d *Driver) PlaceDeviceMemory(base uint64) driver.Result {
	if d.reserved && d.base == base {
		return driver.Success
	}
	if d.reserved {
		return driver.ErrorInvalidValue
	}
	d.base = base
	if d.reserveBase() == driver.ErrorMapFailed {
		return driver.ErrorMapFailed
	}
	return driver.Success
}

// AddressReserve implements driver.DeviceMemory. The driver places small
// reservations where it likes, whatever the hint says (measured, driver 580), so
// the whole range in which guest processes choose addresses is reserved at once,
// which costs 10 us, and never given back.
func (d *Driver) AddressReserve(va, size uint64) driver.Result {
	if va < d.base || size > window.DeviceSize || va-d.base > window.DeviceSize-size {
		return driver.ErrorInvalidValue
	}
	if d.reserved {
		return driver.Success
	}
	return d.reserveBase()
}

// reserveBase fails with ErrorMapFailed when the driver wants another place.
func (d *Driver) reserveBase() driver.Result {
	var got C.ulonglong
	r := C.vg_address_reserve(d.fn.cuMemAddressReserve, &got, C.size_t(window.DeviceSize), C.ulonglong(d.base))
	if r != 0 {
		return driver.Result(r)
	}
	if uint64(got) != d.base {
		C.vg_range(d.fn.cuMemAddressFree, got, C.size_t(window.DeviceSize))
		return driver.ErrorMapFailed
	}
	d.reserved = true
	return driver.Success
}

// AddressFree implements driver.DeviceMemory: the range stays reserved.
func (d *Driver) AddressFree(va, size uint64) driver.Result { return driver.Success }

// MemoryCreate implements driver.DeviceMemory.
func (d *Driver) MemoryCreate(size uint64, exportable bool, flags [8]byte) (driver.Memory, driver.Result) {
	var m C.ulonglong
	handleTypes := C.int(0)
	if exportable {
		handleTypes = handleDescriptor
	}
	r := C.vg_mem_create(d.fn.cuMemCreate, &m, C.size_t(size), handleTypes, d.device, C.ulonglong(binary.LittleEndian.Uint64(flags[:])))
	return driver.Memory(m), driver.Result(r)
}

// MemoryRelease implements driver.DeviceMemory.
func (d *Driver) MemoryRelease(m driver.Memory) driver.Result {
	return driver.Result(C.vg_mem_release(d.fn.cuMemRelease, C.ulonglong(m)))
}

// MemoryMap implements driver.DeviceMemory.
func (d *Driver) MemoryMap(va, size, offset uint64, m driver.Memory) driver.Result {
	return driver.Result(C.vg_mem_map(d.fn.cuMemMap, C.ulonglong(va), C.size_t(size), C.size_t(offset), C.ulonglong(m)))
}

// MemoryUnmap implements driver.DeviceMemory.
func (d *Driver) MemoryUnmap(va, size uint64) driver.Result {
	return driver.Result(C.vg_range(d.fn.cuMemUnmap, C.ulonglong(va), C.size_t(size)))
}

// SetAccess implements driver.DeviceMemory.
func (d *Driver) SetAccess(va, size uint64, flags uint32) driver.Result {
	return driver.Result(C.vg_set_access(d.fn.cuMemSetAccess, C.ulonglong(va), C.size_t(size), d.device, C.int(flags)))
}

// GetAccess implements driver.DeviceMemory.
func (d *Driver) GetAccess(va uint64) (uint64, driver.Result) {
	var flags C.ulonglong
	r := C.vg_get_access(d.fn.cuMemGetAccess, &flags, d.device, C.ulonglong(va))
	return uint64(flags), driver.Result(r)
}

// granularity is the minimum granularity of device memory, in bytes.
func (d *Driver) granularity() (uint64, error) {
	var g C.size_t
	r := C.vg_granularity(d.fn.cuMemGetAllocationGranularity, &g, d.device)
	return uint64(g), driver.Check("cuMemGetAllocationGranularity", driver.Result(r))
}

// HostRegister implements driver.DeviceMemory. Under unified addressing the
// device sees registered memory at its host address; a GPU where it does not
// cannot be used.
func (d *Driver) HostRegister(address, size uint64) driver.Result {
	if r := C.vg_host_register(d.fn.cuMemHostRegister_v2, C.ulonglong(address), C.size_t(size), hostPortable|hostMapped); r != 0 {
		return driver.Result(r)
	}
	var seen C.ulonglong
	r := driver.Result(C.vg_device_pointer(d.fn.cuMemHostGetDevicePointer_v2, &seen, C.ulonglong(address)))
	if r == driver.Success && uint64(seen) != address {
		r = driver.ErrorNotSupported
	}
	if r != driver.Success {
		d.HostUnregister(address)
	}
	return r
}

// HostUnregister implements driver.DeviceMemory.
func (d *Driver) HostUnregister(address uint64) driver.Result {
	return driver.Result(C.vg_host_unregister(d.fn.cuMemHostUnregister, C.ulonglong(address)))
}
