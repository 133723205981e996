// SPDX-License-Identifier: Apache-2.0
/*
 * Linear device memory. Large allocations are blocks of their own; small ones
 * share 2 MiB blocks, as the real driver does it.
 */
#include "memory.h"

#include <stdlib.h>

#include "calls.h"
#include "capture.h"
#include "enter.h"
#include "gen/ops.h"
#include "ipc.h"
#include "pool.h"
#include "register.h"
#include "spaces.h"
#include "stream.h"
#include "vmm.h"

#define BLOCK		0x200000ull	/* smallest physical allocation */
#define SMALL		0x100000ull	/* up to here allocations share blocks */
#define ALIGNMENT	512ull
#define PITCH		512ull

/* A physical allocation that small ones share. */
struct block {
	struct vg_space space;
	struct vg_context *context;
	uint64_t used;
	struct block *next;
};

static struct {
	pthread_mutex_t lock;
	struct block *blocks;
	_Atomic uint64_t next_id;
} device = { .lock = PTHREAD_MUTEX_INITIALIZER, .next_id = 1 };

uint64_t vg_range_id(void)
{
	return atomic_fetch_add_explicit(&device.next_id, 1, memory_order_relaxed);
}

static uint64_t round_up(uint64_t size, uint64_t to)
{
	return (size + to - 1) & ~(to - 1);
}

/* A physical allocation at an address of ours. */
static int block_new(struct vg_thread *t, uint64_t size, uint64_t *address)
{
	int result;

	*address = vg_spaces_take(&vg_spaces.device, size, BLOCK);
	if (!*address)
		return CUDA_ERROR_OUT_OF_MEMORY;
	result = vg_op_mem_block(t, *address, size);
	if (result)
		vg_spaces_give(&vg_spaces.device, *address, size);
	return result;
}

static void block_end(struct vg_thread *t, uint64_t address, uint64_t size)
{
	vg_op_mem_unblock(t, address);
	vg_spaces_give(&vg_spaces.device, address, size);
}

/* Small allocation; device.lock is held. */
static int take_small(struct vg_thread *t, uint64_t size, uint64_t *address, struct block **owner)
{
	struct block *b;
	uint64_t base;
	int result;

	for (b = device.blocks; b; b = b->next) {
		if (b->context != t->current->base || !(*address = vg_space_take(&b->space, size, ALIGNMENT)))
			continue;
		goto found;
	}
	b = calloc(1, sizeof *b);
	if (!b)
		return CUDA_ERROR_OUT_OF_MEMORY;
	result = block_new(t, BLOCK, &base);
	if (result) {
		free(b);
		return result;
	}
	b->space = (struct vg_space){ .base = base, .size = BLOCK };
	b->context = t->current->base;
	b->next = device.blocks;
	device.blocks = b;
	*address = vg_space_take(&b->space, size, ALIGNMENT);
	if (!*address)
		return CUDA_ERROR_OUT_OF_MEMORY;
found:
	b->used += size;
	*owner = b;
	return 0;
}

static void give_small(struct vg_thread *t, struct block *b, uint64_t address, uint64_t size)
{
	pthread_mutex_lock(&device.lock);
	vg_space_give(&b->space, address, size);
	b->used -= size;
	/* one empty block per context is kept for the next allocation */
	if (!b->used) {
		for (struct block **link = &device.blocks; *link; link = &(*link)->next) {
			struct block *other = *link;

			if (other == b || other->used || other->context != b->context)
				continue;
			*link = other->next;
			block_end(t, other->space.base, BLOCK);
			vg_space_end(&other->space);
			free(other);
			break;
		}
	}
	pthread_mutex_unlock(&device.lock);
}

static int device_new(struct vg_thread *t, uint64_t size, CUdeviceptr *out)
{
	struct vg_range r = { .size = size, .kind = VG_RANGE_DEVICE, .context = t->current->base };
	struct block *owner = NULL;
	int result;

	if (size <= SMALL) {
		r.backing = round_up(size, ALIGNMENT);
		pthread_mutex_lock(&device.lock);
		result = take_small(t, r.backing, &r.base, &owner);
		pthread_mutex_unlock(&device.lock);
		r.owner = owner;
	} else {
		r.backing = round_up(size, BLOCK);
		result = r.backing < size ? CUDA_ERROR_OUT_OF_MEMORY : block_new(t, r.backing, &r.base);
	}
	if (result)
		return result;
	r.id = vg_range_id();
	result = vg_range_add(&r);
	if (!result)
		*out = r.base;
	return result;
}

