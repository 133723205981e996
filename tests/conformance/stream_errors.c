/* SPDX-License-Identifier: Apache-2.0 */
/* Misuse of streams and events: missing arguments, unknown flags, handles that mean no stream, other contexts. */
#include "conformance.h"
#include "kernels.h"

static bool creating(void)
{
	CUstream stream = NULL;
	CUevent event = NULL;

	USE_DEVICE;
	NOTE(cu.StreamCreate(NULL, 0));
	NOTE(cu.StreamCreate(&stream, 2));
	NOTE(cu.StreamCreate(&stream, 0x100));
	NOTE(cu.StreamCreateWithPriority(NULL, 0, 0));
	NOTE(cu.StreamCreateWithPriority(&stream, 2, 0));
	NOTE(cu.EventCreate(NULL, 0));
	for (unsigned int flags = 0; flags < 10; flags++) {
		event = NULL;
		NOTE(cu.EventCreate(&event, flags));
		if (event)
			DO(cu.EventDestroy(event));
	}
	return true;
}

static bool priorities(void)
{
	int least, greatest, priority;
	CUstream stream;

	USE_DEVICE;
	DO(cu.CtxGetStreamPriorityRange(&least, &greatest));
	DO(cu.StreamCreateWithPriority(&stream, 0, least + 3));
	DO(cu.StreamGetPriority(stream, &priority));
	check_note("%d", priority - least);
	DO(cu.StreamDestroy(stream));
	DO(cu.StreamCreateWithPriority(&stream, 0, greatest - 3));
	DO(cu.StreamGetPriority(stream, &priority));
	check_note("%d", priority - greatest);
	DO(cu.StreamDestroy(stream));
	NOTE(cu.CtxGetStreamPriorityRange(NULL, &greatest));
	NOTE(cu.CtxGetStreamPriorityRange(&least, NULL));
	NOTE(cu.CtxGetStreamPriorityRange(NULL, NULL));
	return true;
}

/* The streams that nobody creates. */
static bool given_streams(void)
{
	BIND(cuStreamGetId, CUstream, unsigned long long *);
	CUstream given[] = { NULL, CU_STREAM_LEGACY, CU_STREAM_PER_THREAD };
	unsigned long long ids[3] = { 0 };
	unsigned int flags = 77;
	int priority = 77;

	USE_DEVICE;
	for (int i = 0; i < 3; i++) {
		NOTE(cu.StreamDestroy(given[i]));
		NOTE(cu.StreamQuery(given[i]));
		NOTE(cu.StreamSynchronize(given[i]));
		NOTE(cu.StreamGetFlags(given[i], &flags));
		NOTE(cu.StreamGetPriority(given[i], &priority));
		NOTE(cuStreamGetId(given[i], &ids[i]));
		check_note("(%u %d)", flags, priority);
	}
	check_note("%s", ids[0] == ids[1] ? "one legacy stream" : "two");
	check_note("%s", ids[0] == ids[2] ? "one stream" : "two");
	return true;
}

static bool missing_places(void)
{
	BIND(cuStreamGetId, CUstream, unsigned long long *);
	BIND(cuStreamGetCtx, CUstream, CUcontext *);
	BIND(cuStreamGetDevice, CUstream, CUdevice *);
	CUstream stream;

	USE_DEVICE;
	DO(cu.StreamCreate(&stream, CU_STREAM_NON_BLOCKING));
	NOTE(cu.StreamGetFlags(stream, NULL));
	NOTE(cu.StreamGetPriority(stream, NULL));
	NOTE(cuStreamGetId(stream, NULL));
	NOTE(cuStreamGetCtx(stream, NULL));
	NOTE(cu.StreamIsCapturing(stream, NULL));
	NOTE(cuStreamGetDevice(stream, NULL));
	DO(cu.StreamDestroy(stream));
	return true;
}

