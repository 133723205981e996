// SPDX-License-Identifier: Apache-2.0
/* Two- and three-dimensional copies. */
#include <string.h>

#include "calls.h"
#include "copy.h"
#include "enter.h"
#include "gen/ops.h"
#include "memory.h"
#include "stream.h"

/* One end of a box copy, reduced to an address and strides. */
struct end {
	uint64_t address;	/* of the first byte to copy */
	uint64_t pitch, slice;	/* bytes from row to row, plane to plane */
	enum vg_place place;
};

static int end_of(struct end *e, unsigned int type, const void *host, CUdeviceptr device, size_t x, size_t y, size_t z,
		  size_t pitch, size_t height)
{
	uint64_t base = type == CU_MEMORYTYPE_HOST ? (uint64_t)(uintptr_t)host : device;

	if (type == CU_MEMORYTYPE_ARRAY)
		return CUDA_ERROR_NOT_SUPPORTED;
	if (type != CU_MEMORYTYPE_HOST && type != CU_MEMORYTYPE_DEVICE && type != CU_MEMORYTYPE_UNIFIED)
		return CUDA_ERROR_INVALID_VALUE;
	e->pitch = pitch;
	e->slice = pitch * height;
	e->address = base + z * e->slice + y * pitch + x;
	e->place = vg_place_of(base);
	if (type == CU_MEMORYTYPE_DEVICE && e->place == VG_PLACE_PAGEABLE)
		return CUDA_ERROR_INVALID_VALUE;
	return 0;
}

static bool reachable(const struct end *e, size_t width, size_t height, size_t depth)
{
	uint64_t span = (depth - 1) * e->slice + (height - 1) * e->pitch + width;

	if (e->place == VG_PLACE_DEVICE)
		return vg_device_range(e->address, span);
	return e->place == VG_PLACE_PAGEABLE || vg_pinned_range((const void *)(uintptr_t)e->address, span);
}

/* Rows one by one: what involves pageable memory. */
static int by_rows(struct vg_thread *t, const struct end *dst, const struct end *src, size_t width, size_t height,
		   size_t depth, struct vg_stream *s, bool sync)
{
	int result = 0;

	for (size_t z = 0; z < depth && !result; z++)
		for (size_t y = 0; y < height && !result; y++)
			result = vg_copy(t, dst->address + z * dst->slice + y * dst->pitch, dst->place,
					 src->address + z * src->slice + y * src->pitch, src->place, width, s, sync);
	return result;
}

/* Everything the GPU reaches by itself is one command. */
static int by_gpu(struct vg_thread *t, const struct end *dst, const struct end *src, size_t width, size_t height,
		  size_t depth, struct vg_stream *s, bool sync)
{
	CUDA_MEMCPY3D c = {
		.srcMemoryType = src->place == VG_PLACE_DEVICE ? CU_MEMORYTYPE_DEVICE : CU_MEMORYTYPE_HOST,
		.srcHost = src->place == VG_PLACE_PINNED ? (const void *)(uintptr_t)src->address : NULL,
		.srcDevice = src->place == VG_PLACE_DEVICE ? src->address : 0,
		.srcPitch = src->pitch,
		.srcHeight = src->pitch ? src->slice / src->pitch : 0,
		.dstMemoryType = dst->place == VG_PLACE_DEVICE ? CU_MEMORYTYPE_DEVICE : CU_MEMORYTYPE_HOST,
		.dstHost = dst->place == VG_PLACE_PINNED ? (void *)(uintptr_t)dst->address : NULL,
		.dstDevice = dst->place == VG_PLACE_DEVICE ? dst->address : 0,
		.dstPitch = dst->pitch,
		.dstHeight = dst->pitch ? dst->slice / dst->pitch : 0,
		.WidthInBytes = width,
		.Height = height,
		.Depth = depth,
	};
	int result = vg_op_copy_3d(t, &c, s->object.number);

	if (result)
		return result;
	vg_stream_busy(s);
	if (sync && (src->place == VG_PLACE_PINNED || dst->place == VG_PLACE_PINNED))
		result = vg_stream_wait(t, s);
	return result;
}

