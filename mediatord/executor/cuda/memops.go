package cuda

/*
#include <stdint.h>

static int vg_batch_mem_op(void *f, uintptr_t stream, unsigned int count, void *operations, unsigned int flags)
{
	return ((int (*)(uintptr_t, unsigned int, void *, unsigned int))f)(stream, count, operations, flags);
}
static int vg_host_atomics(void *f, unsigned int *capabilities, unsigned int operation, int device)
{
	int wanted = (int)operation;

	return ((int (*)(unsigned int *, const int *, unsigned int, int))f)(capabilities, &wanted, 1, device);
}
*/
import "C"

import (
	"unsafe"

	"libvirt-vgpu/mediatord/executor/driver"
)

// BatchMemOps implements driver.Streams.
func (d *Driver) BatchMemOps(s driver.Stream, operations []byte, flags uint32) driver.Result {
	return driver.Result(C.vg_batch_mem_op(d.fn.cuStreamBatchMemOp_v2, C.uintptr_t(s), C.uint(len(operations)/driver.MemOpSize),
		unsafe.Pointer(unsafe.SliceData(operations)), C.uint(flags)))
}

// HostAtomics implements driver.Links.
func (d *Driver) HostAtomics(operation uint32) (uint32, driver.Result) {
	var capabilities C.uint
	r := C.vg_host_atomics(d.fn.cuDeviceGetHostAtomicCapabilities, &capabilities, C.uint(operation), d.device)
	return uint32(capabilities), driver.Result(r)
}
