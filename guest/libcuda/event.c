// SPDX-License-Identifier: Apache-2.0
/* Events: a record makes the GPU store a fence, so queries and waits are local. */
#include "calls.h"
#include "capture.h"
#include "enter.h"
#include "fence.h"
#include "gen/ops.h"
#include "text.h"

#define EVENT_BLOCKING	1u
#define EVENT_NO_TIMING	2u
#define EVENT_IPC	4u

/* of a record or a wait in a capture: a node does it whenever the graph is launched */
#define FLAG_EXTERNAL	1u

static int find(struct vg_thread **t, CUevent event)
{
	int result = vg_enter(t);

	if (result)
		return result;
	return event && event->object.kind == VG_EVENT ? 0 : CUDA_ERROR_INVALID_HANDLE;
}

/* The same for work on a stream. */
static int find_on(struct vg_thread **t, CUevent event, CUstream stream, struct vg_loan *loan)
{
	int result = vg_enter_stream(t, stream, loan);

	if (result)
		return result;
	return event && event->object.kind == VG_EVENT ? 0 : CUDA_ERROR_INVALID_HANDLE;
}

/*
 * The same in the event's context if the thread has none: the driver answers about events in any thread. What is
 * no event is none before cuInit too (measured, driver 580).
 */
static int find_anywhere(struct vg_thread **t, CUevent event, struct vg_loan *loan)
{
	if (!event || event->object.kind != VG_EVENT)
		return vg_self && (vg_self->current || vg_self->in_callback) ? find(t, event) : CUDA_ERROR_INVALID_HANDLE;
	vg_lend(loan, event->context);
	return find(t, event);
}

/*
 * The mark of a new record in the stream. While a record in another stream is not
 * reached, its value could land after ours and hide it: then the event moves to
 * another word. 0: no word is free.
 */
static uint64_t next_mark(struct vg_thread *t, struct vg_event *event, struct vg_stream *s)
{
	uint64_t last = atomic_exchange_explicit(&event->stream, s->id, memory_order_acq_rel);
	struct vg_stream *covered = atomic_exchange_explicit(&event->covers, s, memory_order_acq_rel);
	uint64_t mark = atomic_load_explicit(&event->mark, memory_order_acquire);
	uint32_t fresh, value;
	uint64_t next;

	if (covered && covered != s)
		vg_stream_uncover(t->channel, covered, vg_mark_slot(mark));
	for (;;) {
		fresh = 0;
		value = (uint32_t)mark;
		if (last && last != s->id && !vg_mark_reached(t->channel, mark)) {
			fresh = vg_fence_take(t->channel, &value);
			if (!fresh)
				return 0;
		}
		next = vg_mark(fresh ? fresh : vg_mark_slot(mark), value + 1);
		if (atomic_compare_exchange_weak_explicit(&event->mark, &mark, next, memory_order_acq_rel,
							  memory_order_acquire))
			break;
		vg_fence_give(fresh, value);
	}
	if (fresh)
		vg_fence_give(vg_mark_slot(mark), (uint32_t)mark);
	return next;
}

/*
 * A record behind no work is reached at once: then it needs no fence, and the last mark, if reached, tells of
 * it. Work of the legacy stream comes before that of all blocking ones. A time is the GPU's to take.
 */
static bool reached_at_once(const struct vg_channel *c, const struct vg_event *event, const struct vg_stream *s)
{
	uint64_t mark = atomic_load_explicit(&event->mark, memory_order_acquire);

	return (event->flags & EVENT_NO_TIMING) && vg_mark_slot(mark) && vg_mark_reached(c, mark) && vg_stream_idle(c, s) &&
	       ((s->flags & 1) || vg_stream_idle(c, s->context->legacy));
}

