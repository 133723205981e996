/* SPDX-License-Identifier: Apache-2.0 */
/* The driver's codes for wrong arguments; a fault on the GPU; calls that few programs make. */
#include "driver_test.h"
#include "kernels.h"

#include <stdlib.h>
#include <string.h>

static CUresult launch_empty(unsigned int grid_x, unsigned int grid_y, unsigned int block_x, unsigned int block_y,
			     unsigned int shared_bytes)
{
	return cu.LaunchKernel(kernels.empty, grid_x, grid_y, 1, block_x, block_y, 1, shared_bytes, NULL, NULL, NULL);
}

static bool launches(void)
{
	USE_DEVICE;
	RESULT(CUDA_ERROR_INVALID_VALUE, launch_empty(0, 1, 1, 1, 0));
	RESULT(CUDA_ERROR_INVALID_VALUE, launch_empty(1, 1, 0, 1, 0));
	RESULT(CUDA_ERROR_INVALID_VALUE, launch_empty(1, 1, 1025, 1, 0));
	RESULT(CUDA_ERROR_INVALID_VALUE, launch_empty(1, 1, 64, 32, 0));
	RESULT(CUDA_ERROR_INVALID_VALUE, launch_empty(1, 70000, 1, 1, 0));
	RESULT(CUDA_ERROR_INVALID_VALUE, launch_empty(1, 1, 1, 1, 1 << 20));
	RESULT(CUDA_ERROR_INVALID_HANDLE, cu.LaunchKernel(NULL, 1, 1, 1, 1, 1, 1, 0, NULL, NULL, NULL));
	DO(launch_empty(1, 1, 1024, 1, 0));
	DO(cu.CtxSynchronize());
	return true;
}

static bool memory(void)
{
	CUdeviceptr address = 0;
	char host[64];

	USE_DEVICE;
	RESULT(CUDA_ERROR_INVALID_VALUE, cu.MemAlloc(&address, 0));
	RESULT(CUDA_ERROR_OUT_OF_MEMORY, cu.MemAlloc(&address, 1ull << 46));
	RESULT(CUDA_ERROR_INVALID_VALUE, cu.MemAlloc(NULL, 4096));
	DO(cu.MemFree(0));
	RESULT(CUDA_ERROR_INVALID_VALUE, cu.MemFree(4096));
	DO(cu.MemAlloc(&address, 4096));
	DO(cu.MemFree(address));
	RESULT(CUDA_ERROR_INVALID_VALUE, cu.MemFree(address));
	RESULT(CUDA_ERROR_INVALID_VALUE, cu.MemcpyHtoD(4096, host, sizeof(host)));
	RESULT(CUDA_ERROR_INVALID_VALUE, cu.MemcpyDtoH(host, 4096, sizeof(host)));
	RESULT(CUDA_ERROR_INVALID_VALUE, cu.MemsetD8(4096, 0, 1));
	DO(cu.MemAlloc(&address, 4096));
	DO(cu.MemcpyHtoD(address, host, 0));
	CODE(cu.MemsetD32(address + 2, 0, 1));
	DO(cu.MemFree(address));
	return true;
}

static bool handles(void)
{
	CUfunction function;
	CUmodule module;

	USE_DEVICE;
	RESULT(CUDA_ERROR_NOT_FOUND, cu.ModuleGetFunction(&function, kernels.module, "no_such_kernel"));
	CODE(cu.ModuleGetFunction(&function, NULL, "empty"));
	CODE(cu.ModuleGetFunction(&function, kernels.module, NULL));
	CODE(cu.ModuleUnload(NULL));
	CODE(cu.EventDestroy(NULL));
	CODE(cu.EventRecord(NULL, NULL));
	CODE(cu.EventQuery(NULL));
	CODE(cu.StreamDestroy(NULL));
	CODE(cu.StreamCreate(NULL, 0));
	CODE(cu.ModuleLoadData(&module, NULL));
	return true;
}

