/* SPDX-License-Identifier: Apache-2.0 */
/* Stream memory operations: writes, waits, batches, both versions; a wait holds its stream and nobody else. */
#include "conformance.h"

#include <pthread.h>
#include <string.h>
#include <time.h>

#define CAN_USE_V1 92
#define CAN_FLUSH 98
#define CAN_USE_64 122
#define CAN_NOR 123

struct memop {
	unsigned int operation, flags_of_others;
	CUdeviceptr address;
	unsigned long long value;
	unsigned int flags, pad;
	CUdeviceptr alias;
	unsigned long long unused;
};
_Static_assert(sizeof(struct memop) == 48, "CUstreamBatchMemOpParams");

enum { WAIT32 = 1, WRITE32, FLUSH, WAIT64, WRITE64, BARRIER };

static bool support(void)
{
	static const int attributes[] = { CAN_USE_V1, 93, 94, CAN_FLUSH, CAN_USE_64, CAN_NOR };
	int value;

	USE_DEVICE;
	for (size_t i = 0; i < sizeof(attributes) / sizeof(attributes[0]); i++) {
		value = -1;
		DO(cu.DeviceGetAttribute(&value, attributes[i], device));
		check_note("%d", value);
	}
	return true;
}

static bool first_version(void)
{
	BIND(cuStreamWaitValue32, CUstream, CUdeviceptr, unsigned int, unsigned int);
	BIND(cuStreamWriteValue32, CUstream, CUdeviceptr, unsigned int, unsigned int);
	BIND(cuStreamWaitValue64, CUstream, CUdeviceptr, unsigned long long, unsigned int);
	BIND(cuStreamWriteValue64, CUstream, CUdeviceptr, unsigned long long, unsigned int);
	BIND(cuStreamBatchMemOp, CUstream, unsigned int, struct memop *, unsigned int);
	struct memop operation = { .operation = WRITE32, .value = 3 };
	CUdeviceptr memory;

	USE_DEVICE;
	DO(cu.MemAlloc(&memory, 4096));
	DO(cu.MemsetD32(memory, 0, 1024));
	NOTE(cuStreamWriteValue32(NULL, memory, 5, 0));
	NOTE(cuStreamWriteValue64(NULL, memory + 8, 5, 0));
	DO(cu.CtxSynchronize());
	/* satisfied already, if the writes were taken */
	NOTE(cuStreamWaitValue32(NULL, memory, 0, 0));
	NOTE(cuStreamWaitValue64(NULL, memory + 8, 0, 0));
	operation.address = memory;
	NOTE(cuStreamBatchMemOp(NULL, 1, &operation, 0));
	operation.operation = BARRIER;
	operation.flags_of_others = 0;
	NOTE(cuStreamBatchMemOp(NULL, 1, &operation, 0));
	DO(cu.CtxSynchronize());
	DO(cu.MemFree(memory));
	return true;
}

static bool errors(void)
{
	BIND(cuStreamWaitValue32_v2, CUstream, CUdeviceptr, unsigned int, unsigned int);
	BIND(cuStreamWriteValue32_v2, CUstream, CUdeviceptr, unsigned int, unsigned int);
	BIND(cuStreamWaitValue64_v2, CUstream, CUdeviceptr, unsigned long long, unsigned int);
	BIND(cuStreamWriteValue64_v2, CUstream, CUdeviceptr, unsigned long long, unsigned int);
	BIND(cuStreamBatchMemOp_v2, CUstream, unsigned int, struct memop *, unsigned int);
	struct memop operations[256] = { { 0 } };
	unsigned int word = 0;
	CUdeviceptr memory, host = (CUdeviceptr)(size_t)&word;

	USE_DEVICE;
	DO(cu.MemAlloc(&memory, 4096));
	CODE(cuStreamWriteValue32_v2(NULL, memory + 2, 1, 0));
	CODE(cuStreamWriteValue64_v2(NULL, memory + 4, 1, 0));
	CODE(cuStreamWriteValue32_v2(NULL, 0, 1, 0));
	CODE(cuStreamWriteValue32_v2(NULL, host, 1, 0));
	CODE(cuStreamWriteValue32_v2(NULL, memory, 1, 2));
	NOTE(cuStreamWriteValue32_v2(NULL, memory, 1, 1));
	CODE(cuStreamWaitValue32_v2(NULL, memory + 1, 1, 0));
	CODE(cuStreamWaitValue32_v2(NULL, memory, 1, 4));
	CODE(cuStreamWaitValue64_v2(NULL, memory + 4, 1, 0));
	for (int i = 0; i < 256; i++)
		operations[i] = (struct memop){ .operation = WRITE32, .address = memory, .value = 1 };
	CODE(cuStreamBatchMemOp_v2(NULL, 256, operations, 0));
	DO(cuStreamBatchMemOp_v2(NULL, 255, operations, 0));
	NOTE(cuStreamBatchMemOp_v2(NULL, 0, operations, 0));
	NOTE(cuStreamBatchMemOp_v2(NULL, 0, NULL, 0));
	CODE(cuStreamBatchMemOp_v2(NULL, 1, operations, 1));
	operations[0].operation = 77;
	CODE(cuStreamBatchMemOp_v2(NULL, 1, operations, 0));
	operations[0].operation = 0;
	CODE(cuStreamBatchMemOp_v2(NULL, 1, operations, 0));
	operations[0].operation = FLUSH;
	operations[0].flags_of_others = 0;
	NOTE(cuStreamBatchMemOp_v2(NULL, 1, operations, 0));
	operations[0].operation = BARRIER;
	for (unsigned int flags = 0; flags < 3; flags++) {
		operations[0].flags_of_others = flags;
		NOTE(cuStreamBatchMemOp_v2(NULL, 1, operations, 0));
	}
	DO(cu.CtxSynchronize());
	DO(cu.MemFree(memory));
	return true;
}

