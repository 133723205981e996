// SPDX-License-Identifier: Apache-2.0
/* The first versions of two calls of stream capture, which told less. */
#include <stddef.h>

#include "abi.h"
#include "calls.h"

#define MODE_RELAXED 2u	/* measured with driver 580: the thread may allocate meanwhile */

CUresult cuStreamBeginCapture_v2(CUstream stream, unsigned int mode);
CUresult cuStreamBeginCapture_v2_ptsz(CUstream stream, unsigned int mode);
CUresult cuStreamGetCaptureInfo_v2(CUstream stream, unsigned int *status, unsigned long long *id, CUgraph *graph,
				   const void **nodes, size_t *count);
CUresult cuStreamGetCaptureInfo_v2_ptsz(CUstream stream, unsigned int *status, unsigned long long *id, CUgraph *graph,
					const void **nodes, size_t *count);

VG_EXPORT CUresult cuStreamBeginCapture(CUstream stream)
{
	return cuStreamBeginCapture_v2(stream, MODE_RELAXED);
}

VG_EXPORT CUresult cuStreamBeginCapture_ptsz(CUstream stream)
{
	return cuStreamBeginCapture_v2_ptsz(stream, MODE_RELAXED);
}

VG_EXPORT CUresult cuStreamGetCaptureInfo(CUstream stream, unsigned int *status, unsigned long long *id)
{
	return cuStreamGetCaptureInfo_v2(stream, status, id, NULL, NULL, NULL);
}

VG_EXPORT CUresult cuStreamGetCaptureInfo_ptsz(CUstream stream, unsigned int *status, unsigned long long *id)
{
	return cuStreamGetCaptureInfo_v2_ptsz(stream, status, id, NULL, NULL, NULL);
}
