/* SPDX-License-Identifier: Apache-2.0 */
/* Contexts: creation in all versions, flags, usage counts, currency across threads, events of whole contexts. */
#include "conformance.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

struct affinity_param {
	int type;
	unsigned int sm_count;
};

struct create_params {
	struct affinity_param *affinity;
	int affinity_count;
	void *graphics;
};

static bool versions(void)
{
	BIND(cuCtxCreate, CUcontext *, unsigned int, CUdevice);
	BIND(cuCtxCreate_v2, CUcontext *, unsigned int, CUdevice);
	BIND(cuCtxCreate_v3, CUcontext *, struct affinity_param *, int, unsigned int, CUdevice);
	BIND(cuCtxCreate_v4, CUcontext *, struct create_params *, unsigned int, CUdevice);
	BIND(cuCtxDestroy_v2, CUcontext);
	BIND(cuCtxGetApiVersion, CUcontext, unsigned int *);
	struct create_params none = { NULL, 0, NULL };
	CUcontext made[3], current;
	unsigned int version;

	USE_DEVICE;
	/* the first version is for addresses of 32 bits, which there are none of */
	CODE(cuCtxCreate(&made[0], 0, device));
	CODE(cuCtxCreate(NULL, 0, device));
	CODE(cuCtxCreate(&made[0], 3, device));
	CODE(cuCtxCreate(&made[0], 0, 77));
	DO(cuCtxCreate_v2(&made[0], 4, device));
	DO(cuCtxCreate_v3(&made[1], NULL, 0, 0, device));
	DO(cuCtxCreate_v4(&made[2], &none, 0, device));
	for (int i = 2; i >= 0; i--) {
		DO(cu.CtxGetCurrent(&current));
		THAT(current == made[i]);
		version = 0;
		DO(cuCtxGetApiVersion(made[i], &version));
		check_note("%u", version);
		DO(cuCtxDestroy_v2(made[i]));
	}
	DO(cu.CtxGetCurrent(&current));
	THAT(current == context);
	return true;
}

static bool creation_errors(void)
{
	BIND(cuCtxCreate_v2, CUcontext *, unsigned int, CUdevice);
	BIND(cuCtxCreate_v3, CUcontext *, struct affinity_param *, int, unsigned int, CUdevice);
	BIND(cuCtxCreate_v4, CUcontext *, struct create_params *, unsigned int, CUdevice);
	BIND(cuCtxDestroy_v2, CUcontext);
	struct affinity_param some = { 0, 8 }, unknown = { 1, 8 };
	struct create_params limited = { &some, 1, NULL };
	CUcontext made;

	USE_DEVICE;
	RESULT(CUDA_ERROR_INVALID_VALUE, cuCtxCreate_v2(NULL, 0, device));
	RESULT(CUDA_ERROR_INVALID_DEVICE, cuCtxCreate_v2(&made, 0, 77));
	RESULT(CUDA_ERROR_INVALID_VALUE, cuCtxCreate_v2(&made, 0x100, device));
	CODE(cuCtxCreate_v2(&made, 3, device));
	CODE(cuCtxCreate_v2(&made, 6, device));
	CODE(cuCtxCreate_v3(&made, &some, 1, 0, device));
	CODE(cuCtxCreate_v3(&made, &unknown, 1, 0, device));
	CODE(cuCtxCreate_v3(&made, NULL, 1, 0, device));
	CODE(cuCtxCreate_v4(&made, &limited, 0, device));
	CODE(cuCtxDestroy_v2(context));
	CODE(cuCtxDestroy_v2(NULL));
	return true;
}

