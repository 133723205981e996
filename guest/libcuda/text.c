// SPDX-License-Identifier: Apache-2.0
#include "text.h"

#include <stdio.h>

#include "fence.h"
#include "gen/ops.h"
#include "pause.h"

/*
 * Asking costs a round trip. A process whose kernels could print but have not is
 * asked for less often after ASK_ALWAYS waits: then its first line may come late.
 */
#define ASK_ALWAYS	64u
#define ASK_NS		20000000u

static struct {
	pthread_mutex_t lock;	/* lines come in order */
	uint32_t fetched;	/* bytes of standard output */
	_Atomic uint32_t vain;	/* asked without an answer */
	_Atomic uint64_t asked_at;
} text = { .lock = PTHREAD_MUTEX_INITIALIZER };

static bool asks(const struct vg_channel *c)
{
	uint64_t now;

	if (atomic_load_explicit(&text.vain, memory_order_relaxed) < ASK_ALWAYS ||
	    atomic_load_explicit(c->printed, memory_order_acquire) != __atomic_load_n(&text.fetched, __ATOMIC_RELAXED))
		return true;
	now = vg_now_ns();
	if (now - atomic_load_explicit(&text.asked_at, memory_order_relaxed) < ASK_NS)
		return false;
	atomic_store_explicit(&text.asked_at, now, memory_order_relaxed);
	return true;
}

static void fetch(struct vg_thread *t)
{
	uint8_t piece[VGPU_REP_DATA_MAX];
	uint32_t errors, size;

	pthread_mutex_lock(&text.lock);
	for (;;) {
		errors = 0;
		size = sizeof piece;
		if (vg_op_text_take(t, &errors, piece, &size) || !size || errors > size)
			break;
		fwrite(piece, 1, size - errors, stdout);
		fwrite(piece + size - errors, 1, errors, stderr);
		__atomic_store_n(&text.fetched, text.fetched + (size - errors), __ATOMIC_RELAXED);
	}
	pthread_mutex_unlock(&text.lock);
}

static void flushed(struct vg_thread *t)
{
	if (atomic_load_explicit(t->channel->printed, memory_order_acquire) ==
	    __atomic_load_n(&text.fetched, __ATOMIC_RELAXED)) {
		atomic_fetch_add_explicit(&text.vain, 1, memory_order_relaxed);
		return;
	}
	atomic_store_explicit(&text.vain, 0, memory_order_relaxed);
	fetch(t);
}

int vg_lost(struct vg_thread *t, int result)
{
	static _Atomic bool told;

	if (result == CUDA_ERROR_ASSERT && !atomic_exchange(&told, true))
		fetch(t);
	return result;
}

void vg_text_flush_stream(struct vg_thread *t, const struct vg_stream *s)
{
	struct vg_context *current = t->current;

	if (!asks(t->channel))
		return;
	t->current = s->context;
	if (!vg_op_text_flush(t, s->object.number))
		flushed(t);
	t->current = current;
}

void vg_text_flush_event(struct vg_thread *t, const struct vg_event *e)
{
	if (asks(t->channel) && !vg_op_text_flush_event(t, e->object.number))
		flushed(t);
}

void vg_text_end(struct vg_thread *t)
{
	struct vg_channel *c = t->channel;
	const struct vg_stream *s = vg_primary()->legacy;

	if (!atomic_load_explicit(&c->started, memory_order_acquire) || vg_lost(t, vg_channel_lost(c)) ||
	    !atomic_load_explicit(c->prints, memory_order_relaxed))
		return;
	/* nobody waits here for a kernel */
	if (s && vg_stream_idle(c, s))
		vg_text_flush_stream(t, s);
	else
		fetch(t);
}
