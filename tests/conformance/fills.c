/* SPDX-License-Identifier: Apache-2.0 */
/* Fills of every element size, in rows and planes, in streams and at once: nothing beside them changes. */
#include "conformance.h"

#include <string.h>

enum { PITCH = 128, ROWS = 16, BYTES = PITCH * ROWS, BEFORE = 0x11 };

struct plane {
	CUdeviceptr memory;
	CUstream stream;
	unsigned char bytes[BYTES];
};

static bool plane_open(struct plane *p)
{
	USE_DEVICE;
	DO(cu.MemAlloc(&p->memory, BYTES));
	DO(cu.StreamCreate(&p->stream, CU_STREAM_NON_BLOCKING));
	DO(cu.MemsetD8(p->memory, BEFORE, BYTES));
	DO(cu.CtxSynchronize());
	return true;
}

static bool plane_close(struct plane *p)
{
	DO(cu.StreamDestroy(p->stream));
	DO(cu.MemFree(p->memory));
	return true;
}

/* `rows` rows of `count` elements of `size` bytes from `at` on hold `value`, everything else what was there before. */
static bool filled(struct plane *p, size_t at, unsigned int value, size_t size, size_t count, size_t rows)
{
	DO(cu.StreamSynchronize(p->stream));
	DO(cu.MemcpyDtoH(p->bytes, p->memory, BYTES));
	for (size_t i = 0; i < BYTES; i++) {
		size_t row = i / PITCH, column = i % PITCH, first = at % PITCH;
		bool inside = row >= at / PITCH && row < at / PITCH + rows && column >= first && column < first + count * size;
		unsigned char expected = inside ? (unsigned char)(value >> 8 * ((column - first) % size)) : BEFORE;

		if (p->bytes[i] != expected)
			return check_reason("byte %zu is %#x, expected %#x", i, p->bytes[i], expected);
	}
	DO(cu.MemsetD8(p->memory, BEFORE, BYTES));
	DO(cu.CtxSynchronize());
	return true;
}

static bool rows(void)
{
	BIND(cuMemsetD16Async, CUdeviceptr, unsigned short, size_t, CUstream);
	struct plane p;

	if (!plane_open(&p))
		return false;
	DO(cu.MemsetD8(p.memory + 3, 0xa1, 77));
	if (!filled(&p, 3, 0xa1, 1, 77, 1))
		return false;
	DO(cu.MemsetD8Async(p.memory + 5, 0xa2, 1, p.stream));
	if (!filled(&p, 5, 0xa2, 1, 1, 1))
		return false;
	DO(cu.MemsetD16(p.memory + 2, 0xb1c2, 33));
	if (!filled(&p, 2, 0xb1c2, 2, 33, 1))
		return false;
	DO(cuMemsetD16Async(p.memory + 6, 0xb3c4, 61, p.stream));
	if (!filled(&p, 6, 0xb3c4, 2, 61, 1))
		return false;
	DO(cu.MemsetD32(p.memory + 4, 0xd1e2f3a4, 20));
	if (!filled(&p, 4, 0xd1e2f3a4, 4, 20, 1))
		return false;
	DO(cu.MemsetD32Async(p.memory + 8, 0xd5e6f7a8, 30, p.stream));
	if (!filled(&p, 8, 0xd5e6f7a8, 4, 30, 1))
		return false;
	return plane_close(&p);
}

