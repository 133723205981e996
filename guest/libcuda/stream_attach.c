// SPDX-License-Identifier: Apache-2.0
/* Which stream managed memory belongs to: a call about managed memory, of which there is none. */
#include "calls.h"
#include "enter.h"

static CUresult attach(CUstream handle, CUdeviceptr address, size_t length, unsigned int flags, bool per_thread)
{
	struct vg_stream *s;
	struct vg_thread *t;
	int result = vg_enter(&t);

	(void)address;
	(void)length;
	(void)flags;
	if (!result)
		result = vg_stream_get(t, handle, per_thread, &s);
	return result ? result : CUDA_ERROR_INVALID_VALUE;
}

VG_EXPORT CUresult cuStreamAttachMemAsync(CUstream stream, CUdeviceptr address, size_t length, unsigned int flags)
{
	return attach(stream, address, length, flags, false);
}

VG_EXPORT CUresult cuStreamAttachMemAsync_ptsz(CUstream stream, CUdeviceptr address, size_t length, unsigned int flags)
{
	return attach(stream, address, length, flags, true);
}