static bool attributes_of_nothing(void)
{
	BIND(cuStreamSetAttribute, CUstream, int, const void *);
	BIND(cuStreamCopyAttributes, CUstream, CUstream);
	char value[64] = { 0 };
	CUstream stream;

	USE_DEVICE;
	DO(cu.StreamCreate(&stream, CU_STREAM_NON_BLOCKING));
	NOTE(cuStreamSetAttribute(stream, 1000, value));
	NOTE(cuStreamSetAttribute(stream, -1, value));
	NOTE(cuStreamCopyAttributes(NULL, stream));
	NOTE(cuStreamCopyAttributes(stream, NULL));
	NOTE(cuStreamCopyAttributes(stream, stream));
	DO(cu.StreamDestroy(stream));
	return true;
}

static bool events(void)
{
	BIND(cuEventRecordWithFlags, CUevent, CUstream, unsigned int);
	CUstream stream;
	CUevent event;

	USE_DEVICE;
	DO(cu.StreamCreate(&stream, CU_STREAM_NON_BLOCKING));
	DO(cu.EventCreate(&event, CU_EVENT_DISABLE_TIMING));
	NOTE(cu.EventQuery(NULL));
	NOTE(cu.EventSynchronize(NULL));
	NOTE(cu.EventRecord(NULL, stream));
	NOTE(cu.EventRecord(NULL, NULL));
	NOTE(cuEventRecordWithFlags(event, stream, 0));
	NOTE(cuEventRecordWithFlags(event, stream, 1));	/* external, and no capture */
	NOTE(cuEventRecordWithFlags(event, stream, 2));
	NOTE(cuEventRecordWithFlags(NULL, stream, 2));
	NOTE(cu.StreamWaitEvent(stream, NULL, 0));
	NOTE(cu.StreamWaitEvent(NULL, NULL, 0));
	NOTE(cu.StreamWaitEvent(stream, event, 1));
	NOTE(cu.StreamWaitEvent(stream, event, 2));
	NOTE(cu.StreamWaitEvent(stream, NULL, 2));
	DO(cu.StreamSynchronize(stream));
	DO(cu.EventDestroy(event));
	DO(cu.StreamDestroy(stream));
	return true;
}

static bool host_functions(void)
{
	BIND(cuStreamAddCallback, CUstream, void (*)(CUstream, CUresult, void *), void *, unsigned int);
	CUstream stream;

	USE_DEVICE;
	DO(cu.StreamCreate(&stream, CU_STREAM_NON_BLOCKING));
	NOTE(cu.LaunchHostFunc(stream, NULL, NULL));
	NOTE(cuStreamAddCallback(stream, NULL, NULL, 0));
	NOTE(cuStreamAddCallback(stream, NULL, NULL, 1));
	DO(cu.StreamSynchronize(stream));
	DO(cu.StreamDestroy(stream));
	return true;
}

/* Streams, events and functions of a context that is not the current one. */
static bool other_contexts(void)
{
	BIND(cuCtxCreate_v2, CUcontext *, unsigned int, CUdevice);
	BIND(cuCtxDestroy_v2, CUcontext);
	BIND(cuEventElapsedTime_v2, float *, CUevent, CUevent);
	CUcontext made, popped;
	CUevent here, there;
	CUstream ours, theirs;
	CUfunction function;
	CUmodule module;
	float milliseconds;

	USE_DEVICE;
	DO(cu.StreamCreate(&ours, CU_STREAM_NON_BLOCKING));
	DO(cu.EventCreate(&here, CU_EVENT_DEFAULT));
	DO(cuCtxCreate_v2(&made, 0, device));
	DO(cu.StreamCreate(&theirs, CU_STREAM_NON_BLOCKING));
	DO(cu.EventCreate(&there, CU_EVENT_DEFAULT));
	DO(cu.ModuleLoadData(&module, kernels_ptx));
	DO(cu.ModuleGetFunction(&function, module, "empty"));
	NOTE(cu.EventRecord(here, theirs));
	NOTE(cu.EventRecord(there, ours));
	NOTE(cu.EventRecord(here, ours));	/* of a context that is not current */
	NOTE(cu.EventRecord(there, theirs));
	NOTE(cu.StreamWaitEvent(ours, there, 0));
	NOTE(cu.StreamWaitEvent(theirs, here, 0));
	NOTE(cu.StreamSynchronize(ours));
	NOTE(cu.StreamQuery(ours));
	NOTE(cu.EventSynchronize(here));
	NOTE(cu.EventSynchronize(there));
	NOTE(cuEventElapsedTime_v2(&milliseconds, here, there));
	NOTE(cu.LaunchKernel(function, 1, 1, 1, 1, 1, 1, 0, ours, NULL, NULL));
	NOTE(cu.LaunchKernel(function, 1, 1, 1, 1, 1, 1, 0, theirs, NULL, NULL));
	NOTE(cu.LaunchKernel(kernels.empty, 1, 1, 1, 1, 1, 1, 0, ours, NULL, NULL));
	NOTE(cu.LaunchKernel(kernels.empty, 1, 1, 1, 1, 1, 1, 0, theirs, NULL, NULL));
	NOTE(cu.LaunchKernel(kernels.empty, 1, 1, 1, 1, 1, 1, 0, NULL, NULL, NULL));
	NOTE(cu.CtxSynchronize());
	DO(cu.CtxPopCurrent(&popped));
	NOTE(cu.LaunchKernel(function, 1, 1, 1, 1, 1, 1, 0, NULL, NULL, NULL));
	NOTE(cu.CtxSynchronize());
	DO(cu.StreamDestroy(ours));
	DO(cu.EventDestroy(here));
	DO(cuCtxDestroy_v2(made));
	DO(cu.CtxSynchronize());
	return true;
}

