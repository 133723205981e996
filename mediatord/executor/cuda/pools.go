package cuda

/*
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct vg_pool_location {
	int type, id;
};
struct vg_pool_properties {
	int allocation, handle_types;
	struct vg_pool_location location;
	void *win32;
	size_t max_size;
	unsigned short usage;
	unsigned char reserved[54];
};
struct vg_pool_access {
	struct vg_pool_location location;
	int flags;
};
_Static_assert(sizeof(struct vg_pool_properties) == 88 && sizeof(struct vg_pool_access) == 12, "ABI");

static int vg_default_pool(void *f, uintptr_t *pool, int device) { return ((int (*)(uintptr_t *, int))f)(pool, device); }
static int vg_pool_create(void *f, uintptr_t *pool, int device, size_t max_size, unsigned short usage)
{
	struct vg_pool_properties p = {.allocation = 1, .location = {1, device}, .max_size = max_size, .usage = usage};

	return ((int (*)(uintptr_t *, const struct vg_pool_properties *))f)(pool, &p);
}
static int vg_pool_set_access(void *f, uintptr_t pool, int device, int flags)
{
	struct vg_pool_access a = {{1, device}, flags};

	return ((int (*)(uintptr_t, const struct vg_pool_access *, size_t))f)(pool, &a, 1);
}
static int vg_pool_get_access(void *f, int *flags, uintptr_t pool, int device)
{
	struct vg_pool_location l = {1, device};

	return ((int (*)(int *, uintptr_t, struct vg_pool_location *))f)(flags, pool, &l);
}
static int vg_stream_synchronize(void *f, uintptr_t stream) { return ((int (*)(uintptr_t))f)(stream); }
*/
import "C"

import "libvirt-vgpu/mediatord/executor/driver"

// DefaultPool implements driver.Pools.
func (d *Driver) DefaultPool() (driver.Pool, driver.Result) {
	var pool C.uintptr_t
	r := C.vg_default_pool(d.fn.cuDeviceGetDefaultMemPool, &pool, d.device)
	return driver.Pool(pool), driver.Result(r)
}

// PoolCreate implements driver.Pools.
func (d *Driver) PoolCreate(maxSize uint64, usage uint16) (driver.Pool, driver.Result) {
	var pool C.uintptr_t
	r := C.vg_pool_create(d.fn.cuMemPoolCreate, &pool, d.device, C.size_t(maxSize), C.ushort(usage))
	return driver.Pool(pool), driver.Result(r)
}

// PoolSetAccess implements driver.Pools.
func (d *Driver) PoolSetAccess(p driver.Pool, flags uint32) driver.Result {
	return driver.Result(C.vg_pool_set_access(d.fn.cuMemPoolSetAccess, C.uintptr_t(p), d.device, C.int(flags)))
}

// PoolGetAccess implements driver.Pools.
func (d *Driver) PoolGetAccess(p driver.Pool) (uint32, driver.Result) {
	var flags C.int
	r := C.vg_pool_get_access(d.fn.cuMemPoolGetAccess, &flags, C.uintptr_t(p), d.device)
	return uint32(flags), driver.Result(r)
}

// StreamSynchronize implements driver.Streams.
func (d *Driver) StreamSynchronize(s driver.Stream) driver.Result {
	return driver.Result(C.vg_stream_synchronize(d.fn.cuStreamSynchronize, C.uintptr_t(s)))
}
