// SPDX-License-Identifier: Apache-2.0
/*
 * Virtual memory management: reserve addresses, create physical memory, map one
 * to the other. Addresses are ours, so reserving is settled here and told to
 * the executor; the rest is the executor's.
 */
#include <string.h>

#include "calls.h"
#include "enter.h"
#include "gen/ops.h"
#include "spaces.h"
#include "vmm.h"

#define PAGE			4096u	/* of the host */
#define LOCATION_DEVICE		1u
#define LOCATION_HOST		2u
#define LOCATION_HOST_NUMA	3u
#define ACCESS_NONE 0u
#define ACCESS_READ 1u
#define ACCESS_READWRITE 3u

struct access_desc {
	struct { unsigned int type; int id; } location;
	unsigned int flags;
};
_Static_assert(sizeof(struct access_desc) == 12, "CUmemAccessDesc");

/* guards handles and mappings of all memory */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

uint64_t vg_memory_granularity(void)
{
	return vg_process.description->vmm_granularity ? vg_process.description->vmm_granularity : 0x200000;
}

static int check_prop(const struct allocation_prop *prop)
{
	if (!prop || prop->type != 1)
		return CUDA_ERROR_INVALID_VALUE;
	if (prop->location.type != LOCATION_DEVICE)
		return CUDA_ERROR_INVALID_VALUE;
	if (prop->location.id < 0 || prop->location.id >= vg_process.device_count)
		return CUDA_ERROR_INVALID_DEVICE;
	/* out of the process goes a descriptor and nothing else; what no handle is called is overlooked, as natively */
	return prop->handleTypes & VG_HANDLE_FABRIC ? CUDA_ERROR_NOT_SUPPORTED : 0;
}

VG_EXPORT CUresult cuMemGetAllocationGranularity(size_t *out, const struct allocation_prop *prop, unsigned int option)
{
	int result = vg_process_ready();

	if (result)
		return result;
	/* what the properties say does not matter, even if no memory is like that (measured, driver 580) */
	if (!out || !prop || option > 1)
		return CUDA_ERROR_INVALID_VALUE;
	*out = vg_memory_granularity();
	return CUDA_SUCCESS;
}

VG_EXPORT CUresult cuMemAddressReserve(CUdeviceptr *out, size_t size, size_t align, CUdeviceptr hint,
				       unsigned long long flags)
{
	struct vg_range r = { .size = size, .kind = VG_RANGE_RESERVED, .backing = size };
	struct vg_thread *t;
	int result = vg_enter_library(&t);

	if (result)
		return result;
	/* a hint is followed or not, but it is a page's address (12345 is none: measured, driver 580) */
	if (!out || !size || flags || size % vg_memory_granularity() || (align & (align - 1)) || hint % PAGE)
		return CUDA_ERROR_INVALID_VALUE;
	if (align < vg_memory_granularity())
		align = vg_memory_granularity();
	pthread_mutex_lock(&vg_spaces.lock);
	if (hint && hint % align == 0 && vg_space_take_at(&vg_spaces.device, hint, size))
		r.base = hint;
	else
		r.base = vg_space_take(&vg_spaces.device, size, align);
	pthread_mutex_unlock(&vg_spaces.lock);
	if (!r.base)
		return CUDA_ERROR_OUT_OF_MEMORY;
	result = vg_op_mem_reserve(t, r.base, size);
	if (!result)
		result = vg_range_add(&r);
	if (result) {
		vg_spaces_give(&vg_spaces.device, r.base, size);
		return result;
	}
	*out = r.base;
	return CUDA_SUCCESS;
}

/* A reservation in which something is mapped stays (measured, driver 580). */
VG_EXPORT CUresult cuMemAddressFree(CUdeviceptr address, size_t size)
{
	struct vg_range r, mapped;
	struct vg_thread *t;
	int result = vg_enter_library(&t);

	if (result)
		return result;
	if (!vg_reservation_find(address, &r) || r.base != address || r.size != size ||
	    vg_range_find_overlap(address, size, &mapped))
		return CUDA_ERROR_INVALID_VALUE;
	result = vg_op_mem_unreserve(t, address, size);
	if (!result && vg_range_remove(address, VG_RANGE_RESERVED, &r))
		vg_spaces_give(&vg_spaces.device, address, size);
	return result;
}

