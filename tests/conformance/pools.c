/* SPDX-License-Identifier: Apache-2.0 */
/* Stream-ordered memory, memory pools, and the answers of calls for managed memory to other memory. */
#include "conformance.h"

#include <stdio.h>
#include <string.h>

typedef struct pool *CUmemoryPool;

struct location {
	unsigned int type;
	int id;
};

struct pool_properties {
	unsigned int allocation, handle_types;
	struct location location;
	void *win32;
	size_t max_size;
	unsigned short usage;
	unsigned char reserved[54];
};
_Static_assert(sizeof(struct pool_properties) == 88, "CUmemPoolProps");

struct access {
	struct location location;
	unsigned int flags;
};

#define OF_DEVICE { .allocation = 1, .location = { 1, 0 } }
#define MEM_ALLOC_NODE 10
#define MEM_FREE_NODE 11

enum { FOLLOW_EVENTS = 1, OPPORTUNISTIC, INTERNAL, THRESHOLD, RESERVED, RESERVED_HIGH, USED, USED_HIGH };

static bool support(void)
{
	int value;

	USE_DEVICE;
	for (int attribute = 115; attribute <= 119; attribute += 4) {
		DO(cu.DeviceGetAttribute(&value, attribute, device));
		printf("info pools.attribute_%d %d\n", attribute, value);
		if (attribute == 115)
			THAT(value == 1);
	}
	return true;
}

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

static bool attributes(void)
{
	BIND(cuDeviceGetDefaultMemPool, CUmemoryPool *, CUdevice);
	BIND(cuMemPoolGetAttribute, CUmemoryPool, int, void *);
	BIND(cuMemPoolSetAttribute, CUmemoryPool, int, const void *);
	unsigned long long value;
	CUmemoryPool pool;
	int flag;

	USE_DEVICE;
	DO(cuDeviceGetDefaultMemPool(&pool, device));
	DO(cu.CtxSynchronize());
	for (int attribute = FOLLOW_EVENTS; attribute <= INTERNAL; attribute++) {
		flag = -1;
		DO(cuMemPoolGetAttribute(pool, attribute, &flag));
		check_note("%d", flag);
		flag = 0;
		DO(cuMemPoolSetAttribute(pool, attribute, &flag));
		flag = -1;
		DO(cuMemPoolGetAttribute(pool, attribute, &flag));
		THAT(flag == 0);
		flag = 1;
		DO(cuMemPoolSetAttribute(pool, attribute, &flag));
	}
	DO(cuMemPoolGetAttribute(pool, THRESHOLD, &value));
	check_note("%llu", value);
	value = 1ull << 33;
	DO(cuMemPoolSetAttribute(pool, THRESHOLD, &value));
	value = 0;
	DO(cuMemPoolGetAttribute(pool, THRESHOLD, &value));
	THAT(value == 1ull << 33);
	value = 0;
	DO(cuMemPoolSetAttribute(pool, THRESHOLD, &value));
	NOTE(cuMemPoolSetAttribute(pool, RESERVED, &value));
	NOTE(cuMemPoolSetAttribute(pool, USED, &value));
	NOTE(cuMemPoolSetAttribute(pool, RESERVED_HIGH, &value));
	NOTE(cuMemPoolSetAttribute(pool, USED_HIGH, &value));
	value = 1;
	NOTE(cuMemPoolSetAttribute(pool, USED_HIGH, &value));
	CODE(cuMemPoolGetAttribute(pool, 0, &value));
	CODE(cuMemPoolGetAttribute(pool, 99, &value));
	CODE(cuMemPoolGetAttribute(pool, THRESHOLD, NULL));
	CODE(cuMemPoolGetAttribute(NULL, THRESHOLD, &value));
	return true;
}

