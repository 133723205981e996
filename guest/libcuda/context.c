// SPDX-License-Identifier: Apache-2.0
/*
 * Contexts. The primary context's handle exists from the start, so that the
 * runtime can ask for it before there is a context; the executor makes the real one
 * at the first retain, which is also what starts the executor.
 */
#include "context.h"

#include <stdlib.h>
#include <string.h>

#include "calls.h"
#include "enter.h"
#include "gen/ops.h"
#include "memory.h"
#include "module.h"
#include "stream.h"

#define PRIMARY_NUMBER 1
#define API_VERSION 3020
#define END_CALLBACKS 4
#define CU_LIMIT_COUNT 8

/* CUctxCreateParams: execution affinity and CIG, both refused */
struct create_params {
	void *execAffinityParams;
	int numExecAffinityParams;
	void *cigParams;
};

static struct vg_context primary = {
	.object = { .kind = VG_CONTEXT, .number = PRIMARY_NUMBER },
	.lock = PTHREAD_MUTEX_INITIALIZER,
	.api_version = API_VERSION,
	.id = 1,
};

static struct {
	pthread_mutex_t lock;	/* retain and release of the primary context; destructors of context local storage
				 * run inside and may call back */
	_Atomic uint64_t next_id;
	void (*run[END_CALLBACKS])(struct vg_context *);
	unsigned int count;
} contexts = { .lock = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP, .next_id = 2 };

struct vg_context *vg_primary(void)
{
	return &primary;
}

bool vg_context_valid(const struct vg_context *c)
{
	return c && c->object.kind == VG_CONTEXT;
}

struct vg_context *vg_context_find(CUcontext handle)
{
	return vg_context_valid(handle) ? handle : NULL;
}

void vg_context_on_end(void (*run)(struct vg_context *))
{
	pthread_mutex_lock(&contexts.lock);
	if (contexts.count < END_CALLBACKS)
		contexts.run[contexts.count++] = run;
	pthread_mutex_unlock(&contexts.lock);
}

static void context_end(struct vg_context *c)
{
	for (unsigned int i = 0; i < contexts.count; i++)
		contexts.run[i](c);
	vg_modules_end(c);
	vg_memory_end(c);
	vg_streams_end(c);
	atomic_fetch_add(&c->generation, 1);
}

static int device_check(CUdevice device)
{
	int result = vg_process_ready();

	if (result)
		return result;
	return device >= 0 && device < vg_process.device_count ? 0 : CUDA_ERROR_INVALID_DEVICE;
}

VG_EXPORT CUresult cuDevicePrimaryCtxRetain(CUcontext *context, CUdevice device)
{
	struct vg_thread *t = vg_thread_get();
	int result = device_check(device);

	if (result)
		return result;
	if (!context || !t)
		return CUDA_ERROR_INVALID_VALUE;
	result = vg_channel_start(vg_process.channel);
	if (result)
		return result;
	pthread_mutex_lock(&contexts.lock);
	if (!atomic_load(&primary.retained)) {
		result = vg_op_primary_retain(t, primary.flags);
		if (!result)
			result = vg_stream_new_legacy(&primary);
	}
	if (!result) {
		atomic_fetch_add(&primary.retained, 1);
		*context = &primary;
	}
	pthread_mutex_unlock(&contexts.lock);
	return result;
}

VG_EXPORT CUresult cuDevicePrimaryCtxRelease_v2(CUdevice device)
{
	struct vg_thread *t = vg_thread_get();
	int result = device_check(device);

	if (result)
		return result;
	if (!t)
		return CUDA_ERROR_OUT_OF_MEMORY;
	pthread_mutex_lock(&contexts.lock);
	if (!atomic_load(&primary.retained)) {
		result = CUDA_ERROR_INVALID_CONTEXT;
	} else if (atomic_load(&primary.retained) > 1) {
		atomic_fetch_sub(&primary.retained, 1);
	} else {
		vg_context_wait(t, &primary);
		atomic_store(&primary.retained, 0);
		context_end(&primary);
		if (!vg_channel_lost(t->channel))
			result = vg_op_primary_release(t);
	}
	pthread_mutex_unlock(&contexts.lock);
	return result;
}

VG_EXPORT CUresult cuDevicePrimaryCtxRelease(CUdevice device)
{
	return cuDevicePrimaryCtxRelease_v2(device);
}

VG_EXPORT CUresult cuDevicePrimaryCtxReset_v2(CUdevice device)
{
	struct vg_thread *t = vg_thread_get();
	int result = device_check(device);

	if (result)
		return result;
	if (!t)
		return CUDA_ERROR_OUT_OF_MEMORY;
	pthread_mutex_lock(&contexts.lock);
	if (atomic_load(&primary.retained)) {
		atomic_store(&primary.retained, 0);
		context_end(&primary);
		result = vg_op_primary_reset(t);
	}
	pthread_mutex_unlock(&contexts.lock);
	return result;
}

