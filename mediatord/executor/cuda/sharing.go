package cuda

/*
#include <stdint.h>
#include <string.h>

struct vg_event_handle {
	char bytes[64];
};

static int vg_mem_export(void *f, int *fd, unsigned long long memory, int type)
{
	return ((int (*)(void *, unsigned long long, int, unsigned long long))f)(fd, memory, type, 0);
}
static int vg_mem_import(void *f, unsigned long long *memory, int fd, int type)
{
	return ((int (*)(unsigned long long *, void *, int))f)(memory, (void *)(intptr_t)fd, type);
}
static int vg_mem_retain(void *f, unsigned long long *memory, unsigned long long va)
{
	return ((int (*)(unsigned long long *, void *))f)(memory, (void *)(uintptr_t)va);
}
static int vg_event_export(void *f, void *handle, uintptr_t event)
{
	return ((int (*)(void *, uintptr_t))f)(handle, event);
}
static int vg_event_import(void *f, uintptr_t *event, const void *handle)
{
	struct vg_event_handle h;

	memcpy(&h, handle, sizeof(h));
	return ((int (*)(uintptr_t *, struct vg_event_handle))f)(event, h);
}
*/
import "C"

import (
	"unsafe"

	"libvirt-vgpu/mediatord/executor/driver"
)

// handleDescriptor is CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR.
const handleDescriptor = 1

// MemoryExport implements driver.Sharing.
func (d *Driver) MemoryExport(m driver.Memory) (int, driver.Result) {
	fd := C.int(-1)
	r := C.vg_mem_export(d.fn.cuMemExportToShareableHandle, &fd, C.ulonglong(m), handleDescriptor)
	return int(fd), driver.Result(r)
}

// BlockExport implements driver.Sharing.
func (d *Driver) BlockExport(va uint64) (int, driver.Result) {
	var m C.ulonglong
	if r := C.vg_mem_retain(d.fn.cuMemRetainAllocationHandle, &m, C.ulonglong(va)); r != 0 {
		return -1, driver.Result(r)
	}
	defer d.MemoryRelease(driver.Memory(m))
	return d.MemoryExport(driver.Memory(m))
}

// MemoryImport implements driver.Sharing.
func (d *Driver) MemoryImport(_ uint64, fd int) (driver.Memory, driver.Result) {
	var m C.ulonglong
	r := C.vg_mem_import(d.fn.cuMemImportFromShareableHandle, &m, C.int(fd), handleDescriptor)
	return driver.Memory(m), driver.Result(r)
}

// BlockImport implements driver.Sharing.
func (d *Driver) BlockImport(va, size uint64, fd int) (result driver.Result) {
	if r := d.AddressReserve(va, size); r != driver.Success {
		return r
	}
	defer func() {
		if result != driver.Success {
			d.AddressFree(va, size)
		}
	}()
	m, r := d.MemoryImport(size, fd)
	if r != driver.Success {
		return r
	}
	return d.placeBlock(va, size, m)
}

// EventExport implements driver.Sharing.
func (d *Driver) EventExport(e driver.Event) (handle driver.EventHandle, fd int, r driver.Result) {
	result := C.vg_event_export(d.fn.cuIpcGetEventHandle, unsafe.Pointer(&handle[0]), C.uintptr_t(e))
	return handle, -1, driver.Result(result)
}

// EventImport implements driver.Sharing.
func (d *Driver) EventImport(handle driver.EventHandle, _ int) (driver.Event, driver.Result) {
	var e C.uintptr_t
	r := C.vg_event_import(d.fn.cuIpcOpenEventHandle, &e, unsafe.Pointer(&handle[0]))
	return driver.Event(e), driver.Result(r)
}
