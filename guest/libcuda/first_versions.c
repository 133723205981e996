// SPDX-License-Identifier: Apache-2.0
/*
 * First versions of calls about memory, from when device addresses had 32 bits. The driver
 * refuses them in every context but one made by the first cuCtxCreate, and that one
 * finds no memory: measured with driver 580 on an H200.
 */
#include "calls.h"
#include "enter.h"

static CUresult other_context(void)
{
	struct vg_thread *t;
	int result = vg_enter(&t);

	return result ? result : CUDA_ERROR_INVALID_CONTEXT;
}

#define FIRST_VERSION(name)      \
	VG_EXPORT CUresult name(void) \
	{                        \
		return other_context(); \
	}

FIRST_VERSION(cuArray3DCreate)
FIRST_VERSION(cuArray3DGetDescriptor)
FIRST_VERSION(cuArrayCreate)
FIRST_VERSION(cuArrayGetDescriptor)
FIRST_VERSION(cuMemAlloc)
FIRST_VERSION(cuMemAllocHost)
FIRST_VERSION(cuMemAllocPitch)
FIRST_VERSION(cuMemFree)
FIRST_VERSION(cuMemGetAddressRange)
FIRST_VERSION(cuMemGetInfo)
FIRST_VERSION(cuMemHostGetDevicePointer)
FIRST_VERSION(cuMemcpy2D)
FIRST_VERSION(cuMemcpy2DAsync)
FIRST_VERSION(cuMemcpy2DUnaligned)
FIRST_VERSION(cuMemcpy3D)
FIRST_VERSION(cuMemcpy3DAsync)
FIRST_VERSION(cuMemcpyAtoA)
FIRST_VERSION(cuMemcpyAtoD)
FIRST_VERSION(cuMemcpyAtoH)
FIRST_VERSION(cuMemcpyAtoHAsync)
FIRST_VERSION(cuMemcpyDtoA)
FIRST_VERSION(cuMemcpyDtoD)
FIRST_VERSION(cuMemcpyDtoDAsync)
FIRST_VERSION(cuMemcpyDtoH)
FIRST_VERSION(cuMemcpyDtoHAsync)
FIRST_VERSION(cuMemcpyHtoA)
FIRST_VERSION(cuMemcpyHtoAAsync)
FIRST_VERSION(cuMemcpyHtoD)
FIRST_VERSION(cuMemcpyHtoDAsync)
FIRST_VERSION(cuMemsetD16)
FIRST_VERSION(cuMemsetD2D16)
FIRST_VERSION(cuMemsetD2D32)
FIRST_VERSION(cuMemsetD2D8)
FIRST_VERSION(cuMemsetD32)
FIRST_VERSION(cuMemsetD8)
FIRST_VERSION(cuModuleGetGlobal)
FIRST_VERSION(cuTexRefGetAddress)
FIRST_VERSION(cuTexRefSetAddress)
FIRST_VERSION(cuTexRefSetAddress2D)