VG_EXPORT CUresult cuDevicePrimaryCtxReset(CUdevice device)
{
	return cuDevicePrimaryCtxReset_v2(device);
}

VG_EXPORT CUresult cuDevicePrimaryCtxGetState(CUdevice device, unsigned int *flags, int *active)
{
	int result = device_check(device);

	if (result)
		return result;
	if (!flags || !active)
		return CUDA_ERROR_INVALID_VALUE;
	*flags = primary.flags;
	*active = atomic_load(&primary.retained) != 0;
	return CUDA_SUCCESS;
}

VG_EXPORT CUresult cuDevicePrimaryCtxSetFlags_v2(CUdevice device, unsigned int flags)
{
	int result = device_check(device);

	if (result)
		return result;
	if (flags & ~0xffu)
		return CUDA_ERROR_INVALID_VALUE;
	primary.flags = flags;
	return CUDA_SUCCESS;
}

VG_EXPORT CUresult cuDevicePrimaryCtxSetFlags(CUdevice device, unsigned int flags)
{
	return cuDevicePrimaryCtxSetFlags_v2(device, flags);
}

static int push(struct vg_thread *t, struct vg_context *c)
{
	if (t->depth == t->capacity) {
		unsigned int capacity = t->capacity ? 2 * t->capacity : 8;
		struct vg_context **stack = realloc(t->stack, capacity * sizeof *stack);

		if (!stack)
			return CUDA_ERROR_OUT_OF_MEMORY;
		t->stack = stack;
		t->capacity = capacity;
	}
	t->stack[t->depth++] = t->current;
	t->current = c;
	return 0;
}

static CUresult create(CUcontext *context, unsigned int flags, CUdevice device)
{
	struct vg_thread *t = vg_thread_get();
	int result = device_check(device);
	struct vg_context *c;

	if (result)
		return result;
	if (!context || !t || (flags & ~0xffu))
		return CUDA_ERROR_INVALID_VALUE;
	result = vg_channel_start(vg_process.channel);
	if (result)
		return result;
	c = vg_object_new(VG_CONTEXT, sizeof *c);
	if (!c)
		return CUDA_ERROR_OUT_OF_MEMORY;
	c->object.number += PRIMARY_NUMBER;
	pthread_mutex_init(&c->lock, NULL);
	c->flags = flags;
	c->api_version = API_VERSION;
	c->id = atomic_fetch_add(&contexts.next_id, 1);
	atomic_store(&c->retained, 1);
	result = vg_op_ctx_create(t, c->object.number, flags);
	if (!result)
		result = vg_stream_new_legacy(c);
	if (!result)
		result = push(t, c);
	if (result) {
		c->object.number -= PRIMARY_NUMBER;
		vg_object_end(c);
		return result;
	}
	*context = c;
	return CUDA_SUCCESS;
}

VG_EXPORT CUresult cuCtxCreate_v2(CUcontext *context, unsigned int flags, CUdevice device)
{
	return create(context, flags, device);
}

VG_EXPORT CUresult cuCtxCreate_v3(CUcontext *context, void *affinity, int count, unsigned int flags, CUdevice device)
{
	return affinity || count ? CUDA_ERROR_NOT_SUPPORTED : create(context, flags, device);
}

VG_EXPORT CUresult cuCtxCreate_v4(CUcontext *context, struct create_params *params, unsigned int flags, CUdevice device)
{
	if (params && (params->numExecAffinityParams || params->cigParams))
		return CUDA_ERROR_NOT_SUPPORTED;
	return create(context, flags, device);
}

VG_EXPORT CUresult cuCtxDestroy_v2(CUcontext context)
{
	struct vg_thread *t = vg_thread_get();
	struct vg_context *c = vg_context_find(context);
	int result = vg_process_ready();

	if (result)
		return result;
	if (!c || !t || c == &primary)
		return CUDA_ERROR_INVALID_CONTEXT;
	vg_context_wait(t, c);
	atomic_store(&c->retained, 0);
	context_end(c);
	if (t->current == c) {
		t->current = t->depth ? t->stack[--t->depth] : NULL;
	}
	result = vg_op_ctx_destroy(t, c->object.number);
	pthread_mutex_destroy(&c->lock);
	c->object.number -= PRIMARY_NUMBER;
	vg_object_end(c);
	return result;
}

VG_EXPORT CUresult cuCtxDestroy(CUcontext context)
{
	return cuCtxDestroy_v2(context);
}

VG_EXPORT CUresult cuCtxGetCurrent(CUcontext *context)
{
	struct vg_thread *t = vg_thread_get();
	int result = vg_process_ready();

	if (result)
		return result;
	if (!context || !t)
		return CUDA_ERROR_INVALID_VALUE;
	*context = t->current;
	return CUDA_SUCCESS;
}

