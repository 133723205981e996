// SPDX-License-Identifier: Apache-2.0
#include "pool.h"

#include <string.h>

#include "calls.h"
#include "capture.h"
#include "enter.h"
#include "gen/ops.h"
#include "spaces.h"
#include "stream.h"

#define LOCATION_DEVICE		1u
#define ALLOCATION_PINNED	1u
#define MAX_DESCRIPTORS		64u
#define OF_A_GRAPH		1u	/* vg_range.flags: allocated in a capture */

enum { ATTRIBUTE_FIRST = 1, ATTRIBUTE_RELEASE_THRESHOLD = 4, ATTRIBUTE_LAST = 8 };

struct vg_pool {
	struct vg_object object;
};
typedef struct vg_pool *CUmemoryPool;

struct location {
	unsigned int type;
	int id;
};

struct pool_properties {
	unsigned int allocation, handle_types;
	struct location location;
	void *win32;
	size_t max_size;
	unsigned short usage;
	unsigned char reserved[54];
};
_Static_assert(sizeof(struct pool_properties) == 88, "CUmemPoolProps");

struct access_descriptor {
	struct location location;
	unsigned int flags;
};
_Static_assert(sizeof(struct access_descriptor) == 12, "CUmemAccessDesc");

CUresult cuMemFree_v2(CUdeviceptr address);

/* On the wire the device's default pool is number 0. */
static struct vg_pool default_pool = { .object = { .kind = VG_POOL } };
static _Atomic(struct vg_pool *) current_pool = &default_pool;

static int check_device(CUdevice device)
{
	return device >= 0 && device < vg_process.device_count ? 0 : CUDA_ERROR_INVALID_DEVICE;
}

static int check_pool(CUmemoryPool pool)
{
	return pool && pool->object.kind == VG_POOL ? 0 : CUDA_ERROR_INVALID_VALUE;
}

/* Pools of other places than the device are not carried. */
static int check_place(const struct location *location, unsigned int allocation)
{
	if (!location)
		return CUDA_ERROR_INVALID_VALUE;
	if (allocation != ALLOCATION_PINNED || location->type != LOCATION_DEVICE)
		return CUDA_ERROR_NOT_SUPPORTED;
	return check_device(location->id);
}

/* As work is for vg_stream_busy: waiting for the legacy stream waits for the blocking ones. */
static void freed(struct vg_stream *s)
{
	atomic_store_explicit(&s->freed, 1, memory_order_release);
	if (!(s->flags & 1) && s->object.number)
		atomic_store_explicit(&s->context->legacy->freed, 1, memory_order_release);
}

void vg_pool_settle(struct vg_thread *t, struct vg_stream *s)
{
	if (atomic_exchange_explicit(&s->freed, 0, memory_order_acq_rel))
		vg_op_pools_settle(t, s->object.number);
}

/* An earlier range there is a graph's, whose end nobody told. */
static int add_range(const struct vg_range *range)
{
	struct vg_range stale;

	while (vg_range_find_overlap(range->base, range->size, &stale))
		vg_range_remove(stale.base, stale.kind, &stale);
	return vg_range_add(range);
}

int vg_pool_graph_memory(uint64_t address, uint64_t size)
{
	struct vg_thread *t = vg_thread_get();
	struct vg_range r = { .base = address, .size = size, .backing = size, .kind = VG_RANGE_POOL, .flags = OF_A_GRAPH,
			      .owner = &default_pool, .context = t ? t->current : NULL, .id = vg_range_id() };

	return vg_guard_addresses(address, size) ? add_range(&r) : CUDA_ERROR_OUT_OF_MEMORY;
}

/* The addresses of a graph's memory stay: the next launch allocates there again. */
static bool forget(const struct vg_range *range)
{
	struct vg_range r;

	return (range->flags & OF_A_GRAPH) || vg_range_remove(range->base, VG_RANGE_POOL, &r);
}

static CUresult allocate(CUdeviceptr *out, size_t size, CUmemoryPool pool, CUstream handle, bool per_thread)
{
	struct vg_range r = { .size = size, .backing = size, .kind = VG_RANGE_POOL, .owner = pool };
	struct vg_stream *s;
	struct vg_thread *t;
	int result = vg_enter(&t);

	if (!result)
		result = vg_stream_get(t, handle, per_thread, &s);
	if (!result)
		result = check_pool(pool);
	if (result)
		return result;
	if (!out)
		return CUDA_ERROR_INVALID_VALUE;
	if (!size) {
		*out = 0;
		return CUDA_SUCCESS;
	}
	result = vg_op_mem_alloc_async(t, &r.base, size, pool->object.number, s->object.number);
	if (result)
		return result;
	vg_stream_busy(s);
	if (!vg_guard_addresses(r.base, r.size)) {
		vg_log("stream-ordered memory came to %#llx, where this process has something else",
		       (unsigned long long)r.base);
		result = CUDA_ERROR_OUT_OF_MEMORY;
	} else {
		r.context = t->current->base;
		r.flags = vg_capture_status(s) ? OF_A_GRAPH : 0;
		r.id = vg_range_id();
		result = add_range(&r);
	}
	if (result)
		vg_op_mem_free_async(t, r.base, s->object.number);
	else
		*out = r.base;
	return result;
}