static bool what_pools_hold(void)
{
	BIND(cuDeviceGetDefaultMemPool, CUmemoryPool *, CUdevice);
	BIND(cuMemPoolGetAttribute, CUmemoryPool, int, void *);
	BIND(cuMemPoolTrimTo, CUmemoryPool, size_t);
	unsigned long long used = 0, reserved = 0;
	CUdeviceptr a, b;
	CUmemoryPool pool;
	CUstream stream;

	USE_DEVICE;
	DO(cu.StreamCreate(&stream, CU_STREAM_NON_BLOCKING));
	DO(cuDeviceGetDefaultMemPool(&pool, device));
	DO(cu.CtxSynchronize());
	DO(cuMemPoolTrimTo(pool, 0));
	DO(cuMemPoolGetAttribute(pool, USED, &used));
	DO(cuMemPoolGetAttribute(pool, RESERVED, &reserved));
	THAT(used == 0 && reserved == 0);
	DO(cu.MemAllocAsync(&a, 1 << 20, stream));
	DO(cu.MemAllocAsync(&b, 5 << 20, stream));
	DO(cuMemPoolGetAttribute(pool, USED, &used));
	DO(cuMemPoolGetAttribute(pool, RESERVED, &reserved));
	THAT(used >= 6 << 20 && reserved >= used);
	check_note("%llu %llu", used >> 10, reserved >> 20);
	DO(cu.MemFreeAsync(a, stream));
	DO(cu.MemFreeAsync(b, stream));
	DO(cu.StreamSynchronize(stream));
	DO(cuMemPoolGetAttribute(pool, USED, &used));
	THAT(used == 0);
	/* the threshold is 0: waiting has given it back */
	DO(cuMemPoolGetAttribute(pool, RESERVED, &reserved));
	check_note("%llu", reserved >> 20);
	DO(cuMemPoolTrimTo(pool, 0));
	DO(cuMemPoolGetAttribute(pool, RESERVED, &reserved));
	THAT(reserved == 0);
	DO(cu.StreamDestroy(stream));
	return true;
}

static bool own_pools(void)
{
	BIND(cuMemPoolCreate, CUmemoryPool *, const struct pool_properties *);
	BIND(cuMemPoolDestroy, CUmemoryPool);
	BIND(cuMemAllocFromPoolAsync, CUdeviceptr *, size_t, CUmemoryPool, CUstream);
	BIND(cuDeviceGetDefaultMemPool, CUmemoryPool *, CUdevice);
	BIND(cuDeviceGetMemPool, CUmemoryPool *, CUdevice);
	BIND(cuDeviceSetMemPool, CUdevice, CUmemoryPool);
	BIND(cuMemPoolGetAttribute, CUmemoryPool, int, void *);
	struct pool_properties properties = OF_DEVICE;
	CUmemoryPool first, pool, found;
	unsigned long long used = 0;
	CUdeviceptr a, b;
	unsigned int word;

	USE_DEVICE;
	DO(cuDeviceGetDefaultMemPool(&first, device));
	DO(cuDeviceGetMemPool(&found, device));
	THAT(found == first);
	DO(cuMemPoolCreate(&pool, &properties));
	THAT(pool != first);
	DO(cuMemAllocFromPoolAsync(&a, 1 << 16, pool, NULL));
	DO(cuDeviceSetMemPool(device, pool));
	DO(cuDeviceGetMemPool(&found, device));
	THAT(found == pool);
	DO(cu.MemAllocAsync(&b, 1 << 16, NULL));
	DO(cuMemPoolGetAttribute(pool, USED, &used));
	THAT(used == 2 << 16);
	DO(cu.MemsetD32(a, 6, 1 << 14));
	DO(cu.MemcpyDtoD(b, a, 1 << 16));
	DO(cu.MemcpyDtoH(&word, b + 4000, 4));
	THAT(word == 6);
	/* memory outlives its pool */
	DO(cuMemPoolDestroy(pool));
	DO(cuDeviceGetMemPool(&found, device));
	THAT(found == first);
	DO(cu.MemcpyDtoH(&word, a, 4));
	THAT(word == 6);
	DO(cu.MemFreeAsync(a, NULL));
	DO(cu.MemFreeAsync(b, NULL));
	DO(cu.CtxSynchronize());
	CODE(cuMemPoolDestroy(first));
	return true;
}

