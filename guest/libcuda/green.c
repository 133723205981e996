// SPDX-License-Identifier: Apache-2.0
#include "green.h"

#include "calls.h"
#include "capture.h"
#include "context.h"
#include "context_event.h"
#include "enter.h"
#include "gen/ops.h"
#include "stream.h"

#define DEFAULT_STREAM		1u	/* the one flag there is, and it must be given */
#define STREAM_NON_BLOCKING	1u
#define API_VERSION		3020

CUresult cuDevicePrimaryCtxRetain(CUcontext *context, CUdevice device);
CUresult cuDevicePrimaryCtxRelease_v2(CUdevice device);

static void link_green(struct vg_context *primary, struct vg_context *c)
{
	pthread_mutex_lock(&primary->lock);
	c->greens = primary->greens;
	primary->greens = c;
	pthread_mutex_unlock(&primary->lock);
}

static void unlink_green(struct vg_context *primary, struct vg_context *c)
{
	pthread_mutex_lock(&primary->lock);
	for (struct vg_context **link = &primary->greens; *link; link = &(*link)->greens) {
		if (*link != c)
			continue;
		*link = c->greens;
		break;
	}
	pthread_mutex_unlock(&primary->lock);
}

static void end(struct vg_context *c)
{
	atomic_store(&c->retained, 0);
	vg_streams_orphan(c);
	atomic_fetch_add(&c->generation, 1);
}

void vg_greens_end(struct vg_context *primary)
{
	while (primary->greens) {
		struct vg_context *c = primary->greens;

		unlink_green(primary, c);
		end(c);
	}
}

/* The green context of a handle: 201, or 709 when it has ended. */
static int find(CUgreenCtx handle, struct vg_green **g)
{
	if (!handle || handle->object.kind != VG_GREEN)
		return CUDA_ERROR_INVALID_CONTEXT;
	*g = handle;
	return atomic_load(&handle->context->retained) ? 0 : CUDA_ERROR_CONTEXT_IS_DESTROYED;
}

static int create(struct vg_thread *t, uint32_t desc, unsigned int flags, CUcontext primary, struct vg_green **out)
{
	struct vg_green *g = vg_object_new(VG_GREEN, sizeof *g);
	struct vg_context *c = g ? vg_context_new(primary->flags, API_VERSION) : NULL;
	int result;

	if (!c) {
		if (g)
			vg_object_end(g);
		return CUDA_ERROR_OUT_OF_MEMORY;
	}
	c->base = primary;
	c->green = g;
	g->context = c;
	result = vg_op_green_create(t, g->object.number, c->object.number, desc, flags);
	if (!result) {
		result = vg_stream_new_legacy(c);
		if (result)
			vg_op_green_destroy(t, g->object.number);
	}
	if (result) {
		atomic_store(&c->retained, 0);
		vg_object_end(g);
		return result;
	}
	link_green(primary, c);
	*out = g;
	return 0;
}

VG_EXPORT CUresult cuGreenCtxCreate(CUgreenCtx *out, void *desc, CUdevice device, unsigned int flags)
{
	struct vg_thread *t = vg_thread_get();
	CUcontext primary;
	uint32_t number = 0;	/* no description: the whole device */
	int result = vg_process_ready();

	if (result)
		return result;
	if (!out || !t || flags != DEFAULT_STREAM || (desc && vg_number(VG_DESC, desc, &number)))
		return CUDA_ERROR_INVALID_VALUE;
	result = cuDevicePrimaryCtxRetain(&primary, device);
	if (result)
		return result;
	result = create(t, number, flags, primary, out);
	if (result)
		cuDevicePrimaryCtxRelease_v2(device);
	return result;
}