VG_EXPORT CUresult cuEventCreate(CUevent *event, unsigned int flags)
{
	struct vg_event *e;
	struct vg_thread *t;
	uint32_t slot = 0, value = 0;
	int result = vg_enter(&t);

	if (result)
		return result;
	if (!event || flags > 7 || ((flags & EVENT_IPC) && !(flags & EVENT_NO_TIMING)))
		return CUDA_ERROR_INVALID_VALUE;
	e = vg_object_new(VG_EVENT, sizeof *e);
	if (!e)
		return CUDA_ERROR_OUT_OF_MEMORY;
	e->context = t->current->base;
	e->flags = flags;
	if (!(flags & EVENT_IPC))
		slot = vg_fence_take(t->channel, &value);
	atomic_init(&e->mark, vg_mark(slot, value));
	result = vg_op_event_create(t, e->object.number, flags);
	if (result) {
		vg_fence_give(slot, value);
		vg_object_end(e);
		return result;
	}
	*event = e;
	return CUDA_SUCCESS;
}

VG_EXPORT CUresult cuEventDestroy_v2(CUevent event)
{
	struct vg_stream *covered;
	struct vg_thread *t;
	uint64_t mark;
	int result = find(&t, event);

	if (!result)
		result = vg_op_event_destroy(t, event->object.number);
	if (result)
		return result;
	vg_capture_release_event(event);
	mark = atomic_load(&event->mark);
	covered = atomic_load_explicit(&event->covers, memory_order_acquire);
	if (covered)
		vg_stream_uncover(t->channel, covered, vg_mark_slot(mark));
	vg_fence_give(vg_mark_slot(mark), (uint32_t)mark);
	vg_object_end(event);
	return CUDA_SUCCESS;
}

VG_EXPORT CUresult cuEventDestroy(CUevent event)
{
	return cuEventDestroy_v2(event);
}

/* 0, 1 for flags that do not exist, 401 for what is external to no capture. */
static int check_flags(const struct vg_stream *s, unsigned int flags)
{
	if (flags & ~FLAG_EXTERNAL)
		return CUDA_ERROR_INVALID_VALUE;
	return flags && !vg_capture_status(s) ? CUDA_ERROR_ILLEGAL_STATE : 0;
}

