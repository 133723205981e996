package cuda

/*
#cgo CFLAGS: -I${SRCDIR}/../../../guest/include
#cgo noescape vg_burst
#cgo nocallback vg_burst
#include "burst.h"
*/
import "C"

import (
	"sync/atomic"
	"unsafe"

	"libvirt-vgpu/mediatord/executor/driver"
)

var (
	_ driver.Burster                                = (*Driver)(nil)
	_ [C.sizeof_struct_vg_burst]byte                = [unsafe.Sizeof(driver.Burst{})]byte{}
	_ [unsafe.Offsetof(driver.Burst{}.Written)]byte = [C.sizeof_struct_vg_burst - driver.BurstFences*16]byte{}
	_ [C.sizeof_struct_vg_extent]byte               = [unsafe.Sizeof(driver.Extent{})]byte{}
	_ [C.sizeof_struct_vg_meter]byte                = [unsafe.Sizeof(driver.Metered{})]byte{}
	_ [C.sizeof_struct_vg_lane]byte                 = [unsafe.Sizeof(driver.MeteredLane{})]byte{}
	_ [C.sizeof_struct_vg_duration]byte             = [unsafe.Sizeof(driver.Duration{})]byte{}
)

// Burst implements driver.Burster.
func (d *Driver) Burst(b *driver.Burst, h *driver.BurstHandles, m *driver.Metered, woken, changes *atomic.Uint32) {
	C.vg_burst((*C.struct_vg_burst)(unsafe.Pointer(b)),
		C.uintptr_t(uintptr(d.fn.cuLaunchKernel)), C.uintptr_t(uintptr(d.native.cuStreamWriteValue32_v2)),
		C.uintptr_t(uintptr(d.fn.cuMemcpyHtoDAsync_v2)), C.uintptr_t(uintptr(d.fn.cuMemcpyDtoHAsync_v2)),
		(*C.uchar)(h.Functions), C.uint32_t(h.FunctionCount), (*C.uchar)(h.Kernels), C.uint32_t(h.KernelCount),
		(*C.uchar)(h.Streams), C.uint32_t(h.StreamCount),
		(*C.struct_vg_extent)(unsafe.Pointer(unsafe.SliceData(h.Host))), C.uint32_t(len(h.Host)),
		(*C.struct_vg_meter)(unsafe.Pointer(m)), (*C.struct_vg_duration)(h.Durations),
		(*C.uint32_t)(unsafe.Pointer(woken)), (*C.uint32_t)(unsafe.Pointer(changes)))
}
