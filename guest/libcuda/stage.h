/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Staging: pageable memory cannot be reached by the GPU, so it passes through a
 * few page-locked buffers, one piece after the other, each reused when the GPU
 * is done with it.
 */
#ifndef VGPU_STAGE_H
#define VGPU_STAGE_H

#include "objects.h"

#define VG_STAGE_PIECE	0x100000u	/* bytes per buffer */
#define VG_STAGE_BUFFERS 16u
#define VG_STAGE_INLINE	0x8000u		/* up to here data travels in the record */

/*
 * dst device, src pageable. Returns when src may be reused; with complete also
 * when the data has arrived.
 */
int vg_stage_to_device(struct vg_thread *t, uint64_t dst, const void *src, size_t size, struct vg_stream *s, bool complete);

/* dst pageable, src device. Returns when dst is filled. */
int vg_stage_to_host(struct vg_thread *t, void *dst, uint64_t src, size_t size, struct vg_stream *s);

/* A buffer is free when its fence word has reached its value. */
struct vg_stage_buffer {
	uint8_t *data;
	uint32_t slot, value;
};

/*
 * For other shapes: between begin and end the buffers are this thread's, round robin. begin fails with
 * CUDA_ERROR_OUT_OF_MEMORY when the arena has no room.
 */
int vg_stage_begin(struct vg_thread *t);
void vg_stage_end(void);
/* How many there are, at most VG_STAGE_BUFFERS. */
unsigned int vg_stage_buffers(void);
/* The next buffer once the GPU has left it. */
int vg_stage_take(struct vg_thread *t, struct vg_stage_buffer **buffer);
/* The buffer is in use until the stream's work so far is done. */
int vg_stage_in_use(struct vg_thread *t, struct vg_stage_buffer *buffer, struct vg_stream *s);

#endif
