// SPDX-License-Identifier: Apache-2.0
/* A cooperative launch on each of several GPUs: of one, here. */
#include "calls.h"
#include "enter.h"

/* CUDA_LAUNCH_PARAMS */
struct launch_params {
	CUfunction function;
	unsigned int gx, gy, gz, bx, by, bz, shared;
	CUstream stream;
	void **params;
};
_Static_assert(sizeof(struct launch_params) == 56, "CUDA_LAUNCH_PARAMS");

#define FLAGS 3u	/* no waiting before, no waiting after: other GPUs' work only */

CUresult cuLaunchCooperativeKernel(CUfunction f, unsigned int gx, unsigned int gy, unsigned int gz, unsigned int bx,
				   unsigned int by, unsigned int bz, unsigned int shared, CUstream stream, void **params);

VG_EXPORT CUresult cuLaunchCooperativeKernelMultiDevice(struct launch_params *list, unsigned int count,
							unsigned int flags)
{
	struct vg_thread *t;
	int result = vg_enter(&t);

	if (result)
		return result;
	if (!list || !count || count > (unsigned int)vg_process.device_count || (flags & ~FLAGS))
		return CUDA_ERROR_INVALID_VALUE;
	/* streams of the program's own only */
	if (!list->stream)
		return CUDA_ERROR_INVALID_HANDLE;
	if (list->stream == CU_STREAM_LEGACY || list->stream == CU_STREAM_PER_THREAD)
		return CUDA_ERROR_INVALID_VALUE;
	return cuLaunchCooperativeKernel(list->function, list->gx, list->gy, list->gz, list->bx, list->by, list->bz,
					 list->shared, list->stream, list->params);
}
