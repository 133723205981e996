// SPDX-License-Identifier: Apache-2.0
/* Events of a whole context: of everything that it has to do, or for everything that it will be given. */
#include "calls.h"
#include "capture.h"
#include "context.h"
#include "context_event.h"
#include "enter.h"
#include "gen/ops.h"

int vg_context_event_ready(struct vg_context *c, CUevent event)
{
	if (!event || event->object.kind != VG_EVENT)
		return CUDA_ERROR_INVALID_HANDLE;
	return vg_capture_break_all(c);
}

void vg_context_event_recorded(CUevent event)
{
	vg_capture_release_event(event);
	atomic_store_explicit(&event->asked, 1, memory_order_release);
	atomic_store_explicit(&event->recorded, 1, memory_order_release);
}

void vg_context_busy(struct vg_context *c)
{
	pthread_mutex_lock(&c->lock);
	for (struct vg_stream *s = c->streams; s; s = s->next)
		vg_stream_busy(s);
	vg_stream_busy(c->legacy);
	pthread_mutex_unlock(&c->lock);
}

/* The context, whose handle need not be the current one's. */
static int find(struct vg_thread **t, CUcontext context)
{
	int result = vg_enter_library(t);

	if (result)
		return result;
	if (!vg_context_find(context))
		return CUDA_ERROR_INVALID_CONTEXT;
	return atomic_load(&context->retained) ? 0 : CUDA_ERROR_CONTEXT_IS_DESTROYED;
}

VG_EXPORT CUresult cuCtxRecordEvent(CUcontext context, CUevent event)
{
	struct vg_thread *t;
	int result = find(&t, context);

	if (!result)
		result = vg_context_event_ready(context, event);
	if (result)
		return result;
	if (event->context->base != context->base)
		return CUDA_ERROR_INVALID_HANDLE;
	result = vg_op_ctx_record_event(t, context->object.number, event->object.number);
	if (!result)
		vg_context_event_recorded(event);
	return result;
}

VG_EXPORT CUresult cuCtxWaitEvent(CUcontext context, CUevent event)
{
	struct vg_thread *t;
	int result = find(&t, context);

	if (!result)
		result = vg_context_event_ready(context, event);
	if (!result)
		result = vg_capture_break_event(event);
	if (!result)
		result = vg_op_ctx_wait_event(t, context->object.number, event->object.number);
	if (!result)
		vg_context_busy(context);
	return result;
}
