/* SPDX-License-Identifier: Apache-2.0 */
/* Copies between contexts, and batches of copies in both versions of their ABI. */
#include "array_calls.h"
#include "workload.h"

#include <string.h>

struct attributes {
	int order;
	CUmemLocation source, destination;
	unsigned int flags;
};
_Static_assert(sizeof(struct attributes) == 24, "as in CUDA 12.8");

enum { ORDER_INVALID, ORDER_STREAM, ORDER_DURING_CALL, ORDER_ANY };

struct operand {
	int type;
	union {
		struct {
			CUdeviceptr address;
			size_t row, layer;
			CUmemLocation hint;
		} pointer;
		struct {
			CUarray array;
			size_t x, y, z;
		} array;
	};
};

struct batch_box {
	struct operand source, destination;
	size_t width, height, depth;
	int order;
	unsigned int flags;
};
_Static_assert(sizeof(struct batch_box) == 112, "as in CUDA 12.8");

enum { OPERAND_POINTER = 1, OPERAND_ARRAY };

static bool between_contexts(void)
{
	enum { BYTES = 5000 };
	BIND(cuCtxCreate_v2, CUcontext *, unsigned int, CUdevice);
	BIND(cuCtxDestroy_v2, CUcontext);
	BIND(cuMemcpyPeer, CUdeviceptr, CUcontext, CUdeviceptr, CUcontext, size_t);
	BIND(cuMemcpyPeerAsync, CUdeviceptr, CUcontext, CUdeviceptr, CUcontext, size_t, CUstream);
	BIND(cuMemcpy3DPeer, const struct box_copy *);
	BIND(cuMemcpy3DPeerAsync, const struct box_copy *, CUstream);
	unsigned char in[BYTES], out[BYTES];
	CUdeviceptr here, there;
	struct box_copy box;
	CUcontext other;
	CUstream stream;

	USE_DEVICE;
	workload_bytes(in, BYTES, 12);
	DO(cu.MemAlloc(&here, BYTES));
	DO(cuCtxCreate_v2(&other, 0, device));
	DO(cu.MemAlloc(&there, BYTES));
	DO(cu.CtxSetCurrent(context));
	DO(cu.StreamCreate(&stream, CU_STREAM_NON_BLOCKING));
	DO(cu.MemcpyHtoD(here, in, BYTES));
	DO(cuMemcpyPeer(there, other, here, context, BYTES));
	DO(cu.MemsetD8(here, 0, BYTES));
	DO(cu.CtxSynchronize());
	DO(cuMemcpyPeerAsync(here, context, there, other, BYTES, stream));
	DO(cu.StreamSynchronize(stream));
	DO(cu.MemcpyDtoH(out, here, BYTES));
	THAT(!memcmp(in, out, BYTES));
	/* 20 rows of 30 bytes out of rows of 100 */
	DO(cu.MemsetD8(here, 0, BYTES));
	DO(cu.CtxSynchronize());
	box = (struct box_copy){ in_device(there, 100, 0), in_device(here, 30, 0), 30, 20, 1 };
	box.source.context = other;
	box.destination.context = context;
	DO(cuMemcpy3DPeer(&box));
	box.source.x = 50;
	box.destination.y = 20;
	DO(cuMemcpy3DPeerAsync(&box, stream));
	DO(cu.StreamSynchronize(stream));
	DO(cu.MemcpyDtoH(out, here, BYTES));
	for (int y = 0; y < 20; y++)
		THAT(!memcmp(out + y * 30, in + y * 100, 30) && !memcmp(out + (y + 20) * 30, in + y * 100 + 50, 30));
	NOTE(cuMemcpyPeer(there, NULL, here, context, BYTES));
	NOTE(cuMemcpyPeer(there, other, here, NULL, BYTES));
	CODE(cuMemcpyPeer(1, other, here, context, BYTES));
	NOTE(cuMemcpyPeer(there, other, here, context, 0));
	box.source.context = NULL;
	NOTE(cuMemcpy3DPeer(&box));
	DO(cu.StreamDestroy(stream));
	DO(cu.MemFree(here));
	DO(cu.CtxSetCurrent(other));
	DO(cu.MemFree(there));
	DO(cuCtxDestroy_v2(other));
	DO(cu.CtxSetCurrent(context));
	return true;
}

