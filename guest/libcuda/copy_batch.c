// SPDX-License-Identifier: Apache-2.0
/* Batches of copies: one copy after the other on the stream. */
#include <string.h>

#include "calls.h"
#include "copy_box.h"
#include "enter.h"
#include "gen/ops.h"
#include "stream.h"

#define NO_INDEX SIZE_MAX	/* an error that is no single copy's */

/* When a copy may read its source (CUmemcpySrcAccessOrder). */
enum { ORDER_STREAM = 1, ORDER_DURING_CALL, ORDER_ANY };

/* CUmemcpyAttributes; the hints concern memory that is not carried */
struct attributes {
	uint32_t order;
	int32_t hints[4];
	uint32_t flags;
};
_Static_assert(sizeof(struct attributes) == 24, "CUmemcpyAttributes");

/* A stream that a batch may be put on: not the legacy one. */
static int begin(struct vg_thread **t, CUstream handle, bool per_thread, struct vg_stream **s)
{
	int result = vg_enter(t);

	if (!result)
		result = vg_stream_get(*t, handle, per_thread, s);
	if (result)
		return result;
	return (*s)->object.number ? 0 : CUDA_ERROR_INVALID_VALUE;
}

static bool valid_attributes(const struct attributes *attributes, const size_t *firsts, size_t sorts, size_t count)
{
	if (!attributes || !firsts || !sorts || sorts > count || firsts[0])
		return false;
	for (size_t i = 0; i < sorts; i++)
		if (attributes[i].order < ORDER_STREAM || attributes[i].order > ORDER_ANY || attributes[i].flags > 1 ||
		    (i && (firsts[i] <= firsts[i - 1] || firsts[i] >= count)))
			return false;
	return true;
}

/* Pageable memory is read at once, which is too early while the stream may still write it. */
static int settle(struct vg_thread *t, struct vg_stream *s, uint32_t order, enum vg_place source)
{
	return order == ORDER_STREAM && source == VG_PLACE_PAGEABLE ? vg_stream_wait(t, s) : 0;
}

static CUresult batch(const CUdeviceptr *dsts, const CUdeviceptr *srcs, const size_t *sizes, size_t count,
		      const struct attributes *attributes, const size_t *firsts, size_t sorts, size_t *failed,
		      CUstream handle, bool per_thread)
{
	struct vg_stream *s;
	struct vg_thread *t;
	size_t sort = 0, index;
	int result;

	if (!handle)
		return CUDA_ERROR_INVALID_VALUE;
	if (!failed)
		failed = &index;
	*failed = NO_INDEX;
	result = begin(&t, handle, per_thread, &s);
	if (result)
		return result;
	if (!dsts || !srcs || !sizes || !count || !valid_attributes(attributes, firsts, sorts, count))
		return CUDA_ERROR_INVALID_VALUE;
	for (size_t i = 0; i < count; i++) {
		if (sizes[i])
			continue;
		*failed = i;
		return CUDA_ERROR_INVALID_VALUE;
	}
	for (size_t i = 0; i < count && !result; i++) {
		enum vg_place source = vg_place_of(srcs[i]);

		if (sort + 1 < sorts && firsts[sort + 1] == i)
			sort++;
		result = settle(t, s, attributes[sort].order, source);
		if (!result)
			result = vg_copy(t, dsts[i], vg_place_of(dsts[i]), srcs[i], source, sizes[i], s, false);
		if (!result && attributes[sort].order == ORDER_DURING_CALL && source == VG_PLACE_PINNED)
			result = vg_stream_wait(t, s);
		if (result)
			*failed = i;
	}
	return result;
}

VG_EXPORT CUresult cuMemcpyBatchAsync(CUdeviceptr *dsts, CUdeviceptr *srcs, size_t *sizes, size_t count,
				      struct attributes *attributes, size_t *firsts, size_t sorts, size_t *failed,
				      CUstream stream)
{
	return batch(dsts, srcs, sizes, count, attributes, firsts, sorts, failed, stream, false);
}

VG_EXPORT CUresult cuMemcpyBatchAsync_ptsz(CUdeviceptr *dsts, CUdeviceptr *srcs, size_t *sizes, size_t count,
					   struct attributes *attributes, size_t *firsts, size_t sorts,
					   size_t *failed, CUstream stream)
{
	return batch(dsts, srcs, sizes, count, attributes, firsts, sorts, failed, stream, true);
}

VG_EXPORT CUresult cuMemcpyBatchAsync_v2(CUdeviceptr *dsts, CUdeviceptr *srcs, size_t *sizes, size_t count,
					 struct attributes *attributes, size_t *firsts, size_t sorts, CUstream stream)
{
	return batch(dsts, srcs, sizes, count, attributes, firsts, sorts, NULL, stream, false);
}

VG_EXPORT CUresult cuMemcpyBatchAsync_v2_ptsz(CUdeviceptr *dsts, CUdeviceptr *srcs, size_t *sizes, size_t count,
					      struct attributes *attributes, size_t *firsts, size_t sorts,
					      CUstream stream)
{
	return batch(dsts, srcs, sizes, count, attributes, firsts, sorts, NULL, stream, true);
}

/* CUmemcpy3DOperand; lengths and offsets in elements */
enum { OPERAND_POINTER = 1, OPERAND_ARRAY };
struct operand {
	uint32_t type;
	union {
		struct {
			CUdeviceptr address;
			size_t row, layer;	/* 0: no gaps */
			int32_t hint[2];
		} pointer;
		struct {
			CUarray array;
			size_t x, y, z;
		} array;
	};
};

