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

/*
 * A buffer is one thread's from take to leave, and then the GPU's until its fence word has reached its value. No lock is
 * held in between: a thread may wait for its stream for as long as that stands still, and others copy beside it.
 */
struct vg_stage_buffer {
	uint8_t *data;
	uint32_t slot, value;
	struct vg_context *context;	/* of the stream; what it has not done when it ends it never does */
	uint32_t generation;
	_Atomic bool taken;
};

/* For other shapes. Fails with CUDA_ERROR_OUT_OF_MEMORY when the arena has no room for buffers. */
int vg_stage_begin(struct vg_thread *t);
/* A buffer that neither a thread nor the GPU has; NULL: there is none now. */
struct vg_stage_buffer *vg_stage_try(struct vg_thread *t);
/* Waits for one. Who waits has none already, so that all who have some come to an end. */
int vg_stage_take(struct vg_thread *t, struct vg_stage_buffer **buffer);
/* The buffer is in use until the stream's work so far is done. */
int vg_stage_in_use(struct vg_thread *t, struct vg_stage_buffer *buffer, struct vg_stream *s);
void vg_stage_leave(struct vg_stage_buffer *buffer);

/*
 * Whoever waits for the GPU with buffers in hand says so before it takes them: how many of those that it wants it may
 * have until the first has come, or 0: so many wait already that it has to wait for its stream beforehand.
 */
unsigned int vg_stage_ahead(size_t wanted);
void vg_stage_came(unsigned int ahead);

/*
 * Forgets fences that were reached. Called before a word has counted on so far that they would seem to come yet: a
 * buffer may not be used for billions of fences.
 */
void vg_stage_forget(const struct vg_thread *t);

#endif
