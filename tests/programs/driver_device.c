/* SPDX-License-Identifier: Apache-2.0 */
/* Device 0 with its primary context and the test kernels, opened by the first check that needs it. */
#include "driver_test.h"
#include "kernels.h"

struct cuda_driver cu;
struct test_kernels kernels;
CUdevice device;
CUcontext context;

static CUresult open_device(void)
{
	CUresult result;

	if ((result = cu.Init(0)) || (result = cu.DeviceGet(&device, 0)) ||
	    (result = cu.DevicePrimaryCtxRetain(&context, device)) || (result = cu.CtxSetCurrent(context)) ||
	    (result = cu.ModuleLoadData(&kernels.module, kernels_ptx)))
		return result;
#define GET(name)                                                                                                     \
	if ((result = cu.ModuleGetFunction(&kernels.name, kernels.module, #name)))                                    \
		return result;
	KERNEL_NAMES(GET)
#undef GET
	return CUDA_SUCCESS;
}

CUresult device_ready(void)
{
	static int opened;
	static CUresult result;

	if (!opened) {
		opened = 1;
		result = open_device();
	}
	return result ? result : cu.CtxSetCurrent(context);
}

CUresult launch_1d(CUfunction function, size_t threads, CUstream stream, void **parameters)
{
	return cu.LaunchKernel(function, (unsigned int)((threads + 127) / 128), 1, 1, 128, 1, 1, 0, stream, parameters,
			       NULL);
}
