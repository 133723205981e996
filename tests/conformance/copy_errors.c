/* SPDX-License-Identifier: Apache-2.0 */
/* Misuse of copies of boxes between linear memories, and of memory that is freed in stream order. */
#include "array_calls.h"
#include "conformance.h"

#include <string.h>

enum { PITCH = 256, ROWS = 16, SIZE = PITCH * ROWS };

static unsigned char host[SIZE];

/* Each of a list of changes to a copy that is fine. */
static bool rows(void)
{
	BIND(cuMemcpy2DUnaligned_v2, const CUDA_MEMCPY2D *);
	CUDA_MEMCPY2D fine, copy;
	CUdeviceptr a;

	USE_DEVICE;
	DO(cu.MemAlloc(&a, SIZE));
	fine = (CUDA_MEMCPY2D){ .source_type = CU_MEMORYTYPE_HOST, .source_host = host, .source_pitch = PITCH,
				.destination_type = CU_MEMORYTYPE_DEVICE, .destination_device = a,
				.destination_pitch = PITCH, .width_bytes = 64, .height = ROWS };
	DO(cu.Memcpy2D(&fine));
#define WITH(call, change)                                                                                            \
	do {                                                                                                          \
		copy = fine;                                                                                          \
		copy.change;                                                                                          \
		NOTE(call(&copy));                                                                                    \
	} while (0)
	WITH(cu.Memcpy2D, source_type = 0);
	WITH(cu.Memcpy2D, destination_type = 9);
	WITH(cu.Memcpy2D, source_pitch = 60);
	WITH(cu.Memcpy2D, destination_pitch = 60);
	WITH(cu.Memcpy2D, source_pitch = 0);
	WITH(cu.Memcpy2D, destination_device = 0);
	WITH(cu.Memcpy2D, destination_device = 4096);
	WITH(cu.Memcpy2D, width_bytes = 0);
	WITH(cu.Memcpy2D, height = 0);
	WITH(cu.Memcpy2D, width_bytes = PITCH + 1);
	WITH(cu.Memcpy2D, source_x = 200);	/* beyond the row */
	WITH(cu.Memcpy2D, height = (size_t)1 << 40);
	WITH(cu.Memcpy2D, destination_y = (size_t)1 << 40);
	WITH(cuMemcpy2DUnaligned_v2, source_pitch = 60);
	WITH(cuMemcpy2DUnaligned_v2, destination_device = 0);
	WITH(cuMemcpy2DUnaligned_v2, width_bytes = 0);
#undef WITH
	NOTE(cu.Memcpy2D(NULL));
	NOTE(cuMemcpy2DUnaligned_v2(NULL));
	DO(cu.CtxSynchronize());
	DO(cu.MemFree(a));
	return true;
}

static bool boxes(void)
{
	BIND(cuMemcpy3D_v2, const struct box_copy *);
	BIND(cuMemcpy3DAsync_v2, const struct box_copy *, CUstream);
	struct box_copy fine, copy;
	CUstream stream;
	CUdeviceptr a;

	USE_DEVICE;
	DO(cu.MemAlloc(&a, SIZE));
	DO(cu.StreamCreate(&stream, CU_STREAM_NON_BLOCKING));
	fine = (struct box_copy){ in_host(host, PITCH, 4), in_device(a, PITCH, 4), 64, 4, 4 };
	DO(cuMemcpy3D_v2(&fine));
#define WITH(change)                                                                                                  \
	do {                                                                                                          \
		copy = fine;                                                                                          \
		copy.change;                                                                                          \
		NOTE(cuMemcpy3D_v2(&copy));                                                                           \
		NOTE(cuMemcpy3DAsync_v2(&copy, stream));                                                              \
	} while (0)
	WITH(source.type = 0);
	WITH(destination.type = 9);
	WITH(source.pitch = 60);
	WITH(destination.pitch = 60);
	WITH(source.height = 3);
	WITH(destination.height = 3);
	WITH(destination.device = 0);
	WITH(width_bytes = 0);
	WITH(height = 0);
	WITH(depth = 0);
	WITH(depth = (size_t)1 << 40);
	WITH(source.level = 1);
#undef WITH
	NOTE(cuMemcpy3D_v2(NULL));
	NOTE(cuMemcpy3DAsync_v2(NULL, stream));
	DO(cu.CtxSynchronize());
	DO(cu.StreamDestroy(stream));
	DO(cu.MemFree(a));
	return true;
}

