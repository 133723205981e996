package cuda

/*
#include <stddef.h>
#include <stdint.h>

static int vg_device_resource(void *f, int device, void *resource, int kind)
{
	return ((int (*)(int, void *, int))f)(device, resource, kind);
}
static int vg_context_resource(void *f, uintptr_t context, void *resource, int kind)
{
	return ((int (*)(uintptr_t, void *, int))f)(context, resource, kind);
}
static int vg_split(void *f, void *parts, unsigned int *groups, const void *input, void *remaining, unsigned int flags,
		    unsigned int minimum)
{
	return ((int (*)(void *, unsigned int *, const void *, void *, unsigned int, unsigned int))f)(parts, groups, input,
												     remaining, flags, minimum);
}
static int vg_describe(void *f, uintptr_t *desc, void *parts, unsigned int count)
{
	return ((int (*)(uintptr_t *, void *, unsigned int))f)(desc, parts, count);
}
static int vg_green_create(void *f, uintptr_t *green, uintptr_t desc, int device, unsigned int flags)
{
	return ((int (*)(uintptr_t *, uintptr_t, int, unsigned int))f)(green, desc, device, flags);
}
static int vg_green_destroy(void *f, uintptr_t green) { return ((int (*)(uintptr_t))f)(green); }
static int vg_green_context(void *f, uintptr_t *context, uintptr_t green)
{
	return ((int (*)(uintptr_t *, uintptr_t))f)(context, green);
}
*/
import "C"

import (
	"unsafe"

	"libvirt-vgpu/mediatord/executor/driver"
)

// DeviceResource implements driver.GreenContexts.
func (d *Driver) DeviceResource(kind uint32) (f driver.Resource, r driver.Result) {
	r = driver.Result(C.vg_device_resource(d.fn.cuDeviceGetDevResource, d.device, unsafe.Pointer(&f[0]), C.int(kind)))
	return f, r
}

// ContextResource implements driver.GreenContexts.
func (d *Driver) ContextResource(c driver.Context, kind uint32) (f driver.Resource, r driver.Result) {
	r = driver.Result(C.vg_context_resource(d.fn.cuCtxGetDevResource, C.uintptr_t(c), unsafe.Pointer(&f[0]), C.int(kind)))
	return f, r
}

// GreenResource implements driver.GreenContexts.
func (d *Driver) GreenResource(g driver.Green, kind uint32) (f driver.Resource, r driver.Result) {
	r = driver.Result(C.vg_context_resource(d.fn.cuGreenCtxGetDevResource, C.uintptr_t(g), unsafe.Pointer(&f[0]), C.int(kind)))
	return f, r
}

// ResourceSplit implements driver.GreenContexts.
func (d *Driver) ResourceSplit(input *driver.Resource, groups, flags, minimum uint32) ([]driver.Resource, driver.Resource, uint32, driver.Result) {
	var remaining driver.Resource
	parts := make([]driver.Resource, groups)
	var place unsafe.Pointer
	if groups > 0 {
		place = unsafe.Pointer(&parts[0][0])
	}
	made := C.uint(groups)
	r := driver.Result(C.vg_split(d.fn.cuDevSmResourceSplitByCount, place, &made, unsafe.Pointer(&input[0]), unsafe.Pointer(&remaining[0]),
		C.uint(flags), C.uint(minimum)))
	return parts[:min(uint32(made), groups)], remaining, uint32(made), r
}

// ResourceDescribe implements driver.GreenContexts.
func (d *Driver) ResourceDescribe(parts []driver.Resource) (driver.Desc, driver.Result) {
	var desc C.uintptr_t
	r := C.vg_describe(d.fn.cuDevResourceGenerateDesc, &desc, unsafe.Pointer(&parts[0][0]), C.uint(len(parts)))
	return driver.Desc(desc), driver.Result(r)
}

// GreenCreate implements driver.GreenContexts.
func (d *Driver) GreenCreate(desc driver.Desc, flags uint32) (driver.Green, driver.Result) {
	var g C.uintptr_t
	r := C.vg_green_create(d.fn.cuGreenCtxCreate, &g, C.uintptr_t(desc), d.device, C.uint(flags))
	return driver.Green(g), driver.Result(r)
}

// GreenDestroy implements driver.GreenContexts.
func (d *Driver) GreenDestroy(g driver.Green) driver.Result {
	return driver.Result(C.vg_green_destroy(d.fn.cuGreenCtxDestroy, C.uintptr_t(g)))
}

// GreenContext implements driver.GreenContexts.
func (d *Driver) GreenContext(g driver.Green) (driver.Context, driver.Result) {
	var c C.uintptr_t
	r := C.vg_green_context(d.fn.cuCtxFromGreenCtx, &c, C.uintptr_t(g))
	return driver.Context(c), driver.Result(r)
}