static bool batches(void)
{
	enum { COUNT = 6, BYTES = 3000 };
	BIND(cuMemcpyBatchAsync, CUdeviceptr *, CUdeviceptr *, size_t *, size_t, struct attributes *, size_t *, size_t,
	     size_t *, CUstream);
	BIND(cuMemcpyBatchAsync_v2, CUdeviceptr *, CUdeviceptr *, size_t *, size_t, struct attributes *, size_t *,
	     size_t, CUstream);
	static unsigned char in[COUNT * BYTES], out[COUNT * BYTES];
	struct attributes sorts[2] = { { .order = ORDER_STREAM }, { .order = ORDER_DURING_CALL } };
	CUdeviceptr sources[COUNT], destinations[COUNT], memory;
	size_t sizes[COUNT], firsts[2] = { 0, 3 }, failed = 77;
	CUstream stream;

	USE_DEVICE;
	workload_bytes(in, sizeof(in), 13);
	DO(cu.MemAlloc(&memory, sizeof(in)));
	DO(cu.StreamCreate(&stream, CU_STREAM_NON_BLOCKING));
	for (int i = 0; i < COUNT; i++) {
		sources[i] = (uintptr_t)(in + i * BYTES);
		destinations[i] = memory + (COUNT - 1 - i) * BYTES;
		sizes[i] = BYTES - i;
	}
	DO(cuMemcpyBatchAsync(destinations, sources, sizes, COUNT, sorts, firsts, 2, &failed, stream));
	check_note("%s", failed == SIZE_MAX ? "none" : failed == 77 ? "untouched" : "an index");
	for (int i = 0; i < COUNT; i++)
		sources[i] = (uintptr_t)(out + i * BYTES);
	DO(cuMemcpyBatchAsync_v2(sources, destinations, sizes, COUNT, sorts, firsts, 1, stream));
	DO(cu.StreamSynchronize(stream));
	for (int i = 0; i < COUNT; i++)
		THAT(!memcmp(in + i * BYTES, out + i * BYTES, BYTES - i));
	/* device to device */
	for (int i = 0; i < COUNT; i++) {
		sources[i] = memory;
		sizes[i] = 100;
		destinations[i] = memory + BYTES + 100 * i;
	}
	DO(cuMemcpyBatchAsync_v2(destinations, sources, sizes, COUNT, sorts, firsts, 2, stream));
	DO(cu.StreamSynchronize(stream));
	DO(cu.MemcpyDtoH(out, memory, sizeof(out)));
	for (int i = 0; i < COUNT; i++)
		THAT(!memcmp(out, out + BYTES + 100 * i, 100));
	DO(cu.StreamDestroy(stream));
	DO(cu.MemFree(memory));
	return true;
}

static bool batch_errors(void)
{
	BIND(cuMemcpyBatchAsync, CUdeviceptr *, CUdeviceptr *, size_t *, size_t, struct attributes *, size_t *, size_t,
	     size_t *, CUstream);
	struct attributes fine[2] = { { .order = ORDER_STREAM }, { .order = ORDER_ANY } }, bad = { .order = 0 };
	CUdeviceptr sources[2], destinations[2], memory, nowhere[2] = { 0, 0 };
	size_t sizes[2] = { 16, 16 }, none[2] = { 16, 0 }, firsts[2] = { 0, 1 }, late[2] = { 1, 2 };
	size_t twice[2] = { 0, 0 }, failed;
	CUstream stream;

	USE_DEVICE;
	DO(cu.MemAlloc(&memory, 4096));
	DO(cu.StreamCreate(&stream, CU_STREAM_NON_BLOCKING));
	for (int i = 0; i < 2; i++) {
		sources[i] = memory + 64 * i;
		destinations[i] = memory + 1024 + 64 * i;
	}
#define BATCH(d, s, n, count, a, f, sorts, stream)                                                                    \
	do {                                                                                                          \
		failed = 77;                                                                                          \
		NOTE(cuMemcpyBatchAsync(d, s, n, count, a, f, sorts, &failed, stream));                               \
		check_note("(%d)", failed == SIZE_MAX ? -1 : (int)failed);                                            \
	} while (0)
	BATCH(destinations, sources, sizes, 2, fine, firsts, 2, NULL);
	BATCH(destinations, sources, sizes, 2, fine, firsts, 2, CU_STREAM_LEGACY);
	BATCH(destinations, sources, sizes, 2, fine, firsts, 2, CU_STREAM_PER_THREAD);
	BATCH(NULL, sources, sizes, 2, fine, firsts, 2, stream);
	BATCH(destinations, NULL, sizes, 2, fine, firsts, 2, stream);
	BATCH(destinations, sources, NULL, 2, fine, firsts, 2, stream);
	BATCH(destinations, sources, sizes, 0, fine, firsts, 2, stream);
	BATCH(destinations, sources, none, 2, fine, firsts, 2, stream);
	BATCH(destinations, nowhere, sizes, 2, fine, firsts, 2, stream);
	BATCH(destinations, sources, sizes, 2, NULL, firsts, 2, stream);
	BATCH(destinations, sources, sizes, 2, fine, NULL, 2, stream);
	BATCH(destinations, sources, sizes, 2, fine, firsts, 0, stream);
	BATCH(destinations, sources, sizes, 1, fine, firsts, 2, stream);
	BATCH(destinations, sources, sizes, 2, fine, late, 2, stream);
	BATCH(destinations, sources, sizes, 2, fine, twice, 2, stream);
	BATCH(destinations, sources, sizes, 2, &bad, firsts, 1, stream);
	bad = (struct attributes){ .order = ORDER_STREAM, .flags = 0x80 };
	BATCH(destinations, sources, sizes, 2, &bad, firsts, 1, stream);
#undef BATCH
	DO(cu.CtxSynchronize());
	DO(cu.StreamDestroy(stream));
	DO(cu.MemFree(memory));
	return true;
}