/* The stream stands at a wait that the host ends; meanwhile everything else goes on. */
static bool host_releases(void)
{
	BIND(cuStreamWaitValue32_v2, CUstream, CUdeviceptr, unsigned int, unsigned int);
	volatile unsigned int *words;
	const struct timespec pause = { 0, 20000000 };
	size_t free_bytes, total;
	CUstream held, other;
	CUdeviceptr memory;
	unsigned int value = 0;

	USE_DEVICE;
	DO(cu.MemHostAlloc((void **)&words, 4096, 0));
	memset((void *)words, 0, 4096);
	DO(cu.StreamCreate(&held, CU_STREAM_NON_BLOCKING));
	DO(cu.StreamCreate(&other, CU_STREAM_NON_BLOCKING));
	DO(cu.MemAlloc(&memory, 4096));
	DO(cu.MemsetD32Async(memory, 1, 1, held));
	DO(cuStreamWaitValue32_v2(held, (CUdeviceptr)(size_t)words, 5, 0));
	DO(cu.MemsetD32Async(memory, 2, 1, held));
	nanosleep(&pause, NULL);
	RESULT(CUDA_ERROR_NOT_READY, cu.StreamQuery(held));
	DO(cu.MemGetInfo(&free_bytes, &total));
	DO(cu.MemcpyDtoHAsync(&value, memory, 4, other));
	DO(cu.StreamSynchronize(other));
	THAT(value == 1);
	words[0] = 4;
	nanosleep(&pause, NULL);
	RESULT(CUDA_ERROR_NOT_READY, cu.StreamQuery(held));
	words[0] = 5;
	DO(cu.StreamSynchronize(held));
	DO(cu.MemcpyDtoH(&value, memory, 4));
	THAT(value == 2);
	DO(cu.MemFree(memory));
	DO(cu.StreamDestroy(held));
	DO(cu.StreamDestroy(other));
	DO(cu.MemFreeHost((void *)words));
	return true;
}

/* Every condition, met by a write of another stream. */
static bool stream_releases(void)
{
	BIND(cuStreamWaitValue32_v2, CUstream, CUdeviceptr, unsigned int, unsigned int);
	BIND(cuStreamWriteValue32_v2, CUstream, CUdeviceptr, unsigned int, unsigned int);
	BIND(cuStreamWaitValue64_v2, CUstream, CUdeviceptr, unsigned long long, unsigned int);
	BIND(cuStreamWriteValue64_v2, CUstream, CUdeviceptr, unsigned long long, unsigned int);
	static const struct {
		unsigned int flags, start, awaited, written;
	} conditions[] = {
		{ 0, 0x7fffffff, 0x80000005, 0x80000005 },	/* at least, cyclic */
		{ 1, 1, 7, 7 },					/* equal */
		{ 2, 1, 0xf0, 0x10 },				/* a common bit */
		{ 3, 0xffffffff, 0, 0xfffffffe },		/* a bit clear in both */
	};
	int wide = 0, nor = 0;
	CUstream held, other;
	CUdeviceptr memory;

	USE_DEVICE;
	DO(cu.DeviceGetAttribute(&wide, CAN_USE_64, device));
	DO(cu.DeviceGetAttribute(&nor, CAN_NOR, device));
	DO(cu.StreamCreate(&held, CU_STREAM_NON_BLOCKING));
	DO(cu.StreamCreate(&other, CU_STREAM_NON_BLOCKING));
	DO(cu.MemAlloc(&memory, 4096));
	for (size_t i = 0; i < sizeof(conditions) / sizeof(conditions[0]); i++) {
		if (conditions[i].flags == 3 && !nor)
			continue;
		DO(cu.MemsetD32(memory, conditions[i].start, 1));
		DO(cu.CtxSynchronize());
		DO(cuStreamWaitValue32_v2(held, memory, conditions[i].awaited, conditions[i].flags));
		RESULT(CUDA_ERROR_NOT_READY, cu.StreamQuery(held));
		DO(cuStreamWriteValue32_v2(other, memory, conditions[i].written, 0));
		DO(cu.StreamSynchronize(held));
	}
	if (wide) {
		DO(cu.MemsetD32(memory, 0, 2));
		DO(cu.CtxSynchronize());
		DO(cuStreamWaitValue64_v2(held, memory, 1ull << 40, 0));
		DO(cuStreamWriteValue64_v2(other, memory, (1ull << 40) - 1, 0));
		DO(cu.StreamSynchronize(other));
		RESULT(CUDA_ERROR_NOT_READY, cu.StreamQuery(held));
		NOTE(cuStreamWriteValue64_v2(other, memory, 1ull << 40, 1));
		DO(cuStreamWriteValue64_v2(other, memory, 1ull << 40, 0));
		DO(cu.StreamSynchronize(held));
	}
	DO(cu.MemFree(memory));
	DO(cu.StreamDestroy(held));
	DO(cu.StreamDestroy(other));
	return true;
}

