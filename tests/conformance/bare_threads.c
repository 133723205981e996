/* SPDX-License-Identifier: Apache-2.0 */
/* Threads without a current context: what the driver answers there. A runtime binds a context for most calls, not for all. */
#include "conformance.h"
#include "kernels.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

static void *run_bare(void *function)
{
	CUcontext current = NULL;
	bool (*check)(void) = NULL;

	memcpy(&check, &function, sizeof(check));
	if (cu.CtxGetCurrent(&current) || current)
		return check_reason("a new thread has a context") ? function : NULL;
	return check() ? function : NULL;
}

/* Runs a check in a thread of its own. */
static bool bare(bool (*check)(void))
{
	pthread_t thread;
	void *function, *passed = NULL;

	memcpy(&function, &check, sizeof(function));
	THAT(pthread_create(&thread, NULL, run_bare, function) == 0);
	THAT(pthread_join(thread, &passed) == 0);
	return passed;
}

static CUstream stream, extra;
static CUevent first, second, never;
static CUdeviceptr memory;

static bool prepare(void)
{
	USE_DEVICE;
	if (stream)
		return true;
	DO(cu.StreamCreate(&stream, CU_STREAM_NON_BLOCKING));
	DO(cu.EventCreate(&first, 0));
	DO(cu.EventCreate(&second, 0));
	DO(cu.EventCreate(&never, 0));
	DO(cu.MemAlloc(&memory, 1 << 16));
	return true;
}

static bool event_calls(void)
{
	float milliseconds = -1;

	DO(cu.EventSynchronize(second));
	DO(cu.EventQuery(first));
	DO(cu.EventQuery(never));
	DO(cu.EventElapsedTime(&milliseconds, first, second));
	THAT(milliseconds >= 0);
	CODE(cu.EventElapsedTime(&milliseconds, first, never));
	CODE(cu.EventQuery(NULL));
	return true;
}

static bool events(void)
{
	int n = 512;
	unsigned int factor = 3, round = 1;

	if (!prepare())
		return false;
	DO(cu.EventRecord(first, stream));
	DO(cu.MemsetD8Async(memory, 1, 1 << 16, stream));
	DO(launch_1d(kernels.step, 512, stream, PARAMETERS(&memory, &factor, &round, &n)));
	DO(cu.EventRecord(second, stream));
	return bare(event_calls);
}

/* A library knows no context, so loading one needs none. */
static bool library_calls(void)
{
	BIND(cuLibraryLoadData, void **, const void *, int *, void **, unsigned int, int *, void **, unsigned int);
	BIND(cuLibraryGetKernel, void **, void *, const char *);
	BIND(cuLibraryUnload, void *);
	BIND(cuKernelGetAttribute, int *, int, void *, CUdevice);
	void *library, *kernel;
	int value = -1;

	DO(cuLibraryLoadData(&library, kernels_ptx, NULL, NULL, 0, NULL, NULL, 0));
	DO(cuLibraryGetKernel(&kernel, library, "vector_add"));
	DO(cuKernelGetAttribute(&value, 0, kernel, device));
	THAT(value > 0);
	DO(cuLibraryUnload(library));
	return true;
}

static bool libraries(void)
{
	return prepare() && bare(library_calls);
}

static void nothing(void *data)
{
	(void)data;
}

