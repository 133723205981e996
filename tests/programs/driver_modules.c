/* SPDX-License-Identifier: Apache-2.0 */
/* Modules, libraries, globals, function attributes and parameters, occupancy. */
#include "driver_test.h"
#include "fatbin.h"
#include "kernels.h"

#include <stdint.h>
#include <string.h>

static bool globals(void)
{
	enum { N = 40 };
	float factors[16], in[N], out[N];
	unsigned long long count = 0;
	CUdeviceptr constant, counter, din, dout;
	size_t bytes = 0;
	int n = N;

	USE_DEVICE;
	for (int i = 0; i < 16; i++)
		factors[i] = (float)(i + 1);
	for (int i = 0; i < N; i++)
		in[i] = (float)i;
	DO(cu.ModuleGetGlobal(&constant, &bytes, kernels.module, "constant_factors"));
	THAT(bytes == sizeof(factors));
	DO(cu.MemcpyHtoD(constant, factors, sizeof(factors)));
	DO(cu.ModuleGetGlobal(&counter, &bytes, kernels.module, "global_counter"));
	THAT(bytes == sizeof(count));
	DO(cu.MemcpyHtoD(counter, &count, sizeof(count)));
	DO(cu.MemAlloc(&din, sizeof(in)));
	DO(cu.MemAlloc(&dout, sizeof(out)));
	DO(cu.MemcpyHtoD(din, in, sizeof(in)));
	DO(launch_1d(kernels.scale_by_constant, N, NULL, PARAMETERS(&din, &dout, &n)));
	DO(cu.MemcpyDtoH(out, dout, sizeof(out)));
	for (int i = 0; i < N; i++)
		if (out[i] != in[i] * factors[i % 16])
			return check_reason("out[%d] = %g, expected %g", i, out[i], in[i] * factors[i % 16]);
	DO(cu.MemcpyDtoH(&count, counter, sizeof(count)));
	THAT(count == N);
	RESULT(CUDA_ERROR_NOT_FOUND, cu.ModuleGetGlobal(&counter, &bytes, kernels.module, "no_such_global"));
	DO(cu.MemFree(din));
	DO(cu.MemFree(dout));
	return true;
}

static bool fill_and_compare(CUfunction function)
{
	unsigned int words[256], value = 7;
	unsigned long long n = 256;
	CUdeviceptr dwords;

	DO(cu.MemAlloc(&dwords, sizeof(words)));
	DO(launch_1d(function, n, NULL, PARAMETERS(&dwords, &value, &n)));
	DO(cu.MemcpyDtoH(words, dwords, sizeof(words)));
	for (unsigned int i = 0; i < 256; i++)
		THAT(words[i] == 7 + i);
	DO(cu.MemFree(dwords));
	return true;
}

static bool second_module(void)
{
	CUmodule module;
	CUfunction function;

	USE_DEVICE;
	DO(cu.ModuleLoadDataEx(&module, kernels_ptx, 0, NULL, NULL));
	DO(cu.ModuleGetFunction(&function, module, "fill"));
	if (!fill_and_compare(function))
		return false;
	DO(cu.ModuleUnload(module));
	return true;
}

static bool fatbin(void)
{
	struct fatbin_wrapper wrapper;
	CUmodule module;
	CUfunction function;

	USE_DEVICE;
	THAT(fatbin_of_ptx(&wrapper, kernels_ptx, 80) == 0);
	DO(cu.ModuleLoadData(&module, wrapper.data));
	DO(cu.ModuleGetFunction(&function, module, "fill"));
	if (!fill_and_compare(function))
		return false;
	DO(cu.ModuleUnload(module));
	fatbin_free(&wrapper);
	return true;
}

static bool library(void)
{
	struct fatbin_wrapper wrapper;
	CUlibrary loaded;
	CUkernel kernel;
	CUfunction function;
	CUdeviceptr counter;
	size_t bytes = 0;
	int value = 0;

	USE_DEVICE;
	THAT(fatbin_of_ptx(&wrapper, kernels_ptx, 80) == 0);
	DO(cu.LibraryLoadData(&loaded, &wrapper, NULL, NULL, 0, NULL, NULL, 0));
	DO(cu.LibraryGetKernel(&kernel, loaded, "fill"));
	RESULT(CUDA_ERROR_NOT_FOUND, cu.LibraryGetKernel(&kernel, loaded, "no_such_kernel"));
	DO(cu.LibraryGetKernel(&kernel, loaded, "fill"));
	DO(cu.KernelGetFunction(&function, kernel));
	DO(cu.KernelGetAttribute(&value, CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK, kernel, device));
	THAT(value == 1024);
	DO(cu.LibraryGetGlobal(&counter, &bytes, loaded, "global_counter"));
	THAT(bytes == 8);
	if (!fill_and_compare(function) || !fill_and_compare((CUfunction)kernel))
		return false;
	DO(cu.LibraryUnload(loaded));
	fatbin_free(&wrapper);
	return true;
}

static bool attributes(void)
{
	int value = -1;

	USE_DEVICE;
	DO(cu.FuncGetAttribute(&value, CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK, kernels.vector_add));
	THAT(value == 1024);
	DO(cu.FuncGetAttribute(&value, CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES, kernels.matrix_product));
	THAT(value >= 2048);
	check_note("shared %d", value);
	DO(cu.FuncGetAttribute(&value, CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, kernels.reduce_sum));
	THAT(value == 49152);
	DO(cu.FuncSetAttribute(kernels.reduce_sum, CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, 65536));
	DO(cu.FuncGetAttribute(&value, CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, kernels.reduce_sum));
	THAT(value == 65536);
	RESULT(CUDA_ERROR_INVALID_VALUE, cu.FuncGetAttribute(&value, 1000, kernels.vector_add));
	return true;
}

static bool parameters(void)
{
	size_t offset = 99, size = 99;

	USE_DEVICE;
	DO(cu.FuncGetParamInfo(kernels.saxpy, 0, &offset, &size));
	THAT(offset == 0 && size == 4);
	DO(cu.FuncGetParamInfo(kernels.saxpy, 1, &offset, &size));
	THAT(offset == 8 && size == 8);
	DO(cu.FuncGetParamInfo(kernels.saxpy, 3, &offset, &size));
	THAT(offset == 24 && size == 4);
	RESULT(CUDA_ERROR_INVALID_VALUE, cu.FuncGetParamInfo(kernels.saxpy, 4, &offset, &size));
	return true;
}

static bool occupancy(void)
{
	int small = 0, large = 0;

	USE_DEVICE;
	DO(cu.OccupancyMaxActiveBlocks(&small, kernels.vector_add, 128, 0));
	DO(cu.OccupancyMaxActiveBlocks(&large, kernels.vector_add, 1024, 0));
	THAT(large >= 1 && small >= large);
	return true;
}

static const struct check checks[] = {
	{ "globals", globals },	      { "second_module", second_module }, { "fatbin", fatbin },
	{ "library", library },	      { "attributes", attributes },	  { "parameters", parameters },
	{ "occupancy", occupancy },
};
const struct check_group module_group = GROUP("modules", checks);
