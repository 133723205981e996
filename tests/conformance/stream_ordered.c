/* SPDX-License-Identifier: Apache-2.0 */
/* Memory that streams allocate and free, captured too. */
#include "conformance.h"

typedef struct pool *CUmemoryPool;

static bool stream_order(void)
{
	enum { ROUNDS = 40, N = 50000 };
	CUdeviceptr addresses[ROUNDS];
	unsigned int *words;
	CUstream stream;

	USE_DEVICE;
	DO(cu.StreamCreate(&stream, CU_STREAM_NON_BLOCKING));
	DO(cu.MemHostAlloc((void **)&words, sizeof(unsigned int) * ROUNDS, 0));
	for (unsigned int i = 0; i < ROUNDS; i++) {
		unsigned int value = i * 1000;
		unsigned long long n = N;

		DO(cu.MemAllocAsync(&addresses[i], sizeof(unsigned int) * N, stream));
		THAT(addresses[i] && addresses[i] % 256 == 0);
		DO(launch_1d(kernels.fill, N, stream, PARAMETERS(&addresses[i], &value, &n)));
		DO(cu.MemcpyDtoHAsync(&words[i], addresses[i] + 4 * 777, 4, stream));
		DO(cu.MemFreeAsync(addresses[i], stream));
	}
	DO(cu.StreamSynchronize(stream));
	for (unsigned int i = 0; i < ROUNDS; i++)
		THAT(words[i] == i * 1000 + 777);
	DO(cu.MemFreeHost(words));
	DO(cu.StreamDestroy(stream));
	return true;
}

static bool all_streams(void)
{
	BIND(cuMemAllocAsync_ptsz, CUdeviceptr *, size_t, CUstream);
	BIND(cuMemFreeAsync_ptsz, CUdeviceptr, CUstream);
	CUdeviceptr a, b, c, d;

	USE_DEVICE;
	DO(cu.MemAllocAsync(&a, 100, NULL));
	DO(cu.MemAllocAsync(&b, 100, (CUstream)1));
	DO(cu.MemAllocAsync(&c, 100, (CUstream)2));
	DO(cuMemAllocAsync_ptsz(&d, 100, NULL));
	THAT(a != b && b != c && c != d && a != d);
	DO(cu.MemsetD8(a, 1, 100));
	DO(cu.MemFreeAsync(a, NULL));
	DO(cu.MemFreeAsync(b, (CUstream)2));
	DO(cuMemFreeAsync_ptsz(c, NULL));
	DO(cuMemFreeAsync_ptsz(d, (CUstream)1));
	DO(cu.CtxSynchronize());
	return true;
}

/* Either kind of memory may be freed the other kind's way. */
static bool crossed_frees(void)
{
	CUdeviceptr a;
	CUstream stream;

	USE_DEVICE;
	DO(cu.StreamCreate(&stream, CU_STREAM_NON_BLOCKING));
	DO(cu.MemAllocAsync(&a, 1 << 20, stream));
	DO(cu.MemsetD8Async(a, 1, 1 << 20, stream));
	DO(cu.StreamSynchronize(stream));
	NOTE(cu.MemFree(a));
	DO(cu.MemAlloc(&a, 1 << 20));
	DO(cu.MemsetD8Async(a, 1, 1 << 20, stream));
	NOTE(cu.MemFreeAsync(a, stream));
	DO(cu.StreamSynchronize(stream));
	DO(cu.StreamDestroy(stream));
	return true;
}

static bool pointers(void)
{
	CUdeviceptr a, base = 0, pointer = 0;
	CUmemoryPool pool = NULL, first;
	unsigned long long id = 0;
	CUcontext owner = NULL;
	void *start = NULL;
	size_t size = 0;
	int type = -1, ordinal = -1, managed = -1;
	BIND(cuDeviceGetDefaultMemPool, CUmemoryPool *, CUdevice);

	USE_DEVICE;
	DO(cuDeviceGetDefaultMemPool(&first, device));
	DO(cu.MemAllocAsync(&a, 10000, NULL));
	DO(cu.PointerGetAttribute(&type, CU_POINTER_ATTRIBUTE_MEMORY_TYPE, a + 9999));
	THAT(type == CU_MEMORYTYPE_DEVICE);
	DO(cu.PointerGetAttribute(&pointer, CU_POINTER_ATTRIBUTE_DEVICE_POINTER, a + 99));
	THAT(pointer == a + 99);
	NOTE(cu.PointerGetAttribute(&owner, 1, a));
	check_note("%s", !owner ? "none" : owner == context ? "current" : "other");
	NOTE(cu.PointerGetAttribute(&pool, 17, a));
	check_note("%s", pool == first ? "default" : pool ? "other" : "none");
	DO(cu.PointerGetAttribute(&id, 7, a));
	THAT(id);
	DO(cu.PointerGetAttribute(&ordinal, 9, a));
	DO(cu.PointerGetAttribute(&managed, 8, a));
	check_note("%d %d", ordinal, managed);
	DO(cu.PointerGetAttribute(&start, 11, a + 5));
	DO(cu.PointerGetAttribute(&size, 12, a + 5));
	check_note("%d %d", (int)((CUdeviceptr)(size_t)start - a), (int)size);
	NOTE(cu.MemGetAddressRange(&base, &size, a + 5));
	check_note("%d %d", (int)(base - a), (int)size);
	DO(cu.MemFreeAsync(a, NULL));
	DO(cu.CtxSynchronize());
	return true;
}

