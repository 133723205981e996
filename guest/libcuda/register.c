// SPDX-License-Identifier: Apache-2.0
#include "register.h"

#include "calls.h"
#include "capture.h"
#include "enter.h"
#include "extent.h"
#include "gen/ops.h"
#include "spaces.h"
#include "stream.h"

#define FLAG_IO_MEMORY	4u
#define FLAG_READ_ONLY	8u
#define FLAGS		15u
#define PAGE		4096ull

pthread_mutex_t vg_register_lock = PTHREAD_MUTEX_INITIALIZER;

static uint64_t first_page(const struct vg_range *r)
{
	return r->base & ~(PAGE - 1);
}

static uint64_t behind_last_page(const struct vg_range *r)
{
	return (r->base + r->size + PAGE - 1) & ~(PAGE - 1);
}

static int find_taken(uint64_t address, uint64_t size)
{
	struct vg_range other;

	if (!vg_range_find_overlap(address, size, &other))
		return 0;
	return other.kind == VG_RANGE_REGISTERED ? CUDA_ERROR_HOST_MEMORY_ALREADY_REGISTERED : CUDA_ERROR_INVALID_VALUE;
}

/* The lock is held. */
static int begin(struct vg_thread *t, struct vg_range *r)
{
	int result = find_taken(r->base, r->size);

	if (!result)
		result = vg_extents_hold(t, first_page(r), behind_last_page(r));
	if (result)
		return result;
	result = vg_op_host_register(t, r->base, r->size);
	if (!result) {
		result = vg_range_add(r);
		if (result)
			vg_op_host_unregister(t, r->base);
	}
	if (result)
		vg_extents_drop(t, first_page(r), behind_last_page(r));
	return result;
}

VG_EXPORT CUresult cuMemHostRegister_v2(void *address, size_t size, unsigned int flags)
{
	struct vg_range r = { .base = (uint64_t)(uintptr_t)address, .size = size, .kind = VG_RANGE_REGISTERED,
			      .flags = flags };
	struct vg_thread *t;
	int result = vg_enter(&t);

	if (!result)
		result = vg_capture_forbids(t);
	if (result)
		return result;
	if (!address || !size || (flags & ~FLAGS) || r.base + size < size || r.base + size > (1ull << 47))
		return CUDA_ERROR_INVALID_VALUE;
	/* no guest process reaches memory of devices on the host */
	if (flags & FLAG_IO_MEMORY)
		return CUDA_ERROR_NOT_PERMITTED;
	if (flags & FLAG_READ_ONLY)
		return CUDA_ERROR_NOT_SUPPORTED;
	r.backing = size;
	r.context = t->current->base;
	r.id = vg_range_id();
	pthread_mutex_lock(&vg_register_lock);
	result = begin(t, &r);
	pthread_mutex_unlock(&vg_register_lock);
	return result;
}

VG_EXPORT CUresult cuMemHostRegister(void *address, size_t size, unsigned int flags)
{
	return cuMemHostRegister_v2(address, size, flags);
}

int vg_register_end(struct vg_thread *t, const struct vg_range *range)
{
	struct vg_range r = *range;
	int result;

	pthread_mutex_lock(&vg_register_lock);
	if (!vg_channel_lost(t->channel))
		vg_op_host_unregister(t, r.base);
	result = vg_extents_drop(t, first_page(&r), behind_last_page(&r));
	if (!result)
		vg_range_remove(r.base, VG_RANGE_REGISTERED, &r);
	pthread_mutex_unlock(&vg_register_lock);
	return result;
}

VG_EXPORT CUresult cuMemHostUnregister(void *address)
{
	struct vg_range r;
	struct vg_thread *t;
	int moved, result = vg_enter(&t);

	if (!result)
		result = vg_capture_forbids(t);
	if (result)
		return result;
	if (!address)
		return CUDA_ERROR_INVALID_VALUE;
	if (!vg_range_find((uint64_t)(uintptr_t)address, &r))
		return CUDA_ERROR_HOST_MEMORY_NOT_REGISTERED;
	if (r.kind != VG_RANGE_REGISTERED || r.base != (uint64_t)(uintptr_t)address)
		return CUDA_ERROR_INVALID_VALUE;
	result = vg_context_wait(t, r.context);
	if (vg_channel_lost(t->channel))
		return result;
	moved = vg_register_end(t, &r);
	return moved ? moved : result;
}