VG_EXPORT CUresult cuMemCreate(CUmemGenericAllocationHandle *handle, size_t size, const struct allocation_prop *prop,
			       unsigned long long flags)
{
	struct allocation_prop known;
	struct vg_memory *m;
	struct vg_thread *t;
	int result = vg_enter(&t);

	if (!result)
		result = check_prop(prop);
	if (result)
		return result;
	if (!handle || !size || flags || size % vg_memory_granularity())
		return CUDA_ERROR_INVALID_VALUE;
	known = *prop;
	known.handleTypes &= VG_HANDLE_DESCRIPTOR;
	m = vg_memory_new(size, &known);
	if (!m)
		return CUDA_ERROR_OUT_OF_MEMORY;
	result = vg_op_mem_create(t, m->object.number, size, &known, flags);
	if (result)
		vg_memory_forget(m);
	else
		*handle = (CUmemGenericAllocationHandle)(uintptr_t)m;
	return result;
}

struct vg_memory *vg_memory_new(uint64_t size, const struct allocation_prop *prop)
{
	struct vg_memory *m = vg_object_new(VG_MEMORY, sizeof *m);

	if (!m)
		return NULL;
	m->size = size;
	m->prop = *prop;
	m->handles = 1;
	return m;
}

void vg_memory_forget(struct vg_memory *m)
{
	vg_object_end(m);
}

struct vg_memory *vg_memory_of(CUmemGenericAllocationHandle handle)
{
	struct vg_memory *m = (struct vg_memory *)(uintptr_t)handle;

	return m && m->object.kind == VG_MEMORY && m->handles ? m : NULL;
}

/* Needs the lock, which it gives up. */
static int end_if_unused(struct vg_thread *t, struct vg_memory *m)
{
	bool unused = !m->handles && !m->mappings;
	int result = 0;

	pthread_mutex_unlock(&lock);
	if (unused) {
		result = vg_op_mem_release(t, m->object.number);
		vg_object_end(m);
	}
	return result;
}

void vg_memory_unmapped(struct vg_thread *t, const struct vg_range *mapping)
{
	struct vg_memory *m = mapping->owner;

	pthread_mutex_lock(&lock);
	m->mappings--;
	end_if_unused(t, m);
}

/* The handle that the memory was mapped by, once more. */
VG_EXPORT CUresult cuMemRetainAllocationHandle(CUmemGenericAllocationHandle *handle, void *address)
{
	struct vg_memory *m;
	struct vg_range r;
	int result = vg_process_ready();

	if (result)
		return result;
	if (!handle || !vg_range_find((uint64_t)(uintptr_t)address, &r) || r.kind != VG_RANGE_MAPPED)
		return CUDA_ERROR_INVALID_VALUE;
	m = r.owner;
	pthread_mutex_lock(&lock);
	if (m->object.kind == VG_MEMORY && m->mappings)
		m->handles++;
	else
		m = NULL;	/* another thread has just unmapped it */
	pthread_mutex_unlock(&lock);
	if (!m)
		return CUDA_ERROR_INVALID_VALUE;
	*handle = (CUmemGenericAllocationHandle)(uintptr_t)m;
	return CUDA_SUCCESS;
}

VG_EXPORT CUresult cuMemRelease(CUmemGenericAllocationHandle handle)
{
	struct vg_memory *m = vg_memory_of(handle);
	struct vg_thread *t;
	int result = vg_enter(&t);

	if (result)
		return result;
	if (!m)
		return CUDA_ERROR_INVALID_VALUE;
	pthread_mutex_lock(&lock);
	m->handles--;
	return end_if_unused(t, m);
}

VG_EXPORT CUresult cuMemGetAllocationPropertiesFromHandle(struct allocation_prop *prop,
							  CUmemGenericAllocationHandle handle)
{
	struct vg_memory *m = vg_memory_of(handle);
	int result = vg_process_ready();

	if (result)
		return result;
	if (!prop || !m)
		return CUDA_ERROR_INVALID_VALUE;
	*prop = m->prop;
	return CUDA_SUCCESS;
}

