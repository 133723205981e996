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

/*
 * Waits until the word has reached value. s is the stream to be woken from on a
 * long wait, NULL if there is none. block: sleep soon (contexts and events with blocking sync).
 * Returns 0 or the code of the lost context or executor.
 */
int vg_fence_wait(struct vg_thread *t, uint32_t slot, uint32_t value, struct vg_stream *s, bool block);

/* Posts a fence behind the stream's work if there is any since the last one; its slot and value. */
int vg_stream_fence(struct vg_thread *t, struct vg_stream *s, uint32_t *slot, uint32_t *value);

#endif
