/* SPDX-License-Identifier: Apache-2.0 */
/* Misuse of virtual memory management: reserving, creating, mapping, access. */
#include "conformance.h"

#define ON_DEVICE { .type = CU_MEM_ALLOCATION_TYPE_PINNED, .location = { CU_MEM_LOCATION_TYPE_DEVICE, 0 } }

/* Answers about properties of which one is wrong. */
static bool properties(void)
{
	BIND(cuMemGetAllocationPropertiesFromHandle, CUmemAllocationProp *, CUmemGenericAllocationHandle);
	CUmemAllocationProp prop = ON_DEVICE;
	CUmemGenericAllocationHandle handle;
	size_t size = 0;

	USE_DEVICE;
	NOTE(cu.MemGetAllocationGranularity(NULL, &prop, 0));
	NOTE(cu.MemGetAllocationGranularity(&size, NULL, 0));
	NOTE(cu.MemGetAllocationGranularity(&size, &prop, 1));
	NOTE(cu.MemGetAllocationGranularity(&size, &prop, 2));
	for (int wrong = 0; wrong < 8; wrong++) {
		prop = (CUmemAllocationProp)ON_DEVICE;
		if (wrong == 0)
			prop.type = 0;
		else if (wrong == 1)
			prop.type = 7;
		else if (wrong == 2)
			prop.location.type = 0;
		else if (wrong == 3)
			prop.location.type = 9;
		else if (wrong == 4)
			prop.location.id = 99;
		else if (wrong == 5)
			prop.location.id = -1;
		else if (wrong == 6)
			prop.flags.compression = 9;
		else
			prop.flags.usage = 0xff;
		check_note("(%d)", wrong);
		NOTE(cu.MemGetAllocationGranularity(&size, &prop, 0));
		handle = 0;
		NOTE(cu.MemCreate(&handle, 2 << 20, &prop, 0));
		if (handle)
			DO(cu.MemRelease(handle));
	}
	NOTE(cuMemGetAllocationPropertiesFromHandle(&prop, 0));
	return true;
}

static bool creating(void)
{
	BIND(cuMemGetAllocationPropertiesFromHandle, CUmemAllocationProp *, CUmemGenericAllocationHandle);
	CUmemAllocationProp prop = ON_DEVICE;
	CUmemGenericAllocationHandle handle;
	size_t size;

	USE_DEVICE;
	DO(cu.MemGetAllocationGranularity(&size, &prop, CU_MEM_ALLOC_GRANULARITY_MINIMUM));
	NOTE(cu.MemCreate(NULL, size, &prop, 0));
	NOTE(cu.MemCreate(&handle, 0, &prop, 0));
	NOTE(cu.MemCreate(&handle, size + 1, &prop, 0));
	NOTE(cu.MemCreate(&handle, size / 2, &prop, 0));
	NOTE(cu.MemCreate(&handle, size, NULL, 0));
	NOTE(cu.MemCreate(&handle, size, &prop, 1));
	DO(cu.MemCreate(&handle, size, &prop, 0));
	NOTE(cuMemGetAllocationPropertiesFromHandle(NULL, handle));
	DO(cu.MemRelease(handle));
	NOTE(cu.MemRelease(0));
	return true;
}

static bool reserving(void)
{
	CUmemAllocationProp prop = ON_DEVICE;
	CUdeviceptr range;
	size_t size;

	USE_DEVICE;
	DO(cu.MemGetAllocationGranularity(&size, &prop, CU_MEM_ALLOC_GRANULARITY_MINIMUM));
	NOTE(cu.MemAddressReserve(NULL, size, 0, 0, 0));
	NOTE(cu.MemAddressReserve(&range, 0, 0, 0, 0));
	NOTE(cu.MemAddressReserve(&range, size + 1, 0, 0, 0));
	NOTE(cu.MemAddressReserve(&range, size, 3, 0, 0));
	NOTE(cu.MemAddressReserve(&range, size, 0, 0, 8));
	NOTE(cu.MemAddressReserve(&range, (size_t)1 << 60, 0, 0, 0));
	range = 0;
	NOTE(cu.MemAddressReserve(&range, size, 0, 12345, 0));	/* a hint that cannot be followed */
	if (range)
		DO(cu.MemAddressFree(range, size));
	range = 0;
	NOTE(cu.MemAddressReserve(&range, size, 4096, 0, 0));
	if (range)
		DO(cu.MemAddressFree(range, size));
	DO(cu.MemAddressReserve(&range, 4 * size, 0, 0, 0));
	NOTE(cu.MemAddressFree(range, 2 * size));
	NOTE(cu.MemAddressFree(range + size, size));
	NOTE(cu.MemAddressFree(range, 8 * size));
	NOTE(cu.MemAddressFree(range, 0));
	NOTE(cu.MemAddressFree(0, 4 * size));
	DO(cu.MemAddressFree(range, 4 * size));
	NOTE(cu.MemAddressFree(range, 4 * size));
	return true;
}

