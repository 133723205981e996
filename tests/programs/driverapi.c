/* SPDX-License-Identifier: Apache-2.0 */
/* Checks of the CUDA driver API on device 0: driverapi [GROUP | GROUP.NAME ...] */
#include "driver_test.h"
#include "kernels.h"

#include <stdio.h>
#include <string.h>

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

int main(int argc, char **argv)
{
	if (cuda_driver_open(&cu))
		return 2;

	const struct check_group groups[] = {
		init_group,   kernel_group, module_group, memory_group, pinned_group, vmm_group,
		stream_group, thread_group, graph_group,  error_group,  extra_group,  fault_group,
	};
	return check_run("driverapi", groups, sizeof(groups) / sizeof(groups[0]), argc, argv);
}