static bool captured(void)
{
	BIND(cuGraphNodeGetType, CUgraphNode, int *);
	BIND(cuDeviceGetGraphMemAttribute, CUdevice, int, void *);
	BIND(cuDeviceSetGraphMemAttribute, CUdevice, int, void *);
	BIND(cuDeviceGraphMemTrim, CUdevice);
	unsigned int word = 0, value = 500;
	unsigned long long n = 10000, reserved = 0;
	CUdeviceptr a, result;
	CUgraphNode nodes[8];
	CUgraphExec exec;
	size_t count = 8;
	CUstream stream;
	CUgraph graph;
	int type;

	USE_DEVICE;
	DO(cu.StreamCreate(&stream, CU_STREAM_NON_BLOCKING));
	DO(cu.MemAlloc(&result, 4096));
	DO(cu.StreamBeginCapture(stream, CU_STREAM_CAPTURE_MODE_RELAXED));
	if (cu.MemAllocAsync(&a, 40000, stream) == 801) {
		/* the software GPU has no memory nodes */
		cu.StreamEndCapture(stream, &graph);
		check_note("801");
		DO(cu.MemFree(result));
		DO(cu.StreamDestroy(stream));
		return true;
	}
	DO(launch_1d(kernels.fill, n, stream, PARAMETERS(&a, &value, &n)));
	DO(cu.MemcpyDtoDAsync(result, a + 400, 4, stream));
	DO(cu.MemFreeAsync(a, stream));
	DO(cu.StreamEndCapture(stream, &graph));
	DO(cu.GraphGetNodes(graph, nodes, &count));
	for (size_t i = 0; i < count; i++) {
		DO(cuGraphNodeGetType(nodes[i], &type));
		check_note("%d", type);
	}
	DO(cu.GraphInstantiate(&exec, graph, 0));
	for (int i = 0; i < 5; i++) {
		DO(cu.MemsetD8(result, 0, 4));
		DO(cu.GraphLaunch(exec, stream));
		DO(cu.StreamSynchronize(stream));
		DO(cu.MemcpyDtoH(&word, result, 4));
		THAT(word == 600);
	}
	for (int attribute = 0; attribute < 4; attribute++) {
		DO(cuDeviceGetGraphMemAttribute(device, attribute, &reserved));
		check_note("%llu", reserved >> 10);
	}
	DO(cu.GraphExecDestroy(exec));
	DO(cu.GraphDestroy(graph));
	DO(cuDeviceGraphMemTrim(device));
	DO(cuDeviceGetGraphMemAttribute(device, 2, &reserved));
	check_note("%llu", reserved);
	reserved = 0;
	DO(cuDeviceSetGraphMemAttribute(device, 1, &reserved));
	DO(cuDeviceSetGraphMemAttribute(device, 3, &reserved));
	CODE(cuDeviceSetGraphMemAttribute(device, 0, &reserved));
	CODE(cuDeviceGetGraphMemAttribute(device, 9, &reserved));
	CODE(cuDeviceGetGraphMemAttribute(99, 0, &reserved));
	/* memory from outside a graph is not freed in it */
	DO(cu.MemAllocAsync(&a, 4096, stream));
	DO(cu.StreamBeginCapture(stream, CU_STREAM_CAPTURE_MODE_RELAXED));
	CODE(cu.MemFreeAsync(a, stream));
	NOTE(cu.StreamEndCapture(stream, &graph));
	DO(cu.MemFreeAsync(a, stream));
	DO(cu.MemFree(result));
	DO(cu.StreamDestroy(stream));
	return true;
}

static const struct check checks[] = {
	{ "stream_order", stream_order },
	{ "all_streams", all_streams },
	{ "crossed_frees", crossed_frees },
	{ "pointers", pointers },
	{ "captured", captured },
};
const struct check_group stream_ordered_family = GROUP("stream_ordered", checks);
