/* SPDX-License-Identifier: Apache-2.0 */
/* Launches that cannot be: sizes, parameters, handles; each is refused where it is made, and none is heard of later. */
#include "conformance.h"

#include <limits.h>

static CUresult empty(unsigned int gx, unsigned int gy, unsigned int gz, unsigned int bx, unsigned int by, unsigned int bz,
		      unsigned int shared)
{
	return cu.LaunchKernel(kernels.empty, gx, gy, gz, bx, by, bz, shared, NULL, NULL, NULL);
}

static bool sizes(void)
{
	USE_DEVICE;
	NOTE(empty(1, 0, 1, 1, 1, 1, 0));
	NOTE(empty(1, 1, 0, 1, 1, 1, 0));
	NOTE(empty(1, 1, 1, 1, 0, 1, 0));
	NOTE(empty(1, 1, 1, 1, 1, 0, 0));
	NOTE(empty(0, 0, 0, 0, 0, 0, 0));
	NOTE(empty(1u << 31, 1, 1, 1, 1, 1, 0));
	NOTE(empty(UINT_MAX, 1, 1, 1, 1, 1, 0));
	NOTE(empty(1, 65536, 1, 1, 1, 1, 0));
	NOTE(empty(1, 1, 65536, 1, 1, 1, 0));
	NOTE(empty(1, 65535, 1, 1, 1, 1, 0));
	NOTE(empty(1, 1, 1, 1, 1, 65, 0));
	NOTE(empty(1, 1, 1, 1, 1, 64, 0));
	NOTE(empty(1, 1, 1, 32, 33, 1, 0));
	NOTE(empty(1, 1, 1, UINT_MAX, 1, 1, 0));
	NOTE(empty(1, 1, 1, 1 << 16, 1 << 16, 1, 0));	/* 2^32 threads */
	NOTE(empty(1, 1, 1, 1, 1, 1, 48 << 10));
	NOTE(empty(1, 1, 1, 1, 1, 1, (48 << 10) + 1));
	NOTE(empty(1, 1, 1, 1, 1, 1, UINT_MAX));
	DO(cu.CtxSynchronize());
	return true;
}

/* Kernels that were compiled for at most, or for exactly so many threads. */
static const char bounded_kernels[] = ".version 7.0\n.target sm_80\n.address_size 64\n"
				      ".visible .entry most()\n.maxntid 64, 1, 1\n{\nret;\n}\n"
				      ".visible .entry exact()\n.reqntid 64, 1, 1\n{\nret;\n}\n";

static bool bounded(void)
{
	CUfunction most, exact;
	CUmodule module;
	int threads;

	USE_DEVICE;
	DO(cu.ModuleLoadData(&module, bounded_kernels));
	DO(cu.ModuleGetFunction(&most, module, "most"));
	DO(cu.ModuleGetFunction(&exact, module, "exact"));
	DO(cu.FuncGetAttribute(&threads, CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK, most));
	check_note("%d", threads);
	for (unsigned int size = 32; size <= 128; size *= 2) {
		NOTE(cu.LaunchKernel(most, 1, 1, 1, size, 1, 1, 0, NULL, NULL, NULL));
		NOTE(cu.CtxSynchronize());
	}
	NOTE(cu.LaunchKernel(most, 1, 1, 1, 2, 32, 1, 0, NULL, NULL, NULL));
	DO(cu.FuncGetAttribute(&threads, CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK, exact));
	check_note("%d", threads);
	for (unsigned int size = 32; size <= 128; size *= 2) {
		NOTE(cu.LaunchKernel(exact, 1, 1, 1, size, 1, 1, 0, NULL, NULL, NULL));
		NOTE(cu.CtxSynchronize());
	}
	NOTE(cu.LaunchKernel(exact, 1, 1, 1, 2, 32, 1, 0, NULL, NULL, NULL));
	NOTE(cu.CtxSynchronize());
	DO(cu.ModuleUnload(module));
	return true;
}

