// SPDX-License-Identifier: Apache-2.0
/* Linear copies. */
#include "copy.h"

#include <string.h>

#include "calls.h"
#include "enter.h"
#include "gen/ops.h"
#include "spaces.h"
#include "stage.h"
#include "stream.h"

enum vg_place vg_place_of(uint64_t address)
{
	if (vg_in_device_space(address))
		return VG_PLACE_DEVICE;
	if (vg_pinned_range((const void *)(uintptr_t)address, 1))
		return VG_PLACE_PINNED;
	return vg_device_range(address, 1) ? VG_PLACE_DEVICE : VG_PLACE_PAGEABLE;
}

static bool valid(uint64_t address, enum vg_place place, size_t size)
{
	switch (place) {
	case VG_PLACE_DEVICE:
		return vg_device_range(address, size);
	case VG_PLACE_PINNED:
		return vg_pinned_range((const void *)(uintptr_t)address, size);
	default:
		return address != 0;
	}
}

/* Both ends in host memory: in order with the stream, then by the CPU. */
static int host_copy(struct vg_thread *t, uint64_t dst, uint64_t src, size_t size, struct vg_stream *s)
{
	int result = vg_stream_wait(t, s);

	if (!result)
		memmove((void *)(uintptr_t)dst, (const void *)(uintptr_t)src, size);
	return result;
}

int vg_copy(struct vg_thread *t, uint64_t dst, enum vg_place to, uint64_t src, enum vg_place from, size_t size,
	    struct vg_stream *s, bool sync)
{
	int result;

	if (!size)
		return 0;
	if (!valid(dst, to, size) || !valid(src, from, size))
		return CUDA_ERROR_INVALID_VALUE;
	if (to == VG_PLACE_DEVICE && from == VG_PLACE_DEVICE)
		result = vg_op_copy_dtod(t, dst, src, size, s->object.number);
	else if (to == VG_PLACE_DEVICE && from == VG_PLACE_PINNED)
		result = vg_op_copy_htod(t, dst, src, size, s->object.number);
	else if (to == VG_PLACE_PINNED && from == VG_PLACE_DEVICE)
		result = vg_op_copy_dtoh(t, dst, src, size, s->object.number);
	else if (to == VG_PLACE_DEVICE)
		return vg_stage_to_device(t, dst, (const void *)(uintptr_t)src, size, s, sync);
	else if (from == VG_PLACE_DEVICE)
		return vg_stage_to_host(t, (void *)(uintptr_t)dst, src, size, s);
	else
		return host_copy(t, dst, src, size, s);
	if (result)
		return result;
	vg_stream_busy(s);
	if (sync && (to == VG_PLACE_PINNED || from == VG_PLACE_PINNED))
		result = vg_stream_wait(t, s);
	return result;
}

static int begin(CUstream handle, bool per_thread, struct vg_thread **t, struct vg_stream **s, struct vg_loan *loan)
{
	int result = vg_enter_stream(t, handle, loan);

	return result ? result : vg_stream_get(*t, handle, per_thread, s);
}

/* Host pointers may be pinned or not; that is found out here. */
static enum vg_place host_place(const void *address)
{
	return vg_pinned_range(address, 1) ? VG_PLACE_PINNED : VG_PLACE_PAGEABLE;
}

static CUresult to_device(CUdeviceptr dst, const void *src, size_t size, CUstream stream, bool per_thread, bool sync)
{
	struct vg_thread *t;
	struct vg_stream *s;
	VG_LOAN loan = { 0 };
	int result = begin(stream, per_thread, &t, &s, &loan);

	return result ? result :
			vg_copy(t, dst, vg_place_of(dst) == VG_PLACE_PINNED ? VG_PLACE_PINNED : VG_PLACE_DEVICE,
				(uint64_t)(uintptr_t)src, host_place(src), size, s, sync);
}

