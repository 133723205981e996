/* SPDX-License-Identifier: Apache-2.0 */
/* The first launch calls and the configuration of shared memory. */
#include "conformance.h"

#include <string.h>

static bool first_calls(void)
{
	BIND(cuFuncSetBlockShape, CUfunction, int, int, int);
	BIND(cuFuncSetSharedSize, CUfunction, unsigned int);
	BIND(cuParamSetSize, CUfunction, unsigned int);
	BIND(cuParamSeti, CUfunction, int, unsigned int);
	BIND(cuParamSetv, CUfunction, int, void *, unsigned int);
	BIND(cuLaunch, CUfunction);
	BIND(cuLaunchGrid, CUfunction, int, int);
	BIND(cuLaunchGridAsync, CUfunction, int, int, CUstream);
	unsigned int got[4] = { 0 };
	CUdeviceptr word;
	CUstream stream;
	CUfunction f;

	USE_DEVICE;
	f = kernels.write_word;
	DO(cu.MemAlloc(&word, sizeof(got)));
	DO(cu.MemsetD8(word, 0, sizeof(got)));
	DO(cu.StreamCreate(&stream, CU_STREAM_DEFAULT));
	DO(cuFuncSetBlockShape(f, 1, 1, 1));
	DO(cuFuncSetSharedSize(f, 0));
	DO(cuParamSetSize(f, 12));
	DO(cuParamSetv(f, 0, &word, 8));
	DO(cuParamSeti(f, 8, 17));
	DO(cuLaunch(f));
	DO(cu.MemcpyDtoH(got, word, 4));
	THAT(got[0] == 17);
	DO(cuParamSeti(f, 8, 18));
	DO(cuLaunchGrid(f, 2, 3));
	DO(cu.MemcpyDtoH(got, word, 4));
	THAT(got[0] == 18);
	DO(cuParamSeti(f, 8, 19));
	DO(cuLaunchGridAsync(f, 1, 1, stream));
	DO(cu.StreamSynchronize(stream));
	DO(cu.MemcpyDtoH(got, word, 4));
	THAT(got[0] == 19);
	DO(cu.StreamDestroy(stream));
	DO(cu.MemFree(word));
	return true;
}

static bool first_call_errors(void)
{
	BIND(cuFuncSetBlockShape, CUfunction, int, int, int);
	BIND(cuFuncSetSharedSize, CUfunction, unsigned int);
	BIND(cuParamSetSize, CUfunction, unsigned int);
	BIND(cuParamSetf, CUfunction, int, float);
	BIND(cuParamSetv, CUfunction, int, void *, unsigned int);
	BIND(cuLaunch, CUfunction);
	BIND(cuLaunchGrid, CUfunction, int, int);
	CUfunction f;
	char byte = 0;

	USE_DEVICE;
	f = kernels.empty;
	NOTE(cuLaunch(f));
	NOTE(cuFuncSetBlockShape(f, 0, 1, 1));
	NOTE(cuFuncSetBlockShape(f, -1, 1, 1));
	NOTE(cuFuncSetBlockShape(f, 2048, 1, 1));
	NOTE(cuFuncSetBlockShape(f, 1, 1, 1));
	NOTE(cuLaunchGrid(f, 0, 1));
	NOTE(cuLaunchGrid(f, 1, -1));
	NOTE(cuLaunchGrid(f, 1, 70000));
	NOTE(cuParamSetSize(f, 1 << 20));
	NOTE(cuParamSetSize(f, 0));
	NOTE(cuParamSetf(f, 1 << 20, 1));
	NOTE(cuParamSetv(f, 0, &byte, 1));
	NOTE(cuFuncSetSharedSize(f, 1 << 30));
	NOTE(cuLaunch(f));
	NOTE(cuFuncSetSharedSize(f, 0));
	NOTE(cuLaunch(f));
	/* a function that has more parameters than were set */
	NOTE(cuFuncSetBlockShape(kernels.fill, 1, 1, 1));
	NOTE(cuLaunch(kernels.fill));
	DO(cu.CtxSynchronize());
	return true;
}

struct launch_params {
	CUfunction function;
	unsigned int grid[3], block[3], shared;
	CUstream stream;
	void **parameters;
};
_Static_assert(sizeof(struct launch_params) == 56, "as in CUDA 9");

static bool one_of_several_devices(void)
{
	BIND(cuLaunchCooperativeKernelMultiDevice, struct launch_params *, unsigned int, unsigned int);
	unsigned int value = 23, got = 0;
	struct launch_params launch = { .grid = { 1, 1, 1 }, .block = { 1, 1, 1 } };
	CUdeviceptr word;
	int result;

	USE_DEVICE;
	DO(cu.MemAlloc(&word, 4));
	DO(cu.MemsetD8(word, 0, 4));
	DO(cu.StreamCreate(&launch.stream, CU_STREAM_NON_BLOCKING));
	launch.function = kernels.write_word;
	launch.parameters = PARAMETERS(&word, &value);
	DO(cu.CtxSynchronize());
	result = cuLaunchCooperativeKernelMultiDevice(&launch, 1, 0);
	check_note("%d", result);
	if (!result) {
		DO(cu.StreamSynchronize(launch.stream));
		DO(cu.MemcpyDtoH(&got, word, 4));
		THAT(got == 23);
	}
	NOTE(cuLaunchCooperativeKernelMultiDevice(&launch, 1, 3));
	NOTE(cuLaunchCooperativeKernelMultiDevice(&launch, 1, 4));
	NOTE(cuLaunchCooperativeKernelMultiDevice(&launch, 0, 0));
	NOTE(cuLaunchCooperativeKernelMultiDevice(&launch, 99, 0));
	NOTE(cuLaunchCooperativeKernelMultiDevice(NULL, 1, 0));
	DO(cu.StreamDestroy(launch.stream));
	launch.stream = NULL;
	NOTE(cuLaunchCooperativeKernelMultiDevice(&launch, 1, 0));
	DO(cu.CtxSynchronize());
	DO(cu.MemFree(word));
	return true;
}

static bool shared_banks(void)
{
	BIND(cuCtxGetSharedMemConfig, int *);
	BIND(cuCtxSetSharedMemConfig, int);
	BIND(cuFuncSetSharedMemConfig, CUfunction, int);
	int config = -1;

	USE_DEVICE;
	DO(cuCtxGetSharedMemConfig(&config));
	check_note("(%d)", config);
	for (int i = 0; i < 4; i++) {
		NOTE(cuCtxSetSharedMemConfig(i));
		DO(cuCtxGetSharedMemConfig(&config));
		check_note("(%d)", config);
		NOTE(cuFuncSetSharedMemConfig(kernels.empty, i));
	}
	CODE(cuCtxGetSharedMemConfig(NULL));
	CODE(cuFuncSetSharedMemConfig(NULL, 0));
	return true;
}

static const struct check checks[] = {
	{ "first_calls", first_calls },
	{ "first_call_errors", first_call_errors },
	{ "one_of_several_devices", one_of_several_devices },
	{ "shared_banks", shared_banks },
};
const struct check_group launch_family = GROUP("launches", checks);
