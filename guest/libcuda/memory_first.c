// SPDX-License-Identifier: Apache-2.0
/*
 * First versions of memory calls, with 32-bit sizes. Those that also have 32-bit device
 * addresses are refused: no address of this GPU fits.
 */
#include "calls.h"
#include "abi.h"

CUresult cuMemGetInfo_v2(size_t *free_bytes, size_t *total);
CUresult cuMemAllocHost_v2(void **address, size_t size);

static unsigned int clamp(size_t bytes)
{
	return bytes > UINT32_MAX ? UINT32_MAX : (unsigned int)bytes;
}

VG_EXPORT CUresult cuMemGetInfo(unsigned int *free_bytes, unsigned int *total)
{
	size_t f, n;
	int result = cuMemGetInfo_v2(free_bytes ? &f : NULL, total ? &n : NULL);

	if (result)
		return result;
	*free_bytes = clamp(f);
	*total = clamp(n);
	return CUDA_SUCCESS;
}

VG_EXPORT CUresult cuMemAllocHost(void **address, unsigned int size)
{
	return cuMemAllocHost_v2(address, size);
}