static bool flags(void)
{
	BIND(cuCtxCreate_v2, CUcontext *, unsigned int, CUdevice);
	BIND(cuCtxDestroy_v2, CUcontext);
	BIND(cuCtxGetFlags, unsigned int *);
	BIND(cuCtxSetFlags, unsigned int);
	CUcontext made;
	unsigned int now;

	USE_DEVICE;
	for (unsigned int wanted = 0; wanted < 0x100; wanted = wanted ? 2 * wanted : 1) {
		if (wanted == 0x20 || wanted == 0x40)
			continue;	/* core dumps are another matter */
		DO(cuCtxCreate_v2(&made, wanted, device));
		DO(cuCtxGetFlags(&now));
		check_note("%#x", now);
		DO(cuCtxDestroy_v2(made));
	}
	DO(cuCtxCreate_v2(&made, 0, device));
	NOTE(cuCtxSetFlags(4));
	DO(cuCtxGetFlags(&now));
	check_note("%#x", now);
	NOTE(cuCtxSetFlags(3));
	NOTE(cuCtxSetFlags(0x100));
	NOTE(cuCtxSetFlags(0x80));
	DO(cuCtxGetFlags(&now));
	check_note("%#x", now);
	DO(cuCtxDestroy_v2(made));
	return true;
}

static bool primary_flags(void)
{
	BIND(cuDevicePrimaryCtxSetFlags_v2, CUdevice, unsigned int);
	BIND(cuCtxGetFlags, unsigned int *);
	unsigned int before, now;
	int active;

	USE_DEVICE;
	DO(cu.DevicePrimaryCtxGetState(device, &before, &active));
	THAT(active);
	check_note("%#x", before);
	DO(cuCtxGetFlags(&now));
	check_note("%#x", now);
	NOTE(cuDevicePrimaryCtxSetFlags_v2(device, 4));
	DO(cu.DevicePrimaryCtxGetState(device, &now, &active));
	check_note("%#x", now);
	DO(cuCtxGetFlags(&now));
	check_note("%#x", now);
	NOTE(cuDevicePrimaryCtxSetFlags_v2(device, 3));
	NOTE(cuDevicePrimaryCtxSetFlags_v2(device, 0x100));
	RESULT(CUDA_ERROR_INVALID_DEVICE, cuDevicePrimaryCtxSetFlags_v2(77, 0));
	DO(cuDevicePrimaryCtxSetFlags_v2(device, before & 7));
	return true;
}

static bool attach(void)
{
	BIND(cuCtxCreate_v2, CUcontext *, unsigned int, CUdevice);
	BIND(cuCtxAttach, CUcontext *, unsigned int);
	BIND(cuCtxDetach, CUcontext);
	CUcontext made, same, current;
	CUdevice found;

	USE_DEVICE;
	DO(cuCtxCreate_v2(&made, 0, device));
	DO(cuCtxAttach(&same, 0));
	THAT(same == made);
	RESULT(CUDA_ERROR_INVALID_VALUE, cuCtxAttach(&same, 1));
	CODE(cuCtxDetach(context));
	DO(cuCtxDetach(made));
	DO(cu.CtxGetDevice(&found));
	DO(cuCtxDetach(made));
	DO(cu.CtxGetCurrent(&current));
	THAT(current == context);
	return true;
}

/* What another thread sees of a context that it has current, before and after its end. */
struct visitor {
	CUcontext context;
	pthread_barrier_t barrier;
	CUresult push, alive, dead, device, pop, pushed_again;
};

static void *visit(void *data)
{
	struct visitor *v = data;
	CUcontext popped;
	CUdevice found;

	v->push = cu.CtxPushCurrent(v->context);
	v->alive = cu.CtxSynchronize();
	pthread_barrier_wait(&v->barrier);
	pthread_barrier_wait(&v->barrier);
	v->dead = cu.CtxSynchronize();
	v->device = cu.CtxGetDevice(&found);
	v->pop = cu.CtxPopCurrent(&popped);
	return NULL;
}