static bool other_calls(void)
{
	BIND(cuStreamIsCapturing, CUstream, int *);
	BIND(cuStreamGetFlags, CUstream, unsigned int *);
	BIND(cuStreamGetId, CUstream, unsigned long long *);
	BIND(cuPointerGetAttribute, void *, int, CUdeviceptr);
	BIND(cuFuncGetAttribute, int *, int, CUfunction);
	BIND(cuFuncSetAttribute, CUfunction, int, int);
	BIND(cuOccupancyMaxActiveBlocksPerMultiprocessor, int *, CUfunction, int, size_t);
	BIND(cuMemAddressReserve, CUdeviceptr *, size_t, size_t, CUdeviceptr, unsigned long long);
	BIND(cuMemAddressFree, CUdeviceptr, size_t);
	unsigned long long id;
	unsigned int flags;
	CUdeviceptr address;
	size_t free_bytes, total;
	char data[64] = { 0 };
	CUcontext current = NULL;
	CUevent event;
	CUstream other;
	int number;

	/* measured with driver 580: work on a stream happens in the stream's context */
	DO(cu.StreamQuery(stream));
	DO(cu.StreamSynchronize(stream));
	RESULT(201, cu.StreamSynchronize(NULL));
	DO(cu.StreamWaitEvent(stream, first, 0));
	DO(cu.EventRecord(never, stream));
	DO(cuStreamIsCapturing(stream, &number));
	DO(cuStreamGetFlags(stream, &flags));
	DO(cuStreamGetId(stream, &id));
	DO(cu.MemsetD8Async(memory, 1, 64, stream));
	DO(cu.MemcpyHtoDAsync(memory, data, sizeof(data), stream));
	RESULT(201, cu.MemcpyDtoH(data, memory, sizeof(data)));
	DO(cuPointerGetAttribute(&number, 2, memory));
	DO(cuFuncGetAttribute(&number, 0, kernels.empty));
	DO(cuFuncSetAttribute(kernels.empty, 8, 1024));
	RESULT(201, cuOccupancyMaxActiveBlocksPerMultiprocessor(&number, kernels.empty, 64, 0));
	DO(cu.LaunchKernel(kernels.empty, 1, 1, 1, 1, 1, 1, 0, stream, NULL, NULL));
	RESULT(201, cu.StreamCreate(&other, 0));
	RESULT(201, cu.EventCreate(&event, 0));
	RESULT(201, cu.MemAlloc(&address, 64));
	RESULT(201, cu.MemGetInfo(&free_bytes, &total));
	RESULT(201, cu.CtxSynchronize());
	RESULT(201, cu.ModuleLoadData(&(CUmodule){ NULL }, kernels_ptx));
	DO(cuMemAddressReserve(&address, 2 << 20, 0, 0, 0));
	DO(cuMemAddressFree(address, 2 << 20));
	DO(cu.StreamSynchronize(stream));
	DO(cu.CtxGetCurrent(&current));
	THAT(!current);
	return true;
}

/* What the bare driver answers has not been measured yet. */
static bool more_calls(void)
{
	BIND(cuStreamGetCaptureInfo_v2, CUstream, int *, unsigned long long *, void *, void *, size_t *);
	BIND(cuStreamWriteValue32_v2, CUstream, CUdeviceptr, unsigned int, unsigned int);
	BIND(cuStreamBeginCapture_v2, CUstream, int);
	BIND(cuStreamEndCapture, CUstream, CUgraph *);
	BIND(cuMemAllocAsync, CUdeviceptr *, size_t, CUstream);
	BIND(cuMemFreeAsync, CUdeviceptr, CUstream);
	BIND(cuLaunchHostFunc, CUstream, void (*)(void *), void *);
	BIND(cuMemAllocHost_v2, void **, size_t);
	BIND(cuStreamDestroy_v2, CUstream);
	CUdeviceptr address = 0;
	CUgraph graph = NULL;
	int status;

	printf("info bare_threads: capture info %d\n", cuStreamGetCaptureInfo_v2(stream, &status, NULL, NULL, NULL, NULL));
	printf("info bare_threads: write value %d\n", cuStreamWriteValue32_v2(stream, memory, 1, 0));
	printf("info bare_threads: begin capture %d\n", cuStreamBeginCapture_v2(stream, 2));
	printf("info bare_threads: end capture %d\n", cuStreamEndCapture(stream, &graph));
	printf("info bare_threads: allocate in order %d\n", cuMemAllocAsync(&address, 4096, stream));
	printf("info bare_threads: free in order %d\n", address ? cuMemFreeAsync(address, stream) : -1);
	printf("info bare_threads: host function %d\n", cuLaunchHostFunc(stream, nothing, NULL));
	printf("info bare_threads: pinned memory %d\n", cuMemAllocHost_v2(&(void *){ NULL }, 4096));
	printf("info bare_threads: end of a stream %d\n", cuStreamDestroy_v2(extra));
	return true;
}

static bool others(void)
{
	if (!prepare())
		return false;
	DO(cu.StreamCreate(&extra, CU_STREAM_NON_BLOCKING));
	return bare(other_calls) && bare(more_calls);
}

static const struct check checks[] = {
	{ "events", events },
	{ "libraries", libraries },
	{ "others", others },
};

const struct check_group bare_thread_family = GROUP("bare_threads", checks);
