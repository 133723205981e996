// SPDX-License-Identifier: Apache-2.0
/* Streams: creation, waiting, and what a handle means. */
#include "stream.h"

#include "calls.h"
#include "capture.h"
#include "enter.h"
#include "fence.h"
#include "gen/ops.h"
#include "pool.h"
#include "text.h"

#define NON_BLOCKING 1u

static _Atomic uint64_t next_id = 1;

static int stream_init(struct vg_thread *t, struct vg_stream *s, struct vg_context *c, unsigned int flags, int priority)
{
	s->slot = vg_fence_take(t->channel, &s->fence);
	if (!s->slot)
		return CUDA_ERROR_OUT_OF_MEMORY;
	pthread_mutex_init(&s->lock, NULL);
	s->context = c;
	s->flags = flags;
	s->priority = priority;
	s->id = atomic_fetch_add(&next_id, 1);
	return 0;
}

int vg_stream_new_legacy(struct vg_context *c)
{
	struct vg_thread *t = vg_thread_get();
	struct vg_stream *s = vg_object_new(VG_STREAM, sizeof *s);
	int result;

	if (!t || !s)
		return CUDA_ERROR_OUT_OF_MEMORY;
	result = stream_init(t, s, c, 0, 0);
	if (result) {
		vg_object_end(s);
		return result;
	}
	/* on the wire the legacy stream of any context is number 0 */
	s->object.number = 0;
	c->legacy = s;
	return 0;
}

static int clamp_priority(int priority)
{
	const struct vgpu_description *d = vg_process.description;

	if (priority > d->priority_lowest)
		return d->priority_lowest;
	return priority < d->priority_highest ? d->priority_highest : priority;
}

/* green: number of the green context that c is, for a stream of it whatever is current; 0: c is current. */
static int stream_create(struct vg_thread *t, struct vg_context *c, uint32_t green, unsigned int flags, int priority,
			 struct vg_stream **out)
{
	struct vg_stream *s;
	int result;

	if (flags & ~NON_BLOCKING)
		return CUDA_ERROR_INVALID_VALUE;
	s = vg_object_new(VG_STREAM, sizeof *s);
	if (!s)
		return CUDA_ERROR_OUT_OF_MEMORY;
	result = stream_init(t, s, c, flags, clamp_priority(priority));
	if (!result)
		result = green ? vg_op_green_stream_create(t, s->object.number, green, flags, s->priority) :
				 vg_op_stream_create(t, s->object.number, flags, s->priority);
	if (result) {
		vg_fence_give(s->slot, s->fence);
		vg_object_end(s);
		return result;
	}
	pthread_mutex_lock(&c->lock);
	s->next = c->streams;
	if (s->next)
		s->next->previous = s;
	c->streams = s;
	pthread_mutex_unlock(&c->lock);
	*out = s;
	return 0;
}

/* Out of the context's list: from here on nobody waits for the stream on the context's behalf. */
static void stream_unlink(struct vg_stream *s)
{
	struct vg_context *c = s->context;

	vg_capture_abandon(s);
	pthread_mutex_lock(&c->lock);
	if (s->previous)
		s->previous->next = s->next;
	else
		c->streams = s->next;
	if (s->next)
		s->next->previous = s->previous;
	pthread_mutex_unlock(&c->lock);
}

static void stream_free(struct vg_stream *s)
{
	vg_fence_give(s->slot, s->fence);
	pthread_mutex_destroy(&s->lock);
	vg_object_end(s);
}

/* A fence posted behind the stream's end would never be reached: nobody may find it then. */
static int stream_destroy(struct vg_thread *t, struct vg_stream *s)
{
	int result;

	stream_unlink(s);
	result = vg_op_stream_destroy(t, s->object.number);
	stream_free(s);
	return result;
}

void vg_streams_end(struct vg_context *c)
{
	while (c->streams) {
		struct vg_stream *s = c->streams;

		stream_unlink(s);
		stream_free(s);
	}
	if (c->legacy) {
		vg_fence_give(c->legacy->slot, c->legacy->fence);
		pthread_mutex_destroy(&c->legacy->lock);
		/* its memory holds number 0 and must not serve another stream */
		c->legacy->object.kind = 0;
		c->legacy = NULL;
	}
}

