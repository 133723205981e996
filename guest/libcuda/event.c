// SPDX-License-Identifier: Apache-2.0
/* Events: a record makes the GPU store a fence, so queries and waits are local. */
#include "calls.h"
#include "capture.h"
#include "enter.h"
#include "fence.h"
#include "gen/ops.h"

#define EVENT_BLOCKING	1u
#define EVENT_NO_TIMING	2u
#define EVENT_IPC	4u

static int find(struct vg_thread **t, CUevent event)
{
	int result = vg_enter(t);

	if (result)
		return result;
	return event && event->object.kind == VG_EVENT ? 0 : CUDA_ERROR_INVALID_HANDLE;
}

VG_EXPORT CUresult cuEventCreate(CUevent *event, unsigned int flags)
{
	struct vg_event *e;
	struct vg_thread *t;
	uint32_t value;
	int result = vg_enter(&t);

	if (result)
		return result;
	if (!event || flags > 7 || ((flags & EVENT_IPC) && !(flags & EVENT_NO_TIMING)))
		return CUDA_ERROR_INVALID_VALUE;
	if (flags & EVENT_IPC)
		return CUDA_ERROR_NOT_SUPPORTED;
	e = vg_object_new(VG_EVENT, sizeof *e);
	if (!e)
		return CUDA_ERROR_OUT_OF_MEMORY;
	e->context = t->current;
	e->flags = flags;
	e->slot = vg_fence_take(t->channel, &value);
	atomic_init(&e->fence, value);
	result = vg_op_event_create(t, e->object.number, flags);
	if (result) {
		vg_fence_give(e->slot, value);
		vg_object_end(e);
		return result;
	}
	*event = e;
	return CUDA_SUCCESS;
}

VG_EXPORT CUresult cuEventDestroy_v2(CUevent event)
{
	struct vg_thread *t;
	int result = find(&t, event);

	if (!result)
		result = vg_op_event_destroy(t, event->object.number);
	if (result)
		return result;
	vg_capture_release_event(event);
	vg_fence_give(event->slot, atomic_load(&event->fence));
	vg_object_end(event);
	return CUDA_SUCCESS;
}

VG_EXPORT CUresult cuEventDestroy(CUevent event)
{
	return cuEventDestroy_v2(event);
}

static CUresult record(CUevent event, CUstream handle, unsigned int flags, bool per_thread)
{
	struct vg_stream *s;
	struct vg_thread *t;
	uint32_t value;
	int result = find(&t, event);

	if (!result)
		result = vg_stream_get(t, handle, per_thread, &s);
	if (result)
		return result;
	if (flags > 1)
		return CUDA_ERROR_INVALID_VALUE;
	if (event->context != s->context)
		return CUDA_ERROR_INVALID_HANDLE;
	if (atomic_load_explicit(&s->capture, memory_order_relaxed)) {
		vg_capture_record(event, s);
		return vg_op_event_record(t, event->object.number, s->object.number, flags, 0, 0);
	}
	vg_capture_release_event(event);
	if (!event->slot) {
		atomic_store_explicit(&event->recorded, 1, memory_order_release);
		result = vg_op_event_record(t, event->object.number, s->object.number, flags, 0, 0);
		if (!result)
			vg_stream_busy(s);
		return result;
	}
	value = atomic_fetch_add_explicit(&event->fence, 1, memory_order_acq_rel) + 1;
	atomic_store_explicit(&event->asked, 0, memory_order_relaxed);
	atomic_store_explicit(&event->recorded, 1, memory_order_release);
	result = vg_op_event_record(t, event->object.number, s->object.number, flags, event->slot, value);
	if (!result)
		vg_stream_busy(s);
	return result;
}

VG_EXPORT CUresult cuEventRecord(CUevent event, CUstream stream)
{
	return record(event, stream, 0, false);
}

VG_EXPORT CUresult cuEventRecord_ptsz(CUevent event, CUstream stream)
{
	return record(event, stream, 0, true);
}

VG_EXPORT CUresult cuEventRecordWithFlags(CUevent event, CUstream stream, unsigned int flags)
{
	return record(event, stream, flags, false);
}