static bool floating(void)
{
	BIND(cuCtxCreate_v2, CUcontext *, unsigned int, CUdevice);
	BIND(cuCtxDestroy_v2, CUcontext);
	struct visitor v = { 0 };
	CUcontext popped, current;
	CUdeviceptr memory;
	pthread_t thread;
	void *failed;

	USE_DEVICE;
	DO(cuCtxCreate_v2(&v.context, 0, device));
	DO(cu.MemAlloc(&memory, 4096));
	DO(cu.CtxPopCurrent(&popped));
	THAT(popped == v.context);
	DO(cu.CtxGetCurrent(&current));
	THAT(current == context);
	/* it floats, and may be pushed anywhere */
	pthread_barrier_init(&v.barrier, NULL, 2);
	THAT(!pthread_create(&thread, NULL, visit, &v));
	pthread_barrier_wait(&v.barrier);
	DO(cu.CtxPushCurrent(v.context));
	DO(cu.MemsetD32(memory, 7, 1024));
	DO(cuCtxDestroy_v2(v.context));
	DO(cu.CtxGetCurrent(&current));
	THAT(current == context);
	pthread_barrier_wait(&v.barrier);
	pthread_join(thread, &failed);
	RESULT(0, v.push);
	RESULT(0, v.alive);
	check_note("%d %d %d", v.dead, v.device, v.pop);
	CODE(cu.MemFree(memory));
	return true;
}

static bool limits(void)
{
	BIND(cuCtxSetLimit, int, size_t);
	size_t value, before;

	USE_DEVICE;
	for (int limit = 0; limit < 11; limit++) {
		CUresult result = cu.CtxGetLimit(&value, limit);

		check_note("%d", result);
		if (!result)
			printf("info limit %d is %zu\n", limit, value);
	}
	DO(cu.CtxGetLimit(&before, 0));
	for (size_t wanted = 1; wanted < 100000; wanted *= 10) {
		NOTE(cuCtxSetLimit(0, wanted));
		DO(cu.CtxGetLimit(&value, 0));
		check_note("%zu", value);
	}
	DO(cuCtxSetLimit(0, before));
	NOTE(cuCtxSetLimit(3, 2));
	NOTE(cuCtxSetLimit(5, 64));
	NOTE(cuCtxSetLimit(5, 1000));
	NOTE(cuCtxSetLimit(7, 1));
	NOTE(cuCtxSetLimit(8, 1));
	NOTE(cuCtxSetLimit(99, 1));
	return true;
}

static bool affinity(void)
{
	BIND(cuCtxGetExecAffinity, struct affinity_param *, int);
	BIND(cuDeviceGetExecAffinitySupport, int *, int, CUdevice);
	struct affinity_param param = { 0, 0 };
	int supported = -1;

	USE_DEVICE;
	NOTE(cuDeviceGetExecAffinitySupport(&supported, 0, device));
	check_note("%d", supported);
	NOTE(cuDeviceGetExecAffinitySupport(&supported, 1, device));
	RESULT(CUDA_ERROR_INVALID_DEVICE, cuDeviceGetExecAffinitySupport(&supported, 0, 77));
	NOTE(cuCtxGetExecAffinity(&param, 0));
	NOTE(cuCtxGetExecAffinity(&param, 1));
	RESULT(CUDA_ERROR_INVALID_VALUE, cuCtxGetExecAffinity(NULL, 0));
	return true;
}