static CUresult record(CUevent event, CUstream handle, unsigned int flags, bool per_thread)
{
	struct vg_stream *s;
	struct vg_thread *t;
	VG_LOAN loan = { 0 };
	uint64_t mark;
	int result = find_on(&t, event, handle, &loan);

	if (!result)
		result = vg_stream_get(t, handle, per_thread, &s);
	if (!result)
		result = check_flags(s, flags);
	if (result)
		return result;
	if (event->context->base != s->context->base)
		return CUDA_ERROR_INVALID_HANDLE;
	if (atomic_load_explicit(&s->capture, memory_order_relaxed)) {
		if (flags & FLAG_EXTERNAL)
			atomic_store_explicit(&event->of_graphs, 1, memory_order_release);
		else
			vg_capture_record(event, s);
		return vg_op_event_record(t, event->object.number, s->object.number, flags, 0, 0);
	}
	vg_capture_release_event(event);
	if (reached_at_once(t->channel, event, s)) {
		atomic_store_explicit(&event->asked, 0, memory_order_relaxed);
		atomic_store_explicit(&event->recorded, 1, memory_order_release);
		return vg_op_event_record(t, event->object.number, s->object.number, flags, 0, 0);
	}
	mark = vg_mark_slot(atomic_load_explicit(&event->mark, memory_order_relaxed)) ? next_mark(t, event, s) : 0;
	atomic_store_explicit(&event->asked, !mark, memory_order_relaxed);
	atomic_store_explicit(&event->recorded, 1, memory_order_release);
	if (mark)
		vg_stream_cover(s, mark);
	result = vg_op_event_record(t, event->object.number, s->object.number, flags, vg_mark_slot(mark), (uint32_t)mark);
	if (mark)
		vg_stream_legacy_busy(s);
	else
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

/* No fence tells of the last record: it covers a context, or another process or a graph may have made it. */
static bool is_asked(CUevent event)
{
	return atomic_load_explicit(&event->of_graphs, memory_order_acquire) ||
	       !vg_mark_slot(atomic_load_explicit(&event->mark, memory_order_relaxed)) ||
	       atomic_load_explicit(&event->asked, memory_order_acquire);
}

static bool may_be_recorded(CUevent event)
{
	return atomic_load_explicit(&event->recorded, memory_order_acquire) ||
	       atomic_load_explicit(&event->of_graphs, memory_order_acquire) || (event->flags & EVENT_IPC);
}

/* 0 done, 600 not yet, or an error: captures forbid the question. */
static int event_state(struct vg_thread *t, CUevent event)
{
	int result = vg_capture_forbids(t);

	if (!result)
		result = vg_capture_ask(event);
	if (result)
		return result;
	if (!may_be_recorded(event))
		return CUDA_SUCCESS;
	if (is_asked(event))
		return vg_op_event_query(t, event->object.number);
	return vg_mark_reached(t->channel, atomic_load_explicit(&event->mark, memory_order_acquire)) ? CUDA_SUCCESS :
												     CUDA_ERROR_NOT_READY;
}

VG_EXPORT CUresult cuEventQuery(CUevent event)
{
	struct vg_thread *t;
	VG_LOAN loan = { 0 };
	int result = find_anywhere(&t, event, &loan);

	if (!result)
		result = event_state(t, event);
	return result ? result : vg_channel_async(t->channel);
}

static CUresult synchronize(struct vg_thread *t, CUevent event)
{
	int result = event_state(t, event);
	uint64_t mark;

	if (result != CUDA_ERROR_NOT_READY) {
		if (!result)
			vg_text_waited_event(t, event, result);
		return result ? result : vg_channel_async(t->channel);
	}
	if (is_asked(event)) {
		uint32_t seen = 0;

		while ((result = vg_op_event_query(t, event->object.number)) == CUDA_ERROR_NOT_READY)
			t->channel->transport->ops->wait(t->channel->transport, &seen, 200);
		vg_text_waited_event(t, event, result);
		return result;
	}
	mark = atomic_load(&event->mark);
	result = vg_fence_wait(t, vg_mark_slot(mark), (uint32_t)mark, NULL, event->flags & EVENT_BLOCKING);
	vg_text_waited_event(t, event, result);
	return result ? result : vg_channel_async(t->channel);
}

VG_EXPORT CUresult cuEventSynchronize(CUevent event)
{
	struct vg_thread *t;
	VG_LOAN loan = { 0 };
	int result = find_anywhere(&t, event, &loan);

	return result ? result : synchronize(t, event);
}

static CUresult elapsed(float *milliseconds, CUevent start, CUevent end)
{
	struct vg_thread *t;
	VG_LOAN loan = { 0 };
	int result = find_anywhere(&t, start, &loan);

	if (!result)
		result = find(&t, end);
	/* a place that is missing counts as a handle, and so do events of two contexts (measured, driver 580) */
	if (!result && (!milliseconds || start->context != end->context || ((start->flags | end->flags) & EVENT_NO_TIMING) || !may_be_recorded(start) || !may_be_recorded(end)))
		result = CUDA_ERROR_INVALID_HANDLE;
	return result ? result : vg_op_event_elapsed(t, milliseconds, start->object.number, end->object.number);
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
	VG_LOAN loan = { 0 };
	int result = find_on(&t, event, handle, &loan);

	/* before the event is looked at, not so for a record (measured, driver 580) */
	if ((!result || result == CUDA_ERROR_INVALID_HANDLE) && (flags & ~FLAG_EXTERNAL))
		return CUDA_ERROR_INVALID_VALUE;
	if (!result)
		result = vg_stream_get(t, handle, per_thread, &s);
	if (!result)
		result = check_flags(s, flags);
	if (result)
		return result;
	if (!(flags & FLAG_EXTERNAL))
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
