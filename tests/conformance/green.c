/* SPDX-License-Identifier: Apache-2.0 */
/* Parts of the device, and contexts on them. */
#include "conformance.h"

#include <string.h>

#define MULTIPROCESSORS 1
#define DEFAULT_STREAM 1
#define IGNORE_COSCHEDULING 1
#define PARTS_MAX 256

struct resource {
	int type;
	unsigned char internal[92];
	unsigned int multiprocessors, partition, alignment;
	unsigned char unused[36];
};
_Static_assert(sizeof(struct resource) == 144, "CUdevResource");

typedef struct green_st *CUgreenCtx;

#define BIND_RESOURCES                                                                                                \
	BIND(cuDeviceGetDevResource, CUdevice, struct resource *, int);                                               \
	BIND(cuDevSmResourceSplitByCount, struct resource *, unsigned int *, const struct resource *,                 \
	     struct resource *, unsigned int, unsigned int);                                                          \
	BIND(cuDevResourceGenerateDesc, void **, struct resource *, unsigned int);                                    \
	(void)cuDeviceGetDevResource;                                                                                 \
	(void)cuDevSmResourceSplitByCount;                                                                            \
	(void)cuDevResourceGenerateDesc

static bool splits(void)
{
	static struct resource parts[PARTS_MAX];
	static const unsigned int minima[] = { 0, 1, 2, 7, 8, 9, 16, 64, 132 };
	struct resource whole, remaining;
	unsigned int groups, asked, sum;
	CUresult result;
	BIND_RESOURCES;

	USE_DEVICE;
	DO(cuDeviceGetDevResource(device, &whole, MULTIPROCESSORS));
	THAT(whole.type == MULTIPROCESSORS);
	check_note("%u %u %u", whole.multiprocessors, whole.partition, whole.alignment);
	for (size_t m = 0; m < sizeof(minima) / sizeof(minima[0]); m++) {
		for (unsigned int flags = 0; flags < 4; flags++) {
			if (minima[m] > whole.multiprocessors)
				continue;
			asked = 0;
			check_line = __LINE__;
			result = cuDevSmResourceSplitByCount(NULL, &asked, &whole, NULL, flags, minima[m]);
			if (result) {
				check_note("%d", (int)result);
				continue;
			}
			groups = PARTS_MAX;
			DO(cuDevSmResourceSplitByCount(parts, &groups, &whole, &remaining, flags, minima[m]));
			THAT(groups == asked && groups <= PARTS_MAX);
			sum = remaining.type == MULTIPROCESSORS ? remaining.multiprocessors : 0;
			check_note("%ux%u+%u", groups, parts[0].multiprocessors, sum);
			for (unsigned int i = 0; i < groups; i++) {
				THAT(parts[i].type == MULTIPROCESSORS && parts[i].multiprocessors >= minima[m]);
				sum += parts[i].multiprocessors;
			}
			THAT(sum == whole.multiprocessors);
		}
	}
	groups = 1;
	DO(cuDevSmResourceSplitByCount(parts, &groups, &whole, &remaining, 0, whole.partition));
	THAT(groups == 1 && parts[0].multiprocessors + remaining.multiprocessors == whole.multiprocessors);
	return true;
}

static bool bad_splits(void)
{
	struct resource whole, part, nothing;
	unsigned int groups = 1;
	void *desc;
	BIND_RESOURCES;

	USE_DEVICE;
	memset(&nothing, 0, sizeof(nothing));
	CODE(cuDeviceGetDevResource(device, &part, 0));
	CODE(cuDeviceGetDevResource(device, &part, 2));
	CODE(cuDeviceGetDevResource(device, NULL, MULTIPROCESSORS));
	CODE(cuDeviceGetDevResource(77, &part, MULTIPROCESSORS));
	DO(cuDeviceGetDevResource(device, &whole, MULTIPROCESSORS));
	CODE(cuDevSmResourceSplitByCount(&part, NULL, &whole, NULL, 0, 8));
	CODE(cuDevSmResourceSplitByCount(&part, &groups, NULL, NULL, 0, 8));
	CODE(cuDevSmResourceSplitByCount(&part, &groups, &nothing, NULL, 0, 8));
	NOTE(cuDevSmResourceSplitByCount(&part, &groups, &whole, NULL, 0x80, 8));
	CODE(cuDevSmResourceSplitByCount(&part, &groups, &whole, NULL, 0, whole.multiprocessors + 1));
	groups = 0;
	NOTE(cuDevSmResourceSplitByCount(&part, &groups, &whole, NULL, 0, 8));
	CODE(cuDevResourceGenerateDesc(&desc, &nothing, 1));
	return true;
}

static CUresult smallest(CUgreenCtx *green, unsigned int *multiprocessors)
{
	BIND(cuGreenCtxCreate, CUgreenCtx *, void *, CUdevice, unsigned int);
	struct resource whole, part, remaining;
	unsigned int groups = 1;
	CUresult result;
	void *desc;
	BIND_RESOURCES;

	if ((result = cuDeviceGetDevResource(device, &whole, MULTIPROCESSORS)) ||
	    (result = cuDevSmResourceSplitByCount(&part, &groups, &whole, &remaining, 0, whole.partition)) ||
	    (result = cuDevResourceGenerateDesc(&desc, &part, 1)))
		return result;
	*multiprocessors = part.multiprocessors;
	return cuGreenCtxCreate(green, desc, device, DEFAULT_STREAM);
}