VG_EXPORT CUresult cuMemAllocAsync(CUdeviceptr *address, size_t size, CUstream stream)
{
	return allocate(address, size, atomic_load(&current_pool), stream, false);
}

VG_EXPORT CUresult cuMemAllocAsync_ptsz(CUdeviceptr *address, size_t size, CUstream stream)
{
	return allocate(address, size, atomic_load(&current_pool), stream, true);
}

VG_EXPORT CUresult cuMemAllocFromPoolAsync(CUdeviceptr *address, size_t size, CUmemoryPool pool, CUstream stream)
{
	return allocate(address, size, pool, stream, false);
}

VG_EXPORT CUresult cuMemAllocFromPoolAsync_ptsz(CUdeviceptr *address, size_t size, CUmemoryPool pool, CUstream stream)
{
	return allocate(address, size, pool, stream, true);
}

static CUresult free_async(CUdeviceptr address, CUstream handle, bool per_thread)
{
	struct vg_range r;
	struct vg_stream *s;
	struct vg_thread *t;
	int result = vg_enter(&t);

	if (!result)
		result = vg_stream_get(t, handle, per_thread, &s);
	if (result || !address)
		return result;
	if (!vg_range_find(address, &r) || r.base != address)
		return CUDA_ERROR_INVALID_VALUE;
	if (r.kind == VG_RANGE_DEVICE) {
		/* cuMemAlloc's memory: the stream's order holds for it too */
		result = vg_stream_wait(t, s);
		return result ? result : cuMemFree_v2(address);
	}
	/* a graph frees what a graph has allocated */
	if (r.kind != VG_RANGE_POOL || (vg_capture_status(s) && !(r.flags & OF_A_GRAPH)) || !forget(&r))
		return CUDA_ERROR_INVALID_VALUE;
	result = vg_op_mem_free_async(t, address, s->object.number);
	if (result)
		return result;
	vg_stream_busy(s);
	if (!vg_capture_status(s))
		freed(s);
	return CUDA_SUCCESS;
}

VG_EXPORT CUresult cuMemFreeAsync(CUdeviceptr address, CUstream stream)
{
	return free_async(address, stream, false);
}

VG_EXPORT CUresult cuMemFreeAsync_ptsz(CUdeviceptr address, CUstream stream)
{
	return free_async(address, stream, true);
}

int vg_pool_free(struct vg_thread *t, const struct vg_range *range)
{
	return forget(range) ? vg_op_mem_free_pool(t, range->base) : CUDA_ERROR_INVALID_VALUE;
}

VG_EXPORT CUresult cuMemPoolCreate(CUmemoryPool *out, const struct pool_properties *p)
{
	struct vg_pool *pool;
	struct vg_thread *t;
	int result = vg_enter_library(&t);

	if (result)
		return result;
	if (!out || !p)
		return CUDA_ERROR_INVALID_VALUE;
	for (size_t i = 0; i < sizeof p->reserved; i++)
		if (p->reserved[i])
			return CUDA_ERROR_INVALID_VALUE;
	if (!p->allocation || !p->location.type)
		return CUDA_ERROR_INVALID_VALUE;
	result = check_place(&p->location, p->allocation);
	if (result == CUDA_ERROR_INVALID_DEVICE)
		result = CUDA_ERROR_INVALID_VALUE;
	if (!result && (p->handle_types || p->win32))
		result = CUDA_ERROR_NOT_SUPPORTED;
	if (result)
		return result;
	pool = vg_object_new(VG_POOL, sizeof *pool);
	if (!pool)
		return CUDA_ERROR_OUT_OF_MEMORY;
	result = vg_op_pool_create(t, pool->object.number, p);
	if (result)
		vg_object_end(pool);
	else
		*out = pool;
	return result;
}

VG_EXPORT CUresult cuMemPoolDestroy(CUmemoryPool pool)
{
	struct vg_pool *expected = pool;
	struct vg_thread *t;
	int result = vg_enter_library(&t);

	if (!result)
		result = check_pool(pool);
	if (result)
		return result;
	if (pool == &default_pool)
		return CUDA_ERROR_INVALID_VALUE;
	atomic_compare_exchange_strong(&current_pool, &expected, &default_pool);
	result = vg_op_pool_destroy(t, pool->object.number);
	if (!result)
		vg_object_end(pool);
	return result;
}

/* Three of the values are int, the others 64 bits wide. */
static size_t value_size(int attribute)
{
	return attribute < ATTRIBUTE_RELEASE_THRESHOLD ? sizeof(int) : sizeof(uint64_t);
}

