/* SPDX-License-Identifier: Apache-2.0 */
/* Structures of CUDA arrays and of what is made of them. */
#ifndef ARRAY_CALLS_H
#define ARRAY_CALLS_H

#include "conformance.h"

typedef struct CUarray_st *CUarray;
typedef struct CUmipmappedArray_st *CUmipmappedArray;

struct array_2d {
	size_t width, height;
	int format;
	unsigned int channels;
};

struct array_3d {
	size_t width, height, depth;
	int format;
	unsigned int channels, flags;
};

struct array_2d_v1 {
	unsigned int width, height;
	int format;
	unsigned int channels;
};

struct array_3d_v1 {
	unsigned int width, height, depth;
	int format;
	unsigned int channels, flags;
};

enum {
	FORMAT_UINT8 = 1,
	FORMAT_UINT16 = 2,
	FORMAT_UINT32 = 3,
	FORMAT_FLOAT = 0x20,
	FORMAT_NV12 = 0xb0,
	ARRAY_LAYERED = 1,
	ARRAY_SURFACE = 2,
	ARRAY_CUBEMAP = 4,
	ARRAY_SPARSE = 0x40,
	ARRAY_DEFERRED = 0x80,
	MEMORYTYPE_ARRAY = 3,
	MEMORYTYPE_UNIFIED = 4,
};

/* One end of a CUDA_MEMCPY3D. */
struct box_end {
	size_t x, y, z, level;
	int type;
	const void *host;
	CUdeviceptr device;
	CUarray array;
	CUcontext context;	/* of CUDA_MEMCPY3D_PEER; else reserved */
	size_t pitch, height;
};

struct box_copy {
	struct box_end source, destination;
	size_t width_bytes, height, depth;
};

_Static_assert(sizeof(struct array_2d) == 24 && sizeof(struct array_3d) == 40, "as in CUDA 12");
_Static_assert(sizeof(struct array_2d_v1) == 16 && sizeof(struct array_3d_v1) == 24, "as in CUDA 2");
_Static_assert(sizeof(struct box_copy) == 200, "as in CUDA 12");

static inline struct box_end in_host(const void *host, size_t pitch, size_t height)
{
	return (struct box_end){ .type = CU_MEMORYTYPE_HOST, .host = host, .pitch = pitch, .height = height };
}

static inline struct box_end in_device(CUdeviceptr device, size_t pitch, size_t height)
{
	return (struct box_end){ .type = CU_MEMORYTYPE_DEVICE, .device = device, .pitch = pitch, .height = height };
}

static inline struct box_end in_array(CUarray array, size_t x, size_t y, size_t z)
{
	return (struct box_end){ .type = MEMORYTYPE_ARRAY, .array = array, .x = x, .y = y, .z = z };
}

#endif