static bool limited_pool(void)
{
	BIND(cuMemPoolCreate, CUmemoryPool *, const struct pool_properties *);
	BIND(cuMemPoolDestroy, CUmemoryPool);
	BIND(cuMemAllocFromPoolAsync, CUdeviceptr *, size_t, CUmemoryPool, CUstream);
	struct pool_properties properties = OF_DEVICE;
	CUmemoryPool pool;
	CUdeviceptr a;

	USE_DEVICE;
	properties.max_size = 64 << 20;
	DO(cuMemPoolCreate(&pool, &properties));
	DO(cuMemAllocFromPoolAsync(&a, 32 << 20, pool, NULL));
	DO(cu.MemFreeAsync(a, NULL));
	CODE(cuMemAllocFromPoolAsync(&a, 128 << 20, pool, NULL));
	DO(cu.CtxSynchronize());
	DO(cuMemPoolDestroy(pool));
	return true;
}

static bool access_and_places(void)
{
	BIND(cuMemPoolCreate, CUmemoryPool *, const struct pool_properties *);
	BIND(cuMemPoolDestroy, CUmemoryPool);
	BIND(cuMemPoolSetAccess, CUmemoryPool, const struct access *, size_t);
	BIND(cuMemPoolGetAccess, unsigned int *, CUmemoryPool, struct location *);
	BIND(cuMemGetDefaultMemPool, CUmemoryPool *, struct location *, unsigned int);
	BIND(cuMemGetMemPool, CUmemoryPool *, struct location *, unsigned int);
	BIND(cuMemSetMemPool, struct location *, unsigned int, CUmemoryPool);
	BIND(cuDeviceGetDefaultMemPool, CUmemoryPool *, CUdevice);
	struct pool_properties properties = OF_DEVICE;
	struct location here = { 1, 0 }, nowhere = { 1, 99 };
	struct access access = { { 1, 0 }, 3 };
	CUmemoryPool pool, first, found;
	unsigned int flags = 99;

	USE_DEVICE;
	DO(cuMemPoolCreate(&pool, &properties));
	DO(cuMemPoolGetAccess(&flags, pool, &here));
	check_note("%u", flags);
	NOTE(cuMemPoolSetAccess(pool, &access, 1));
	access.flags = 0;
	NOTE(cuMemPoolSetAccess(pool, &access, 1));
	access.flags = 1;
	NOTE(cuMemPoolSetAccess(pool, &access, 1));
	access = (struct access){ { 1, 99 }, 3 };
	CODE(cuMemPoolSetAccess(pool, &access, 1));
	CODE(cuMemPoolGetAccess(&flags, pool, &nowhere));
	CODE(cuMemPoolGetAccess(NULL, pool, &here));
	DO(cuDeviceGetDefaultMemPool(&first, device));
	DO(cuMemGetDefaultMemPool(&found, &here, 1));
	THAT(found == first);
	DO(cuMemGetMemPool(&found, &here, 1));
	THAT(found == first);
	DO(cuMemSetMemPool(&here, 1, pool));
	DO(cuMemGetMemPool(&found, &here, 1));
	THAT(found == pool);
	DO(cuMemPoolDestroy(pool));
	return true;
}

