package cuda

/*
#include <stdint.h>

static int vg_primary_state(void *f, int device, unsigned int *flags, int *active)
{
	return ((int (*)(int, unsigned int *, int *))f)(device, flags, active);
}
static int vg_primary_set_flags(void *f, int device, unsigned int flags)
{
	return ((int (*)(int, unsigned int))f)(device, flags);
}
static int vg_primary_retain(void *f, uintptr_t *context, int device)
{
	return ((int (*)(uintptr_t *, int))f)(context, device);
}
static int vg_of_device(void *f, int device) { return ((int (*)(int))f)(device); }
static int vg_ctx_create(void *f, uintptr_t *context, unsigned int flags, int device)
{
	return ((int (*)(uintptr_t *, unsigned int, int))f)(context, flags, device);
}
static int vg_of_ctx(void *f, uintptr_t context) { return ((int (*)(uintptr_t))f)(context); }
static int vg_ctx_pop(void *f, uintptr_t *context) { return ((int (*)(uintptr_t *))f)(context); }
static int vg_ctx_synchronize(void *f) { return ((int (*)(void))f)(); }
*/
import "C"

import "libvirt-vgpu/mediatord/executor/driver"

// Context flags. How the executor waits is its own business, and it dumps no
// core of a guest's kernels on the host.
const (
	flagBlockingSync = 0x04
	flagsOfGuest     = 0x08 | 0x10 | 0x80 // map host, keep local memory, synchronous memops
)

func contextFlags(guest uint32) C.uint { return C.uint(guest&flagsOfGuest | flagBlockingSync) }

// PrimaryRetain implements driver.Contexts.
func (d *Driver) PrimaryRetain(flags uint32) (driver.Context, driver.Result) {
	var have C.uint
	var active C.int
	if r := C.vg_primary_state(d.fn.cuDevicePrimaryCtxGetState, d.device, &have, &active); r != 0 {
		return 0, driver.Result(r)
	}
	if active == 0 {
		if r := C.vg_primary_set_flags(d.fn.cuDevicePrimaryCtxSetFlags_v2, d.device, contextFlags(flags)); r != 0 {
			return 0, driver.Result(r)
		}
	}
	var context C.uintptr_t
	r := C.vg_primary_retain(d.fn.cuDevicePrimaryCtxRetain, &context, d.device)
	return driver.Context(context), driver.Result(r)
}

// PrimaryRelease implements driver.Contexts.
func (d *Driver) PrimaryRelease() driver.Result {
	return driver.Result(C.vg_of_device(d.fn.cuDevicePrimaryCtxRelease_v2, d.device))
}

// PrimaryReset implements driver.Contexts.
func (d *Driver) PrimaryReset() driver.Result {
	return driver.Result(C.vg_of_device(d.fn.cuDevicePrimaryCtxReset_v2, d.device))
}

// ContextCreate implements driver.Contexts.
func (d *Driver) ContextCreate(flags uint32) (driver.Context, driver.Result) {
	var context, popped C.uintptr_t
	if r := C.vg_ctx_create(d.fn.cuCtxCreate_v2, &context, contextFlags(flags), d.device); r != 0 {
		return 0, driver.Result(r)
	}
	r := C.vg_ctx_pop(d.fn.cuCtxPopCurrent_v2, &popped)
	return driver.Context(context), driver.Result(r)
}

// ContextDestroy implements driver.Contexts.
func (d *Driver) ContextDestroy(c driver.Context) driver.Result {
	return driver.Result(C.vg_of_ctx(d.fn.cuCtxDestroy_v2, C.uintptr_t(c)))
}

// SetCurrent implements driver.Contexts.
func (d *Driver) SetCurrent(c driver.Context) driver.Result {
	return driver.Result(C.vg_of_ctx(d.fn.cuCtxSetCurrent, C.uintptr_t(c)))
}

// Synchronize implements driver.Contexts.
func (d *Driver) Synchronize(c driver.Context) driver.Result {
	if r := d.SetCurrent(c); r != driver.Success {
		return r
	}
	r := driver.Result(C.vg_ctx_synchronize(d.fn.cuCtxSynchronize))
	d.SetCurrent(0)
	return r
}
