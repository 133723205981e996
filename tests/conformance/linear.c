/* SPDX-License-Identifier: Apache-2.0 */
/* Linear memory: copies of rows in streams, what is known of a range, who may use a mapping, the first registration call. */
#include "conformance.h"

#include <stdlib.h>
#include <string.h>

enum { WIDTH = 40, ROWS = 12, HOST_PITCH = 64, DEVICE_PITCH = 256 };

static bool rows_in_a_stream(void)
{
	BIND(cuMemcpy2DAsync_v2, const CUDA_MEMCPY2D *, CUstream);
	unsigned char *in, out[HOST_PITCH * ROWS];
	CUDA_MEMCPY2D copy;
	CUdeviceptr memory;
	CUstream stream;

	USE_DEVICE;
	DO(cu.MemAlloc(&memory, DEVICE_PITCH * ROWS));
	DO(cu.StreamCreate(&stream, CU_STREAM_NON_BLOCKING));
	DO(cu.MemHostAlloc((void **)&in, HOST_PITCH * ROWS, 0));
	for (int i = 0; i < HOST_PITCH * ROWS; i++)
		in[i] = (unsigned char)(i * 7);
	copy = (CUDA_MEMCPY2D){ .source_type = CU_MEMORYTYPE_HOST, .source_host = in, .source_pitch = HOST_PITCH,
				.destination_type = CU_MEMORYTYPE_DEVICE, .destination_device = memory,
				.destination_pitch = DEVICE_PITCH, .destination_x = 8, .destination_y = 1,
				.width_bytes = WIDTH, .height = ROWS - 1 };
	DO(cuMemcpy2DAsync_v2(&copy, stream));
	/* back into pageable memory, behind it in the same stream */
	memset(out, 0, sizeof(out));
	copy = (CUDA_MEMCPY2D){ .source_type = CU_MEMORYTYPE_DEVICE, .source_device = memory, .source_pitch = DEVICE_PITCH,
				.source_x = 8, .source_y = 1, .destination_type = CU_MEMORYTYPE_HOST,
				.destination_host = out, .destination_pitch = HOST_PITCH,
				.width_bytes = WIDTH, .height = ROWS - 1 };
	DO(cuMemcpy2DAsync_v2(&copy, stream));
	DO(cu.StreamSynchronize(stream));
	for (int y = 0; y < ROWS - 1; y++) {
		THAT(!memcmp(out + y * HOST_PITCH, in + y * HOST_PITCH, WIDTH));
		THAT(!out[y * HOST_PITCH + WIDTH]);
	}
	copy.width_bytes = HOST_PITCH + 1;
	CODE(cuMemcpy2DAsync_v2(&copy, stream));
	copy.width_bytes = 0;
	NOTE(cuMemcpy2DAsync_v2(&copy, stream));
	copy.width_bytes = WIDTH;
	copy.source_type = 9;
	CODE(cuMemcpy2DAsync_v2(&copy, stream));
	CODE(cuMemcpy2DAsync_v2(NULL, stream));
	DO(cu.StreamDestroy(stream));
	DO(cu.MemFreeHost(in));
	DO(cu.MemFree(memory));
	return true;
}

/* Memory that is not managed has none. */
static bool attributes_of_ranges(void)
{
	BIND(cuMemRangeGetAttributes, void **, size_t *, int *, size_t, CUdeviceptr, size_t);
	enum { READ_MOSTLY = 1, PREFERRED_LOCATION = 2 };
	int attributes[] = { READ_MOSTLY, PREFERRED_LOCATION }, values[2] = { 0, 0 };
	void *places[] = { &values[0], &values[1] };
	size_t sizes[] = { 4, 4 };
	CUdeviceptr memory;

	USE_DEVICE;
	DO(cu.MemAlloc(&memory, 4096));
	CODE(cuMemRangeGetAttributes(places, sizes, attributes, 2, memory, 4096));
	CODE(cuMemRangeGetAttributes(places, sizes, attributes, 0, memory, 4096));
	CODE(cuMemRangeGetAttributes(NULL, sizes, attributes, 2, memory, 4096));
	DO(cu.MemFree(memory));
	return true;
}

