/* SPDX-License-Identifier: Apache-2.0 */
/* Copies of boxes: rows of bytes, planes of rows. */
#ifndef VGPU_COPY_BOX_H
#define VGPU_COPY_BOX_H

#include "array.h"
#include "copy.h"

/* Where one end of a copy begins, and how far it is to the next row and plane. */
struct vg_box_end {
	enum vg_place place;
	uint64_t address;	/* of the first byte; not of arrays */
	uint64_t pitch, slice;	/* bytes from row to row, plane to plane; not of arrays */
	uint32_t array;		/* number; of arrays only */
	size_t x, y, z;		/* bytes, rows, planes into the array */
};

struct vg_box {
	size_t width, height, depth;	/* bytes, rows, planes; none is 0 */
};

/* The same end some bytes, rows and planes further. */
struct vg_box_end vg_box_at(const struct vg_box_end *e, size_t x, size_t y, size_t z);

/* One command for what the GPU reaches by itself; 0 or the driver's code where an array takes part. */
int vg_box_post(struct vg_thread *t, const struct vg_box_end *dst, const struct vg_box_end *src,
		const struct vg_box *box, struct vg_stream *s);

/*
 * Between pageable memory and what the GPU reaches, through page-locked buffers. As vg_stage_to_device and
 * vg_stage_to_host.
 */
int vg_box_stage(struct vg_thread *t, const struct vg_box_end *dst, const struct vg_box_end *src,
		 const struct vg_box *box, struct vg_stream *s, bool complete);

/* What cuMemcpy3D does, and all that can be said as one. */
CUresult vg_copy_3d(const CUDA_MEMCPY3D *c, CUstream stream, bool per_thread, bool sync);

#endif
