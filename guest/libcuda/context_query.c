// SPDX-License-Identifier: Apache-2.0
/* What a program asks about a context; answered here but for execution affinity and caches. */
#include "calls.h"
#include "context.h"
#include "enter.h"
#include "gen/ops.h"

#define FLAG_MAP_HOST 8u	/* the primary context has it, whatever was asked for */

/* The runtime asks about the primary context before it retains it. */
static bool has_ended(const struct vg_context *c)
{
	return c != vg_primary() && !atomic_load_explicit(&c->retained, memory_order_relaxed);
}

static int current(struct vg_context **c)
{
	struct vg_thread *t = vg_thread_get();
	int result = vg_enter_local();

	if (result)
		return result;
	if (!t || !t->current)
		return CUDA_ERROR_INVALID_CONTEXT;
	if (has_ended(t->current))
		return CUDA_ERROR_CONTEXT_IS_DESTROYED;
	*c = t->current;
	return 0;
}

/* The context that a handle names, ended or not; NULL is the current one, which must not have ended. */
static int named(CUcontext context, struct vg_context **c)
{
	*c = vg_context_find(context);
	return *c ? vg_enter_local() : current(c);
}

/* An ended context tells its device still. */
VG_EXPORT CUresult cuCtxGetDevice(CUdevice *device)
{
	struct vg_context *c;
	int result = current(&c);

	if (result && result != CUDA_ERROR_CONTEXT_IS_DESTROYED)
		return result;
	if (!device)
		return CUDA_ERROR_INVALID_VALUE;
	*device = 0;
	return CUDA_SUCCESS;
}

VG_EXPORT CUresult cuCtxGetDevice_v2(CUdevice *device, CUcontext context)
{
	struct vg_context *c;
	int result = named(context, &c);

	if (result)
		return result;
	if (!device)
		return CUDA_ERROR_INVALID_VALUE;
	*device = 0;
	return CUDA_SUCCESS;
}

/* To this call an ended context is none at all (measured, driver 580). */
VG_EXPORT CUresult cuCtxGetApiVersion(CUcontext context, unsigned int *version)
{
	struct vg_context *c;
	int result = named(context, &c);

	if (!result && has_ended(c))
		result = CUDA_ERROR_INVALID_CONTEXT;
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
	*flags = c->base->flags | (c->base == vg_primary() ? FLAG_MAP_HOST : 0);
	return CUDA_SUCCESS;
}

/* How to wait is for us to know; the rest was settled when the context was made. */
VG_EXPORT CUresult cuCtxSetFlags(unsigned int flags)
{
	struct vg_context *c;
	int result = current(&c);

	if (result)
		return result;
	if (!vg_context_flags_valid(flags))
		return CUDA_ERROR_INVALID_VALUE;
	c->base->flags = flags;
	return CUDA_SUCCESS;
}

VG_EXPORT CUresult cuCtxGetExecAffinity(void *param, unsigned int type)
{
	struct vg_thread *t;
	int result = vg_enter(&t);

	if (result)
		return result;
	return param ? vg_op_ctx_get_exec_affinity(t, param, type) : CUDA_ERROR_INVALID_VALUE;
}

VG_EXPORT CUresult cuCtxGetId(CUcontext context, unsigned long long *id)
{
	struct vg_context *c;
	int result = named(context, &c);

	if (!result && has_ended(c))
		result = CUDA_ERROR_CONTEXT_IS_DESTROYED;
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

VG_EXPORT CUresult cuCtxSetCacheConfig(unsigned int config)
{
	struct vg_thread *t;
	int result = vg_enter(&t);

	if (result)
		return result;
	return config > 3 ? CUDA_ERROR_INVALID_VALUE : vg_op_ctx_set_cache_config(t, config);
}