static void device_end(struct vg_thread *t, const struct vg_range *r)
{
	if (r->owner)
		give_small(t, r->owner, r->base, r->backing);
	else
		block_end(t, r->base, r->backing);
}

uint64_t vg_memory_block(const struct vg_range *r, uint64_t *size)
{
	const struct block *shared = r->owner;

	*size = shared ? BLOCK : r->backing;
	return shared ? shared->space.base : r->base;
}

VG_EXPORT CUresult cuMemAlloc_v2(CUdeviceptr *address, size_t size)
{
	struct vg_thread *t;
	int result = vg_enter(&t);

	if (!result)
		result = vg_capture_forbids(t);
	if (result)
		return result;
	if (!address || !size)
		return CUDA_ERROR_INVALID_VALUE;
	return device_new(t, size, address);
}

VG_EXPORT CUresult cuMemAllocPitch_v2(CUdeviceptr *address, size_t *pitch, size_t width, size_t height,
				      unsigned int element)
{
	struct vg_thread *t;
	int result = vg_enter(&t);

	if (!result)
		result = vg_capture_forbids(t);
	if (result)
		return result;
	if (!address || !pitch || !width || !height || (element != 4 && element != 8 && element != 16) ||
	    width > SIZE_MAX - PITCH || height > SIZE_MAX / round_up(width, PITCH))
		return CUDA_ERROR_INVALID_VALUE;
	*pitch = round_up(width, PITCH);
	return device_new(t, *pitch * height, address);
}

VG_EXPORT CUresult cuMemFree_v2(CUdeviceptr address)
{
	struct vg_range r;
	struct vg_thread *t;
	int result = vg_enter(&t);

	if (!address)
		return vg_free_nothing(result);
	if (!result)
		result = vg_capture_forbids(t);
	if (result)
		return result;
	if (!vg_range_find(address, &r) || r.base != address ||
	    (r.kind != VG_RANGE_DEVICE && r.kind != VG_RANGE_POOL && r.kind != VG_RANGE_MANAGED))
		return CUDA_ERROR_INVALID_VALUE;
	/* the driver takes stream-ordered memory to be out of use */
	if (r.kind == VG_RANGE_POOL)
		return vg_pool_free(t, &r);
	/* as native: memory goes only when the GPU is done with it */
	result = vg_context_wait(t, r.context);
	if (vg_channel_lost(t->channel))
		return result;
	if (r.kind == VG_RANGE_MANAGED) {
		vg_managed_end(t, &r);
		return result;
	}
	if (!vg_range_remove(address, VG_RANGE_DEVICE, &r))
		return CUDA_ERROR_INVALID_VALUE;
	device_end(t, &r);
	return result;
}

VG_EXPORT CUresult cuMemGetInfo_v2(size_t *free_bytes, size_t *total)
{
	struct vg_thread *t;
	uint64_t f = 0, n = 0;
	int result = vg_enter(&t);

	if (result)
		return result;
	result = vg_op_mem_info(t, &f, &n);
	/* a program may ask for one of them, or for none (measured, driver 580) */
	if (!result && free_bytes)
		*free_bytes = f;
	if (!result && total)
		*total = n;
	return result;
}

void vg_memory_end(struct vg_context *c)
{
	struct vg_thread *t = vg_thread_get();
	struct vg_range r;
	uint64_t from = 0;

	while (vg_range_next(from, c, &r)) {
		from = r.base + 1;
		/* pools belong to the device */
		if (r.kind == VG_RANGE_POOL && c != vg_primary())
			continue;
		if (r.kind == VG_RANGE_REGISTERED) {
			vg_register_end(t, &r);
			continue;
		}
		if (r.kind == VG_RANGE_PINNED && r.owner)
			continue;
		if (r.kind == VG_RANGE_PINNED) {
			vg_pinned_end(t, r.base, VG_RANGE_PINNED);
			continue;
		}
		if (r.kind == VG_RANGE_MANAGED) {
			vg_managed_end(t, &r);
			continue;
		}
		vg_range_remove(r.base, r.kind, &r);
		if (r.kind == VG_RANGE_DEVICE)
			device_end(t, &r);
		if (r.kind == VG_RANGE_IMPORTED)
			vg_ipc_end(t, &r);
		if (r.kind == VG_RANGE_MAPPED)
			vg_memory_unmapped(t, &r);
	}
	pthread_mutex_lock(&device.lock);
	for (struct block **link = &device.blocks; *link;) {
		struct block *b = *link;

		if (b->context != c) {
			link = &b->next;
			continue;
		}
		*link = b->next;
		block_end(t, b->space.base, BLOCK);
		vg_space_end(&b->space);
		free(b);
	}
	pthread_mutex_unlock(&device.lock);
}