VG_EXPORT CUresult cuMemMap(CUdeviceptr address, size_t size, size_t offset, CUmemGenericAllocationHandle handle,
			    unsigned long long flags)
{
	struct vg_range r = { .base = address, .size = size, .kind = VG_RANGE_MAPPED, .backing = size };
	struct vg_memory *m = vg_memory_of(handle);
	struct vg_range reserved, taken;
	struct vg_thread *t;
	int result = vg_enter(&t);

	if (result)
		return result;
	if (!m || !size || flags || !vg_reservation_find(address, &reserved))
		return CUDA_ERROR_INVALID_VALUE;
	if (size != m->size) /* the driver maps the whole or nothing */
		return CUDA_ERROR_NOT_SUPPORTED;
	if (offset || address % vg_memory_granularity() || size > reserved.size - (address - reserved.base) ||
	    vg_range_find(address, &taken))
		return CUDA_ERROR_INVALID_VALUE;
	result = vg_op_mem_map(t, address, size, offset, m->object.number, flags);
	if (result)
		return result;
	r.context = t->current->base;
	r.id = vg_range_id();
	r.owner = m;
	pthread_mutex_lock(&lock);
	m->mappings++;
	pthread_mutex_unlock(&lock);
	return vg_range_add(&r);
}

VG_EXPORT CUresult cuMemUnmap(CUdeviceptr address, size_t size)
{
	uint64_t end = address + size, at;
	struct vg_range reserved, r;
	struct vg_thread *t;
	int result = vg_enter(&t);

	if (result)
		return result;
	if (!size || !vg_reservation_find(address, &reserved) || size > reserved.size - (address - reserved.base))
		return CUDA_ERROR_INVALID_VALUE;
	/* whole mappings only; what is not mapped between or behind them does not matter, as the driver has it */
	for (at = end; at > address && vg_range_find_overlap(address, at - address, &r); at = r.base)
		if (r.kind != VG_RANGE_MAPPED || r.base < address || r.base + r.size > at)
			return CUDA_ERROR_INVALID_VALUE;
	for (at = end; at > address && vg_range_find_overlap(address, at - address, &r); at = r.base) {
		result = vg_op_mem_unmap(t, r.base, r.size);
		if (result)
			return result;
		if (vg_range_remove(r.base, VG_RANGE_MAPPED, &r))
			vg_memory_unmapped(t, &r);
	}
	return 0;
}

VG_EXPORT CUresult cuMemSetAccess(CUdeviceptr address, size_t size, const struct access_desc *desc, size_t count)
{
	struct vg_range r;
	struct vg_thread *t;
	int result = vg_enter(&t);

	if (result)
		return result;
	if (!desc || !count || count > 64 || !size || !vg_device_range(address, size))
		return CUDA_ERROR_INVALID_VALUE;
	for (size_t i = 0; i < count; i++) {
		/* what is no device of ours is a wrong value here (measured, driver 580) */
		if (desc[i].location.type != LOCATION_DEVICE || desc[i].location.id < 0 ||
		    desc[i].location.id >= vg_process.device_count)
			return CUDA_ERROR_INVALID_VALUE;
		if (desc[i].flags != ACCESS_NONE && desc[i].flags != ACCESS_READ && desc[i].flags != ACCESS_READWRITE)
			return CUDA_ERROR_INVALID_VALUE;
	}
	result = vg_op_mem_set_access(t, address, size, (uint32_t)count, desc, (uint32_t)(count * sizeof *desc));
	for (uint64_t at = address; !result && at < address + size && vg_range_find(at, &r); at = r.base + r.size)
		vg_range_set_flags(r.base, desc[count - 1].flags);
	return result;
}

VG_EXPORT CUresult cuMemGetAccess(unsigned long long *flags, const void *location, CUdeviceptr address)
{
	const struct { unsigned int type; int id; } *l = location;
	struct vg_thread *t;
	uint64_t value = 0;
	int result = vg_enter(&t);

	if (result)
		return result;
	if (!flags || !l)
		return CUDA_ERROR_INVALID_VALUE;
	if ((l->type != LOCATION_DEVICE && l->type != LOCATION_HOST && l->type != LOCATION_HOST_NUMA) || l->id < 0 ||
	    l->id >= vg_process.device_count)
		return CUDA_ERROR_INVALID_DEVICE;
	if (!vg_device_range(address, 1))
		return CUDA_ERROR_INVALID_VALUE;
	if (l->type != LOCATION_DEVICE) {	/* the processor reaches no device memory; one may ask (measured, driver 580) */
		*flags = 0;
		return CUDA_SUCCESS;
	}
	result = vg_op_mem_get_access(t, address, &value);
	*flags = value;
	return result;
}
