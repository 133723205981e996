/* SPDX-License-Identifier: Apache-2.0 */
/* Managed memory: one address for processor and GPU, what pointers to it are, advice, prefetches. */
#include "conformance.h"

#include <string.h>

#define COUNT 3000
#define SIZE (COUNT * sizeof(float))
#define GLOBAL 1u
#define CPU (-1)

struct location {
	unsigned int type;
	int id;
};
static const struct location here = { 1, 0 }, host = { 2, 0 };

static CUresult allocate(CUdeviceptr *memory, size_t size)
{
	BIND(cuMemAllocManaged, CUdeviceptr *, size_t, unsigned int);

	return cuMemAllocManaged(memory, size, GLOBAL);
}

static float *floats(CUdeviceptr address)
{
	return (float *)(uintptr_t)address;
}

static bool errors(void)
{
	BIND(cuMemAllocManaged, CUdeviceptr *, size_t, unsigned int);
	CUdeviceptr memory;

	USE_DEVICE;
	CODE(cuMemAllocManaged(&memory, 0, GLOBAL));
	CODE(cuMemAllocManaged(NULL, 4096, GLOBAL));
	for (unsigned int flags = 0; flags < 9; flags++) {
		memory = 0;
		NOTE(cuMemAllocManaged(&memory, 4096, flags));
		if (memory)
			DO(cu.MemFree(memory));
	}
	return true;
}

static bool both_sides(void)
{
	CUdeviceptr a, b, sum;
	int count = COUNT;

	USE_DEVICE;
	DO(allocate(&a, SIZE));
	DO(allocate(&b, SIZE));
	DO(allocate(&sum, SIZE));
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < COUNT; i++) {
			floats(a)[i] = (float)(i + round);
			floats(b)[i] = (float)(2 * i);
		}
		DO(cu.LaunchKernel(kernels.vector_add, (COUNT + 255) / 256, 1, 1, 256, 1, 1, 0, NULL,
				   (void *[]){ &a, &b, &sum, &count }, NULL));
		DO(cu.CtxSynchronize());
		for (int i = 0; i < COUNT; i++)
			THAT(floats(sum)[i] == (float)(3 * i + round));
	}
	DO(cu.MemFree(sum));
	DO(cu.MemFree(b));
	DO(cu.MemFree(a));
	CODE(cu.MemFree(a));
	return true;
}

static bool copies(void)
{
	float out[COUNT], in[COUNT];
	CUdeviceptr managed, device;

	USE_DEVICE;
	for (int i = 0; i < COUNT; i++)
		in[i] = (float)i;
	DO(allocate(&managed, SIZE));
	DO(cu.MemAlloc(&device, SIZE));
	DO(cu.MemcpyHtoD(managed, in, SIZE));
	THAT(floats(managed)[COUNT - 1] == COUNT - 1);
	DO(cu.MemcpyDtoD(device, managed, SIZE));
	DO(cu.MemsetD8(managed, 0, SIZE));
	DO(cu.CtxSynchronize());
	THAT(floats(managed)[COUNT - 1] == 0);
	DO(cu.MemcpyDtoD(managed, device, SIZE));
	DO(cu.MemcpyDtoH(out, managed, SIZE));
	THAT(!memcmp(in, out, SIZE));
	memset(out, 0, SIZE);
	DO(cu.MemcpyDtoH(floats(managed) + COUNT / 2, device, SIZE / 2));
	THAT(floats(managed)[COUNT / 2] == 0 && floats(managed)[COUNT - 1] == COUNT / 2 - 1);
	DO(cu.MemFree(device));
	DO(cu.MemFree(managed));
	return true;
}

