// SPDX-License-Identifier: Apache-2.0
/* Two- and three-dimensional copies. */
#include "copy_box.h"

#include <string.h>

#include "calls.h"
#include "enter.h"
#include "gen/ops.h"
#include "memory.h"
#include "stream.h"

/* One end as the program describes it. */
struct description {
	unsigned int type;
	const void *host;
	CUdeviceptr device;
	void *array;
	size_t x, y, z, level, pitch, height;
};

typedef unsigned __int128 wide;
#define SPAN_MAX ((wide)1 << 47)	/* of user addresses */

static int array_end(struct vg_box_end *e, const struct description *d)
{
	*e = (struct vg_box_end){ .place = VG_PLACE_ARRAY, .x = d->x, .y = d->y, .z = d->z };
	if (!d->array || d->level)
		return CUDA_ERROR_INVALID_VALUE;
	return vg_number(VG_ARRAY, d->array, &e->array);
}

/* Rows and planes follow each other closely unless pitch and height say otherwise; they never overlap, and have no levels. */
static int linear_end(struct vg_box_end *e, const struct description *d, const struct vg_box *box)
{
	uint64_t base = d->type == CU_MEMORYTYPE_HOST ? (uint64_t)(uintptr_t)d->host : d->device;
	wide row = (wide)d->x + box->width, rows = (wide)d->y + box->height, planes = (wide)d->z + box->depth;
	wide pitch = d->pitch ? d->pitch : row, slice;

	if (!base || pitch < row || pitch > SPAN_MAX || rows > SPAN_MAX || planes > SPAN_MAX || (d->height && d->height < rows))
		return CUDA_ERROR_INVALID_VALUE;
	slice = pitch * (d->height ? d->height : rows);
	if (slice > SPAN_MAX || slice * planes + pitch * rows > SPAN_MAX)
		return CUDA_ERROR_INVALID_VALUE;
	*e = (struct vg_box_end){ .place = vg_place_of(base), .pitch = (uint64_t)pitch, .slice = (uint64_t)slice };
	e->address = base + d->z * e->slice + d->y * e->pitch + d->x;
	return d->type == CU_MEMORYTYPE_DEVICE && e->place == VG_PLACE_PAGEABLE ? CUDA_ERROR_INVALID_VALUE : 0;
}

static bool reachable(const struct vg_box_end *e, const struct vg_box *box)
{
	uint64_t span = (box->depth - 1) * e->slice + (box->height - 1) * e->pitch + box->width;

	if (e->place == VG_PLACE_DEVICE)
		return vg_device_range(e->address, span);
	return e->place != VG_PLACE_PINNED || vg_pinned_range((const void *)(uintptr_t)e->address, span);
}

static int read_end(struct vg_box_end *e, const struct description *d, const struct vg_box *box)
{
	int result;

	switch (d->type) {
	case CU_MEMORYTYPE_ARRAY:
		return array_end(e, d);
	case CU_MEMORYTYPE_HOST:
	case CU_MEMORYTYPE_DEVICE:
	case CU_MEMORYTYPE_UNIFIED:
		result = linear_end(e, d, box);
		return result || reachable(e, box) ? result : CUDA_ERROR_INVALID_VALUE;
	}
	return CUDA_ERROR_INVALID_VALUE;
}

struct vg_box_end vg_box_at(const struct vg_box_end *e, size_t x, size_t y, size_t z)
{
	struct vg_box_end there = *e;

	if (e->place == VG_PLACE_ARRAY) {
		there.x += x;
		there.y += y;
		there.z += z;
	} else {
		there.address += z * e->slice + y * e->pitch + x;
	}
	return there;
}

int vg_box_post(struct vg_thread *t, const struct vg_box_end *dst, const struct vg_box_end *src,
		const struct vg_box *box, struct vg_stream *s)
{
	static const unsigned int types[] = {
		[VG_PLACE_PINNED] = CU_MEMORYTYPE_HOST,
		[VG_PLACE_DEVICE] = CU_MEMORYTYPE_DEVICE,
		[VG_PLACE_ARRAY] = CU_MEMORYTYPE_ARRAY,
	};
	CUDA_MEMCPY3D c = {
		.srcXInBytes = src->x,
		.srcY = src->y,
		.srcZ = src->z,
		.srcMemoryType = types[src->place],
		.srcHost = src->place == VG_PLACE_PINNED ? (const void *)(uintptr_t)src->address : NULL,
		.srcDevice = src->place == VG_PLACE_DEVICE ? src->address : 0,
		.srcArray = (void *)(uintptr_t)src->array,
		.srcPitch = src->pitch,
		.srcHeight = src->pitch ? src->slice / src->pitch : 0,
		.dstXInBytes = dst->x,
		.dstY = dst->y,
		.dstZ = dst->z,
		.dstMemoryType = types[dst->place],
		.dstHost = dst->place == VG_PLACE_PINNED ? (void *)(uintptr_t)dst->address : NULL,
		.dstDevice = dst->place == VG_PLACE_DEVICE ? dst->address : 0,
		.dstArray = (void *)(uintptr_t)dst->array,
		.dstPitch = dst->pitch,
		.dstHeight = dst->pitch ? dst->slice / dst->pitch : 0,
		.WidthInBytes = box->width,
		.Height = box->height,
		.Depth = box->depth,
	};
	int result = src->place == VG_PLACE_ARRAY || dst->place == VG_PLACE_ARRAY ?
			     vg_op_copy_array(t, &c, s->object.number) :
			     vg_op_copy_3d(t, &c, s->object.number);

	if (!result)
		vg_stream_busy(s);
	return result;
}

