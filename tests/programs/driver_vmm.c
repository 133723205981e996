/* SPDX-License-Identifier: Apache-2.0 */
/* Virtual memory management: a reserved range, two physical pieces beside each other, a kernel across both. */
#include "driver_test.h"

#include <stdlib.h>

static bool range_of_two_pieces(void)
{
	CUmemAllocationProp prop = { .type = CU_MEM_ALLOCATION_TYPE_PINNED,
				     .location = { CU_MEM_LOCATION_TYPE_DEVICE, 0 } };
	CUmemAccessDesc access = { { CU_MEM_LOCATION_TYPE_DEVICE, 0 }, CU_MEM_ACCESS_FLAGS_PROT_READWRITE };
	CUmemGenericAllocationHandle pieces[2];
	CUdeviceptr range;
	size_t granularity = 0, count;
	unsigned int *words, value = 1;
	unsigned long long n;
	int supported = 0;

	USE_DEVICE;
	DO(cu.DeviceGetAttribute(&supported, CU_DEVICE_ATTRIBUTE_VIRTUAL_MEMORY_MANAGEMENT, device));
	THAT(supported == 1);
	DO(cu.MemGetAllocationGranularity(&granularity, &prop, CU_MEM_ALLOC_GRANULARITY_MINIMUM));
	THAT(granularity == 2 << 20);
	DO(cu.MemAddressReserve(&range, 4 * granularity, 0, 0, 0));
	THAT(range && range % granularity == 0);
	for (int i = 0; i < 2; i++) {
		DO(cu.MemCreate(&pieces[i], granularity, &prop, 0));
		DO(cu.MemMap(range + i * granularity, granularity, 0, pieces[i], 0));
		DO(cu.MemRelease(pieces[i]));
	}
	DO(cu.MemSetAccess(range, 2 * granularity, &access, 1));

	count = 2 * granularity / sizeof(*words);
	words = malloc(2 * granularity);
	n = count;
	DO(cu.LaunchKernel(kernels.fill, 64, 1, 1, 256, 1, 1, 0, NULL, PARAMETERS(&range, &value, &n), NULL));
	DO(cu.MemcpyDtoH(words, range, 2 * granularity));
	for (size_t i = 0; i < count; i++)
		if (words[i] != i + 1)
			return check_reason("word %zu is %u", i, words[i]);
	free(words);
	DO(cu.MemUnmap(range, granularity));
	DO(cu.MemUnmap(range + granularity, granularity));
	DO(cu.MemAddressFree(range, 4 * granularity));
	return true;
}

static bool grows_like_a_pool(void)
{
	CUmemAllocationProp prop = { .type = CU_MEM_ALLOCATION_TYPE_PINNED,
				     .location = { CU_MEM_LOCATION_TYPE_DEVICE, 0 } };
	CUmemAccessDesc access = { { CU_MEM_LOCATION_TYPE_DEVICE, 0 }, CU_MEM_ACCESS_FLAGS_PROT_READWRITE };
	const size_t piece = 2 << 20;
	size_t before, during, after, total;
	CUdeviceptr range;

	USE_DEVICE;
	DO(cu.MemGetInfo(&before, &total));
	DO(cu.MemAddressReserve(&range, 32ull << 30, 0, 0, 0));
	for (int i = 0; i < 4; i++) {
		CUmemGenericAllocationHandle handle;
		unsigned int word = 0;

		DO(cu.MemCreate(&handle, piece, &prop, 0));
		DO(cu.MemMap(range + i * piece, piece, 0, handle, 0));
		DO(cu.MemRelease(handle));
		DO(cu.MemSetAccess(range + i * piece, piece, &access, 1));
		DO(cu.MemsetD32(range, i, (i + 1) * piece / 4));
		DO(cu.MemcpyDtoH(&word, range + (i + 1) * piece - 4, 4));
		THAT(word == (unsigned int)i);
	}
	DO(cu.MemGetInfo(&during, &total));
	THAT(before - during >= 4 * piece);
	DO(cu.MemUnmap(range, 4 * piece));
	DO(cu.MemAddressFree(range, 32ull << 30));
	DO(cu.MemGetInfo(&after, &total));
	THAT(after == before);
	return true;
}

static bool hint_is_a_hint(void)
{
	CUdeviceptr range, second;

	USE_DEVICE;
	DO(cu.MemAddressReserve(&range, 64 << 20, 0, 0, 0));
	/* the range is taken: another one, or an error, never the same */
	if (cu.MemAddressReserve(&second, 64 << 20, 0, range, 0) == CUDA_SUCCESS) {
		THAT(second != range);
		DO(cu.MemAddressFree(second, 64 << 20));
	}
	DO(cu.MemAddressFree(range, 64 << 20));
	return true;
}

static const struct check checks[] = {
	{ "range_of_two_pieces", range_of_two_pieces },
	{ "grows_like_a_pool", grows_like_a_pool },
	{ "hint_is_a_hint", hint_is_a_hint },
};
const struct check_group vmm_group = GROUP("vmm", checks);