/* Static and dynamic shared memory together. */
static bool shared_memory(void)
{
	int fixed = 0, n = 0;
	CUdeviceptr a;
	void *parameters[] = { &a, &a, &n };

	USE_DEVICE;
	DO(cu.MemAlloc(&a, 4096));
	DO(cu.FuncGetAttribute(&fixed, CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES, kernels.reduce_sum));
	check_note("%d", fixed);
	NOTE(cu.LaunchKernel(kernels.reduce_sum, 1, 1, 1, 32, 1, 1, (48 << 10) - (unsigned int)fixed, NULL, parameters, NULL));
	NOTE(cu.LaunchKernel(kernels.reduce_sum, 1, 1, 1, 32, 1, 1, (48 << 10) - (unsigned int)fixed + 1, NULL, parameters,
			     NULL));
	DO(cu.FuncSetAttribute(kernels.reduce_sum, CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, 60000));
	NOTE(cu.LaunchKernel(kernels.reduce_sum, 1, 1, 1, 32, 1, 1, 60000, NULL, parameters, NULL));
	NOTE(cu.LaunchKernel(kernels.reduce_sum, 1, 1, 1, 32, 1, 1, 60001, NULL, parameters, NULL));
	DO(cu.CtxSynchronize());
	DO(cu.MemFree(a));
	return true;
}

/* Parameters as one buffer. */
static bool packed(void)
{
	struct {
		CUdeviceptr word;
		unsigned int value, pad;
	} buffer = { 0 };
	size_t size = 12, whole = sizeof(buffer);
	void *good[] = { CU_LAUNCH_PARAM_BUFFER_POINTER, &buffer, CU_LAUNCH_PARAM_BUFFER_SIZE, &size, CU_LAUNCH_PARAM_END };
	void *turned[] = { CU_LAUNCH_PARAM_BUFFER_SIZE, &size, CU_LAUNCH_PARAM_BUFFER_POINTER, &buffer, CU_LAUNCH_PARAM_END };
	void *longer[] = { CU_LAUNCH_PARAM_BUFFER_POINTER, &buffer, CU_LAUNCH_PARAM_BUFFER_SIZE, &whole, CU_LAUNCH_PARAM_END };
	void **all[] = { good, turned, longer };
	void *parameters[] = { &buffer.word, &buffer.value };
	unsigned int seen = 0;

	USE_DEVICE;
	DO(cu.MemAlloc(&buffer.word, 4));
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		buffer.value = (unsigned int)i + 1;
		DO(cu.MemsetD32(buffer.word, 77, 1));
		NOTE(cu.LaunchKernel(kernels.write_word, 1, 1, 1, 1, 1, 1, 0, NULL, NULL, all[i]));
		DO(cu.MemcpyDtoH(&seen, buffer.word, 4));
		check_note("(%u)", seen);
	}
	NOTE(cu.LaunchKernel(kernels.write_word, 1, 1, 1, 1, 1, 1, 0, NULL, parameters, good));
	NOTE(cu.LaunchKernel(kernels.empty, 1, 1, 1, 1, 1, 1, 0, NULL, NULL, good));
	DO(cu.CtxSynchronize());
	DO(cu.MemFree(buffer.word));
	return true;
}

/* A launch with less than the kernel takes; were one not refused, its kernel would fault. */
static bool too_few_parameters(void)
{
	struct {
		CUdeviceptr word;
		unsigned int value, pad;
	} buffer = { 0 };
	size_t size = 8;
	void *short_of[] = { CU_LAUNCH_PARAM_BUFFER_POINTER, &buffer, CU_LAUNCH_PARAM_BUFFER_SIZE, &size, CU_LAUNCH_PARAM_END };
	void *sizeless[] = { CU_LAUNCH_PARAM_BUFFER_POINTER, &buffer, CU_LAUNCH_PARAM_END };
	void *nothing[] = { CU_LAUNCH_PARAM_END };

	USE_DEVICE;
	DO(cu.MemAlloc(&buffer.word, 4));
	NOTE(cu.LaunchKernel(kernels.write_word, 1, 1, 1, 1, 1, 1, 0, NULL, NULL, NULL));
	NOTE(cu.LaunchKernel(kernels.write_word, 1, 1, 1, 1, 1, 1, 0, NULL, NULL, short_of));
	NOTE(cu.LaunchKernel(kernels.write_word, 1, 1, 1, 1, 1, 1, 0, NULL, NULL, sizeless));
	NOTE(cu.LaunchKernel(kernels.write_word, 1, 1, 1, 1, 1, 1, 0, NULL, NULL, nothing));
	NOTE(cu.CtxSynchronize());
	return true;
}