/* Not asked: a mapping that hangs over the end of its reservation, which the driver makes, and then keeps the reservation for. */
static bool mapping(void)
{
	BIND(cuMemRetainAllocationHandle, CUmemGenericAllocationHandle *, void *);
	CUmemAllocationProp prop = ON_DEVICE;
	CUmemGenericAllocationHandle handle, again;
	CUdeviceptr range;
	size_t size;

	USE_DEVICE;
	DO(cu.MemGetAllocationGranularity(&size, &prop, CU_MEM_ALLOC_GRANULARITY_MINIMUM));
	DO(cu.MemCreate(&handle, 2 * size, &prop, 0));
	DO(cu.MemAddressReserve(&range, 8 * size, 0, 0, 0));
	NOTE(cu.MemMap(range, 0, 0, handle, 0));
	NOTE(cu.MemMap(range, size + 1, 0, handle, 0));
	NOTE(cu.MemMap(range + 1, size, 0, handle, 0));
	NOTE(cu.MemMap(range, size, 1, handle, 0));
	NOTE(cu.MemMap(range, size, 0, handle, 1));
	NOTE(cu.MemMap(range, size, 0, 0, 0));
	NOTE(cu.MemMap(range, 4 * size, 0, handle, 0));
	NOTE(cu.MemMap(0, size, 0, handle, 0));
	NOTE(cu.MemUnmap(range, 2 * size));
	DO(cu.MemMap(range, 2 * size, 0, handle, 0));
	NOTE(cu.MemMap(range, 2 * size, 0, handle, 0));
	NOTE(cu.MemMap(range + size, size, 0, handle, 0));
	NOTE(cu.MemUnmap(range, size));
	NOTE(cu.MemUnmap(range + size, size));
	NOTE(cu.MemUnmap(range, 0));
	NOTE(cu.MemUnmap(range, 4 * size));
	NOTE(cu.MemFree(range));
	NOTE(cuMemRetainAllocationHandle(NULL, (void *)(size_t)range));
	NOTE(cuMemRetainAllocationHandle(&again, (void *)(size_t)(range + 4 * size)));
	NOTE(cuMemRetainAllocationHandle(&again, NULL));
	DO(cu.MemUnmap(range, 2 * size));
	NOTE(cu.MemUnmap(range, 2 * size));
	DO(cu.MemRelease(handle));
	return true;
}

/* Misuse of a reservation in which something is mapped; then whether all that can be given back. */
static bool freed_after_misuse(void)
{
	CUmemAllocationProp prop = ON_DEVICE;
	CUmemGenericAllocationHandle handle;
	CUdeviceptr range;
	size_t size;

	USE_DEVICE;
	DO(cu.MemGetAllocationGranularity(&size, &prop, CU_MEM_ALLOC_GRANULARITY_MINIMUM));
	for (int misuse = 0; misuse < 9; misuse++) {
		DO(cu.MemCreate(&handle, 2 * size, &prop, 0));
		DO(cu.MemAddressReserve(&range, 8 * size, 0, 0, 0));
		DO(cu.MemMap(range, 2 * size, 0, handle, 0));
		check_note("(%d)", misuse);
		if (misuse == 1)
			NOTE(cu.MemMap(range + 2 * size, 4 * size, 0, handle, 0));
		else if (misuse == 2)
			NOTE(cu.MemMap(range + 2 * size, size, size, handle, 0));
		else if (misuse == 3)
			NOTE(cu.MemMap(range + size, size, 0, handle, 0));
		else if (misuse == 4)
			NOTE(cu.MemMap(range + 2 * size, size, 0, 0, 0));
		else if (misuse == 5)
			NOTE(cu.MemUnmap(range + size, size));
		else if (misuse == 6)
			NOTE(cu.MemUnmap(range, 4 * size));
		else if (misuse == 7)
			NOTE(cu.MemFree(range));
		NOTE(cu.MemUnmap(range, 2 * size));
		if (misuse == 8)
			NOTE(cu.MemUnmap(range, 2 * size));
		NOTE(cu.MemRelease(handle));
		NOTE(cu.MemAddressFree(range, 8 * size));
	}
	return true;
}