VG_EXPORT CUresult cuEventRecordWithFlags_ptsz(CUevent event, CUstream stream, unsigned int flags)
{
	return record(event, stream, flags, true);
}

/* No fence tells of the last record: it covers a context, or another process may have made it. */
static bool is_asked(CUevent event)
{
	return !event->slot || atomic_load_explicit(&event->asked, memory_order_acquire);
}

/* 0 done, 600 not yet, or an error. */
static int event_state(struct vg_thread *t, CUevent event)
{
	if (atomic_load_explicit(&event->capture, memory_order_relaxed))
		return CUDA_ERROR_CAPTURED_EVENT;
	if (!atomic_load_explicit(&event->recorded, memory_order_acquire) && !(event->flags & EVENT_IPC))
		return CUDA_SUCCESS;
	if (is_asked(event))
		return vg_op_event_query(t, event->object.number);
	return vg_fence_reached(t->channel, event->slot, atomic_load_explicit(&event->fence, memory_order_acquire)) ?
		       CUDA_SUCCESS :
		       CUDA_ERROR_NOT_READY;
}

VG_EXPORT CUresult cuEventQuery(CUevent event)
{
	struct vg_thread *t;
	int result = find(&t, event);

	if (!result)
		result = event_state(t, event);
	return result ? result : vg_channel_async(t->channel);
}

VG_EXPORT CUresult cuEventSynchronize(CUevent event)
{
	struct vg_thread *t;
	int result = find(&t, event);

	if (!result)
		result = event_state(t, event);
	if (result != CUDA_ERROR_NOT_READY)
		return result ? result : vg_channel_async(t->channel);
	if (is_asked(event)) {
		uint32_t seen = 0;

		while ((result = vg_op_event_query(t, event->object.number)) == CUDA_ERROR_NOT_READY)
			t->channel->transport->ops->wait(t->channel->transport, &seen, 200);
		return result;
	}
	result = vg_fence_wait(t, event->slot, atomic_load(&event->fence), NULL, event->flags & EVENT_BLOCKING);
	return result ? result : vg_channel_async(t->channel);
}

static CUresult elapsed(float *milliseconds, CUevent start, CUevent end)
{
	struct vg_thread *t;
	int result = find(&t, start);

	if (!result)
		result = find(&t, end);
	if (result)
		return result;
	if (!milliseconds)
		return CUDA_ERROR_INVALID_VALUE;
	if (((start->flags | end->flags) & EVENT_NO_TIMING) || !atomic_load(&start->recorded) ||
	    !atomic_load(&end->recorded))
		return CUDA_ERROR_INVALID_HANDLE;
	return vg_op_event_elapsed(t, milliseconds, start->object.number, end->object.number);
}

VG_EXPORT CUresult cuEventElapsedTime(float *milliseconds, CUevent start, CUevent end)
{
	return elapsed(milliseconds, start, end);
}

VG_EXPORT CUresult cuEventElapsedTime_v2(float *milliseconds, CUevent start, CUevent end)
{
	return elapsed(milliseconds, start, end);
}

static CUresult wait_event(CUstream handle, CUevent event, unsigned int flags, bool per_thread)
{
	struct vg_stream *s;
	struct vg_thread *t;
	int result = find(&t, event);

	if (!result)
		result = vg_stream_get(t, handle, per_thread, &s);
	if (result)
		return result;
	if (flags > 1)
		return CUDA_ERROR_INVALID_VALUE;
	result = vg_capture_wait(s, event);
	if (!result)
		result = vg_op_stream_wait_event(t, s->object.number, event->object.number, flags);
	if (!result)
		vg_stream_busy(s);
	return result;
}

VG_EXPORT CUresult cuStreamWaitEvent(CUstream stream, CUevent event, unsigned int flags)
{
	return wait_event(stream, event, flags, false);
}

VG_EXPORT CUresult cuStreamWaitEvent_ptsz(CUstream stream, CUevent event, unsigned int flags)
{
	return wait_event(stream, event, flags, true);
}
