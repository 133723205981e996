/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fence words: the GPU stores a growing value in one when the work before it is
 * done; the process looks at memory instead of asking. Values wrap; a word has
 * reached a value when their signed difference is not negative.
 */
#ifndef VGPU_FENCE_H
#define VGPU_FENCE_H

#include "objects.h"
#include "ring.h"

/* A free word from 1 on and the value it stands at; 0: none left. */
uint32_t vg_fence_take(struct vg_channel *c, uint32_t *value);
/* Gives the word back; it is reused only once it has reached last. */
void vg_fence_give(uint32_t slot, uint32_t last);

static inline bool vg_fence_reached(const struct vg_channel *c, uint32_t slot, uint32_t value)
{
	return (int32_t)(atomic_load_explicit(&c->fences[slot], memory_order_acquire) - value) >= 0;
}

/* Word and value in one, as events keep them. */
static inline uint64_t vg_mark(uint32_t slot, uint32_t value)
{
	return (uint64_t)slot << 32 | value;
}

static inline uint32_t vg_mark_slot(uint64_t mark)
{
	return (uint32_t)(mark >> 32);
}

static inline bool vg_mark_reached(const struct vg_channel *c, uint64_t mark)
{
	return vg_fence_reached(c, vg_mark_slot(mark), (uint32_t)mark);
}

/* A fence word shows that all work of the stream is done. */
static inline bool vg_stream_idle(const struct vg_channel *c, const struct vg_stream *s)
{
	uint64_t work = atomic_load_explicit(&s->work, memory_order_acquire);

	if (work == VG_WORK_NONE)
		return vg_fence_reached(c, s->slot, __atomic_load_n(&s->fence, __ATOMIC_ACQUIRE));
	return work != VG_WORK_SOME && vg_mark_reached(c, work);
}

/* The next record puts an event with this mark behind all work of the stream; call it before the post. */
void vg_stream_cover(struct vg_stream *s, uint64_t mark);

/* Marks with this word stand for the stream's work no longer. */
void vg_stream_uncover(const struct vg_channel *c, struct vg_stream *s, uint32_t slot);

/*
 * Waits until the word has reached value. s is the stream to be woken from on a
 * long wait, NULL if there is none. block: sleep soon (contexts and events with blocking sync).
 * Returns 0 or the code of the lost context or executor.
 */
int vg_fence_wait(struct vg_thread *t, uint32_t slot, uint32_t value, struct vg_stream *s, bool block);

/* Slot and value behind all of the stream's work: the last fence's, an event's, or those of a fence that is posted now. */
int vg_stream_fence(struct vg_thread *t, struct vg_stream *s, uint32_t *slot, uint32_t *value);

#endif