static bool on_host(const struct vg_box_end *e)
{
	return e->place == VG_PLACE_PAGEABLE || e->place == VG_PLACE_PINNED;
}

/* Both ends in host memory: in order with the stream, then by the CPU. */
static int by_cpu(struct vg_thread *t, const struct vg_box_end *dst, const struct vg_box_end *src,
		  const struct vg_box *box, struct vg_stream *s)
{
	int result = vg_stream_wait(t, s);

	for (size_t z = 0; z < box->depth && !result; z++)
		for (size_t y = 0; y < box->height; y++)
			memmove((void *)(uintptr_t)vg_box_at(dst, 0, y, z).address,
				(const void *)(uintptr_t)vg_box_at(src, 0, y, z).address, box->width);
	return result;
}

static int by_gpu(struct vg_thread *t, const struct vg_box_end *dst, const struct vg_box_end *src,
		  const struct vg_box *box, struct vg_stream *s, bool sync)
{
	int result = vg_box_post(t, dst, src, box, s);

	return result || !sync || (!on_host(src) && !on_host(dst)) ? result : vg_stream_wait(t, s);
}

CUresult vg_copy_3d(const CUDA_MEMCPY3D *c, CUstream handle, bool per_thread, bool sync)
{
	struct vg_box_end src, dst;
	struct vg_stream *s;
	struct vg_thread *t;
	struct vg_box box;
	VG_LOAN loan = { 0 };
	int result = vg_enter_stream(&t, handle, &loan);

	if (!result)
		result = vg_stream_get(t, handle, per_thread, &s);
	if (result)
		return result;
	if (!c)
		return CUDA_ERROR_INVALID_VALUE;
	box = (struct vg_box){ c->WidthInBytes, c->Height, c->Depth };
	if (!box.width || !box.height || !box.depth)
		return CUDA_SUCCESS;
	result = read_end(&src, &(struct description){ c->srcMemoryType, c->srcHost, c->srcDevice, c->srcArray,
						       c->srcXInBytes, c->srcY, c->srcZ, c->srcLOD, c->srcPitch, c->srcHeight },
			  &box);
	if (!result)
		result = read_end(&dst, &(struct description){ c->dstMemoryType, c->dstHost, c->dstDevice,
							       c->dstArray, c->dstXInBytes, c->dstY, c->dstZ, c->dstLOD,
							       c->dstPitch, c->dstHeight },
				  &box);
	if (result)
		return result;
	if (on_host(&src) && on_host(&dst))
		return by_cpu(t, &dst, &src, &box, s);
	if (src.place == VG_PLACE_PAGEABLE || dst.place == VG_PLACE_PAGEABLE)
		return vg_box_stage(t, &dst, &src, &box, s, sync);
	return by_gpu(t, &dst, &src, &box, s, sync);
}

static CUresult copy_2d(const CUDA_MEMCPY2D *c, CUstream stream, bool per_thread, bool sync)
{
	CUDA_MEMCPY3D box;

	if (!c)
		return CUDA_ERROR_INVALID_VALUE;
	box = (CUDA_MEMCPY3D){
		.srcXInBytes = c->srcXInBytes, .srcY = c->srcY, .srcMemoryType = c->srcMemoryType,
		.srcHost = c->srcHost, .srcDevice = c->srcDevice, .srcArray = c->srcArray, .srcPitch = c->srcPitch,
		.dstXInBytes = c->dstXInBytes, .dstY = c->dstY, .dstMemoryType = c->dstMemoryType,
		.dstHost = c->dstHost, .dstDevice = c->dstDevice, .dstArray = c->dstArray, .dstPitch = c->dstPitch,
		.WidthInBytes = c->WidthInBytes, .Height = c->Height, .Depth = 1,
	};
	return vg_copy_3d(&box, stream, per_thread, sync);
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
	return vg_copy_3d(c, NULL, false, true);
}

VG_EXPORT CUresult cuMemcpy3D_v2_ptds(const CUDA_MEMCPY3D *c)
{
	return vg_copy_3d(c, NULL, true, true);
}

VG_EXPORT CUresult cuMemcpy3DAsync_v2(const CUDA_MEMCPY3D *c, CUstream stream)
{
	return vg_copy_3d(c, stream, false, false);
}

VG_EXPORT CUresult cuMemcpy3DAsync_v2_ptsz(const CUDA_MEMCPY3D *c, CUstream stream)
{
	return vg_copy_3d(c, stream, true, false);
}