static bool pointers(void)
{
	CUdeviceptr memory, pointer = 0, base = 0;
	void *same = NULL;
	size_t size = 0;
	int value;

	USE_DEVICE;
	DO(allocate(&memory, 10000));
	for (int attribute = 2; attribute <= 15; attribute++) {
		uint64_t words[8] = { 0 };	/* peer-to-peer tokens (5) are 16 bytes */
		CUresult result = cu.PointerGetAttribute(words, attribute, memory + 9999);

		/* addresses and numbers of the run are left out */
		if (attribute == 3 || attribute == 4 || attribute == 7 || attribute == 11)
			check_note("%d", result);
		else
			check_note("%d:%d", result, result ? 0 : (int)words[0]);
	}
	DO(cu.PointerGetAttribute(&pointer, CU_POINTER_ATTRIBUTE_DEVICE_POINTER, memory + 7));
	THAT(pointer == memory + 7);
	DO(cu.PointerGetAttribute(&same, CU_POINTER_ATTRIBUTE_HOST_POINTER, memory + 7));
	THAT((CUdeviceptr)(uintptr_t)same == memory + 7);
	DO(cu.PointerGetAttribute(&value, CU_POINTER_ATTRIBUTE_IS_MANAGED, memory));
	THAT(value == 1);
	DO(cu.MemGetAddressRange(&base, &size, memory + 5));
	THAT(base == memory);
	check_note("%d", (int)size);
	DO(cu.MemFree(memory));
	return true;
}

/* Which calls for page-locked memory take managed memory. */
static bool of_the_host(void)
{
	BIND(cuMemHostGetFlags, unsigned int *, void *);
	BIND(cuMemHostGetDevicePointer_v2, CUdeviceptr *, void *, unsigned int);
	BIND(cuMemHostRegister_v2, void *, size_t, unsigned int);
	CUdeviceptr memory, pointer = 0;
	unsigned int flags = 0;

	USE_DEVICE;
	DO(allocate(&memory, 1 << 20));
	NOTE(cuMemHostGetFlags(&flags, floats(memory)));
	check_note("flags %u", flags);
	CODE(cuMemHostGetFlags(NULL, floats(memory)));
	NOTE(cuMemHostGetDevicePointer_v2(&pointer, floats(memory), 0));
	NOTE(cuMemHostRegister_v2(floats(memory), 4096, 0));
	CODE(cu.MemFreeHost(floats(memory)));
	CODE(cu.MemFree(memory + 4096));
	DO(cu.MemFree(memory));
	return true;
}

static bool note_range(CUdeviceptr memory, size_t size)
{
	BIND(cuMemRangeGetAttribute, void *, size_t, int, CUdeviceptr, size_t);

	for (int attribute = 1; attribute <= 4; attribute++) {
		int values[3] = { 9, 9, 9 };

		DO(cuMemRangeGetAttribute(values, attribute == 3 ? sizeof(values) : sizeof(int), attribute, memory, size));
		check_note("%d", values[0]);
		if (attribute == 3)
			check_note("%d %d", values[1], values[2]);
	}
	return true;
}

static bool advice(void)
{
	BIND(cuMemAdvise, CUdeviceptr, size_t, int, CUdevice);
	BIND(cuMemAdvise_v2, CUdeviceptr, size_t, int, struct location);
	BIND(cuMemRangeGetAttribute, void *, size_t, int, CUdeviceptr, size_t);
	const size_t size = 4 << 20;
	CUdeviceptr memory;
	int value = 9;

	USE_DEVICE;
	DO(allocate(&memory, size));
	if (!note_range(memory, size))
		return false;
	for (int what = 1; what <= 5; what += 2) {
		DO(cuMemAdvise(memory, size, what, device));
		if (!note_range(memory, size))
			return false;
	}
	DO(cuMemAdvise(memory, size, 5, CPU));
	DO(cuMemAdvise_v2(memory, size, 3, host));
	if (!note_range(memory, size))
		return false;
	for (int what = 2; what <= 6; what += 2)
		DO(cuMemAdvise(memory, size, what, device));
	if (!note_range(memory, size))
		return false;
	CODE(cuMemAdvise(memory, size + 1, 1, device));
	CODE(cuMemAdvise(memory, 0, 1, device));
	CODE(cuMemAdvise(memory, size, 0, device));
	CODE(cuMemAdvise(memory, size, 9, device));
	CODE(cuMemAdvise(memory, size, 3, 99));
	CODE(cuMemRangeGetAttribute(&value, 3, 1, memory, size));
	CODE(cuMemRangeGetAttribute(&value, 4, 99, memory, size));
	CODE(cuMemRangeGetAttribute(&value, 4, 1, memory, size + 1));
	DO(cu.MemFree(memory));
	return true;
}

