// SPDX-License-Identifier: Apache-2.0
/* cuMemset*: one command for all of them. */
#include "calls.h"
#include "enter.h"
#include "gen/ops.h"
#include "memory.h"

static CUresult fill(CUdeviceptr dst, size_t pitch, unsigned int value, unsigned int element, size_t width,
		     size_t height, CUstream handle, bool per_thread)
{
	struct vg_stream *s;
	struct vg_thread *t;
	VG_LOAN loan = { 0 };
	int result = vg_enter_stream(&t, handle, &loan);
	uint64_t span;

	if (!result)
		result = vg_stream_get(t, handle, per_thread, &s);
	if (result)
		return result;
	if (!width || !height)
		return CUDA_SUCCESS;
	if (dst % element || width > SIZE_MAX / element || (height > 1 && (pitch < width * element || pitch % element)))
		return CUDA_ERROR_INVALID_VALUE;
	span = (height - 1) * pitch + width * element;
	if (!vg_device_range(dst, span) && !vg_pinned_range((const void *)(uintptr_t)dst, span))
		return CUDA_ERROR_INVALID_VALUE;
	result = vg_op_fill(t, dst, height > 1 ? pitch : 0, value, element, width, height, s->object.number);
	if (!result)
		vg_stream_busy(s);
	return result;
}

/* The eight entry points of one element size. */
#define FILLS(bits, type)                                                                                            \
	VG_EXPORT CUresult cuMemsetD##bits##_v2(CUdeviceptr dst, type value, size_t n)                               \
	{                                                                                                            \
		return fill(dst, 0, value, bits / 8, n, 1, NULL, false);                                             \
	}                                                                                                            \
	VG_EXPORT CUresult cuMemsetD##bits##_v2_ptds(CUdeviceptr dst, type value, size_t n)                          \
	{                                                                                                            \
		return fill(dst, 0, value, bits / 8, n, 1, NULL, true);                                              \
	}                                                                                                            \
	VG_EXPORT CUresult cuMemsetD##bits##Async(CUdeviceptr dst, type value, size_t n, CUstream stream)            \
	{                                                                                                            \
		return fill(dst, 0, value, bits / 8, n, 1, stream, false);                                           \
	}                                                                                                            \
	VG_EXPORT CUresult cuMemsetD##bits##Async_ptsz(CUdeviceptr dst, type value, size_t n, CUstream stream)       \
	{                                                                                                            \
		return fill(dst, 0, value, bits / 8, n, 1, stream, true);                                            \
	}                                                                                                            \
	VG_EXPORT CUresult cuMemsetD2D##bits##_v2(CUdeviceptr dst, size_t pitch, type value, size_t w, size_t h)     \
	{                                                                                                            \
		return fill(dst, pitch, value, bits / 8, w, h, NULL, false);                                         \
	}                                                                                                            \
	VG_EXPORT CUresult cuMemsetD2D##bits##_v2_ptds(CUdeviceptr dst, size_t pitch, type value, size_t w, size_t h) \
	{                                                                                                            \
		return fill(dst, pitch, value, bits / 8, w, h, NULL, true);                                          \
	}                                                                                                            \
	VG_EXPORT CUresult cuMemsetD2D##bits##Async(CUdeviceptr dst, size_t pitch, type value, size_t w, size_t h,   \
						    CUstream stream)                                                 \
	{                                                                                                            \
		return fill(dst, pitch, value, bits / 8, w, h, stream, false);                                       \
	}                                                                                                            \
	VG_EXPORT CUresult cuMemsetD2D##bits##Async_ptsz(CUdeviceptr dst, size_t pitch, type value, size_t w,        \
							 size_t h, CUstream stream)                                  \
	{                                                                                                            \
		return fill(dst, pitch, value, bits / 8, w, h, stream, true);                                        \
	}

FILLS(8, unsigned char)
FILLS(16, unsigned short)
FILLS(32, unsigned int)