/* A reservation that is to be given back while something is mapped in it. */
static bool freed_while_mapped(void)
{
	CUmemAllocationProp prop = ON_DEVICE;
	CUmemGenericAllocationHandle handle;
	CUdeviceptr range;
	size_t size;

	USE_DEVICE;
	DO(cu.MemGetAllocationGranularity(&size, &prop, CU_MEM_ALLOC_GRANULARITY_MINIMUM));
	DO(cu.MemCreate(&handle, 2 * size, &prop, 0));
	DO(cu.MemAddressReserve(&range, 8 * size, 0, 0, 0));
	DO(cu.MemMap(range, 2 * size, 0, handle, 0));
	NOTE(cu.MemAddressFree(range, 8 * size));
	NOTE(cu.MemUnmap(range, 2 * size));
	DO(cu.MemRelease(handle));
	NOTE(cu.MemAddressFree(range, 8 * size));
	return true;
}

static bool access_rights(void)
{
	CUmemAllocationProp prop = ON_DEVICE;
	CUmemAccessDesc access = { { CU_MEM_LOCATION_TYPE_DEVICE, 0 }, CU_MEM_ACCESS_FLAGS_PROT_READWRITE };
	CUmemGenericAllocationHandle handle;
	CUdeviceptr range, linear;
	size_t size;

	USE_DEVICE;
	DO(cu.MemGetAllocationGranularity(&size, &prop, CU_MEM_ALLOC_GRANULARITY_MINIMUM));
	DO(cu.MemCreate(&handle, 2 * size, &prop, 0));
	DO(cu.MemAddressReserve(&range, 4 * size, 0, 0, 0));
	DO(cu.MemAlloc(&linear, 4096));
	NOTE(cu.MemSetAccess(range, 2 * size, &access, 1));	/* nothing is mapped */
	DO(cu.MemMap(range, 2 * size, 0, handle, 0));
	NOTE(cu.MemSetAccess(range, 2 * size, NULL, 1));
	NOTE(cu.MemSetAccess(range, 2 * size, &access, 0));
	NOTE(cu.MemSetAccess(range, 0, &access, 1));
	NOTE(cu.MemSetAccess(range, 4 * size, &access, 1));
	NOTE(cu.MemSetAccess(range + 1, size, &access, 1));
	NOTE(cu.MemSetAccess(range, size, &access, 1));		/* a part of a mapping */
	NOTE(cu.MemSetAccess(linear, 4096, &access, 1));
	for (int flags = 0; flags < 5; flags++) {
		access.flags = flags;
		NOTE(cu.MemSetAccess(range, 2 * size, &access, 1));
	}
	access = (CUmemAccessDesc){ { CU_MEM_LOCATION_TYPE_DEVICE, 99 }, 3 };
	NOTE(cu.MemSetAccess(range, 2 * size, &access, 1));
	access.location.id = -1;
	NOTE(cu.MemSetAccess(range, 2 * size, &access, 1));
	access.location.id = 0;
	access.location.type = 0;
	NOTE(cu.MemSetAccess(range, 2 * size, &access, 1));
	DO(cu.MemFree(linear));
	DO(cu.MemUnmap(range, 2 * size));
	DO(cu.MemRelease(handle));
	DO(cu.MemAddressFree(range, 4 * size));
	return true;
}

static const struct check checks[] = {
	{ "properties", properties },
	{ "creating", creating },
	{ "reserving", reserving },
	{ "mapping", mapping },
	{ "freed_after_misuse", freed_after_misuse },
	{ "freed_while_mapped", freed_while_mapped },
	{ "access_rights", access_rights },
};
const struct check_group vmm_error_family = GROUP("vmm_errors", checks);