static bool prefetches(void)
{
	BIND(cuMemPrefetchAsync, CUdeviceptr, size_t, CUdevice, CUstream);
	BIND(cuMemPrefetchAsync_v2, CUdeviceptr, size_t, struct location, unsigned int, CUstream);
	const size_t size = 4 << 20;
	CUdeviceptr memory;
	CUstream stream;

	USE_DEVICE;
	DO(cu.StreamCreate(&stream, CU_STREAM_NON_BLOCKING));
	DO(allocate(&memory, size));
	memset(floats(memory), 3, size);
	DO(cuMemPrefetchAsync(memory, size, device, stream));
	DO(cu.MemsetD8Async(memory, 4, size / 2, stream));
	DO(cuMemPrefetchAsync(memory, size, CPU, stream));
	DO(cu.StreamSynchronize(stream));
	THAT(((char *)floats(memory))[0] == 4 && ((char *)floats(memory))[size - 1] == 3);
	if (!note_range(memory, size))
		return false;
	DO(cuMemPrefetchAsync_v2(memory, size, here, 0, stream));
	DO(cu.StreamSynchronize(stream));
	if (!note_range(memory, size))
		return false;
	CODE(cuMemPrefetchAsync(memory, 0, device, stream));
	CODE(cuMemPrefetchAsync(memory, size + 1, device, stream));
	CODE(cuMemPrefetchAsync(memory, size, 99, stream));
	CODE(cuMemPrefetchAsync_v2(memory, size, here, 1, stream));
	DO(cu.MemFree(memory));
	DO(cu.StreamDestroy(stream));
	return true;
}

static bool batches(void)
{
	BIND(cuMemPrefetchBatchAsync, CUdeviceptr *, size_t *, size_t, struct location *, size_t *, size_t, unsigned long long, CUstream);
	BIND(cuMemDiscardBatchAsync, CUdeviceptr *, size_t *, size_t, unsigned long long, CUstream);
	size_t sizes[2] = { 2 << 20, 2 << 20 }, firsts[2] = { 0, 1 }, wrong[2] = { 1, 0 };
	struct location places[2] = { here, host };
	CUdeviceptr memory[2];
	CUstream stream;

	USE_DEVICE;
	if (!cuMemPrefetchBatchAsync || !cuMemDiscardBatchAsync)
		return true;	/* drivers before CUDA 13 */
	DO(cu.StreamCreate(&stream, CU_STREAM_NON_BLOCKING));
	DO(allocate(&memory[0], sizes[0]));
	DO(allocate(&memory[1], sizes[1]));
	memset(floats(memory[0]), 1, sizes[0]);
	DO(cuMemPrefetchBatchAsync(memory, sizes, 2, places, firsts, 2, 0, stream));
	DO(cu.StreamSynchronize(stream));
	for (int i = 0; i < 2; i++)
		if (!note_range(memory[i], sizes[i]))
			return false;
	CODE(cuMemPrefetchBatchAsync(memory, sizes, 0, places, firsts, 2, 0, stream));
	CODE(cuMemPrefetchBatchAsync(memory, sizes, 2, places, firsts, 0, 0, stream));
	CODE(cuMemPrefetchBatchAsync(memory, sizes, 2, places, wrong, 2, 0, stream));
	CODE(cuMemPrefetchBatchAsync(memory, sizes, 2, places, firsts, 2, 1, stream));
	CODE(cuMemPrefetchBatchAsync(memory, sizes, 1, places, firsts, 2, 0, stream));
	DO(cuMemDiscardBatchAsync(memory, sizes, 2, 0, stream));
	DO(cu.StreamSynchronize(stream));
	CODE(cuMemDiscardBatchAsync(memory, sizes, 0, 0, stream));
	CODE(cuMemDiscardBatchAsync(memory, sizes, 2, 1, stream));
	DO(cu.MemFree(memory[1]));
	DO(cu.MemFree(memory[0]));
	DO(cu.StreamDestroy(stream));
	return true;
}

/*
 * What a range is attached to. The documentation lets the processor touch a range that is attached to the host, one
 * attached to a stream while that stream is idle, and a global one while the GPU is idle; where
 * concurrentManagedAccess is set, at any time. So it is only touched behind a wait.
 */
