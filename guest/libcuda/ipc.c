// SPDX-License-Identifier: Apache-2.0
/*
 * cuIpc*: a process opens memory that another one has by cuMemAlloc. As with the
 * driver, the handle covers the whole physical allocation, which small
 * allocations share.
 */
#include "ipc.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "calls.h"
#include "enter.h"
#include "gen/ops.h"
#include "spaces.h"
#include "stream.h"
#include "vmm.h"

#define MEMORY_MAGIC		0x4d504756u	/* "VGPM" */
#define LAZY_PEER_ACCESS	1u		/* the one flag there is, and it must be given */

/* CUipcMemHandle */
struct handle {
	uint32_t magic;
	uint32_t offset;	/* of the allocation in its block */
	uint8_t token[VG_TOKEN_SIZE];
	uint64_t block;		/* size of the block */
	uint64_t size;		/* of the allocation */
	uint64_t process;	/* that exported it */
};
_Static_assert(sizeof(struct handle) == 64, "CUipcMemHandle");

/* Imported memory. */
struct opening {
	struct handle handle;
	struct vg_context *context;
	unsigned int count;	/* how often it must be closed */
	uint64_t va;		/* of the block */
	CUdeviceptr address;	/* of the allocation */
	struct opening *next;
};

static struct {
	pthread_mutex_t lock;	/* lasts over an import: two threads that open one handle share it */
	struct opening *list;
} openings = { .lock = PTHREAD_MUTEX_INITIALIZER };

uint64_t vg_process_nonce(void)
{
	static _Atomic uint64_t nonce;
	uint64_t known = atomic_load(&nonce), fresh = 0;

	if (known || getrandom(&fresh, sizeof fresh, 0) != sizeof fresh)
		return known;
	atomic_compare_exchange_strong(&nonce, &known, fresh);
	return known ? known : fresh;
}

VG_EXPORT CUresult cuIpcGetMemHandle(struct handle *out, CUdeviceptr address)
{
	struct handle h = { .magic = MEMORY_MAGIC, .process = vg_process_nonce() };
	struct vg_range r;
	struct vg_thread *t;
	uint64_t base;
	int result = vg_enter(&t);

	if (result)
		return result;
	if (!out || !vg_range_find(address, &r) || r.kind != VG_RANGE_DEVICE)
		return CUDA_ERROR_INVALID_VALUE;
	base = vg_memory_block(&r, &h.block);
	h.offset = (uint32_t)(r.base - base);
	h.size = r.size;
	result = vg_op_block_export(t, base, h.token);
	if (!result)
		memcpy(out, &h, sizeof h);
	return result;
}

static bool plausible(const struct handle *h)
{
	return h->magic == MEMORY_MAGIC && h->block && h->block % vg_memory_granularity() == 0 &&
	       h->block <= VGPU_DEVICE_SIZE && h->offset < h->block && h->size && h->size <= h->block - h->offset;
}

/* Needs the lock. */
static struct opening *opened(const struct handle *h, const struct vg_context *c)
{
	for (struct opening *o = openings.list; o; o = o->next)
		if (o->context == c && memcmp(&o->handle, h, sizeof *h) == 0)
			return o;
	return NULL;
}

/* Needs the lock. */
static int open_new(struct vg_thread *t, const struct handle *h, CUdeviceptr *out)
{
	struct vg_range r = { .size = h->size, .kind = VG_RANGE_IMPORTED, .context = t->current->base, .backing = h->block };
	struct opening *o = calloc(1, sizeof *o);
	int result;

	if (!o)
		return CUDA_ERROR_OUT_OF_MEMORY;
	o->handle = *h;
	o->context = t->current->base;
	o->count = 1;
	o->va = vg_spaces_take(&vg_spaces.device, h->block, vg_memory_granularity());
	if (!o->va) {
		free(o);
		return CUDA_ERROR_OUT_OF_MEMORY;
	}
	o->address = o->va + h->offset;
	result = vg_op_block_import(t, o->va, h->block, h->token);
	if (!result) {
		r.base = o->address;
		r.id = vg_range_id();
		r.owner = o;
		result = vg_range_add(&r);
		if (result)
			vg_op_mem_unblock(t, o->va);
	}
	if (result) {
		vg_spaces_give(&vg_spaces.device, o->va, h->block);
		free(o);
		return result;
	}
	o->next = openings.list;
	openings.list = o;
	*out = o->address;
	return 0;
}

/* again: what a second opening by one context answers, 0 where it counts. */
static CUresult open_memory(CUdeviceptr *out, const struct handle *h, unsigned int flags, int again)
{
	struct opening *o;
	struct vg_thread *t;
	int result = vg_enter(&t);

	if (result)
		return result;
	if (!out || flags != LAZY_PEER_ACCESS || !plausible(h))
		return CUDA_ERROR_INVALID_VALUE;
	/* a process has its own memory */
	if (h->process == vg_process_nonce())
		return CUDA_ERROR_INVALID_CONTEXT;
	pthread_mutex_lock(&openings.lock);
	o = opened(h, t->current->base);
	if (!o) {
		result = open_new(t, h, out);
	} else if (again) {
		result = again;
	} else {
		o->count++;
		*out = o->address;
	}
	pthread_mutex_unlock(&openings.lock);
	return result;
}

VG_EXPORT CUresult cuIpcOpenMemHandle(CUdeviceptr *address, struct handle handle, unsigned int flags)
{
	return open_memory(address, &handle, flags, CUDA_ERROR_ALREADY_MAPPED);
}

VG_EXPORT CUresult cuIpcOpenMemHandle_v2(CUdeviceptr *address, struct handle handle, unsigned int flags)
{
	return open_memory(address, &handle, flags, 0);
}

void vg_ipc_end(struct vg_thread *t, const struct vg_range *r)
{
	struct opening *o = r->owner;

	pthread_mutex_lock(&openings.lock);
	for (struct opening **link = &openings.list; *link; link = &(*link)->next) {
		if (*link != o)
			continue;
		*link = o->next;
		break;
	}
	pthread_mutex_unlock(&openings.lock);
	if (!vg_channel_lost(t->channel))
		vg_op_mem_unblock(t, o->va);
	vg_spaces_give(&vg_spaces.device, o->va, o->handle.block);
	free(o);
}

VG_EXPORT CUresult cuIpcCloseMemHandle(CUdeviceptr address)
{
	struct vg_range r;
	struct vg_thread *t;
	unsigned int left;
	int result = vg_enter(&t);

	if (result)
		return result;
	pthread_mutex_lock(&openings.lock);
	if (!vg_range_find(address, &r) || r.kind != VG_RANGE_IMPORTED || r.base != address) {
		pthread_mutex_unlock(&openings.lock);
		return CUDA_ERROR_INVALID_VALUE;
	}
	left = --((struct opening *)r.owner)->count;
	pthread_mutex_unlock(&openings.lock);
	if (left)
		return CUDA_SUCCESS;
	/* as native: memory goes only when the GPU is done with it */
	result = vg_context_wait(t, r.context);
	if (vg_range_remove(address, VG_RANGE_IMPORTED, &r))
		vg_ipc_end(t, &r);
	return result;
}