static bool unknown_extra(void)
{
	void *unknown[] = { (void *)7, NULL, CU_LAUNCH_PARAM_END };

	USE_DEVICE;
	NOTE(cu.LaunchKernel(kernels.empty, 1, 1, 1, 1, 1, 1, 0, NULL, NULL, unknown));
	DO(cu.CtxSynchronize());
	return true;
}

static bool extended(void)
{
	CUlaunchConfig config = { .grid_x = 1, .grid_y = 1, .grid_z = 1, .block_x = 1, .block_y = 1, .block_z = 1 };
	struct {
		int id, pad;
		char value[64];
	} unknown = { .id = 1000 }, ignored = { .id = 0 };

	USE_DEVICE;
	NOTE(cu.LaunchKernelEx(&config, kernels.empty, NULL, NULL));
	NOTE(cu.LaunchKernelEx(NULL, kernels.empty, NULL, NULL));
	NOTE(cu.LaunchKernelEx(&config, NULL, NULL, NULL));
	config.attributes = &ignored;
	config.attribute_count = 1;
	NOTE(cu.LaunchKernelEx(&config, kernels.empty, NULL, NULL));
	config.attributes = &unknown;
	NOTE(cu.LaunchKernelEx(&config, kernels.empty, NULL, NULL));
	config.attributes = NULL;
	NOTE(cu.LaunchKernelEx(&config, kernels.empty, NULL, NULL));
	config.attribute_count = 0;
	config.grid_x = 0;
	NOTE(cu.LaunchKernelEx(&config, kernels.empty, NULL, NULL));
	config.grid_x = 1;
	config.block_x = 2048;
	NOTE(cu.LaunchKernelEx(&config, kernels.empty, NULL, NULL));
	config.block_x = 1;
	config.shared_bytes = 1 << 20;
	NOTE(cu.LaunchKernelEx(&config, kernels.empty, NULL, NULL));
	DO(cu.CtxSynchronize());
	return true;
}

static bool cooperative(void)
{
	BIND(cuLaunchCooperativeKernel, CUfunction, unsigned int, unsigned int, unsigned int, unsigned int, unsigned int,
	     unsigned int, unsigned int, CUstream, void **);

	USE_DEVICE;
	NOTE(cuLaunchCooperativeKernel(kernels.empty, 1, 1, 1, 32, 1, 1, 0, NULL, NULL));
	NOTE(cuLaunchCooperativeKernel(NULL, 1, 1, 1, 32, 1, 1, 0, NULL, NULL));
	NOTE(cuLaunchCooperativeKernel(kernels.empty, 0, 1, 1, 32, 1, 1, 0, NULL, NULL));
	NOTE(cuLaunchCooperativeKernel(kernels.empty, 1, 1, 1, 2048, 1, 1, 0, NULL, NULL));
	NOTE(cuLaunchCooperativeKernel(kernels.empty, 1 << 20, 1, 1, 32, 1, 1, 0, NULL, NULL));
	NOTE(cuLaunchCooperativeKernel(kernels.empty, 1, 1, 1, 32, 1, 1, 1 << 20, NULL, NULL));
	DO(cu.CtxSynchronize());
	return true;
}

