/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VGPU_STREAM_H
#define VGPU_STREAM_H

#include "objects.h"

/* A context's legacy stream and the end of all its streams. */
int vg_stream_new_legacy(struct vg_context *c);
void vg_streams_end(struct vg_context *c);

/* Waits for all work of the stream; a capturing stream answers 900. */
int vg_stream_wait(struct vg_thread *t, struct vg_stream *s);

/* Waits for all work of all streams of the context. */
int vg_context_wait(struct vg_thread *t, struct vg_context *c);

/* Releases what a thread that ends holds: its per-thread stream. */
void vg_thread_end(struct vg_thread *t);

#endif
