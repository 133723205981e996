/* SPDX-License-Identifier: Apache-2.0 */
/* Memory pools: what they hold, whose they are, what may be asked of and set for them. */
#include "conformance.h"

#include <stdio.h>

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

static const struct check checks[] = {
	{ "support", support },
	{ "attributes", attributes },
	{ "what_pools_hold", what_pools_hold },
	{ "own_pools", own_pools },
	{ "limited_pool", limited_pool },
	{ "access_and_places", access_and_places },
	{ "errors", errors },
};
const struct check_group pool_family = GROUP("pools", checks);
