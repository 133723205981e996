// SPDX-License-Identifier: Apache-2.0
#include "fence.h"

#include <unistd.h>

#include "gen/ops.h"
#include "pause.h"
#include "stage.h"

/*
 * Long waits: native synchronisation spins as long as it takes; we spin for
 * SPIN_NS, then sleep on the channel's interrupt, which the executor raises when the
 * stream gets there, looking at the word at least every WAIT_US. Being woken takes
 * about 0.2 ms (measured: a host function of the driver's, an eventfd, the scheduler),
 * a hundredth of SPIN_NS.
 */
#define SPIN_NS		20000000u
#define SPIN_BLOCK_NS	30000u
#define WAIT_US		10000u
#define UNNOTIFIED_WAIT_US 500u
#define FORGET_EVERY	0x1000000u	/* fences of a stream; a word counts half of its range before what was reached is not */

static struct {
	pthread_mutex_t lock;
	uint32_t highest;			/* words handed out so far */
	uint32_t given[VGPU_FENCE_COUNT];	/* returned words, a ring */
	uint32_t last[VGPU_FENCE_COUNT];	/* by word: value it must reach before reuse */
	uint32_t first, count;
} words = { .lock = PTHREAD_MUTEX_INITIALIZER };

uint32_t vg_fence_take(struct vg_channel *c, uint32_t *value)
{
	uint32_t slot = 0;

	pthread_mutex_lock(&words.lock);
	if (words.highest + 1 < VGPU_FENCE_COUNT) {
		slot = ++words.highest;
	} else if (words.count) {
		uint32_t oldest = words.given[words.first];

		if (vg_fence_reached(c, oldest, words.last[oldest])) {
			slot = oldest;
			words.first = (words.first + 1) % VGPU_FENCE_COUNT;
			words.count--;
		}
	}
	*value = words.last[slot];
	pthread_mutex_unlock(&words.lock);
	return slot;
}

void vg_fence_give(uint32_t slot, uint32_t last)
{
	if (!slot)
		return;
	pthread_mutex_lock(&words.lock);
	words.last[slot] = last;
	words.given[(words.first + words.count++) % VGPU_FENCE_COUNT] = slot;
	pthread_mutex_unlock(&words.lock);
}

static int sleep_for_fence(struct vg_thread *t, uint32_t slot, uint32_t value, struct vg_stream *s)
{
	struct vg_channel *c = t->channel;
	uint32_t seen = 0;

	if (s)
		vg_op_notify(t, s->object.number);
	while (!vg_fence_reached(c, slot, value)) {
		int lost = vg_channel_lost(c);

		if (lost)
			return lost;
		c->transport->ops->wait(c->transport, &seen, s ? WAIT_US : UNNOTIFIED_WAIT_US);
	}
	return vg_channel_lost(c);
}

int vg_fence_wait(struct vg_thread *t, uint32_t slot, uint32_t value, struct vg_stream *s, bool block)
{
	struct vg_pause pause = { 0 };
	int lost = 0;

	while (!vg_fence_reached(t->channel, slot, value) && !lost) {
		if (!vg_pause_spin(&pause, block ? SPIN_BLOCK_NS : SPIN_NS))
			return sleep_for_fence(t, slot, value, s);
		lost = vg_channel_lost(t->channel);
	}
	vg_pause_end(&pause);
	/* a fence behind a fault is written by the executor, after the fault */
	return vg_channel_lost(t->channel);
}

/*
 * Whoever posts behind the record says so after its post, thus after this store, even in another
 * thread: both reserve on the ring in between.
 */
void vg_stream_cover(struct vg_stream *s, uint64_t mark)
{
	atomic_store_explicit(&s->work, mark, memory_order_release);
	atomic_thread_fence(memory_order_release);
}

void vg_stream_uncover(const struct vg_channel *c, struct vg_stream *s, uint32_t slot)
{
	uint64_t work = atomic_load_explicit(&s->work, memory_order_acquire);
	uint64_t left;

	do {
		if (vg_mark_slot(work) != slot)
			return;
		left = vg_mark_reached(c, work) &&
		       vg_fence_reached(c, s->slot, __atomic_load_n(&s->fence, __ATOMIC_ACQUIRE)) ? VG_WORK_NONE :
												    VG_WORK_SOME;
	} while (!atomic_compare_exchange_weak_explicit(&s->work, &work, left, memory_order_acq_rel,
							memory_order_acquire));
}

int vg_stream_fence(struct vg_thread *t, struct vg_stream *s, uint32_t *slot, uint32_t *value)
{
	uint64_t work = atomic_load_explicit(&s->work, memory_order_acquire);
	int result = 0;

	if (work != VG_WORK_NONE && work != VG_WORK_SOME) {
		*slot = vg_mark_slot(work);
		*value = (uint32_t)work;
		return 0;
	}
	*slot = s->slot;
	if (work == VG_WORK_NONE) {
		*value = __atomic_load_n(&s->fence, __ATOMIC_ACQUIRE);
		return 0;
	}
	pthread_mutex_lock(&s->lock);
	if (atomic_load_explicit(&s->work, memory_order_acquire) != VG_WORK_NONE) {
		work = VG_WORK_SOME;
		/* who finds the stream clean must find the value that covers its work; an event behind it stays there */
		__atomic_store_n(&s->fence, s->fence + 1, __ATOMIC_RELEASE);
		atomic_compare_exchange_strong_explicit(&s->work, &work, VG_WORK_NONE, memory_order_seq_cst,
							memory_order_relaxed);
		result = vg_op_fence(t, s->object.number, s->slot, s->fence);
	}
	*value = s->fence;
	pthread_mutex_unlock(&s->lock);
	if (!(*value % FORGET_EVERY))
		vg_stage_forget(t);
	return result;
}