static bool planes(void)
{
	BIND(cuMemsetD2D8_v2, CUdeviceptr, size_t, unsigned char, size_t, size_t);
	BIND(cuMemsetD2D16_v2, CUdeviceptr, size_t, unsigned short, size_t, size_t);
	BIND(cuMemsetD2D32_v2, CUdeviceptr, size_t, unsigned int, size_t, size_t);
	BIND(cuMemsetD2D8Async, CUdeviceptr, size_t, unsigned char, size_t, size_t, CUstream);
	BIND(cuMemsetD2D16Async, CUdeviceptr, size_t, unsigned short, size_t, size_t, CUstream);
	BIND(cuMemsetD2D32Async, CUdeviceptr, size_t, unsigned int, size_t, size_t, CUstream);
	struct plane p;

	if (!plane_open(&p))
		return false;
	DO(cuMemsetD2D8_v2(p.memory + PITCH + 7, PITCH, 0x51, 55, 9));
	if (!filled(&p, PITCH + 7, 0x51, 1, 55, 9))
		return false;
	DO(cuMemsetD2D8Async(p.memory, PITCH, 0x52, PITCH, ROWS, p.stream));
	if (!filled(&p, 0, 0x52, 1, PITCH, ROWS))
		return false;
	DO(cuMemsetD2D16_v2(p.memory + 2 * PITCH + 10, PITCH, 0x6172, 41, 14));
	if (!filled(&p, 2 * PITCH + 10, 0x6172, 2, 41, 14))
		return false;
	DO(cuMemsetD2D16Async(p.memory + 2, PITCH, 0x6374, 1, 3, p.stream));
	if (!filled(&p, 2, 0x6374, 2, 1, 3))
		return false;
	DO(cuMemsetD2D32_v2(p.memory + 4, PITCH, 0x81920304, 31, ROWS));
	if (!filled(&p, 4, 0x81920304, 4, 31, ROWS))
		return false;
	DO(cuMemsetD2D32Async(p.memory + 15 * PITCH, PITCH, 0x85960708, 32, 1, p.stream));
	if (!filled(&p, 15 * PITCH, 0x85960708, 4, 32, 1))
		return false;
	return plane_close(&p);
}

/* Pinned memory is filled by the GPU too. */
static bool pinned(void)
{
	BIND(cuMemsetD2D16_v2, CUdeviceptr, size_t, unsigned short, size_t, size_t);
	CUdeviceptr address;
	unsigned short *words;

	USE_DEVICE;
	DO(cu.MemHostAlloc((void **)&words, BYTES, CU_MEMHOSTALLOC_DEVICEMAP));
	memset(words, 0, BYTES);
	DO(cu.MemHostGetDevicePointer(&address, words, 0));
	DO(cuMemsetD2D16_v2(address, PITCH, 0x4321, 10, ROWS));
	DO(cu.CtxSynchronize());
	for (int i = 0; i < BYTES / 2; i++)
		THAT(words[i] == (i % (PITCH / 2) < 10 ? 0x4321 : 0));
	DO(cu.MemFreeHost(words));
	return true;
}

static bool errors(void)
{
	BIND(cuMemsetD16Async, CUdeviceptr, unsigned short, size_t, CUstream);
	BIND(cuMemsetD2D8_v2, CUdeviceptr, size_t, unsigned char, size_t, size_t);
	BIND(cuMemsetD2D16Async, CUdeviceptr, size_t, unsigned short, size_t, size_t, CUstream);
	BIND(cuMemsetD2D32_v2, CUdeviceptr, size_t, unsigned int, size_t, size_t);
	struct plane p;

	if (!plane_open(&p))
		return false;
	NOTE(cuMemsetD16Async(p.memory + 1, 0, 4, p.stream));
	NOTE(cu.MemsetD32(p.memory + 2, 0, 4));
	NOTE(cu.MemsetD8(p.memory, 0, 0));
	NOTE(cuMemsetD2D8_v2(p.memory, PITCH, 0, 0, 4));
	NOTE(cuMemsetD2D8_v2(p.memory, PITCH, 0, 4, 0));
	NOTE(cuMemsetD2D8_v2(p.memory, 16, 0, 17, 2));	/* rows over one another */
	NOTE(cuMemsetD2D16Async(p.memory, 17, 0, 8, 2, p.stream));
	NOTE(cuMemsetD2D32_v2(p.memory, 18, 0, 4, 2));
	CODE(cuMemsetD2D32_v2(4096, PITCH, 0, 4, 2));
	CODE(cu.MemsetD8(4096, 0, 1));
	DO(cu.CtxSynchronize());
	return plane_close(&p);
}

static const struct check checks[] = {
	{ "rows", rows },
	{ "planes", planes },
	{ "pinned", pinned },
	{ "errors", errors },
};
const struct check_group fill_family = GROUP("fills", checks);
