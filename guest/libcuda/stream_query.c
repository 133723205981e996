// SPDX-License-Identifier: Apache-2.0
/* What a program asks about a stream; all answered from the object. */
#include "calls.h"
#include "capture.h"
#include "enter.h"

static int find(CUstream handle, bool per_thread, struct vg_stream **s)
{
	struct vg_thread *t;
	VG_LOAN loan = { 0 };
	int result = vg_enter_stream(&t, handle, &loan);

	return result ? result : vg_stream_find(t, handle, per_thread, s);
}

/* Both entry points of a query that fills one place. */
#define STREAM_QUERY(name, type, value)                                      \
	static CUresult query_##name(CUstream handle, bool per_thread, type *out) \
	{                                                                    \
		struct vg_stream *s;                                         \
		int result = find(handle, per_thread, &s);                   \
                                                                             \
		if (result)                                                  \
			return result;                                       \
		if (!out)                                                    \
			return CUDA_ERROR_INVALID_VALUE;                     \
		*out = value;                                                \
		return CUDA_SUCCESS;                                         \
	}                                                                    \
	VG_EXPORT CUresult name(CUstream handle, type *out)                  \
	{                                                                    \
		return query_##name(handle, false, out);                     \
	}                                                                    \
	VG_EXPORT CUresult name##_ptsz(CUstream handle, type *out)           \
	{                                                                    \
		return query_##name(handle, true, out);                      \
	}

STREAM_QUERY(cuStreamGetFlags, unsigned int, s->flags)
STREAM_QUERY(cuStreamGetPriority, int, s->priority)
STREAM_QUERY(cuStreamGetCtx, CUcontext, s->context)
STREAM_QUERY(cuStreamGetId, unsigned long long, s->id)
STREAM_QUERY(cuStreamGetDevice, CUdevice, 0)

/* Asking about the legacy stream beside captured blocking ones fails, but breaks nothing. */
static CUresult is_capturing(CUstream handle, unsigned int *status, bool per_thread)
{
	struct vg_stream *s;
	int result = find(handle, per_thread, &s);

	if (result)
		return result;
	if (!status)
		return CUDA_ERROR_INVALID_VALUE;
	*status = vg_capture_status(s);
	return *status && !s->object.number ? CUDA_ERROR_STREAM_CAPTURE_IMPLICIT : CUDA_SUCCESS;
}

VG_EXPORT CUresult cuStreamIsCapturing(CUstream stream, unsigned int *status)
{
	return is_capturing(stream, status, false);
}

VG_EXPORT CUresult cuStreamIsCapturing_ptsz(CUstream stream, unsigned int *status)
{
	return is_capturing(stream, status, true);
}