static int per_thread_stream(struct vg_thread *t, struct vg_stream **out)
{
	int result;

	if (t->per_thread && t->per_thread->context == t->current) {
		*out = t->per_thread;
		return 0;
	}
	result = stream_create(t, t->current, 0, 0, 0, out);
	if (!result) {
		(*out)->per_thread = true;
		t->per_thread = *out;
	}
	return result;
}

int vg_stream_find(struct vg_thread *t, CUstream handle, bool per_thread, struct vg_stream **stream)
{
	if (handle && handle != CU_STREAM_LEGACY && handle != CU_STREAM_PER_THREAD) {
		if (handle->object.kind != VG_STREAM)
			return handle->object.kind == VG_STREAM_ORPHAN ? CUDA_ERROR_CONTEXT_IS_DESTROYED :
									 CUDA_ERROR_INVALID_HANDLE;
		*stream = handle;
		return 0;
	}
	if (handle == CU_STREAM_PER_THREAD || (!handle && per_thread))
		return per_thread_stream(t, stream);
	*stream = t->current->legacy;
	return 0;
}

int vg_stream_broken(struct vg_stream *s)
{
	return s->object.number ? CUDA_ERROR_STREAM_CAPTURE_INVALIDATED : vg_capture_implicit(s);
}

void vg_thread_end(struct vg_thread *t)
{
	struct vg_stream *s = t->per_thread;

	t->per_thread = NULL;
	if (!s || s->object.kind != VG_STREAM || vg_process_ready() || vg_channel_lost(t->channel))
		return;
	t->current = s->context;
	stream_destroy(t, s);
}

int vg_stream_wait(struct vg_thread *t, struct vg_stream *s)
{
	uint32_t slot, value;
	int result;

	result = vg_capture_break(s);
	if (result)
		return result;
	result = vg_stream_fence(t, s, &slot, &value);
	if (!result)
		result = vg_fence_wait(t, slot, value, s, s->context->flags & 4);
	if (!result)
		vg_pool_waited(t, s);
	vg_text_waited_stream(t, s, result);
	return result ? result : vg_channel_async(t->channel);
}

int vg_stream_launch_ends(struct vg_thread *t, struct vg_stream *s)
{
	return atomic_load_explicit(&s->capture, memory_order_relaxed) ? 0 : vg_stream_wait(t, s);
}

int vg_context_wait(struct vg_thread *t, struct vg_context *c)
{
	struct vg_context *current = t->current;
	int result = 0;

	t->current = c;
	pthread_mutex_lock(&c->lock);
	/* the legacy stream stands for all blocking streams */
	for (struct vg_stream *s = c->streams; s && !result; s = s->next)
		if ((s->flags & 1) && !atomic_load_explicit(&s->capture, memory_order_relaxed))
			result = vg_stream_wait(t, s);
	for (struct vg_context *green = c->green ? NULL : c->greens; green && !result; green = green->greens)
		result = vg_context_wait(t, green);
	pthread_mutex_unlock(&c->lock);
	/* nor is there a way to wait for it while a blocking one is captured */
	if (!result && !atomic_load_explicit(&c->legacy->capture, memory_order_relaxed))
		result = vg_stream_wait(t, c->legacy);
	t->current = current;
	return result;
}

int vg_stream_new_green(struct vg_thread *t, struct vg_context *c, uint32_t green, unsigned int flags, int priority,
			struct vg_stream **out)
{
	return stream_create(t, c, green, flags, priority, out);
}

void vg_streams_orphan(struct vg_context *c)
{
	while (c->streams) {
		struct vg_stream *s = c->streams;

		stream_unlink(s);
		vg_fence_give(s->slot, s->fence);
		s->object.kind = VG_STREAM_ORPHAN;
	}
	vg_streams_end(c);
}

VG_EXPORT CUresult cuStreamCreateWithPriority(CUstream *stream, unsigned int flags, int priority)
{
	struct vg_thread *t;
	int result = vg_enter_local();

	/* before there need be a context (measured, driver 580) */
	if (!result && (!stream || (flags & ~NON_BLOCKING)))
		result = CUDA_ERROR_INVALID_VALUE;
	if (!result)
		result = vg_enter(&t);
	return result ? result : stream_create(t, t->current, 0, flags, priority, stream);
}