static CUresult copy(const CUDA_MEMCPY3D *c, CUstream handle, bool per_thread, bool sync)
{
	size_t src_pitch, dst_pitch;
	struct end src, dst;
	struct vg_stream *s;
	struct vg_thread *t;
	int result = vg_enter(&t);

	if (!result)
		result = vg_stream_get(t, handle, per_thread, &s);
	if (result)
		return result;
	if (!c || c->srcLOD || c->dstLOD)
		return CUDA_ERROR_INVALID_VALUE;
	if (!c->WidthInBytes || !c->Height || !c->Depth)
		return CUDA_SUCCESS;
	src_pitch = c->srcPitch ? c->srcPitch : c->WidthInBytes + c->srcXInBytes;
	dst_pitch = c->dstPitch ? c->dstPitch : c->WidthInBytes + c->dstXInBytes;
	if (src_pitch < c->WidthInBytes + c->srcXInBytes || dst_pitch < c->WidthInBytes + c->dstXInBytes)
		return CUDA_ERROR_INVALID_VALUE;
	result = end_of(&src, c->srcMemoryType, c->srcHost, c->srcDevice, c->srcXInBytes, c->srcY, c->srcZ, src_pitch,
			c->srcHeight ? c->srcHeight : c->Height + c->srcY);
	if (!result)
		result = end_of(&dst, c->dstMemoryType, c->dstHost, c->dstDevice, c->dstXInBytes, c->dstY, c->dstZ,
				dst_pitch, c->dstHeight ? c->dstHeight : c->Height + c->dstY);
	if (result)
		return result;
	if (!reachable(&src, c->WidthInBytes, c->Height, c->Depth) ||
	    !reachable(&dst, c->WidthInBytes, c->Height, c->Depth))
		return CUDA_ERROR_INVALID_VALUE;
	if (src.place == VG_PLACE_PAGEABLE || dst.place == VG_PLACE_PAGEABLE ||
	    (src.place == VG_PLACE_PINNED && dst.place == VG_PLACE_PINNED))
		return by_rows(t, &dst, &src, c->WidthInBytes, c->Height, c->Depth, s, sync);
	return by_gpu(t, &dst, &src, c->WidthInBytes, c->Height, c->Depth, s, sync);
}

static CUresult copy_2d(const CUDA_MEMCPY2D *c, CUstream stream, bool per_thread, bool sync)
{
	CUDA_MEMCPY3D box;

	if (!c)
		return CUDA_ERROR_INVALID_VALUE;
	box = (CUDA_MEMCPY3D){
		.srcXInBytes = c->srcXInBytes, .srcY = c->srcY, .srcMemoryType = c->srcMemoryType,
		.srcHost = c->srcHost, .srcDevice = c->srcDevice, .srcPitch = c->srcPitch,
		.dstXInBytes = c->dstXInBytes, .dstY = c->dstY, .dstMemoryType = c->dstMemoryType,
		.dstHost = c->dstHost, .dstDevice = c->dstDevice, .dstPitch = c->dstPitch,
		.WidthInBytes = c->WidthInBytes, .Height = c->Height, .Depth = 1,
	};
	return copy(&box, stream, per_thread, sync);
}

VG_EXPORT CUresult cuMemcpy2D_v2(const CUDA_MEMCPY2D *c)
{
	return copy_2d(c, NULL, false, true);
}

VG_EXPORT CUresult cuMemcpy2D_v2_ptds(const CUDA_MEMCPY2D *c)
{
	return copy_2d(c, NULL, true, true);
}

VG_EXPORT CUresult cuMemcpy2DUnaligned_v2(const CUDA_MEMCPY2D *c)
{
	return copy_2d(c, NULL, false, true);
}

VG_EXPORT CUresult cuMemcpy2DUnaligned_v2_ptds(const CUDA_MEMCPY2D *c)
{
	return copy_2d(c, NULL, true, true);
}

VG_EXPORT CUresult cuMemcpy2DAsync_v2(const CUDA_MEMCPY2D *c, CUstream stream)
{
	return copy_2d(c, stream, false, false);
}

VG_EXPORT CUresult cuMemcpy2DAsync_v2_ptsz(const CUDA_MEMCPY2D *c, CUstream stream)
{
	return copy_2d(c, stream, true, false);
}

VG_EXPORT CUresult cuMemcpy3D_v2(const CUDA_MEMCPY3D *c)
{
	return copy(c, NULL, false, true);
}

VG_EXPORT CUresult cuMemcpy3D_v2_ptds(const CUDA_MEMCPY3D *c)
{
	return copy(c, NULL, true, true);
}

VG_EXPORT CUresult cuMemcpy3DAsync_v2(const CUDA_MEMCPY3D *c, CUstream stream)
{
	return copy(c, stream, false, false);
}

VG_EXPORT CUresult cuMemcpy3DAsync_v2_ptsz(const CUDA_MEMCPY3D *c, CUstream stream)
{
	return copy(c, stream, true, false);
}