/* CUDA_MEMCPY3D_BATCH_OP */
struct box_copy {
	struct operand src, dst;
	size_t width, height, depth;	/* elements */
	uint32_t order, flags;
};
_Static_assert(sizeof(struct operand) == 40 && sizeof(struct box_copy) == 112, "CUDA_MEMCPY3D_BATCH_OP");

/* Bytes of an element of the copy: the arrays' that take part, which must agree, else 1. */
static int element_of(struct vg_thread *t, const struct box_copy *op, size_t *element)
{
	const struct operand *ends[] = { &op->src, &op->dst };

	*element = 0;
	for (int i = 0; i < 2; i++) {
		struct vg_array_3d d;
		uint32_t number;
		int result;

		if (ends[i]->type == OPERAND_POINTER)
			continue;
		if (ends[i]->type != OPERAND_ARRAY)
			return CUDA_ERROR_INVALID_VALUE;
		result = vg_number(VG_ARRAY, ends[i]->array.array, &number);
		if (!result)
			result = vg_array_describe(t, ends[i]->array.array, &d);
		if (result)
			return result;
		if (!vg_array_element(&d) || (*element && *element != vg_array_element(&d)))
			return CUDA_ERROR_INVALID_VALUE;
		*element = vg_array_element(&d);
	}
	if (!*element)
		*element = 1;
	return 0;
}

#define EXTENT_MAX ((size_t)1 << 40)	/* so that no product overflows */

static bool valid_extents(const struct box_copy *op)
{
	const struct operand *ends[] = { &op->src, &op->dst };

	if (!op->width || !op->height || !op->depth || op->width > EXTENT_MAX || op->order < ORDER_STREAM ||
	    op->order > ORDER_ANY || op->flags > 1)
		return false;
	for (int i = 0; i < 2; i++) {
		const struct operand *e = ends[i];

		if (e->type == OPERAND_ARRAY ? e->array.x > EXTENT_MAX :
					       (e->pointer.row && (e->pointer.row < op->width || e->pointer.row > EXTENT_MAX)) ||
						       (e->pointer.layer && e->pointer.layer < op->height))
			return false;
	}
	return true;
}

static int copy_box(struct vg_thread *t, const struct box_copy *op, struct vg_stream *s)
{
	CUDA_MEMCPY3D c = { .Height = op->height, .Depth = op->depth };
	enum vg_place source = VG_PLACE_ARRAY;
	size_t element;
	int result = valid_extents(op) ? element_of(t, op, &element) : CUDA_ERROR_INVALID_VALUE;

	if (result)
		return result;
	c.WidthInBytes = op->width * element;
	if (op->src.type == OPERAND_ARRAY) {
		c.srcMemoryType = CU_MEMORYTYPE_ARRAY;
		c.srcArray = op->src.array.array;
		c.srcXInBytes = op->src.array.x * element;
		c.srcY = op->src.array.y;
		c.srcZ = op->src.array.z;
	} else {
		c.srcMemoryType = CU_MEMORYTYPE_UNIFIED;
		c.srcDevice = op->src.pointer.address;
		c.srcPitch = op->src.pointer.row * element;
		c.srcHeight = op->src.pointer.layer;
		source = vg_place_of(c.srcDevice);
	}
	if (op->dst.type == OPERAND_ARRAY) {
		c.dstMemoryType = CU_MEMORYTYPE_ARRAY;
		c.dstArray = op->dst.array.array;
		c.dstXInBytes = op->dst.array.x * element;
		c.dstY = op->dst.array.y;
		c.dstZ = op->dst.array.z;
	} else {
		c.dstMemoryType = CU_MEMORYTYPE_UNIFIED;
		c.dstDevice = op->dst.pointer.address;
		c.dstPitch = op->dst.pointer.row * element;
		c.dstHeight = op->dst.pointer.layer;
	}
	result = settle(t, s, op->order, source);
	if (!result)
		result = vg_copy_3d(&c, (CUstream)s, false, op->order == ORDER_DURING_CALL);
	return result;
}

static CUresult boxes(size_t count, const struct box_copy *ops, size_t *failed, unsigned long long flags,
		      CUstream handle, bool per_thread)
{
	struct vg_stream *s;
	struct vg_thread *t;
	size_t index;
	int result;

	if (!failed)
		failed = &index;
	*failed = NO_INDEX;
	result = begin(&t, handle, per_thread, &s);
	if (result)
		return result;
	if (!count || !ops || flags)
		return CUDA_ERROR_INVALID_VALUE;
	for (size_t i = 0; i < count && !result; i++) {
		result = copy_box(t, &ops[i], s);
		if (result)
			*failed = i;
	}
	return result;
}

VG_EXPORT CUresult cuMemcpy3DBatchAsync(size_t count, struct box_copy *ops, size_t *failed, unsigned long long flags,
					CUstream stream)
{
	return boxes(count, ops, failed, flags, stream, false);
}

VG_EXPORT CUresult cuMemcpy3DBatchAsync_ptsz(size_t count, struct box_copy *ops, size_t *failed,
					     unsigned long long flags, CUstream stream)
{
	return boxes(count, ops, failed, flags, stream, true);
}

VG_EXPORT CUresult cuMemcpy3DBatchAsync_v2(size_t count, struct box_copy *ops, unsigned long long flags,
					   CUstream stream)
{
	return boxes(count, ops, NULL, flags, stream, false);
}

VG_EXPORT CUresult cuMemcpy3DBatchAsync_v2_ptsz(size_t count, struct box_copy *ops, unsigned long long flags,
						CUstream stream)
{
	return boxes(count, ops, NULL, flags, stream, true);
}