static bool images(void)
{
	static const char newer[] = ".version 99.0\n.target sm_80\n.address_size 64\n";
	char *broken;
	CUmodule module;
	char *entry;

	USE_DEVICE;
	RESULT(CUDA_ERROR_INVALID_IMAGE, cu.ModuleLoadData(&module, "this is no PTX\n"));
	RESULT(CUDA_ERROR_UNSUPPORTED_PTX_VERSION, cu.ModuleLoadData(&module, newer));
	broken = strdup(kernels_ptx);
	THAT(broken);
	entry = strstr(broken, "mad.lo.s32");
	THAT(entry);
	memcpy(entry, "bad.lo.s32", 10);
	RESULT(CUDA_ERROR_INVALID_PTX, cu.ModuleLoadData(&module, broken));
	free(broken);
	/* the context is as good as before */
	DO(launch_empty(1, 1, 1, 1, 0));
	DO(cu.CtxSynchronize());
	return true;
}

static const struct check checks[] = {
	{ "launches", launches },
	{ "memory", memory },
	{ "handles", handles },
	{ "images", images },
};
const struct check_group error_group = GROUP("errors", checks);

/* Ends the context: alone in its process. */
static bool illegal_address(void)
{
	CUdeviceptr address, nowhere = 0x10000;
	unsigned int value = 1;
	char host[4];

	USE_DEVICE;
	DO(cu.MemAlloc(&address, 4096));
	DO(cu.LaunchKernel(kernels.write_word, 1, 1, 1, 1, 1, 1, 0, NULL, PARAMETERS(&nowhere, &value), NULL));
	RESULT(CUDA_ERROR_ILLEGAL_ADDRESS, cu.CtxSynchronize());
	RESULT(CUDA_ERROR_ILLEGAL_ADDRESS, cu.MemcpyDtoH(host, address, sizeof(host)));
	RESULT(CUDA_ERROR_ILLEGAL_ADDRESS, launch_empty(1, 1, 1, 1, 0));
	RESULT(CUDA_ERROR_ILLEGAL_ADDRESS, cu.MemAlloc(&address, 4096));
	return true;
}

static const struct check fault_checks[] = {
	{ "illegal_address", illegal_address },
};
const struct check_group fault_group = GROUP_ON_REQUEST("fault", fault_checks);

static void set_flag(void *data)
{
	*(volatile int *)data += 1;
}

static bool host_function(void)
{
	CUstream stream;
	int called = 0;

	USE_DEVICE;
	DO(cu.StreamCreate(&stream, CU_STREAM_NON_BLOCKING));
	DO(cu.LaunchHostFunc(stream, set_flag, &called));
	DO(cu.LaunchHostFunc(stream, set_flag, &called));
	DO(cu.StreamSynchronize(stream));
	THAT(called == 2);
	DO(cu.StreamDestroy(stream));
	return true;
}

static bool host_register(void)
{
	unsigned int *words = aligned_alloc(4096, 1 << 20), value = 9;
	unsigned long long n = (1 << 20) / 4;

	USE_DEVICE;
	memset(words, 0, 1 << 20);
	DO(cu.MemHostRegister(words, 1 << 20, 0));
	DO(launch_1d(kernels.fill, n, NULL, PARAMETERS(&words, &value, &n)));
	DO(cu.CtxSynchronize());
	for (unsigned int i = 0; i < n; i++)
		THAT(words[i] == 9 + i);
	DO(cu.MemHostUnregister(words));
	free(words);
	return true;
}

static bool stream_ordered_allocation(void)
{
	CUstream stream;
	CUdeviceptr address;
	unsigned int word = 0;

	USE_DEVICE;
	DO(cu.StreamCreate(&stream, CU_STREAM_NON_BLOCKING));
	DO(cu.MemAllocAsync(&address, 1 << 20, stream));
	DO(cu.MemsetD32Async(address, 77, 1 << 18, stream));
	DO(cu.MemcpyDtoHAsync(&word, address + 4096, 4, stream));
	DO(cu.MemFreeAsync(address, stream));
	DO(cu.StreamSynchronize(stream));
	THAT(word == 77);
	DO(cu.StreamDestroy(stream));
	return true;
}

static const struct check extra_checks[] = {
	{ "host_function", host_function },
	{ "host_register", host_register },
	{ "stream_ordered_allocation", stream_ordered_allocation },
};
const struct check_group extra_group = GROUP_ON_REQUEST("extra", extra_checks);