/* What matters between planes, asked of a copy of one plane; what matters of arrays, of memory that is none. */
static bool one_plane(void)
{
	BIND(cuMemcpy3D_v2, const struct box_copy *);
	struct box_copy fine, copy;
	CUdeviceptr a;

	USE_DEVICE;
	DO(cu.MemAlloc(&a, SIZE));
	fine = (struct box_copy){ in_host(host, PITCH, 4), in_device(a, PITCH, 4), 64, 4, 1 };
#define WITH(change)                                                                                                  \
	do {                                                                                                          \
		copy = fine;                                                                                          \
		copy.change;                                                                                          \
		NOTE(cuMemcpy3D_v2(&copy));                                                                           \
	} while (0)
	WITH(source.height = 3);
	WITH(destination.height = 3);
	WITH(source.height = 0);
	WITH(destination.level = 1);
#undef WITH
	DO(cu.CtxSynchronize());
	DO(cu.MemFree(a));
	return true;
}

/*
 * Memory of a pool, freed twice. When this, the next and the end of the device's own pool were asked in one process,
 * the driver died of the wait for the context that followed; so they are apart, and what may leave it broken is not asked.
 */
static bool freed_in_order(void)
{
	CUdeviceptr a;
	CUstream stream;

	USE_DEVICE;
	DO(cu.StreamCreate(&stream, CU_STREAM_NON_BLOCKING));
	DO(cu.MemAllocAsync(&a, SIZE, stream));
	DO(cu.MemFreeAsync(a, stream));
	NOTE(cu.MemFreeAsync(a, stream));
	NOTE(cu.MemFree(a));
	DO(cu.StreamSynchronize(stream));
	NOTE(cu.MemFreeAsync(a, stream));
	NOTE(cu.MemFree(a));
	return true;
}

/* Memory of no pool. */
static bool freed_by_the_other_call(void)
{
	CUdeviceptr a;
	CUstream stream;

	USE_DEVICE;
	DO(cu.StreamCreate(&stream, CU_STREAM_NON_BLOCKING));
	DO(cu.MemAlloc(&a, SIZE));
	NOTE(cu.MemFreeAsync(a, stream));
	NOTE(cu.StreamSynchronize(stream));
	return true;
}

static bool pools(void)
{
	BIND(cuMemAllocFromPoolAsync, CUdeviceptr *, size_t, void *, CUstream);
	BIND(cuMemPoolDestroy, void *);
	BIND(cuMemPoolTrimTo, void *, size_t);
	BIND(cuMemPoolGetAttribute, void *, int, void *);
	BIND(cuMemPoolSetAttribute, void *, int, void *);
	BIND(cuDeviceGetDefaultMemPool, void **, CUdevice);
	CUdeviceptr a;
	CUstream stream;
	uint64_t value = 0;
	void *pool;

	USE_DEVICE;
	DO(cu.StreamCreate(&stream, CU_STREAM_NON_BLOCKING));
	DO(cuDeviceGetDefaultMemPool(&pool, device));
	NOTE(cuMemAllocFromPoolAsync(NULL, SIZE, pool, stream));
	NOTE(cuMemAllocFromPoolAsync(&a, 0, pool, stream));
	NOTE(cuMemPoolDestroy(NULL));
	NOTE(cuMemPoolTrimTo(NULL, 0));
	NOTE(cuMemPoolGetAttribute(NULL, 4, &value));
	NOTE(cuMemPoolGetAttribute(pool, 4, NULL));
	NOTE(cuMemPoolGetAttribute(pool, 99, &value));
	NOTE(cuMemPoolSetAttribute(NULL, 4, &value));
	NOTE(cuMemPoolSetAttribute(pool, 99, &value));
	DO(cu.StreamDestroy(stream));
	return true;
}

static const struct check checks[] = {
	{ "rows", rows },
	{ "boxes", boxes },
	{ "one_plane", one_plane },
	{ "freed_in_order", freed_in_order },
	{ "freed_by_the_other_call", freed_by_the_other_call },
	{ "pools", pools },
};
const struct check_group copy_error_family = GROUP("copy_errors", checks);