static bool whole_context_events(void)
{
	BIND(cuCtxRecordEvent, CUcontext, CUevent);
	BIND(cuCtxWaitEvent, CUcontext, CUevent);
	unsigned long long bound = 20000000000ull;
	volatile unsigned int *gate;
	CUstream streams[2];
	CUevent all, gated;

	USE_DEVICE;
	DO(cu.MemHostAlloc((void **)&gate, 4096, 0));
	*gate = 0;
	for (int i = 0; i < 2; i++)
		DO(cu.StreamCreate(&streams[i], CU_STREAM_NON_BLOCKING));
	DO(cu.EventCreate(&all, CU_EVENT_DISABLE_TIMING));
	DO(cu.EventCreate(&gated, CU_EVENT_DISABLE_TIMING));
	RESULT(CUDA_ERROR_INVALID_CONTEXT, cuCtxRecordEvent(NULL, all));
	RESULT(CUDA_ERROR_INVALID_HANDLE, cuCtxRecordEvent(context, NULL));
	DO(cu.LaunchKernel(kernels.wait_for_gate, 1, 1, 1, 1, 1, 1, 0, streams[0], PARAMETERS(&gate, &bound), NULL));
	DO(cuCtxRecordEvent(context, all));
	RESULT(CUDA_ERROR_NOT_READY, cu.EventQuery(all));
	/* what comes now waits for the gate, whatever its stream */
	DO(cu.EventRecord(gated, streams[0]));
	DO(cuCtxWaitEvent(context, gated));
	DO(cu.LaunchKernel(kernels.empty, 1, 1, 1, 1, 1, 1, 0, streams[1], NULL, NULL));
	RESULT(CUDA_ERROR_NOT_READY, cu.StreamQuery(streams[1]));
	*gate = 1;
	DO(cu.EventSynchronize(all));
	DO(cu.EventQuery(all));
	DO(cu.StreamSynchronize(streams[1]));
	/* an event goes back to recording streams */
	DO(cu.EventRecord(all, streams[1]));
	DO(cu.EventSynchronize(all));
	for (int i = 0; i < 2; i++)
		DO(cu.StreamDestroy(streams[i]));
	DO(cu.EventDestroy(all));
	DO(cu.EventDestroy(gated));
	DO(cu.MemFreeHost((void *)gate));
	return true;
}

static bool events_and_captures(void)
{
	BIND(cuCtxRecordEvent, CUcontext, CUevent);
	BIND(cuCtxWaitEvent, CUcontext, CUevent);
	CUstream stream;
	CUgraph graph;
	CUevent event;
	int status;

	USE_DEVICE;
	DO(cu.StreamCreate(&stream, CU_STREAM_NON_BLOCKING));
	DO(cu.EventCreate(&event, CU_EVENT_DISABLE_TIMING));
	for (int i = 0; i < 2; i++) {
		DO(cu.StreamBeginCapture(stream, CU_STREAM_CAPTURE_MODE_RELAXED));
		RESULT(CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED,
		       i ? cuCtxWaitEvent(context, event) : cuCtxRecordEvent(context, event));
		DO(cu.StreamIsCapturing(stream, &status));
		check_note("%d", status);
		CODE(cu.StreamEndCapture(stream, &graph));
	}
	DO(cu.EventDestroy(event));
	DO(cu.StreamDestroy(stream));
	return true;
}

static bool peers(void)
{
	BIND(cuCtxEnablePeerAccess, CUcontext, unsigned int);
	BIND(cuCtxDisablePeerAccess, CUcontext);
	BIND(cuCtxCreate_v2, CUcontext *, unsigned int, CUdevice);
	BIND(cuCtxDestroy_v2, CUcontext);
	CUcontext other;

	USE_DEVICE;
	CODE(cuCtxEnablePeerAccess(context, 0));
	CODE(cuCtxEnablePeerAccess(context, 1));
	CODE(cuCtxEnablePeerAccess(NULL, 0));
	CODE(cuCtxDisablePeerAccess(context));
	CODE(cuCtxDisablePeerAccess(NULL));
	DO(cuCtxCreate_v2(&other, 0, device));
	CODE(cuCtxEnablePeerAccess(context, 0));
	CODE(cuCtxDisablePeerAccess(context));
	DO(cuCtxDestroy_v2(other));
	return true;
}

static const struct check checks[] = {
	{ "versions", versions },
	{ "creation_errors", creation_errors },
	{ "flags", flags },
	{ "primary_flags", primary_flags },
	{ "attach", attach },
	{ "floating", floating },
	{ "limits", limits },
	{ "affinity", affinity },
	{ "whole_context_events", whole_context_events },
	{ "events_and_captures", events_and_captures },
	{ "peers", peers },
};
const struct check_group context_family = GROUP("contexts", checks);