VG_EXPORT CUresult cuCtxSetCurrent(CUcontext context)
{
	struct vg_thread *t = vg_thread_get();
	int result = vg_process_ready();

	if (result)
		return result;
	if (!t || (context && !vg_context_valid(context)))
		return CUDA_ERROR_INVALID_CONTEXT;
	t->current = context;
	return CUDA_SUCCESS;
}

VG_EXPORT CUresult cuCtxPushCurrent_v2(CUcontext context)
{
	struct vg_thread *t = vg_thread_get();
	int result = vg_process_ready();

	if (result)
		return result;
	if (!t || !vg_context_valid(context))
		return CUDA_ERROR_INVALID_CONTEXT;
	return push(t, context);
}

VG_EXPORT CUresult cuCtxPushCurrent(CUcontext context)
{
	return cuCtxPushCurrent_v2(context);
}

VG_EXPORT CUresult cuCtxPopCurrent_v2(CUcontext *context)
{
	struct vg_thread *t = vg_thread_get();
	int result = vg_process_ready();

	if (result)
		return result;
	if (!t || (!t->current && !t->depth))
		return CUDA_ERROR_INVALID_CONTEXT;
	if (context)
		*context = t->current;
	t->current = t->depth ? t->stack[--t->depth] : NULL;
	return CUDA_SUCCESS;
}

VG_EXPORT CUresult cuCtxPopCurrent(CUcontext *context)
{
	return cuCtxPopCurrent_v2(context);
}

static int current(struct vg_context **c)
{
	struct vg_thread *t = vg_thread_get();
	int result = vg_process_ready();

	if (result)
		return result;
	if (!t || !t->current)
		return CUDA_ERROR_INVALID_CONTEXT;
	*c = t->current;
	return 0;
}

VG_EXPORT CUresult cuCtxGetDevice(CUdevice *device)
{
	struct vg_context *c;
	int result = current(&c);

	if (result)
		return result;
	if (!device)
		return CUDA_ERROR_INVALID_VALUE;
	*device = 0;
	return CUDA_SUCCESS;
}

VG_EXPORT CUresult cuCtxGetDevice_v2(CUdevice *device, CUcontext context)
{
	struct vg_context *c = vg_context_find(context);
	int result = c ? vg_process_ready() : current(&c);

	if (result)
		return result;
	if (!device)
		return CUDA_ERROR_INVALID_VALUE;
	*device = 0;
	return CUDA_SUCCESS;
}

VG_EXPORT CUresult cuCtxGetApiVersion(CUcontext context, unsigned int *version)
{
	struct vg_context *c = vg_context_find(context);
	int result = c ? vg_process_ready() : current(&c);

	if (result)
		return result;
	if (!version)
		return CUDA_ERROR_INVALID_VALUE;
	*version = c->api_version;
	return CUDA_SUCCESS;
}

VG_EXPORT CUresult cuCtxGetFlags(unsigned int *flags)
{
	struct vg_context *c;
	int result = current(&c);

	if (result)
		return result;
	if (!flags)
		return CUDA_ERROR_INVALID_VALUE;
	*flags = c->flags;
	return CUDA_SUCCESS;
}

VG_EXPORT CUresult cuCtxGetId(CUcontext context, unsigned long long *id)
{
	struct vg_context *c = vg_context_find(context);
	int result = c ? vg_process_ready() : current(&c);

	if (result)
		return result;
	if (!id)
		return CUDA_ERROR_INVALID_VALUE;
	*id = c->id;
	return CUDA_SUCCESS;
}

VG_EXPORT CUresult cuCtxGetStreamPriorityRange(int *lowest, int *highest)
{
	struct vg_context *c;
	int result = current(&c);

	if (result)
		return result;
	if (lowest)
		*lowest = vg_process.description->priority_lowest;
	if (highest)
		*highest = vg_process.description->priority_highest;
	return CUDA_SUCCESS;
}

/* Advisory on every GPU since Volta: kept for the answer. */
static _Atomic unsigned int cache_config;

VG_EXPORT CUresult cuCtxGetCacheConfig(unsigned int *config)
{
	struct vg_context *c;
	int result = current(&c);

	if (result)
		return result;
	if (!config)
		return CUDA_ERROR_INVALID_VALUE;
	*config = atomic_load(&cache_config);
	return CUDA_SUCCESS;
}

VG_EXPORT CUresult cuCtxSetCacheConfig(unsigned int config)
{
	struct vg_context *c;
	int result = current(&c);

	if (result)
		return result;
	if (config > 3)
		return CUDA_ERROR_INVALID_VALUE;
	atomic_store(&cache_config, config);
	return CUDA_SUCCESS;
}