static bool batches(void)
{
	BIND(cuStreamBatchMemOp_v2, CUstream, unsigned int, struct memop *, unsigned int);
	struct memop operations[] = {
		{ .operation = WRITE32, .value = 11 },
		{ .operation = BARRIER },
		{ .operation = WAIT32, .value = 11, .flags = 1 },
		{ .operation = WRITE32, .value = 12 },
		{ .operation = WAIT32, .value = 100 },
		{ .operation = WRITE32, .value = 13 },
	};
	unsigned int words[3] = { 0 };
	CUstream held, other;
	CUdeviceptr memory;

	USE_DEVICE;
	DO(cu.StreamCreate(&held, CU_STREAM_NON_BLOCKING));
	DO(cu.StreamCreate(&other, CU_STREAM_NON_BLOCKING));
	DO(cu.MemAlloc(&memory, 4096));
	DO(cu.MemsetD32(memory, 0, 1024));
	DO(cu.CtxSynchronize());
	operations[0].address = operations[2].address = memory;
	operations[3].address = operations[5].address = memory + 4;
	operations[4].address = memory + 8;
	DO(cuStreamBatchMemOp_v2(held, 6, operations, 0));
	for (int turn = 0; turn < 1000 && words[1] != 12; turn++) {
		DO(cu.MemcpyDtoHAsync(words, memory, 12, other));
		DO(cu.StreamSynchronize(other));
	}
	THAT(words[0] == 11 && words[1] == 12);
	DO(cu.MemsetD32Async(memory + 8, 100, 1, other));
	DO(cu.StreamSynchronize(held));
	DO(cu.MemcpyDtoH(words, memory, 12));
	THAT(words[1] == 13);
	DO(cu.MemFree(memory));
	DO(cu.StreamDestroy(held));
	DO(cu.StreamDestroy(other));
	return true;
}

/* One thread waits for a stream that another thread's write will release. */
static void *wait_for(void *data)
{
	return (void *)(size_t)(cu.CtxSetCurrent(context) || cu.StreamSynchronize(data));
}

static bool threads(void)
{
	BIND(cuStreamWaitValue32_v2, CUstream, CUdeviceptr, unsigned int, unsigned int);
	BIND(cuStreamWriteValue32_v2, CUstream, CUdeviceptr, unsigned int, unsigned int);
	const struct timespec pause = { 0, 50000000 };
	CUstream held, other;
	CUdeviceptr memory;
	pthread_t thread;
	void *failed = NULL;

	USE_DEVICE;
	DO(cu.StreamCreate(&held, CU_STREAM_NON_BLOCKING));
	DO(cu.StreamCreate(&other, CU_STREAM_NON_BLOCKING));
	DO(cu.MemAlloc(&memory, 4096));
	DO(cu.MemsetD32(memory, 0, 1));
	DO(cu.CtxSynchronize());
	DO(cuStreamWaitValue32_v2(held, memory, 1, 0));
	THAT(!pthread_create(&thread, NULL, wait_for, held));
	nanosleep(&pause, NULL);
	DO(cuStreamWriteValue32_v2(other, memory, 1, 0));
	pthread_join(thread, &failed);
	THAT(!failed);
	DO(cu.MemFree(memory));
	DO(cu.StreamDestroy(held));
	DO(cu.StreamDestroy(other));
	return true;
}

static const struct check checks[] = {
	{ "support", support },
	{ "first_version", first_version },
	{ "errors", errors },
	{ "host_releases", host_releases },
	{ "stream_releases", stream_releases },
	{ "batches", batches },
	{ "threads", threads },
};
const struct check_group memop_family = GROUP("memops", checks);