/* As with contexts, the memory of an ended one is kept: the handle says that it has ended. */
VG_EXPORT CUresult cuGreenCtxDestroy(CUgreenCtx handle)
{
	struct vg_green *g;
	struct vg_thread *t;
	int result = vg_enter_library(&t);

	if (!result)
		result = find(handle, &g);
	if (result)
		return result;
	unlink_green(g->context->base, g->context);
	end(g->context);
	if (t->current == g->context)
		vg_context_pop(t);
	result = vg_op_green_destroy(t, g->object.number);
	cuDevicePrimaryCtxRelease_v2(0);
	return result;
}

VG_EXPORT CUresult cuCtxFromGreenCtx(CUcontext *context, CUgreenCtx handle)
{
	struct vg_green *g;
	int result = vg_process_ready();

	if (result)
		return result;
	if (!context)
		return CUDA_ERROR_INVALID_VALUE;
	result = find(handle, &g);
	if (!result)
		*context = g->context;
	return result;
}

VG_EXPORT CUresult cuGreenCtxGetId(CUgreenCtx handle, unsigned long long *id)
{
	struct vg_thread *t = vg_thread_get();
	struct vg_green *g;
	int result = vg_process_ready();

	if (result)
		return result;
	if (!id || !t)
		return CUDA_ERROR_INVALID_VALUE;
	if (!handle)
		handle = t->current ? t->current->green : NULL;
	result = find(handle, &g);
	if (!result)
		*id = g->context->id;
	return result;
}

VG_EXPORT CUresult cuGreenCtxRecordEvent(CUgreenCtx handle, CUevent event)
{
	struct vg_green *g;
	struct vg_thread *t;
	int result = vg_enter_library(&t);

	if (!result)
		result = find(handle, &g);
	if (!result)
		result = vg_context_event_ready(g->context, event);
	if (result)
		return result;
	if (event->context->base != g->context->base)
		return CUDA_ERROR_INVALID_HANDLE;
	result = vg_op_green_record_event(t, g->object.number, event->object.number);
	if (!result)
		vg_context_event_recorded(event);
	return result;
}

VG_EXPORT CUresult cuGreenCtxWaitEvent(CUgreenCtx handle, CUevent event)
{
	struct vg_green *g;
	struct vg_thread *t;
	int result = vg_enter_library(&t);

	if (!result)
		result = find(handle, &g);
	if (!result)
		result = vg_context_event_ready(g->context, event);
	if (!result)
		result = vg_capture_break_event(event);
	if (!result)
		result = vg_op_green_wait_event(t, g->object.number, event->object.number);
	if (!result)
		vg_context_busy(g->context);
	return result;
}

VG_EXPORT CUresult cuGreenCtxStreamCreate(CUstream *stream, CUgreenCtx handle, unsigned int flags, int priority)
{
	struct vg_green *g;
	struct vg_thread *t;
	int result = vg_enter_library(&t);

	if (result)
		return result;
	if (!stream || flags != STREAM_NON_BLOCKING)
		return CUDA_ERROR_INVALID_VALUE;
	result = find(handle, &g);
	return result ? result : vg_stream_new_green(t, g->context, g->object.number, flags, priority, stream);
}

static CUresult stream_context(CUstream handle, CUcontext *context, CUgreenCtx *green, bool per_thread)
{
	struct vg_stream *s;
	struct vg_thread *t;
	int result = vg_enter(&t);

	if (!result)
		result = vg_stream_find(t, handle, per_thread, &s);
	if (result)
		return result;
	if (context)
		*context = s->context->base;
	if (green)
		*green = s->context->green;
	return CUDA_SUCCESS;
}

VG_EXPORT CUresult cuStreamGetCtx_v2(CUstream stream, CUcontext *context, CUgreenCtx *green)
{
	return stream_context(stream, context, green, false);
}

VG_EXPORT CUresult cuStreamGetCtx_v2_ptsz(CUstream stream, CUcontext *context, CUgreenCtx *green)
{
	return stream_context(stream, context, green, true);
}

VG_EXPORT CUresult cuStreamGetGreenCtx(CUstream stream, CUgreenCtx *green)
{
	return green ? stream_context(stream, NULL, green, false) : CUDA_ERROR_INVALID_VALUE;
}