VG_EXPORT CUresult cuStreamCreate(CUstream *stream, unsigned int flags)
{
	return cuStreamCreateWithPriority(stream, flags, 0);
}

VG_EXPORT CUresult cuStreamDestroy_v2(CUstream stream)
{
	struct vg_thread *t;
	VG_LOAN loan = { 0 };
	int result = vg_enter_local();

	/* none at all comes before there need be a context, those that every context has after it (measured, driver 580) */
	if (!result && !stream)
		result = CUDA_ERROR_INVALID_HANDLE;
	if (!result)
		result = vg_enter_stream(&t, stream, &loan);
	if (!result && (stream == CU_STREAM_LEGACY || stream == CU_STREAM_PER_THREAD))
		result = CUDA_ERROR_INVALID_HANDLE;
	if (!result)
		result = vg_stream_find(t, stream, false, &stream);
	return result ? result : stream_destroy(t, stream);
}

VG_EXPORT CUresult cuStreamDestroy(CUstream stream)
{
	return cuStreamDestroy_v2(stream);
}

/* Captures forbid questions about any stream, and that comes before what is wrong with its own capture (measured, driver 580). */
static int enter_to_ask(struct vg_thread **t, CUstream handle, bool per_thread, struct vg_loan *loan, struct vg_stream **s)
{
	int result = vg_enter_stream(t, handle, loan);

	if (!result)
		result = vg_stream_find(*t, handle, per_thread, s);
	if (!result)
		result = vg_capture_forbids(*t);
	return result ? result : vg_stream_get(*t, handle, per_thread, s);
}

static CUresult synchronize(CUstream handle, bool per_thread)
{
	struct vg_stream *s;
	struct vg_thread *t;
	VG_LOAN loan = { 0 };
	int result = enter_to_ask(&t, handle, per_thread, &loan, &s);

	return result ? result : vg_stream_wait(t, s);
}

VG_EXPORT CUresult cuStreamSynchronize(CUstream stream)
{
	return synchronize(stream, false);
}

VG_EXPORT CUresult cuStreamSynchronize_ptsz(CUstream stream)
{
	return synchronize(stream, true);
}

/*
 * New work is asked for once, so that what an event has shown to be done is never
 * reported as running; the fence behind it makes the next queries local.
 */
static CUresult query(CUstream handle, bool per_thread)
{
	uint32_t slot, value;
	struct vg_stream *s;
	struct vg_thread *t;
	VG_LOAN loan = { 0 };
	int state = CUDA_ERROR_NOT_READY;
	int result = enter_to_ask(&t, handle, per_thread, &loan, &s);

	if (!result)
		result = vg_capture_break(s);
	if (result)
		return result;
	if (atomic_load_explicit(&s->work, memory_order_acquire) == VG_WORK_SOME) {
		state = vg_op_stream_query(t, s->object.number);
		if (state && state != CUDA_ERROR_NOT_READY)
			return state;
	}
	result = vg_stream_fence(t, s, &slot, &value);
	if (!result && !state)
		result = vg_fence_wait(t, slot, value, s, false);
	if (result)
		return result;
	if (!vg_fence_reached(t->channel, slot, value))
		return CUDA_ERROR_NOT_READY;
	return vg_channel_async(t->channel);
}

VG_EXPORT CUresult cuStreamQuery(CUstream stream)
{
	return query(stream, false);
}

VG_EXPORT CUresult cuStreamQuery_ptsz(CUstream stream)
{
	return query(stream, true);
}

VG_EXPORT CUresult cuCtxSynchronize(void)
{
	struct vg_thread *t;
	int result = vg_enter(&t);

	if (!result)
		result = vg_capture_break_all(t->current);
	return result ? result : vg_context_wait(t, t->current);
}

VG_EXPORT CUresult cuCtxSynchronize_v2(CUcontext context)
{
	struct vg_thread *t;
	int result;

	if (!context)
		return cuCtxSynchronize();
	result = vg_enter_library(&t);
	if (result)
		return result;
	if (!vg_context_valid(context))
		return CUDA_ERROR_INVALID_CONTEXT;
	if (!atomic_load(&context->retained))
		return CUDA_ERROR_CONTEXT_IS_DESTROYED;
	result = vg_capture_break_all(context);
	return result ? result : vg_context_wait(t, context);
}