/* Blocks larger than their kernel may have, all blocks together; blocks of another shape than the kernel demands. */
static bool bounded_together(void)
{
	BIND(cuLaunchCooperativeKernel, CUfunction, unsigned int, unsigned int, unsigned int, unsigned int, unsigned int,
	     unsigned int, unsigned int, CUstream, void **);
	CUlaunchConfig config = { .grid_x = 1, .grid_y = 1, .grid_z = 1, .block_x = 32, .block_y = 1, .block_z = 1 };
	struct {
		int id, pad, value, rest[15];
	} together = { .id = 2, .value = 1 };
	CUfunction most, exact;
	CUmodule module;

	USE_DEVICE;
	DO(cu.ModuleLoadData(&module, bounded_kernels));
	DO(cu.ModuleGetFunction(&most, module, "most"));
	DO(cu.ModuleGetFunction(&exact, module, "exact"));
	NOTE(cuLaunchCooperativeKernel(most, 1, 1, 1, 64, 1, 1, 0, NULL, NULL));
	NOTE(cuLaunchCooperativeKernel(most, 1, 1, 1, 128, 1, 1, 0, NULL, NULL));
	NOTE(cuLaunchCooperativeKernel(exact, 1, 1, 1, 32, 1, 1, 0, NULL, NULL));
	NOTE(cuLaunchCooperativeKernel(exact, 1, 1, 1, 64, 1, 1, 0, NULL, NULL));
	NOTE(cu.LaunchKernelEx(&config, exact, NULL, NULL));
	config.attributes = &together;
	config.attribute_count = 1;
	NOTE(cu.LaunchKernelEx(&config, exact, NULL, NULL));
	config.block_x = 64;
	NOTE(cu.LaunchKernelEx(&config, exact, NULL, NULL));
	config.shared_bytes = 1 << 20;
	NOTE(cu.LaunchKernelEx(&config, kernels.empty, NULL, NULL));
	config.shared_bytes = 0;
	config.block_x = 128;
	NOTE(cu.LaunchKernelEx(&config, most, NULL, NULL));
	DO(cu.CtxSynchronize());
	DO(cu.ModuleUnload(module));
	return true;
}

/* What needs a context says so before it looks at anything else. */
static bool without_a_context(void)
{
	unsigned int version;
	CUdeviceptr address;
	CUcontext popped;
	CUstream stream;
	CUevent event;
	size_t size;
	void *host;

	USE_DEVICE;
	DO(cu.CtxPopCurrent(&popped));
	NOTE(cu.LaunchKernel(NULL, 0, 0, 0, 0, 0, 0, 0, NULL, NULL, NULL));
	NOTE(cu.MemAlloc(NULL, 0));
	NOTE(cu.MemAlloc(&address, 4096));
	NOTE(cu.MemFree(0));
	NOTE(cu.MemHostAlloc(&host, 4096, 0));
	NOTE(cu.MemFreeHost(NULL));
	NOTE(cu.MemGetInfo(&size, &size));
	NOTE(cu.StreamCreate(&stream, 0));
	NOTE(cu.StreamCreate(NULL, 9));
	NOTE(cu.StreamSynchronize(NULL));
	NOTE(cu.EventCreate(&event, 0));
	NOTE(cu.EventQuery(NULL));
	NOTE(cu.StreamDestroy(NULL));
	NOTE(cu.MemcpyDtoD(0, 0, 0));
	NOTE(cu.CtxGetStreamPriorityRange(NULL, NULL));
	NOTE(cu.CtxGetLimit(&size, 0));
	NOTE(cu.CtxGetDevice((CUdevice *)&version));
	NOTE(cu.CtxPopCurrent(&popped));
	DO(cu.CtxSetCurrent(context));
	return true;
}

/* What is wrong besides, where no context is current. */
static bool streams_without_a_context(void)
{
	CUcontext popped;
	CUstream stream, made;
	CUevent event;

	USE_DEVICE;
	DO(cu.StreamCreate(&made, CU_STREAM_NON_BLOCKING));
	DO(cu.CtxPopCurrent(&popped));
	NOTE(cu.StreamCreate(NULL, 0));
	NOTE(cu.StreamCreate(&stream, 2));
	NOTE(cu.StreamCreateWithPriority(NULL, 0, 0));
	NOTE(cu.StreamCreateWithPriority(&stream, 2, 0));
	NOTE(cu.EventCreate(NULL, 0));
	NOTE(cu.EventCreate(&event, 99));
	NOTE(cu.StreamDestroy(CU_STREAM_LEGACY));
	NOTE(cu.StreamDestroy(CU_STREAM_PER_THREAD));
	NOTE(cu.StreamDestroy(made));
	DO(cu.CtxSetCurrent(context));
	return true;
}

static const struct check checks[] = {
	{ "sizes", sizes },
	{ "bounded", bounded },
	{ "shared_memory", shared_memory },
	{ "packed", packed },
	{ "unknown_extra", unknown_extra },
	{ "extended", extended },
	{ "cooperative", cooperative },
	{ "bounded_together", bounded_together },
	{ "without_a_context", without_a_context },
	{ "streams_without_a_context", streams_without_a_context },
	{ "too_few_parameters", too_few_parameters },
};
const struct check_group launch_error_family = GROUP("launch_errors", checks);
