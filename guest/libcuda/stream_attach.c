// SPDX-License-Identifier: Apache-2.0
/* Which stream managed memory belongs to. The GPU and the process may use it at any time, so it does not matter. */
#include "calls.h"
#include "enter.h"
#include "managed.h"

enum { ATTACH_GLOBAL = 1, ATTACH_HOST = 2, ATTACH_SINGLE = 4 };

static CUresult attach(CUstream handle, CUdeviceptr address, size_t length, unsigned int flags, bool per_thread)
{
	struct vg_range r;
	struct vg_stream *s;
	struct vg_thread *t;
	int result = vg_enter(&t);

	if (!result)
		result = vg_stream_get(t, handle, per_thread, &s);
	if (result)
		return result;
	if (!vg_range_find(address, &r) || r.kind != VG_RANGE_MANAGED || r.base != address || (length && length != r.size))
		return CUDA_ERROR_INVALID_VALUE;
	if (flags != ATTACH_GLOBAL && flags != ATTACH_HOST && flags != ATTACH_SINGLE)
		return CUDA_ERROR_INVALID_VALUE;
	/* one stream means one that the program has made */
	return flags == ATTACH_SINGLE && !s->object.number ? CUDA_ERROR_INVALID_VALUE : CUDA_SUCCESS;
}

VG_EXPORT CUresult cuStreamAttachMemAsync(CUstream stream, CUdeviceptr address, size_t length, unsigned int flags)
{
	return attach(stream, address, length, flags, false);
}

VG_EXPORT CUresult cuStreamAttachMemAsync_ptsz(CUstream stream, CUdeviceptr address, size_t length, unsigned int flags)
{
	return attach(stream, address, length, flags, true);
}
