/* SPDX-License-Identifier: Apache-2.0 */
/* CUDA arrays: opaque memory for textures, also as levels of mipmapped ones and planes of others. */
#ifndef VGPU_ARRAY_H
#define VGPU_ARRAY_H

#include "objects.h"

/* CUDA_ARRAY_DESCRIPTOR and CUDA_ARRAY3D_DESCRIPTOR; the first versions have 32-bit extents. */
struct vg_array_2d {
	size_t width, height;
	uint32_t format, channels;
};
struct vg_array_3d {
	size_t width, height, depth;
	uint32_t format, channels, flags;
};

struct vg_mipmap {
	struct vg_object object;	/* VG_MIPMAP */
	struct vg_context *context;
	struct vg_mipmap *next;
};
typedef struct vg_mipmap *CUmipmappedArray;

struct vg_array {
	struct vg_object object;	/* VG_ARRAY */
	struct vg_context *context;
	struct vg_array *next;
	const void *of;			/* level of this mipmapped array or plane of this array, with which it ends */
	uint32_t index;			/* of that level or plane */
	_Atomic int described;
	struct vg_array_3d description;	/* the driver's answer, once asked for */
};
typedef struct vg_array *CUarray;

/* What the driver says of the array. */
int vg_array_describe(struct vg_thread *t, CUarray a, struct vg_array_3d *description);

/* Bytes of an array's element, 0 for formats of several planes or of blocks. */
uint32_t vg_array_element(const struct vg_array_3d *description);

/* A context ends, and with it its arrays. */
void vg_arrays_end(const struct vg_context *c);

#endif
