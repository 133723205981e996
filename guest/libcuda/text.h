/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What kernels print, and what failed assertions say: it is written on the host
 * and fetched when this process waits, where the driver would write it.
 */
#ifndef VGPU_TEXT_H
#define VGPU_TEXT_H

#include "channel.h"
#include "enter.h"
#include "objects.h"

void vg_text_flush_stream(struct vg_thread *t, const struct vg_stream *s);
void vg_text_flush_event(struct vg_thread *t, const struct vg_event *e);
/* When the process ends: the rest. */
void vg_text_end(struct vg_thread *t);

/* After a wait; result is its outcome. Costs nothing in a process whose kernels cannot print. */
static inline void vg_text_waited_stream(struct vg_thread *t, const struct vg_stream *s, int result)
{
	if (__builtin_expect(result == CUDA_ERROR_ASSERT, 0))
		vg_lost(t, result);
	else if (__builtin_expect(atomic_load_explicit(t->channel->prints, memory_order_relaxed) && !result, 0))
		vg_text_flush_stream(t, s);
}

static inline void vg_text_waited_event(struct vg_thread *t, const struct vg_event *e, int result)
{
	if (__builtin_expect(result == CUDA_ERROR_ASSERT, 0))
		vg_lost(t, result);
	else if (__builtin_expect(atomic_load_explicit(t->channel->prints, memory_order_relaxed) && !result, 0))
		vg_text_flush_event(t, e);
}

#endif