static bool batches_of_boxes(void)
{
	enum { WIDTH = 20, HEIGHT = 10 };
	BIND(cuArray3DCreate_v2, CUarray *, const struct array_3d *);
	BIND(cuArrayDestroy, CUarray);
	BIND(cuMemcpy3DBatchAsync, size_t, struct batch_box *, size_t *, unsigned long long, CUstream);
	BIND(cuMemcpy3DBatchAsync_v2, size_t, struct batch_box *, unsigned long long, CUstream);
	struct array_3d plane = { WIDTH, HEIGHT, 0, FORMAT_UINT16, 2, 0 };
	unsigned char in[WIDTH * HEIGHT * 4], out[WIDTH * HEIGHT * 4];
	struct operand host = { OPERAND_POINTER, .pointer = { (uintptr_t)in, 0, 0, { 0, 0 } } };
	struct operand back = { OPERAND_POINTER, .pointer = { (uintptr_t)out, 0, 0, { 0, 0 } } };
	struct batch_box boxes[2] = { 0 }, one;
	CUdeviceptr memory;
	CUstream stream;
	CUarray array;
	size_t failed = 77;

	USE_DEVICE;
	workload_bytes(in, sizeof(in), 14);
	DO(cuArray3DCreate_v2(&array, &plane));
	DO(cu.MemAlloc(&memory, sizeof(in)));
	DO(cu.StreamCreate(&stream, CU_STREAM_NON_BLOCKING));
	struct operand texels = { OPERAND_ARRAY, .array = { array, 0, 0, 0 } };
	struct operand flat = { OPERAND_POINTER, .pointer = { memory, 0, 0, { 0, 0 } } };

	boxes[0] = (struct batch_box){ host, texels, WIDTH, HEIGHT, 1, ORDER_DURING_CALL, 0 };
	boxes[1] = (struct batch_box){ host, flat, sizeof(in), 1, 1, ORDER_STREAM, 0 };
	DO(cuMemcpy3DBatchAsync(2, boxes, &failed, 0, stream));
	check_note("%s", failed == SIZE_MAX ? "none" : failed == 77 ? "untouched" : "an index");
	/* 5 x 3 texels from (2, 4), packed closely */
	memset(out, 0, sizeof(out));
	texels.array.x = 2;
	texels.array.y = 4;
	one = (struct batch_box){ texels, back, 5, 3, 1, ORDER_STREAM, 0 };
	DO(cuMemcpy3DBatchAsync_v2(1, &one, 0, stream));
	DO(cu.StreamSynchronize(stream));
	for (int y = 0; y < 3; y++)
		THAT(!memcmp(out + y * 20, in + ((y + 4) * WIDTH + 2) * 4, 20));
	DO(cu.MemcpyDtoH(out, memory, sizeof(out)));
	THAT(!memcmp(in, out, sizeof(in)));
	/* errors */
	NOTE(cuMemcpy3DBatchAsync_v2(0, &one, 0, stream));
	NOTE(cuMemcpy3DBatchAsync_v2(1, NULL, 0, stream));
	NOTE(cuMemcpy3DBatchAsync_v2(1, &one, 1, stream));
	NOTE(cuMemcpy3DBatchAsync_v2(1, &one, 0, NULL));
	one.depth = 0;
	NOTE(cuMemcpy3DBatchAsync_v2(1, &one, 0, stream));
	one.depth = 1;
	one.width = 50;
	NOTE(cuMemcpy3DBatchAsync_v2(1, &one, 0, stream));
	one.width = 5;
	one.order = ORDER_INVALID;
	NOTE(cuMemcpy3DBatchAsync_v2(1, &one, 0, stream));
	one.order = ORDER_ANY;
	one.destination.type = 9;
	NOTE(cuMemcpy3DBatchAsync_v2(1, &one, 0, stream));
	one.destination = back;
	one.destination.pointer.row = 4;
	NOTE(cuMemcpy3DBatchAsync_v2(1, &one, 0, stream));
	DO(cu.CtxSynchronize());
	DO(cu.StreamDestroy(stream));
	DO(cu.MemFree(memory));
	DO(cuArrayDestroy(array));
	return true;
}

static const struct check checks[] = {
	{ "between_contexts", between_contexts },
	{ "batches", batches },
	{ "batch_errors", batch_errors },
	{ "batches_of_boxes", batches_of_boxes },
};
const struct check_group copy_family = GROUP("copies", checks);
