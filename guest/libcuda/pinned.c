// SPDX-License-Identifier: Apache-2.0
/*
 * Page-locked host memory: chunks of the window's arena, mapped at one address in
 * this process and in its executor, so that host pointer and device pointer
 * are the same and one DMA moves the data.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "calls.h"
#include "capture.h"
#include "enter.h"
#include "gen/ops.h"
#include "spaces.h"
#include "stream.h"

#define HOSTALLOC_PORTABLE 1u
#define HOSTALLOC_MAPPED 2u
#define HOSTALLOC_FLAGS 7u	/* these and write combined */

static int map(struct vg_thread *t, uint64_t address, uint64_t offset, uint64_t size)
{
	struct vg_transport *transport = t->channel->transport;
	void *at = (void *)(uintptr_t)address;

	if (transport->ops->map_chunks(transport, at, offset, size) == MAP_FAILED)
		return CUDA_ERROR_OUT_OF_MEMORY;
	return vg_op_map_pinned(t, address, offset, (uint32_t)(size / VGPU_CHUNK_SIZE), 0);
}

/* Back to the state of reservation: no access, no memory. */
static void unmap(uint64_t address, uint64_t size)
{
	mmap((void *)(uintptr_t)address, size, PROT_NONE,
	     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
}

int vg_pinned_new(struct vg_thread *t, struct vg_range *r)
{
	struct vg_transport *transport = t->channel->transport;
	int result;

	if (r->size > VGPU_PINNED_SIZE)
		return CUDA_ERROR_OUT_OF_MEMORY;
	r->context = t->current->base;
	r->backing = (r->size + VGPU_CHUNK_SIZE - 1) & ~(uint64_t)(VGPU_CHUNK_SIZE - 1);
	r->base = vg_spaces_take(&vg_spaces.pinned, r->backing, VGPU_CHUNK_SIZE);
	if (!r->base)
		return CUDA_ERROR_OUT_OF_MEMORY;
	if (transport->ops->alloc(transport, (uint32_t)(r->backing / VGPU_CHUNK_SIZE), &r->window)) {
		vg_log("no %llu MiB of pinned memory left in the window; give the domain a larger window=",
		       (unsigned long long)(r->backing >> 20));
		vg_spaces_give(&vg_spaces.pinned, r->base, r->backing);
		return CUDA_ERROR_OUT_OF_MEMORY;
	}
	result = map(t, r->base, r->window, r->backing);
	if (!result) {
		r->id = vg_range_id();
		result = vg_range_add(r);
	}
	if (result) {
		unmap(r->base, r->backing);
		transport->ops->free(transport, r->window, (uint32_t)(r->backing / VGPU_CHUNK_SIZE));
		vg_spaces_give(&vg_spaces.pinned, r->base, r->backing);
	}
	return result;
}

bool vg_pinned_end(struct vg_thread *t, uint64_t base, enum vg_range_kind kind)
{
	struct vg_transport *transport = t->channel->transport;
	struct vg_range r;

	if (!vg_range_remove(base, kind, &r))
		return false;
	if (!vg_channel_lost(t->channel))
		vg_op_unmap_pinned(t, r.base);
	unmap(r.base, r.backing);
	transport->ops->free(transport, r.window, (uint32_t)(r.backing / VGPU_CHUNK_SIZE));
	vg_spaces_give(&vg_spaces.pinned, r.base, r.backing);
	return true;
}

VG_EXPORT CUresult cuMemHostAlloc(void **address, size_t size, unsigned int flags)
{
	struct vg_range r = { .size = size, .kind = VG_RANGE_PINNED, .flags = flags };
	struct vg_thread *t;
	int result = vg_enter(&t);

	if (!result)
		result = vg_capture_forbids(t);
	if (result)
		return result;
	if (!address || (flags & ~HOSTALLOC_FLAGS))
		return CUDA_ERROR_INVALID_VALUE;
	if (!size) {	/* nothing is had for nothing (measured, driver 580) */
		*address = NULL;
		return CUDA_SUCCESS;
	}
	result = vg_pinned_new(t, &r);
	if (!result)
		*address = (void *)(uintptr_t)r.base;
	return result;
}

VG_EXPORT CUresult cuMemAllocHost_v2(void **address, size_t size)
{
	return cuMemHostAlloc(address, size, 0);
}

VG_EXPORT CUresult cuMemFreeHost(void *address)
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
	if (!vg_range_find((uint64_t)(uintptr_t)address, &r) || r.kind != VG_RANGE_PINNED || r.owner ||
	    r.base != (uint64_t)(uintptr_t)address)
		return CUDA_ERROR_INVALID_VALUE;
	result = vg_context_wait(t, r.context);
	if (vg_channel_lost(t->channel))
		return result;
	vg_pinned_end(t, r.base, VG_RANGE_PINNED);
	return result;
}

VG_EXPORT CUresult cuMemHostGetDevicePointer_v2(CUdeviceptr *device, void *host, unsigned int flags)
{
	struct vg_range r;
	struct vg_thread *t;
	int result = vg_enter(&t);

	if (result)
		return result;
	if (!device || flags || !vg_range_find((uint64_t)(uintptr_t)host, &r) || !vg_range_is_host(&r) ||
	    r.kind == VG_RANGE_MANAGED)
		return CUDA_ERROR_INVALID_VALUE;
	*device = (CUdeviceptr)(uintptr_t)host;
	return CUDA_SUCCESS;
}

VG_EXPORT CUresult cuMemHostGetFlags(unsigned int *flags, void *host)
{
	struct vg_range r;
	struct vg_thread *t;
	int result = vg_enter(&t);

	if (result)
		return result;
	if (!flags || !vg_range_find((uint64_t)(uintptr_t)host, &r) || !vg_range_is_host(&r))
		return CUDA_ERROR_INVALID_VALUE;
	/* always mapped for the device under unified addressing, and managed memory no more (measured, driver 580) */
	*flags = r.kind == VG_RANGE_MANAGED ? HOSTALLOC_MAPPED : r.flags | HOSTALLOC_MAPPED;
	return CUDA_SUCCESS;
}
