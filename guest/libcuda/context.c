// SPDX-License-Identifier: Apache-2.0
/*
 * Contexts. The primary context's handle exists from the start, so that the
 * runtime can ask for it before there is a context; the executor makes the real one
 * at the first retain, which is also what starts the executor.
 */
#include "context.h"

#include <stdlib.h>
#include <string.h>

#include "array.h"
#include "calls.h"
#include "enter.h"
#include "gen/ops.h"
#include "green.h"
#include "memory.h"
#include "module.h"
#include "stream.h"
#include "texture.h"

#define PRIMARY_NUMBER 1
#define API_VERSION 3020
#define END_CALLBACKS 4

/* CUexecAffinityParam: limits a context under MPS */
struct affinity_param {
	unsigned int type;
	unsigned int sm_count;
};
_Static_assert(sizeof(struct affinity_param) == 8, "CUexecAffinityParam");

/* CUctxCreateParams: execution affinity, and a context shared with a graphics queue */
struct create_params {
	struct affinity_param *affinity;
	int affinity_count;
	void *graphics;
};
_Static_assert(sizeof(struct create_params) == 24, "CUctxCreateParams");

static struct vg_context primary = {
	.object = { .kind = VG_CONTEXT, .number = PRIMARY_NUMBER },
	.lock = PTHREAD_MUTEX_INITIALIZER,
	.api_version = API_VERSION,
	.id = 1,
	.usage = 1,
	.base = &primary,
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

/* Scheduling flags exclude each other. */
bool vg_context_flags_valid(unsigned int flags)
{
	unsigned int scheduling = flags & 7;

	return !(flags & ~0xffu) && !(scheduling & (scheduling - 1));
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
	vg_greens_end(c);
	vg_modules_end(c);
	vg_textures_end(c);
	vg_arrays_end(c);
	vg_memory_end(c);
	vg_streams_end(c);
	atomic_fetch_add(&c->generation, 1);
}

static int device_check(CUdevice device)
{
	int result = vg_enter_local();

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
	if (!vg_context_flags_valid(flags))
		return CUDA_ERROR_INVALID_VALUE;
	/* an active context takes them over too */
	primary.flags = flags;
	return CUDA_SUCCESS;
}

/* The first version does not change what is active (measured, driver 580). */
VG_EXPORT CUresult cuDevicePrimaryCtxSetFlags(CUdevice device, unsigned int flags)
{
	int result = device_check(device);

	if (!result && vg_context_flags_valid(flags) && atomic_load(&primary.retained))
		return CUDA_ERROR_PRIMARY_CONTEXT_ACTIVE;
	return result ? result : cuDevicePrimaryCtxSetFlags_v2(device, flags);
}

/* Makes c the thread's current context: 0, OUT_OF_MEMORY, or NOT_PERMITTED in a callback. */
static int push(struct vg_thread *t, struct vg_context *c)
{
	if (t->in_callback)
		return CUDA_ERROR_NOT_PERMITTED;
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

void vg_context_pop(struct vg_thread *t)
{
	t->current = t->depth ? t->stack[--t->depth] : NULL;
}

/* The caller holds no lock; the object is as good as gone for other threads from here on. */
static int context_destroy(struct vg_thread *t, struct vg_context *c)
{
	vg_context_wait(t, c);
	atomic_store(&c->retained, 0);
	context_end(c);
	if (t->current == c)
		vg_context_pop(t);
	return vg_op_ctx_destroy(t, c->object.number);
}

/*
 * An ended context's memory is kept: other threads may still have it current, and
 * learn from it that it has ended. Its number is not used again either.
 */
static CUresult create(CUcontext *context, unsigned int flags, CUdevice device, unsigned int api_version)
{
	struct vg_thread *t = vg_thread_get();
	int result = device_check(device);
	struct vg_context *c;

	if (result)
		return result;
	if (!context || !t || !vg_context_flags_valid(flags))
		return CUDA_ERROR_INVALID_VALUE;
	result = vg_channel_start(vg_process.channel);
	if (result)
		return result;
	c = vg_context_new(flags, api_version);
	if (!c)
		return CUDA_ERROR_OUT_OF_MEMORY;
	result = vg_op_ctx_create(t, c->object.number, flags);
	if (!result) {
		result = vg_stream_new_legacy(c);
		if (!result)
			result = push(t, c);
		if (result)
			context_destroy(t, c);
	}
	if (result)
		atomic_store(&c->retained, 0);
	else
		*context = c;
	return result;
}

struct vg_context *vg_context_new(unsigned int flags, unsigned int api_version)
{
	struct vg_context *c = vg_object_new(VG_CONTEXT, sizeof *c);

	if (!c)
		return NULL;
	c->object.number += PRIMARY_NUMBER;
	pthread_mutex_init(&c->lock, NULL);
	c->flags = flags;
	c->api_version = api_version;
	c->id = atomic_fetch_add(&contexts.next_id, 1);
	c->usage = 1;
	c->base = c;
	atomic_store(&c->retained, 1);
	return c;
}

VG_EXPORT CUresult cuCtxCreate(CUcontext *context, unsigned int flags, CUdevice device)
{
	int result = device_check(device);

	if (result)
		return result;
	if (!context || !vg_context_flags_valid(flags))
		return CUDA_ERROR_INVALID_VALUE;
	/* a context for addresses of 32 bits: measured with driver 580 */
	return CUDA_ERROR_OUT_OF_MEMORY;
}

VG_EXPORT CUresult cuCtxCreate_v2(CUcontext *context, unsigned int flags, CUdevice device)
{
	return create(context, flags, device, API_VERSION);
}

/* Only MPS can limit a context to some multiprocessors. */
static int check_affinity(const struct affinity_param *params, int count)
{
	if (count < 0 || (count && !params))
		return CUDA_ERROR_INVALID_VALUE;
	return count ? CUDA_ERROR_UNSUPPORTED_EXEC_AFFINITY : 0;
}

VG_EXPORT CUresult cuCtxCreate_v3(CUcontext *context, struct affinity_param *affinity, int count, unsigned int flags,
				  CUdevice device)
{
	int result = device_check(device);

	if (!result)
		result = check_affinity(affinity, count);
	return result ? result : create(context, flags, device, API_VERSION);
}

VG_EXPORT CUresult cuCtxCreate_v4(CUcontext *context, struct create_params *params, unsigned int flags, CUdevice device)
{
	int result = device_check(device);

	if (!result && params)
		result = params->graphics ? CUDA_ERROR_NOT_SUPPORTED :
					    check_affinity(params->affinity, params->affinity_count);
	return result ? result : create(context, flags, device, API_VERSION);
}

VG_EXPORT CUresult cuCtxDestroy_v2(CUcontext context)
{
	struct vg_thread *t = vg_thread_get();
	struct vg_context *c = vg_context_find(context);
	int result = vg_enter_local();

	if (result)
		return result;
	if (!context)
		return CUDA_ERROR_INVALID_VALUE;
	if (!c || !t || c == &primary || c->base != c)
		return CUDA_ERROR_INVALID_CONTEXT;
	if (!atomic_load(&c->retained))
		return CUDA_ERROR_CONTEXT_IS_DESTROYED;
	return context_destroy(t, c);
}

VG_EXPORT CUresult cuCtxDestroy(CUcontext context)
{
	return cuCtxDestroy_v2(context);
}

/* A usage count from the days when contexts had owners. */
VG_EXPORT CUresult cuCtxAttach(CUcontext *context, unsigned int flags)
{
	struct vg_thread *t;
	int result = vg_enter(&t);

	if (result)
		return result;
	if (!context || flags)
		return CUDA_ERROR_INVALID_VALUE;
	t->current->usage++;
	*context = t->current;
	return CUDA_SUCCESS;
}

VG_EXPORT CUresult cuCtxDetach(CUcontext context)
{
	struct vg_thread *t;
	int result = vg_enter(&t);

	if (result)
		return result;
	if (context != t->current)
		return CUDA_ERROR_INVALID_CONTEXT;
	if (context->usage > 1) {
		context->usage--;
		return CUDA_SUCCESS;
	}
	return cuCtxDestroy_v2(context);
}

VG_EXPORT CUresult cuCtxGetCurrent(CUcontext *context)
{
	struct vg_thread *t = vg_thread_get();
	int result = vg_enter_local();

	if (result)
		return result;
	if (!context || !t)
		return CUDA_ERROR_INVALID_VALUE;
	if (t->in_callback)
		return CUDA_ERROR_NOT_PERMITTED;
	*context = t->current;
	return CUDA_SUCCESS;
}

/* Takes the place of the current context; NULL takes it off the stack, so that the one below is current again. */
VG_EXPORT CUresult cuCtxSetCurrent(CUcontext context)
{
	struct vg_thread *t = vg_thread_get();
	int result = vg_enter_local();

	if (result)
		return result;
	if (!t || (context && !vg_context_valid(context)))
		return CUDA_ERROR_INVALID_CONTEXT;
	if (context && t->in_callback)
		return CUDA_ERROR_NOT_PERMITTED;
	if (context)
		t->current = context;
	else
		vg_context_pop(t);
	return CUDA_SUCCESS;
}

VG_EXPORT CUresult cuCtxPushCurrent_v2(CUcontext context)
{
	struct vg_thread *t = vg_thread_get();
	int result = vg_enter_local();

	if (result)
		return result;
	if (!context)
		return CUDA_ERROR_INVALID_VALUE;
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
	int result = vg_enter_local();

	if (result)
		return result;
	if (!t || (!t->current && !t->depth))
		return CUDA_ERROR_INVALID_CONTEXT;
	if (context)
		*context = t->current;
	vg_context_pop(t);
	return CUDA_SUCCESS;
}

VG_EXPORT CUresult cuCtxPopCurrent(CUcontext *context)
{
	return cuCtxPopCurrent_v2(context);
}