/* What belongs to a context that is not current may be used and ended from another. */
static bool objects_of_other_contexts(void)
{
	BIND(cuCtxCreate_v2, CUcontext *, unsigned int, CUdevice);
	BIND(cuCtxDestroy_v2, CUcontext);
	BIND(cuStreamGetCtx, CUstream, CUcontext *);
	CUcontext made, owner = NULL;
	CUdeviceptr memory, variable;
	unsigned int word = 9;
	CUfunction function;
	CUmodule module;
	CUstream stream;
	CUevent event;
	size_t size;
	void *pinned;
	int value;

	USE_DEVICE;
	DO(cu.MemAlloc(&memory, 4096));
	DO(cu.MemHostAlloc(&pinned, 4096, 0));
	DO(cu.StreamCreate(&stream, CU_STREAM_NON_BLOCKING));
	DO(cu.EventCreate(&event, CU_EVENT_DISABLE_TIMING));
	DO(cu.ModuleLoadData(&module, kernels_ptx));
	DO(cu.ModuleGetFunction(&function, module, "write_word"));
	DO(cuCtxCreate_v2(&made, 0, device));
	NOTE(cu.MemsetD32(memory, 5, 1));
	NOTE(cu.MemcpyDtoH(&word, memory, 4));
	check_note("(%u)", word);
	NOTE(cu.MemsetD32Async(memory, 6, 1, stream));
	NOTE(cu.StreamSynchronize(stream));
	NOTE(cuStreamGetCtx(stream, &owner));
	check_note("%s", owner == context ? "its own" : "another");
	NOTE(cu.EventQuery(event));
	NOTE(cu.FuncGetAttribute(&value, 0, function));
	NOTE(cu.FuncSetAttribute(function, CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, 60000));
	NOTE(cu.OccupancyMaxActiveBlocks(&value, function, 128, 0));
	NOTE(cu.ModuleGetFunction(&function, module, "empty"));
	NOTE(cu.ModuleGetGlobal(&variable, &size, module, "global_counter"));
	NOTE(cu.MemGetAddressRange(&variable, &size, memory));
	NOTE(cu.ModuleUnload(module));
	NOTE(cu.EventDestroy(event));
	NOTE(cu.StreamDestroy(stream));
	NOTE(cu.MemFreeHost(pinned));
	NOTE(cu.MemFree(memory));
	NOTE(cu.CtxSynchronize());
	DO(cuCtxDestroy_v2(made));
	DO(cu.CtxSynchronize());
	return true;
}

static const struct check checks[] = {
	{ "creating", creating },
	{ "priorities", priorities },
	{ "given_streams", given_streams },
	{ "missing_places", missing_places },
	{ "attributes_of_nothing", attributes_of_nothing },
	{ "events", events },
	{ "host_functions", host_functions },
	{ "other_contexts", other_contexts },
	{ "objects_of_other_contexts", objects_of_other_contexts },
};
const struct check_group stream_error_family = GROUP("stream_errors", checks);
