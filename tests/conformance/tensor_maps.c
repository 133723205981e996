/* SPDX-License-Identifier: Apache-2.0 */
/* Tensor maps: encoded on the CPU, bytes that must be the driver's. */
#include "conformance.h"

#include <string.h>

enum { UINT8, UINT16, UINT32, INT32, FLOAT16 = 6, FLOAT32, BFLOAT16 = 9 };

typedef struct {
	_Alignas(64) unsigned char bytes[128];
} CUtensorMap;

#define TILED                                                                                                         \
	BIND(cuTensorMapEncodeTiled, CUtensorMap *, int, uint32_t, void *, const uint64_t *, const uint64_t *,        \
	     const uint32_t *, const uint32_t *, int, int, int, int)

/* The map's bytes in few digits; the address is no part of it. */
static void note_map(const CUtensorMap *map)
{
	unsigned int hash = 2166136261u;

	for (int i = 8; i < 128; i++)
		hash = (hash ^ map->bytes[i]) * 16777619u;
	check_note("%08x", hash);
}

static uint64_t address_in(const CUtensorMap *map)
{
	uint64_t address;

	memcpy(&address, map->bytes, 8);
	return address;
}

static bool tiled(void)
{
	TILED;
	static const struct {
		int element;
		uint32_t rank;
		uint64_t sizes[5], strides[4];
		uint32_t box[5];
		int interleave, swizzle, promotion, fill;
	} cases[] = {
		{ UINT8, 1, { 1024 }, { 0 }, { 64 }, 0, 0, 0, 0 },
		{ FLOAT16, 2, { 512, 300 }, { 1024 }, { 64, 64 }, 0, 3, 2, 0 },
		{ BFLOAT16, 3, { 128, 64, 8 }, { 256, 16384 }, { 32, 32, 2 }, 0, 2, 1, 1 },
		{ FLOAT32, 4, { 64, 32, 16, 4 }, { 256, 8192, 131072 }, { 8, 8, 4, 1 }, 0, 1, 3, 0 },
		{ INT32, 5, { 32, 8, 8, 4, 2 }, { 128, 1024, 8192, 32768 }, { 16, 4, 4, 2, 1 }, 0, 0, 2, 0 },
	};
	uint32_t ones[5] = { 1, 1, 1, 1, 1 };
	CUdeviceptr memory;
	CUtensorMap map, again;

	USE_DEVICE;
	DO(cu.MemAlloc(&memory, 1 << 20));
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		memset(&map, 0, sizeof(map));
		int result = cuTensorMapEncodeTiled(&map, cases[i].element, cases[i].rank,
						    (void *)(uintptr_t)memory, cases[i].sizes, cases[i].strides,
						    cases[i].box, ones, cases[i].interleave, cases[i].swizzle,
						    cases[i].promotion, cases[i].fill);
		check_note("%d", result);
		if (result)
			continue;
		note_map(&map);
		check_note("%s", address_in(&map) == memory ? "address first" : "address elsewhere");
		DO(cuTensorMapEncodeTiled(&again, cases[i].element, cases[i].rank, (void *)(uintptr_t)memory,
					  cases[i].sizes, cases[i].strides, cases[i].box, ones, cases[i].interleave,
					  cases[i].swizzle, cases[i].promotion, cases[i].fill));
		THAT(!memcmp(&map, &again, sizeof(map)));
	}
	DO(cu.MemFree(memory));
	return true;
}

static bool tiled_errors(void)
{
	TILED;
	uint64_t sizes[5] = { 512, 300, 4, 4, 4 }, strides[4] = { 1024, 307200, 1228800, 4915200 };
	uint64_t none[5] = { 0 }, odd[4] = { 1000, 307200 };
	uint32_t box[5] = { 64, 64, 1, 1, 1 }, huge[5] = { 512, 64 }, ones[5] = { 1, 1, 1, 1, 1 }, nine[5] = { 1, 9 };
	CUtensorMap maps[2];
	void *at = (void *)0x100000000;

	USE_DEVICE;
#define ENCODE(map, element, rank, address, sizes, strides, box, steps, interleave, swizzle, promotion, fill)         \
	NOTE(cuTensorMapEncodeTiled(map, element, rank, address, sizes, strides, box, steps, interleave, swizzle,     \
				    promotion, fill))
	ENCODE(NULL, FLOAT16, 2, at, sizes, strides, box, ones, 0, 0, 0, 0);
	ENCODE((CUtensorMap *)(maps[0].bytes + 16), FLOAT16, 2, at, sizes, strides, box, ones, 0, 0, 0, 0);
	ENCODE((CUtensorMap *)(maps[0].bytes + 8), FLOAT16, 2, at, sizes, strides, box, ones, 0, 0, 0, 0);
	ENCODE((CUtensorMap *)(maps[0].bytes + 1), FLOAT16, 2, at, sizes, strides, box, ones, 0, 0, 0, 0);
	ENCODE(maps, 99, 2, at, sizes, strides, box, ones, 0, 0, 0, 0);
	ENCODE(maps, FLOAT16, 0, at, sizes, strides, box, ones, 0, 0, 0, 0);
	ENCODE(maps, FLOAT16, 6, at, sizes, strides, box, ones, 0, 0, 0, 0);
	ENCODE(maps, FLOAT16, 2, (void *)0x100000008, sizes, strides, box, ones, 0, 0, 0, 0);
	ENCODE(maps, FLOAT16, 2, NULL, sizes, strides, box, ones, 0, 0, 0, 0);
	ENCODE(maps, FLOAT16, 2, at, none, strides, box, ones, 0, 0, 0, 0);
	ENCODE(maps, FLOAT16, 2, at, sizes, odd, box, ones, 0, 0, 0, 0);
	ENCODE(maps, FLOAT16, 2, at, sizes, strides, huge, ones, 0, 0, 0, 0);
	ENCODE(maps, FLOAT16, 2, at, sizes, strides, box, nine, 0, 0, 0, 0);
	ENCODE(maps, FLOAT16, 2, at, sizes, strides, box, ones, 9, 0, 0, 0);
	ENCODE(maps, FLOAT16, 2, at, sizes, strides, box, ones, 1, 0, 0, 0);
	ENCODE(maps, FLOAT16, 2, at, sizes, strides, box, ones, 0, 9, 0, 0);
	ENCODE(maps, FLOAT16, 2, at, sizes, strides, box, ones, 0, 1, 0, 0);
	ENCODE(maps, FLOAT16, 2, at, sizes, strides, box, ones, 0, 0, 9, 0);
	ENCODE(maps, FLOAT16, 2, at, sizes, strides, box, ones, 0, 0, 0, 9);
	ENCODE(maps, FLOAT16, 2, at, NULL, strides, box, ones, 0, 0, 0, 0);
	ENCODE(maps, FLOAT16, 2, at, sizes, NULL, box, ones, 0, 0, 0, 0);
	ENCODE(maps, FLOAT16, 2, at, sizes, strides, NULL, ones, 0, 0, 0, 0);
	ENCODE(maps, FLOAT16, 2, at, sizes, strides, box, NULL, 0, 0, 0, 0);
	ENCODE(maps, FLOAT16, 1, at, sizes, NULL, box, ones, 0, 0, 0, 0);
#undef ENCODE
	return true;
}