/* A kernel on a green context's stream, and one with the green context current. */
static bool work(void)
{
	BIND(cuGreenCtxStreamCreate, CUstream *, CUgreenCtx, unsigned int, int);
	BIND(cuGreenCtxGetDevResource, CUgreenCtx, struct resource *, int);
	BIND(cuCtxGetDevResource, CUcontext, struct resource *, int);
	BIND(cuGreenCtxGetId, CUgreenCtx, unsigned long long *);
	BIND(cuCtxGetId, CUcontext, unsigned long long *);
	BIND(cuStreamGetCtx, CUstream, CUcontext *);
	BIND(cuStreamGetCtx_v2, CUstream, CUcontext *, CUgreenCtx *);
	BIND(cuStreamGetGreenCtx, CUstream, CUgreenCtx *);
	BIND(cuCtxFromGreenCtx, CUcontext *, CUgreenCtx);
	BIND(cuGreenCtxDestroy, CUgreenCtx);
	unsigned long long id = 0, same = 0, whole_id = 0;
	unsigned int multiprocessors, value, flags = 0, word = 0;
	CUcontext as_context, again, owner;
	CUgreenCtx green, found;
	struct resource resource;
	CUdeviceptr memory;
	CUstream stream, inside;
	int priority = 99;
	CUdevice where;

	USE_DEVICE;
	DO(smallest(&green, &multiprocessors));
	DO(cuGreenCtxGetDevResource(green, &resource, MULTIPROCESSORS));
	THAT(resource.multiprocessors == multiprocessors);
	DO(cuCtxFromGreenCtx(&as_context, green));
	DO(cuCtxFromGreenCtx(&again, green));
	THAT(as_context == again && as_context != context);
	DO(cuCtxGetDevResource(as_context, &resource, MULTIPROCESSORS));
	THAT(resource.multiprocessors == multiprocessors);
	DO(cuCtxGetDevResource(context, &resource, MULTIPROCESSORS));
	THAT(resource.multiprocessors > multiprocessors);
	DO(cuGreenCtxGetId(green, &id));
	DO(cuCtxGetId(context, &whole_id));
	DO(cuCtxGetId(as_context, &same));
	THAT(id != whole_id);
	check_note("%s", same == id ? "one id" : "two ids");

	CODE(cuGreenCtxStreamCreate(&stream, green, 0, 0));
	DO(cuGreenCtxStreamCreate(&stream, green, CU_STREAM_NON_BLOCKING, -1));
	DO(cu.StreamGetFlags(stream, &flags));
	DO(cu.StreamGetPriority(stream, &priority));
	check_note("%u %d", flags, priority);
	DO(cuStreamGetCtx_v2(stream, &owner, &found));
	THAT(owner == context && found == green);
	DO(cuStreamGetGreenCtx(stream, &found));
	THAT(found == green);
	owner = NULL;
	NOTE(cuStreamGetCtx(stream, &owner));
	check_note("%s", owner == as_context ? "green" : owner == context ? "primary" : "none");

	DO(cu.MemAlloc(&memory, 4096));
	value = 7;
	DO(launch_1d(kernels.write_word, 1, stream, PARAMETERS(&memory, &value)));
	DO(cu.StreamSynchronize(stream));
	DO(cu.MemcpyDtoH(&word, memory, 4));
	THAT(word == 7);

	DO(cu.CtxPushCurrent(as_context));
	DO(cu.CtxGetDevice(&where));
	THAT(where == device);
	DO(cuGreenCtxGetId(NULL, &same));
	THAT(same == id);
	DO(cu.StreamCreate(&inside, CU_STREAM_NON_BLOCKING));
	DO(cuStreamGetGreenCtx(inside, &found));
	THAT(found == green);
	DO(cuStreamGetGreenCtx(NULL, &found));
	THAT(found == green);
	value = 8;
	DO(launch_1d(kernels.write_word, 1, inside, PARAMETERS(&memory, &value)));
	DO(cu.CtxSynchronize());
	value = 9;
	DO(launch_1d(kernels.write_word, 1, NULL, PARAMETERS(&memory, &value)));
	DO(cu.MemcpyDtoH(&word, memory, 4));
	THAT(word == 9);
	/* memory of a green context is the primary context's */
	DO(cu.MemFree(memory));
	DO(cu.MemAlloc(&memory, 4096));
	DO(cu.StreamDestroy(inside));
	DO(cu.CtxPopCurrent(&again));
	THAT(again == as_context);
	DO(cu.StreamDestroy(stream));
	DO(cuGreenCtxDestroy(green));
	DO(cu.MemsetD32(memory, 1, 16));
	DO(cu.CtxSynchronize());
	DO(cu.MemFree(memory));
	return true;
}

