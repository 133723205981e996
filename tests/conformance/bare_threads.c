/* SPDX-License-Identifier: Apache-2.0 */
/* Threads without a current context: what the driver answers there. A runtime binds a context for most calls, not for all. */
#include "conformance.h"
#include "kernels.h"

#include <pthread.h>
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

static CUstream stream;
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

/* Everything else says what it says. */
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
	CUevent event;
	CUstream other;
	int number;

	NOTE(cu.StreamQuery(stream));
	NOTE(cu.StreamSynchronize(stream));
	NOTE(cu.StreamSynchronize(NULL));
	NOTE(cu.StreamWaitEvent(stream, first, 0));
	NOTE(cu.EventRecord(never, stream));
	NOTE(cuStreamIsCapturing(stream, &number));
	NOTE(cuStreamGetFlags(stream, &flags));
	NOTE(cuStreamGetId(stream, &id));
	NOTE(cu.MemsetD8Async(memory, 1, 64, stream));
	NOTE(cu.MemcpyHtoDAsync(memory, data, sizeof(data), stream));
	NOTE(cu.MemcpyDtoH(data, memory, sizeof(data)));
	NOTE(cuPointerGetAttribute(&number, 2, memory));
	NOTE(cuFuncGetAttribute(&number, 0, kernels.empty));
	NOTE(cuFuncSetAttribute(kernels.empty, 8, 1024));
	NOTE(cuOccupancyMaxActiveBlocksPerMultiprocessor(&number, kernels.empty, 64, 0));
	NOTE(cu.LaunchKernel(kernels.empty, 1, 1, 1, 1, 1, 1, 0, stream, NULL, NULL));
	NOTE(cu.StreamCreate(&other, 0));
	NOTE(cu.EventCreate(&event, 0));
	NOTE(cu.MemAlloc(&address, 64));
	NOTE(cu.MemGetInfo(&free_bytes, &total));
	NOTE(cu.CtxSynchronize());
	NOTE(cu.ModuleLoadData(&(CUmodule){ NULL }, kernels_ptx));
	number = cuMemAddressReserve(&address, 2 << 20, 0, 0, 0);
	check_note("%d", number);
	if (!number)
		NOTE(cuMemAddressFree(address, 2 << 20));
	return true;
}

static bool others(void)
{
	return prepare() && bare(other_calls);
}

static const struct check checks[] = { { "events", events }, { "libraries", libraries }, { "others", others } };

const struct check_group bare_thread_family = GROUP("bare_threads", checks);