static bool im2col(void)
{
	BIND(cuTensorMapEncodeIm2col, CUtensorMap *, int, uint32_t, void *, const uint64_t *, const uint64_t *,
	     const int *, const int *, uint32_t, uint32_t, const uint32_t *, int, int, int, int);
	BIND(cuTensorMapEncodeIm2colWide, CUtensorMap *, int, uint32_t, void *, const uint64_t *, const uint64_t *,
	     int, int, uint32_t, uint32_t, const uint32_t *, int, int, int, int, int);
	uint64_t sizes[5] = { 64, 32, 32, 8, 4 }, strides[4] = { 128, 4096, 131072, 1048576 };
	int lower[3] = { -1, -1, -1 }, upper[3] = { 1, 1, 1 };
	uint32_t ones[5] = { 1, 1, 1, 1, 1 };
	void *at = (void *)0x100000000;
	CUtensorMap map;
	int result;

	USE_DEVICE;
	for (uint32_t rank = 2; rank <= 5; rank++) {
		memset(&map, 0, sizeof(map));
		result = cuTensorMapEncodeIm2col(&map, FLOAT16, rank, at, sizes, strides, lower, upper, 64, 16, ones,
						 0, 3, 2, 0);
		check_note("%d", result);
		if (!result)
			note_map(&map);
	}
	NOTE(cuTensorMapEncodeIm2col(&map, FLOAT16, 4, at, sizes, strides, lower, upper, 512, 16, ones, 0, 3, 2, 0));
	NOTE(cuTensorMapEncodeIm2col(&map, FLOAT16, 4, at, sizes, strides, lower, upper, 64, 0, ones, 0, 3, 2, 0));
	/* for GPUs after Hopper */
	result = cuTensorMapEncodeIm2colWide(&map, FLOAT16, 4, at, sizes, strides, -1, 1, 64, 16, ones, 0, 0, 3, 2, 0);
	check_note("%d", result);
	NOTE(cuTensorMapEncodeIm2colWide(NULL, FLOAT16, 4, at, sizes, strides, -1, 1, 64, 16, ones, 0, 0, 3, 2, 0));
	return true;
}

static bool replaced_address(void)
{
	TILED;
	BIND(cuTensorMapReplaceAddress, CUtensorMap *, void *);
	uint64_t sizes[2] = { 512, 300 }, strides[1] = { 1024 };
	uint32_t box[2] = { 64, 64 }, ones[2] = { 1, 1 };
	void *at = (void *)0x100000000, *there = (void *)0x200000000;
	CUtensorMap map, wanted;
	int result;

	USE_DEVICE;
	result = cuTensorMapEncodeTiled(&map, FLOAT16, 2, at, sizes, strides, box, ones, 0, 3, 2, 0);
	check_note("%d", result);
	memset(&wanted, 0, sizeof(wanted));
	if (!result) {
		DO(cuTensorMapEncodeTiled(&wanted, FLOAT16, 2, there, sizes, strides, box, ones, 0, 3, 2, 0));
		DO(cuTensorMapReplaceAddress(&map, there));
		THAT(!memcmp(&map, &wanted, sizeof(map)));
		NOTE(cuTensorMapReplaceAddress(&map, (void *)0x200000001));
	}
	memset(&map, 0, sizeof(map));
	NOTE(cuTensorMapReplaceAddress(&map, there));
	return true;
}

static const struct check checks[] = {
	{ "tiled", tiled },
	{ "tiled_errors", tiled_errors },
	{ "im2col", im2col },
	{ "replaced_address", replaced_address },
};
const struct check_group tensor_map_family = GROUP("tensor_maps", checks);