/* For memory that is not managed. */
static bool advice(void)
{
	BIND(cuMemAdvise, CUdeviceptr, size_t, int, CUdevice);
	BIND(cuMemAdvise_v2, CUdeviceptr, size_t, int, CUmemLocation);
	BIND(cuMemPrefetchAsync, CUdeviceptr, size_t, CUdevice, CUstream);
	BIND(cuMemPrefetchAsync_v2, CUdeviceptr, size_t, CUmemLocation, unsigned int, CUstream);
	BIND(cuMemRangeGetAttribute, void *, size_t, int, CUdeviceptr, size_t);
	CUmemLocation here = { CU_MEM_LOCATION_TYPE_DEVICE, 0 };
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

static bool access_of_mappings(void)
{
	BIND(cuMemGetAccess, unsigned long long *, const CUmemLocation *, CUdeviceptr);
	CUmemAllocationProp prop = { .type = CU_MEM_ALLOCATION_TYPE_PINNED, .location = { CU_MEM_LOCATION_TYPE_DEVICE, 0 } };
	CUmemAccessDesc access = { { CU_MEM_LOCATION_TYPE_DEVICE, 0 }, CU_MEM_ACCESS_FLAGS_PROT_READWRITE };
	CUmemLocation here = { CU_MEM_LOCATION_TYPE_DEVICE, 0 }, nowhere = { CU_MEM_LOCATION_TYPE_DEVICE, 77 };
	CUmemGenericAllocationHandle handle;
	unsigned long long flags = 99;
	CUdeviceptr range, linear;
	size_t size = 0;

	USE_DEVICE;
	DO(cu.MemGetAllocationGranularity(&size, &prop, CU_MEM_ALLOC_GRANULARITY_MINIMUM));
	DO(cu.MemCreate(&handle, size, &prop, 0));
	DO(cu.MemAddressReserve(&range, 2 * size, 0, 0, 0));
	DO(cu.MemMap(range, size, 0, handle, 0));
	NOTE(cuMemGetAccess(&flags, &here, range));
	check_note("%llu before", flags);
	DO(cu.MemSetAccess(range, size, &access, 1));
	DO(cuMemGetAccess(&flags, &here, range));
	THAT(flags == 3);
	DO(cuMemGetAccess(&flags, &here, range + 5));
	THAT(flags == 3);
	access.flags = 1;
	NOTE(cu.MemSetAccess(range, size, &access, 1));
	NOTE(cuMemGetAccess(&flags, &here, range));
	check_note("%llu read-only", flags);
	CODE(cuMemGetAccess(&flags, &here, range + size));	/* nothing is mapped there */
	CODE(cuMemGetAccess(&flags, &nowhere, range));
	CODE(cuMemGetAccess(&flags, &nowhere, range + size));
	CODE(cuMemGetAccess(NULL, &nowhere, range));
	for (int id = -3; id < 0; id++) {
		nowhere.id = id;
		CODE(cuMemGetAccess(&flags, &nowhere, range));
	}
	nowhere.id = 0;
	for (int type = -1; type <= 5; type++) {
		nowhere.type = type;
		NOTE(cuMemGetAccess(&flags, &nowhere, range));
	}
	CODE(cuMemGetAccess(NULL, &here, range));
	CODE(cuMemGetAccess(&flags, NULL, range));
	DO(cu.MemAlloc(&linear, 4096));
	NOTE(cuMemGetAccess(&flags, &here, linear));
	DO(cu.MemFree(linear));
	DO(cu.MemUnmap(range, size));
	DO(cu.MemRelease(handle));
	DO(cu.MemAddressFree(range, 2 * size));
	return true;
}

/*
 * More than there is, on every way to memory; then there is memory as before. All that
 * there is stays untouched: others may be at work on the GPU.
 */
static bool exhaustion(void)
{
	CUmemAllocationProp prop = { .type = CU_MEM_ALLOCATION_TYPE_PINNED, .location = { CU_MEM_LOCATION_TYPE_DEVICE, 0 } };
	const size_t mib = 1 << 20, step = 64 * mib;
	CUmemGenericAllocationHandle handle;
	size_t unused, total, wanted, pitch;
	CUdeviceptr more;

	USE_DEVICE;
	DO(cu.MemGetInfo(&unused, &total));
	wanted = (total / step + 1) * step;
	RESULT(CUDA_ERROR_OUT_OF_MEMORY, cu.MemAlloc(&more, wanted));
	RESULT(CUDA_ERROR_OUT_OF_MEMORY, cu.MemAllocPitch(&more, &pitch, wanted / 1024, 1024, 4));
	RESULT(CUDA_ERROR_OUT_OF_MEMORY, cu.MemCreate(&handle, wanted, &prop, 0));
	RESULT(CUDA_ERROR_OUT_OF_MEMORY, cu.MemAllocAsync(&more, wanted, NULL));
	DO(cu.CtxSynchronize());
	DO(cu.MemAlloc(&more, step));
	DO(cu.MemsetD8(more, 1, step));
	DO(cu.CtxSynchronize());
	DO(cu.MemFree(more));
	return true;
}

static bool first_registration(void)
{
	BIND(cuMemHostRegister, void *, size_t, unsigned int);
	enum { SIZE = 1 << 20 };
	unsigned int *words = aligned_alloc(4096, SIZE), value = 21;
	unsigned long long n = SIZE / 4;

	USE_DEVICE;
	THAT(words);
	memset(words, 0, SIZE);
	DO(cuMemHostRegister(words, SIZE, 0));
	DO(launch_1d(kernels.fill, n, NULL, PARAMETERS(&words, &value, &n)));
	DO(cu.CtxSynchronize());
	THAT(words[0] == 21 && words[n - 1] == 21 + n - 1);
	CODE(cuMemHostRegister(words, SIZE, 0));
	DO(cu.MemHostUnregister(words));
	CODE(cuMemHostRegister(NULL, SIZE, 0));
	CODE(cuMemHostRegister(words, 0, 0));
	free(words);
	return true;
}

static const struct check checks[] = {
	{ "rows_in_a_stream", rows_in_a_stream },
	{ "attributes_of_ranges", attributes_of_ranges },
	{ "advice", advice },
	{ "access_of_mappings", access_of_mappings },
	{ "exhaustion", exhaustion },
	{ "first_registration", first_registration },
};
const struct check_group linear_family = GROUP("linear", checks);