static int enter_attribute(struct vg_thread **t, CUmemoryPool pool, int attribute, const void *value)
{
	int result = vg_enter_library(t);

	if (!result)
		result = check_pool(pool);
	if (!result && (!value || attribute < ATTRIBUTE_FIRST || attribute > ATTRIBUTE_LAST))
		result = CUDA_ERROR_INVALID_VALUE;
	return result;
}

VG_EXPORT CUresult cuMemPoolSetAttribute(CUmemoryPool pool, int attribute, const void *value)
{
	struct vg_thread *t;
	uint64_t word = 0;
	int result = enter_attribute(&t, pool, attribute, value);

	if (result)
		return result;
	memcpy(&word, value, value_size(attribute));
	return vg_op_pool_set_attribute(t, pool->object.number, (uint32_t)attribute, &word);
}

VG_EXPORT CUresult cuMemPoolGetAttribute(CUmemoryPool pool, int attribute, void *value)
{
	struct vg_thread *t;
	uint64_t word = 0;
	int result = enter_attribute(&t, pool, attribute, value);

	if (!result)
		result = vg_op_pool_get_attribute(t, pool->object.number, (uint32_t)attribute, &word);
	if (!result)
		memcpy(value, &word, value_size(attribute));
	return result;
}

VG_EXPORT CUresult cuMemPoolTrimTo(CUmemoryPool pool, size_t keep)
{
	struct vg_thread *t;
	int result = vg_enter_library(&t);

	if (!result)
		result = check_pool(pool);
	return result ? result : vg_op_pool_trim(t, pool->object.number, keep);
}

VG_EXPORT CUresult cuMemPoolSetAccess(CUmemoryPool pool, const struct access_descriptor *d, size_t count)
{
	struct vg_thread *t;
	int result = vg_enter_library(&t);

	if (!result)
		result = check_pool(pool);
	if (result)
		return result;
	if (!d || !count || count > MAX_DESCRIPTORS)
		return CUDA_ERROR_INVALID_VALUE;
	for (size_t i = 0; i < count; i++) {
		if (d[i].location.type != LOCATION_DEVICE)
			return CUDA_ERROR_INVALID_VALUE;
		result = check_device(d[i].location.id);
		if (result)
			return result;
	}
	return vg_op_pool_set_access(t, pool->object.number, (uint32_t)count, d, (uint32_t)(count * sizeof *d));
}

VG_EXPORT CUresult cuMemPoolGetAccess(unsigned int *flags, CUmemoryPool pool, const struct location *location)
{
	struct vg_thread *t;
	int result = vg_enter_library(&t);

	if (!result)
		result = check_pool(pool);
	if (result)
		return result;
	if (!flags || !location || location->type != LOCATION_DEVICE || check_device(location->id))
		return CUDA_ERROR_INVALID_VALUE;
	return vg_op_pool_get_access(t, pool->object.number, flags);
}

/* Which pool is the device's is settled here: every allocation names its pool. */
static CUresult get_pool(CUmemoryPool *out, CUdevice device, bool is_default)
{
	int result = vg_enter_local();

	if (result)
		return result;
	if (!out)
		return CUDA_ERROR_INVALID_VALUE;
	result = check_device(device);
	if (!result)
		*out = is_default ? &default_pool : atomic_load(&current_pool);
	return result;
}

VG_EXPORT CUresult cuDeviceGetDefaultMemPool(CUmemoryPool *pool, CUdevice device)
{
	return get_pool(pool, device, true);
}

VG_EXPORT CUresult cuDeviceGetMemPool(CUmemoryPool *pool, CUdevice device)
{
	return get_pool(pool, device, false);
}

VG_EXPORT CUresult cuDeviceSetMemPool(CUdevice device, CUmemoryPool pool)
{
	int result = vg_enter_local();

	if (!result)
		result = check_device(device);
	if (!result)
		result = check_pool(pool);
	if (!result)
		atomic_store(&current_pool, pool);
	return result;
}

/* The same by place and kind of allocation (CUDA 13). */
static CUresult place_pool(CUmemoryPool *out, const struct location *location, unsigned int allocation, bool is_default)
{
	int result = vg_enter_local();

	if (!result)
		result = check_place(location, allocation);
	return result ? result : get_pool(out, location->id, is_default);
}

VG_EXPORT CUresult cuMemGetDefaultMemPool(CUmemoryPool *pool, const struct location *location, unsigned int allocation)
{
	return place_pool(pool, location, allocation, true);
}

VG_EXPORT CUresult cuMemGetMemPool(CUmemoryPool *pool, const struct location *location, unsigned int allocation)
{
	return place_pool(pool, location, allocation, false);
}

VG_EXPORT CUresult cuMemSetMemPool(const struct location *location, unsigned int allocation, CUmemoryPool pool)
{
	int result = vg_enter_local();

	if (!result)
		result = check_place(location, allocation);
	return result ? result : cuDeviceSetMemPool(location->id, pool);
}