static bool events(void)
{
	BIND(cuGreenCtxStreamCreate, CUstream *, CUgreenCtx, unsigned int, int);
	BIND(cuGreenCtxRecordEvent, CUgreenCtx, CUevent);
	BIND(cuGreenCtxWaitEvent, CUgreenCtx, CUevent);
	BIND(cuGreenCtxDestroy, CUgreenCtx);
	unsigned long long bound = 20000000000ull;
	volatile unsigned int *gate;
	unsigned int multiprocessors;
	CUevent whole, gated;
	CUgreenCtx green;
	CUstream stream, other;

	USE_DEVICE;
	DO(smallest(&green, &multiprocessors));
	DO(cu.MemHostAlloc((void **)&gate, 4096, 0));
	*gate = 0;
	DO(cuGreenCtxStreamCreate(&stream, green, CU_STREAM_NON_BLOCKING, 0));
	DO(cu.StreamCreate(&other, CU_STREAM_NON_BLOCKING));
	DO(cu.EventCreate(&whole, CU_EVENT_DISABLE_TIMING));
	DO(cu.EventCreate(&gated, CU_EVENT_DISABLE_TIMING));
	DO(cu.LaunchKernel(kernels.wait_for_gate, 1, 1, 1, 1, 1, 1, 0, stream, PARAMETERS(&gate, &bound), NULL));
	DO(cuGreenCtxRecordEvent(green, whole));
	RESULT(CUDA_ERROR_NOT_READY, cu.EventQuery(whole));
	*gate = 1;
	DO(cu.EventSynchronize(whole));
	DO(cu.StreamSynchronize(stream));
	*gate = 0;
	DO(cu.LaunchKernel(kernels.wait_for_gate, 1, 1, 1, 1, 1, 1, 0, other, PARAMETERS(&gate, &bound), NULL));
	DO(cu.EventRecord(gated, other));
	DO(cuGreenCtxWaitEvent(green, gated));
	DO(cu.LaunchKernel(kernels.empty, 1, 1, 1, 1, 1, 1, 0, stream, NULL, NULL));
	RESULT(CUDA_ERROR_NOT_READY, cu.StreamQuery(stream));
	*gate = 1;
	DO(cu.CtxSynchronize());
	DO(cu.StreamQuery(stream));
	CODE(cuGreenCtxRecordEvent(green, NULL));
	CODE(cuGreenCtxRecordEvent(NULL, whole));
	DO(cu.StreamDestroy(stream));
	DO(cu.StreamDestroy(other));
	DO(cu.EventDestroy(whole));
	DO(cu.EventDestroy(gated));
	DO(cu.MemFreeHost((void *)gate));
	DO(cuGreenCtxDestroy(green));
	return true;
}

static bool ends(void)
{
	BIND(cuGreenCtxCreate, CUgreenCtx *, void *, CUdevice, unsigned int);
	BIND(cuGreenCtxStreamCreate, CUstream *, CUgreenCtx, unsigned int, int);
	BIND(cuGreenCtxGetId, CUgreenCtx, unsigned long long *);
	BIND(cuGreenCtxGetDevResource, CUgreenCtx, struct resource *, int);
	BIND(cuCtxFromGreenCtx, CUcontext *, CUgreenCtx);
	BIND(cuGreenCtxDestroy, CUgreenCtx);
	unsigned int multiprocessors;
	unsigned long long id;
	struct resource whole, part;
	CUcontext as_context;
	CUgreenCtx green;
	CUstream stream;
	void *desc;
	BIND_RESOURCES;

	USE_DEVICE;
	DO(cuDeviceGetDevResource(device, &whole, MULTIPROCESSORS));
	DO(cuDevResourceGenerateDesc(&desc, &whole, 1));
	CODE(cuGreenCtxCreate(NULL, desc, device, DEFAULT_STREAM));
	CODE(cuGreenCtxCreate(&green, desc, device, 0));
	CODE(cuGreenCtxCreate(&green, desc, 77, DEFAULT_STREAM));
	/* without a description it is the whole device */
	DO(cuGreenCtxCreate(&green, NULL, device, DEFAULT_STREAM));
	DO(cuGreenCtxGetDevResource(green, &part, MULTIPROCESSORS));
	check_note("%u", part.multiprocessors);
	DO(cuGreenCtxDestroy(green));
	CODE(cuGreenCtxGetId(NULL, &id));
	CODE(cuCtxFromGreenCtx(&as_context, NULL));
	DO(smallest(&green, &multiprocessors));
	DO(cuGreenCtxStreamCreate(&stream, green, CU_STREAM_NON_BLOCKING, 0));
	DO(cuGreenCtxDestroy(green));
	CODE(cu.StreamSynchronize(stream));
	CODE(cu.StreamDestroy(stream));
	return true;
}

static const struct check checks[] = {
	{ "splits", splits },
	{ "bad_splits", bad_splits },
	{ "work", work },
	{ "events", events },
	{ "ends", ends },
};
const struct check_group green_family = GROUP("green", checks);