static bool attached(void)
{
	enum { FOR_ALL = 1, FOR_HOST = 2, FOR_STREAM = 4 };
	BIND(cuStreamAttachMemAsync, CUstream, CUdeviceptr, size_t, unsigned int);
	CUdeviceptr memory;
	CUstream stream;

	USE_DEVICE;
	DO(cu.StreamCreate(&stream, CU_STREAM_NON_BLOCKING));
	DO(allocate(&memory, SIZE));
	NOTE(cuStreamAttachMemAsync(stream, memory, 0, FOR_STREAM));
	DO(cu.StreamSynchronize(stream));
	memset(floats(memory), 1, SIZE);
	DO(cu.MemsetD8Async(memory, 2, SIZE / 2, stream));
	DO(cu.StreamSynchronize(stream));
	THAT(((char *)floats(memory))[0] == 2 && ((char *)floats(memory))[SIZE - 1] == 1);
	NOTE(cuStreamAttachMemAsync(stream, memory, 0, FOR_HOST));
	DO(cu.StreamSynchronize(stream));
	memset(floats(memory), 3, SIZE);
	NOTE(cuStreamAttachMemAsync(stream, memory, 0, FOR_ALL));
	DO(cu.StreamSynchronize(stream));
	DO(cu.MemsetD8(memory, 4, SIZE / 2));
	DO(cu.CtxSynchronize());
	THAT(((char *)floats(memory))[0] == 4 && ((char *)floats(memory))[SIZE - 1] == 3);
	DO(cu.MemFree(memory));
	DO(cu.StreamDestroy(stream));
	return true;
}

/* The legacy stream is all streams, so a range cannot be its alone; a part of a range cannot be attached. */
static bool attach_errors(void)
{
	BIND(cuStreamAttachMemAsync, CUstream, CUdeviceptr, size_t, unsigned int);
	CUdeviceptr memory;
	CUstream stream;

	USE_DEVICE;
	DO(cu.StreamCreate(&stream, CU_STREAM_NON_BLOCKING));
	DO(allocate(&memory, SIZE));
	NOTE(cuStreamAttachMemAsync(NULL, memory, 0, 4));
	NOTE(cuStreamAttachMemAsync(stream, memory, 16, 1));
	NOTE(cuStreamAttachMemAsync(stream, memory, SIZE, 1));
	DO(cu.StreamSynchronize(stream));
	DO(cu.MemFree(memory));
	DO(cu.StreamDestroy(stream));
	return true;
}

static bool captured(void)
{
	BIND(cuMemPrefetchAsync, CUdeviceptr, size_t, CUdevice, CUstream);
	CUdeviceptr memory, other;
	CUgraphExec run;
	CUgraph graph;
	CUstream stream;

	USE_DEVICE;
	DO(cu.StreamCreate(&stream, CU_STREAM_NON_BLOCKING));
	DO(allocate(&memory, 1 << 20));
	CODE((cu.StreamBeginCapture(stream, CU_STREAM_CAPTURE_MODE_GLOBAL), allocate(&other, 4096)));
	NOTE(cu.StreamEndCapture(stream, &graph));
	DO(cu.StreamBeginCapture(stream, CU_STREAM_CAPTURE_MODE_RELAXED));
	DO(cu.MemsetD8Async(memory, 5, 1 << 20, stream));
	DO(cu.StreamEndCapture(stream, &graph));
	DO(cu.GraphInstantiate(&run, graph, 0));
	DO(cu.GraphLaunch(run, stream));
	DO(cu.StreamSynchronize(stream));
	THAT(((char *)floats(memory))[(1 << 20) - 1] == 5);
	DO(cu.GraphExecDestroy(run));
	DO(cu.GraphDestroy(graph));
	DO(cu.StreamBeginCapture(stream, CU_STREAM_CAPTURE_MODE_RELAXED));
	NOTE(cuMemPrefetchAsync(memory, 1 << 20, device, stream));
	NOTE(cu.StreamEndCapture(stream, &graph));
	DO(cu.MemFree(memory));
	DO(cu.StreamDestroy(stream));
	return true;
}

static const struct check checks[] = {
	{ "errors", errors },	  { "both_sides", both_sides }, { "copies", copies },	{ "pointers", pointers },
	{ "of_the_host", of_the_host }, { "advice", advice },	{ "prefetches", prefetches }, { "batches", batches },
	{ "attached", attached }, { "attach_errors", attach_errors }, { "captured", captured },
};
const struct check_group managed_family = GROUP("managed", checks);