static bool errors(void)
{
	BIND(cuMemPoolCreate, CUmemoryPool *, const struct pool_properties *);
	BIND(cuDeviceGetDefaultMemPool, CUmemoryPool *, CUdevice);
	BIND(cuDeviceSetMemPool, CUdevice, CUmemoryPool);
	BIND(cuMemAllocFromPoolAsync, CUdeviceptr *, size_t, CUmemoryPool, CUstream);
	struct pool_properties properties = OF_DEVICE;
	CUmemoryPool pool;
	CUdeviceptr a;

	USE_DEVICE;
	CODE(cu.MemAllocAsync(NULL, 100, NULL));
	a = 4711;
	NOTE(cu.MemAllocAsync(&a, 0, NULL));
	check_note("%s", a == 4711 ? "untouched" : a ? "an address" : "0");
	if (a && a != 4711)
		NOTE(cu.MemFreeAsync(a, NULL));
	CODE(cu.MemAllocAsync(&a, 1ull << 46, NULL));
	CODE(cuMemAllocFromPoolAsync(&a, 100, NULL, NULL));
	NOTE(cu.MemFreeAsync(0, NULL));
	CODE(cu.MemFreeAsync(4096, NULL));
	DO(cu.MemAllocAsync(&a, 1000, NULL));
	CODE(cu.MemFreeAsync(a + 256, NULL));
	DO(cu.MemFreeAsync(a, NULL));
	DO(cu.CtxSynchronize());
	CODE(cuMemPoolCreate(NULL, &properties));
	CODE(cuMemPoolCreate(&pool, NULL));
	properties.allocation = 0;
	CODE(cuMemPoolCreate(&pool, &properties));
	properties = (struct pool_properties)OF_DEVICE;
	properties.location.id = 99;
	CODE(cuMemPoolCreate(&pool, &properties));
	properties = (struct pool_properties)OF_DEVICE;
	properties.location.type = 0;
	CODE(cuMemPoolCreate(&pool, &properties));
	properties = (struct pool_properties)OF_DEVICE;
	properties.reserved[3] = 1;
	CODE(cuMemPoolCreate(&pool, &properties));
	CODE(cuDeviceGetDefaultMemPool(&pool, 99));
	CODE(cuDeviceGetDefaultMemPool(NULL, device));
	CODE(cuDeviceSetMemPool(device, NULL));
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

/* For memory that is not managed. */
static bool advice(void)
{
	BIND(cuMemAdvise, CUdeviceptr, size_t, int, CUdevice);
	BIND(cuMemAdvise_v2, CUdeviceptr, size_t, int, struct location);
	BIND(cuMemPrefetchAsync, CUdeviceptr, size_t, CUdevice, CUstream);
	BIND(cuMemPrefetchAsync_v2, CUdeviceptr, size_t, struct location, unsigned int, CUstream);
	BIND(cuMemRangeGetAttribute, void *, size_t, int, CUdeviceptr, size_t);
	struct location here = { 1, 0 };
	CUdeviceptr memory;
	int value;

	USE_DEVICE;
	DO(cu.MemAlloc(&memory, 1 << 20));
	for (int advice = 0; advice < 8; advice++)
		CODE(cuMemAdvise(memory, 1 << 20, advice, device));
	CODE(cuMemAdvise(memory, 0, 1, device));
	CODE(cuMemAdvise(memory, 1 << 20, 3, 99));
	CODE(cuMemAdvise(memory, 1 << 20, 3, -1));
	CODE(cuMemAdvise_v2(memory, 1 << 20, 3, here));
	CODE(cuMemPrefetchAsync(memory, 1 << 20, device, NULL));
	CODE(cuMemPrefetchAsync(memory, 1 << 20, 99, NULL));
	CODE(cuMemPrefetchAsync(memory, 0, device, NULL));
	CODE(cuMemPrefetchAsync_v2(memory, 1 << 20, here, 0, NULL));
	CODE(cuMemPrefetchAsync_v2(memory, 1 << 20, here, 1, NULL));
	CODE(cuMemRangeGetAttribute(&value, 4, 1, memory, 1 << 20));
	DO(cu.MemFree(memory));
	return true;
}

static const struct check checks[] = {
	{ "support", support },
	{ "stream_order", stream_order },
	{ "all_streams", all_streams },
	{ "attributes", attributes },
	{ "what_pools_hold", what_pools_hold },
	{ "own_pools", own_pools },
	{ "limited_pool", limited_pool },
	{ "access_and_places", access_and_places },
	{ "errors", errors },
	{ "crossed_frees", crossed_frees },
	{ "pointers", pointers },
	{ "captured", captured },
	{ "advice", advice },
};
const struct check_group pool_family = GROUP("pools", checks);
