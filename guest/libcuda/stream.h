/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VGPU_STREAM_H
#define VGPU_STREAM_H

#include "objects.h"

/* A context's legacy stream and the end of all its streams. */
int vg_stream_new_legacy(struct vg_context *c);
void vg_streams_end(struct vg_context *c);

/* A stream of the green context of that number, which is c. */
int vg_stream_new_green(struct vg_thread *t, struct vg_context *c, uint32_t green, unsigned int flags, int priority,
			struct vg_stream **out);
/* The end of a green context: its streams stay, and every call with them answers 709. */
void vg_streams_orphan(struct vg_context *c);

/* Waits for all work of the stream; a capturing stream answers 900. */
int vg_stream_wait(struct vg_thread *t, struct vg_stream *s);

/* CUDA_LAUNCH_BLOCKING: a launch returns when the stream is done, with what became of it. */
int vg_stream_launch_ends(struct vg_thread *t, struct vg_stream *s);

/* After the launch of a kernel or of a graph. */
static inline int vg_stream_launched(struct vg_thread *t, struct vg_stream *s)
{
	vg_stream_busy(s);
	return __builtin_expect(vg_process.launch_blocking, 0) ? vg_stream_launch_ends(t, s) : 0;
}

/* Waits for all work of all streams of the context. */
int vg_context_wait(struct vg_thread *t, struct vg_context *c);

/* Releases what a thread that ends holds: its per-thread stream. */
void vg_thread_end(struct vg_thread *t);

#endif