static CUresult to_host(void *dst, CUdeviceptr src, size_t size, CUstream stream, bool per_thread, bool sync)
{
	struct vg_thread *t;
	struct vg_stream *s;
	VG_LOAN loan = { 0 };
	int result = begin(stream, per_thread, &t, &s, &loan);

	return result ? result :
			vg_copy(t, (uint64_t)(uintptr_t)dst, host_place(dst), src,
				vg_place_of(src) == VG_PLACE_PINNED ? VG_PLACE_PINNED : VG_PLACE_DEVICE, size, s, sync);
}

static CUresult any_to_any(CUdeviceptr dst, CUdeviceptr src, size_t size, CUstream stream, bool per_thread, bool sync)
{
	struct vg_thread *t;
	struct vg_stream *s;
	VG_LOAN loan = { 0 };
	int result = begin(stream, per_thread, &t, &s, &loan);

	return result ? result : vg_copy(t, dst, vg_place_of(dst), src, vg_place_of(src), size, s, sync);
}

VG_EXPORT CUresult cuMemcpyHtoD_v2(CUdeviceptr dst, const void *src, size_t size)
{
	return to_device(dst, src, size, NULL, false, true);
}

VG_EXPORT CUresult cuMemcpyHtoD_v2_ptds(CUdeviceptr dst, const void *src, size_t size)
{
	return to_device(dst, src, size, NULL, true, true);
}

VG_EXPORT CUresult cuMemcpyHtoDAsync_v2(CUdeviceptr dst, const void *src, size_t size, CUstream stream)
{
	return to_device(dst, src, size, stream, false, false);
}

VG_EXPORT CUresult cuMemcpyHtoDAsync_v2_ptsz(CUdeviceptr dst, const void *src, size_t size, CUstream stream)
{
	return to_device(dst, src, size, stream, true, false);
}

VG_EXPORT CUresult cuMemcpyDtoH_v2(void *dst, CUdeviceptr src, size_t size)
{
	return to_host(dst, src, size, NULL, false, true);
}

VG_EXPORT CUresult cuMemcpyDtoH_v2_ptds(void *dst, CUdeviceptr src, size_t size)
{
	return to_host(dst, src, size, NULL, true, true);
}

VG_EXPORT CUresult cuMemcpyDtoHAsync_v2(void *dst, CUdeviceptr src, size_t size, CUstream stream)
{
	return to_host(dst, src, size, stream, false, false);
}

VG_EXPORT CUresult cuMemcpyDtoHAsync_v2_ptsz(void *dst, CUdeviceptr src, size_t size, CUstream stream)
{
	return to_host(dst, src, size, stream, true, false);
}

VG_EXPORT CUresult cuMemcpyDtoD_v2(CUdeviceptr dst, CUdeviceptr src, size_t size)
{
	return any_to_any(dst, src, size, NULL, false, true);
}

VG_EXPORT CUresult cuMemcpyDtoD_v2_ptds(CUdeviceptr dst, CUdeviceptr src, size_t size)
{
	return any_to_any(dst, src, size, NULL, true, true);
}

VG_EXPORT CUresult cuMemcpyDtoDAsync_v2(CUdeviceptr dst, CUdeviceptr src, size_t size, CUstream stream)
{
	return any_to_any(dst, src, size, stream, false, false);
}

VG_EXPORT CUresult cuMemcpyDtoDAsync_v2_ptsz(CUdeviceptr dst, CUdeviceptr src, size_t size, CUstream stream)
{
	return any_to_any(dst, src, size, stream, true, false);
}

VG_EXPORT CUresult cuMemcpy(CUdeviceptr dst, CUdeviceptr src, size_t size)
{
	return any_to_any(dst, src, size, NULL, false, true);
}

VG_EXPORT CUresult cuMemcpy_ptds(CUdeviceptr dst, CUdeviceptr src, size_t size)
{
	return any_to_any(dst, src, size, NULL, true, true);
}

VG_EXPORT CUresult cuMemcpyAsync(CUdeviceptr dst, CUdeviceptr src, size_t size, CUstream stream)
{
	return any_to_any(dst, src, size, stream, false, false);
}

VG_EXPORT CUresult cuMemcpyAsync_ptsz(CUdeviceptr dst, CUdeviceptr src, size_t size, CUstream stream)
{
	return any_to_any(dst, src, size, stream, true, false);
}
