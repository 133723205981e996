/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a capture forbids, whom, and what becomes of it: unsafe calls by the mode of the capture and of the
 * thread, waits for what is being captured, the legacy stream beside blocking ones, captures used wrongly.
 */
#include "conformance.h"
#include "kernels.h"

#include <pthread.h>
#include <stdlib.h>

enum { GLOBAL, THREAD_LOCAL, RELAXED };

/* What a call may use while a stream is captured; made before. */
static struct {
	CUstream captured, other;
	CUevent event, recorded;
	CUdeviceptr memory;
	void *pinned, *block;
	CUmodule module;
	CUlibrary library;
} had;

#define BLOCK 4096

static CUresult allocate(void)
{
	return cu.MemAlloc(&had.memory, BLOCK);
}

static CUresult free_memory(void)
{
	return cu.MemFree(had.memory);
}

static CUresult allocate_pitched(void)
{
	size_t pitch;

	return cu.MemAllocPitch(&had.memory, &pitch, 64, 4, 4);
}

static CUresult allocate_managed(void)
{
	BIND(cuMemAllocManaged, CUdeviceptr *, size_t, unsigned int);

	return cuMemAllocManaged(&had.memory, BLOCK, 1);
}

static CUresult allocate_pinned(void)
{
	return cu.MemHostAlloc(&had.pinned, BLOCK, 0);
}

static CUresult free_pinned(void)
{
	return cu.MemFreeHost(had.pinned);
}

static CUresult register_memory(void)
{
	return cu.MemHostRegister(had.block, BLOCK, 0);
}

static CUresult unregister_memory(void)
{
	return cu.MemHostUnregister(had.block);
}

static CUresult query_event(void)
{
	return cu.EventQuery(had.recorded);
}

static CUresult wait_for_event(void)
{
	return cu.EventSynchronize(had.recorded);
}

static CUresult query_stream(void)
{
	return cu.StreamQuery(had.other);
}

static CUresult wait_for_stream(void)
{
	return cu.StreamSynchronize(had.other);
}

static CUresult wait_for_context(void)
{
	return cu.CtxSynchronize();
}

static CUresult wait_for_legacy(void)
{
	return cu.StreamSynchronize(NULL);
}

static CUresult copy(void)
{
	unsigned int word = 1;

	return cu.MemcpyHtoD(had.memory, &word, 4);
}

static CUresult fill(void)
{
	return cu.MemsetD8(had.memory, 1, 4);
}

static CUresult create_stream(void)
{
	CUstream made;
	CUresult result = cu.StreamCreate(&made, CU_STREAM_NON_BLOCKING);

	return result ? result : cu.StreamDestroy(made);
}

static CUresult create_event(void)
{
	CUevent made;
	CUresult result = cu.EventCreate(&made, 0);

	return result ? result : cu.EventDestroy(made);
}

static CUresult load_module(void)
{
	return cu.ModuleLoadData(&had.module, kernels_ptx);
}

static CUresult unload_module(void)
{
	return cu.ModuleUnload(had.module);
}

static CUresult unload_library(void)
{
	return cu.LibraryUnload(had.library);
}

static CUresult launch_beside(void)
{
	return cu.LaunchKernel(kernels.empty, 1, 1, 1, 1, 1, 1, 0, had.other, NULL, NULL);
}

static CUresult free_bytes(void)
{
	size_t unused, total;

	return cu.MemGetInfo(&unused, &total);
}

struct forbidden {
	const char *name;
	CUresult (*call)(void), (*undo)(void);
};
/* In the order of undoing: what one has made the next takes away. */
static const struct forbidden calls[] = {
	{ "alloc", allocate, free_memory },
	{ "pitch", allocate_pitched, free_memory },
	{ "managed", allocate_managed, free_memory },
	{ "pinned", allocate_pinned, free_pinned },
	{ "register", register_memory, unregister_memory },
	{ "query event", query_event, NULL },
	{ "wait event", wait_for_event, NULL },
	{ "query stream", query_stream, NULL },
	{ "wait stream", wait_for_stream, NULL },
	{ "wait legacy", wait_for_legacy, NULL },
	{ "wait context", wait_for_context, NULL },
	{ "stream", create_stream, NULL },
	{ "event", create_event, NULL },
	{ "module", load_module, unload_module },
	{ "launch", launch_beside, NULL },
	{ "info", free_bytes, NULL },
};

static bool prepare(unsigned int flags)
{
	if (!had.block)
		had.block = aligned_alloc(BLOCK, BLOCK);
	THAT(had.block);
	DO(cu.StreamCreate(&had.captured, flags));
	DO(cu.StreamCreate(&had.other, CU_STREAM_NON_BLOCKING));
	DO(cu.EventCreate(&had.event, CU_EVENT_DISABLE_TIMING));
	DO(cu.EventCreate(&had.recorded, CU_EVENT_DISABLE_TIMING));
	DO(cu.EventRecord(had.recorded, had.other));
	DO(cu.StreamSynchronize(had.other));
	return true;
}

static bool clear(void)
{
	DO(cu.EventDestroy(had.event));
	DO(cu.EventDestroy(had.recorded));
	DO(cu.StreamDestroy(had.captured));
	DO(cu.StreamDestroy(had.other));
	DO(cu.CtxSynchronize());
	return true;
}

struct attempt {
	CUresult (*call)(void);
	int mode;	/* of the thread; -1: as it is */
	CUresult result;
};

static void *elsewhere(void *argument)
{
	struct attempt *a = argument;

	if (cu.CtxSetCurrent(context))
		return NULL;
	if (a->mode >= 0)
		cu.ThreadExchangeStreamCaptureMode(&a->mode);
	a->result = a->call();
	return NULL;
}

/* The call's result, and what the capture in which it came ends with. */
static bool attempt(const struct forbidden *f, int mode, bool other_thread, int thread_mode)
{
	struct attempt a = { f->call, thread_mode, 12345 };
	CUgraph graph = NULL;
	CUresult ended;
	pthread_t thread;

	DO(cu.StreamBeginCapture(had.captured, mode));
	check_line = __LINE__;
	if (other_thread) {
		THAT(!pthread_create(&thread, NULL, elsewhere, &a));
		pthread_join(thread, NULL);
	} else {
		a.result = f->call();
	}
	ended = cu.StreamEndCapture(had.captured, &graph);
	if (a.result || ended)
		check_note("%s %d %d", f->name, (int)a.result, (int)ended);
	if (graph)
		DO(cu.GraphDestroy(graph));
	if (!a.result && f->undo)
		DO(f->undo());
	return true;
}

static bool all_calls(int mode, bool other_thread, int thread_mode)
{
	if (!prepare(CU_STREAM_NON_BLOCKING))
		return false;
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
		if (!attempt(&calls[i], mode, other_thread, thread_mode))
			return false;
	return clear();
}

static bool in_a_global_capture(void)
{
	USE_DEVICE;
	return all_calls(GLOBAL, false, -1);
}

static bool in_a_local_capture(void)
{
	USE_DEVICE;
	return all_calls(THREAD_LOCAL, false, -1);
}

static bool in_a_relaxed_capture(void)
{
	USE_DEVICE;
	return all_calls(RELAXED, false, -1);
}

static bool beside_a_global_capture(void)
{
	USE_DEVICE;
	return all_calls(GLOBAL, true, -1);
}

static bool beside_a_local_capture(void)
{
	USE_DEVICE;
	return all_calls(THREAD_LOCAL, true, -1);
}

static bool by_a_relaxed_thread(void)
{
	USE_DEVICE;
	return all_calls(GLOBAL, true, RELAXED);
}

/* Frees, which need something that was there before. */
static bool frees(void)
{
	static const struct forbidden freeing[] = {
		{ "free", free_memory, NULL },
		{ "free pinned", free_pinned, NULL },
		{ "unregister", unregister_memory, NULL },
		{ "unload", unload_module, NULL },
		{ "copy", copy, NULL },
		{ "fill", fill, NULL },
	};

	USE_DEVICE;
	if (!prepare(CU_STREAM_NON_BLOCKING))
		return false;
	DO(allocate());
	DO(allocate_pinned());
	DO(register_memory());
	DO(load_module());
	for (size_t i = 0; i < sizeof(freeing) / sizeof(freeing[0]); i++)
		if (!attempt(&freeing[i], GLOBAL, false, -1))
			return false;
	return clear();
}

static bool unloading_a_library(void)
{
	static const struct forbidden unload = { "unload", unload_library, NULL };

	USE_DEVICE;
	if (!prepare(CU_STREAM_NON_BLOCKING))
		return false;
	DO(cu.LibraryLoadData(&had.library, kernels_ptx, NULL, NULL, 0, NULL, NULL, 0));
	return attempt(&unload, GLOBAL, false, -1) && clear();
}

/* A broken capture: what forbids, what is refused, and that it ends. */
static bool broken(void)
{
	CUgraph graph = NULL;
	CUdeviceptr memory;
	int status = 77;

	USE_DEVICE;
	if (!prepare(CU_STREAM_NON_BLOCKING))
		return false;
	DO(cu.StreamBeginCapture(had.captured, GLOBAL));
	NOTE(cu.MemAlloc(&memory, BLOCK));
	NOTE(cu.MemAlloc(&memory, BLOCK));
	NOTE(cu.StreamIsCapturing(had.captured, &status));
	check_note("(%d)", status);
	NOTE(cu.LaunchKernel(kernels.empty, 1, 1, 1, 1, 1, 1, 0, had.captured, NULL, NULL));
	NOTE(cu.EventRecord(had.event, had.captured));
	NOTE(cu.StreamSynchronize(had.captured));
	NOTE(cu.StreamEndCapture(had.captured, &graph));
	check_note("%s", graph ? "a graph" : "none");
	NOTE(cu.StreamEndCapture(had.captured, &graph));
	DO(cu.MemAlloc(&memory, BLOCK));
	DO(cu.MemFree(memory));
	return clear();
}

static bool wrong_uses(void)
{
	CUgraph graph = NULL;
	int mode;

	USE_DEVICE;
	if (!prepare(CU_STREAM_NON_BLOCKING))
		return false;
	NOTE(cu.StreamEndCapture(had.captured, &graph));
	NOTE(cu.StreamBeginCapture(had.captured, 3));
	NOTE(cu.StreamBeginCapture(had.captured, -1));
	NOTE(cu.StreamBeginCapture(NULL, GLOBAL));
	NOTE(cu.StreamBeginCapture(CU_STREAM_LEGACY, GLOBAL));
	DO(cu.StreamBeginCapture(had.captured, GLOBAL));
	NOTE(cu.StreamBeginCapture(had.captured, GLOBAL));
	NOTE(cu.StreamEndCapture(had.other, &graph));
	NOTE(cu.StreamEndCapture(had.captured, NULL));
	NOTE(cu.StreamEndCapture(had.captured, &graph));
	if (graph)
		DO(cu.GraphDestroy(graph));
	mode = 9;
	NOTE(cu.ThreadExchangeStreamCaptureMode(&mode));
	mode = RELAXED;
	DO(cu.ThreadExchangeStreamCaptureMode(&mode));
	check_note("%d", mode);
	DO(cu.ThreadExchangeStreamCaptureMode(&mode));
	check_note("%d", mode);
	mode = GLOBAL;
	DO(cu.ThreadExchangeStreamCaptureMode(&mode));
	return clear();
}

/* Another stream joins; what is not joined again, and who may end. */
static bool joining(void)
{
	CUgraph graph = NULL;
	CUevent captured;

	USE_DEVICE;
	if (!prepare(CU_STREAM_NON_BLOCKING))
		return false;
	DO(cu.EventCreate(&captured, CU_EVENT_DISABLE_TIMING));
	DO(cu.StreamBeginCapture(had.captured, RELAXED));
	DO(cu.EventRecord(captured, had.captured));
	DO(cu.StreamWaitEvent(had.other, captured, 0));
	DO(cu.LaunchKernel(kernels.empty, 1, 1, 1, 1, 1, 1, 0, had.other, NULL, NULL));
	NOTE(cu.StreamEndCapture(had.other, &graph));
	NOTE(cu.StreamEndCapture(had.captured, &graph));	/* the other one's work is not joined */
	check_note("%s", graph ? "a graph" : "none");
	NOTE(cu.EventQuery(captured));
	NOTE(cu.EventSynchronize(captured));
	NOTE(cu.StreamWaitEvent(had.other, captured, 0));
	DO(cu.StreamBeginCapture(had.captured, RELAXED));
	DO(cu.EventRecord(captured, had.captured));
	NOTE(cu.EventQuery(captured));
	NOTE(cu.StreamEndCapture(had.captured, &graph));
	DO(cu.StreamBeginCapture(had.captured, RELAXED));
	NOTE(cu.StreamWaitEvent(had.captured, had.recorded, 0));	/* of work outside */
	NOTE(cu.StreamEndCapture(had.captured, &graph));
	DO(cu.EventDestroy(captured));
	return clear();
}

/* An event of a capture that ended well, until it is recorded again. */
static bool after_a_capture(void)
{
	CUgraph graph;

	USE_DEVICE;
	if (!prepare(CU_STREAM_NON_BLOCKING))
		return false;
	DO(cu.StreamBeginCapture(had.captured, RELAXED));
	DO(cu.EventRecord(had.event, had.captured));
	DO(cu.StreamEndCapture(had.captured, &graph));
	NOTE(cu.EventQuery(had.event));
	NOTE(cu.EventSynchronize(had.event));
	NOTE(cu.StreamWaitEvent(had.other, had.event, 0));
	DO(cu.GraphDestroy(graph));
	NOTE(cu.EventQuery(had.event));
	DO(cu.EventRecord(had.event, had.other));
	NOTE(cu.EventSynchronize(had.event));
	return clear();
}

/* What an event of a capture cannot be used for, and what that does to the captures. */
static bool captured_events(void)
{
	CUgraph graph = NULL;

	USE_DEVICE;
	if (!prepare(CU_STREAM_NON_BLOCKING))
		return false;
	DO(cu.StreamBeginCapture(had.captured, RELAXED));
	DO(cu.StreamBeginCapture(had.other, RELAXED));
	DO(cu.EventRecord(had.event, had.captured));
	NOTE(cu.StreamWaitEvent(had.other, had.event, 0));	/* which would join two */
	NOTE(cu.StreamEndCapture(had.other, &graph));
	NOTE(cu.StreamEndCapture(had.captured, &graph));
	DO(cu.StreamBeginCapture(had.captured, RELAXED));
	DO(cu.EventRecord(had.event, had.captured));
	NOTE(cu.EventSynchronize(had.event));
	NOTE(cu.StreamEndCapture(had.captured, &graph));
	DO(cu.StreamBeginCapture(had.captured, RELAXED));
	DO(cu.EventRecord(had.event, had.captured));
	NOTE(cu.StreamWaitEvent(NULL, had.event, 0));
	NOTE(cu.StreamEndCapture(had.captured, &graph));
	NOTE(cu.CtxSynchronize());
	return clear();
}

static CUresult end_the_capture(void)
{
	CUgraph graph = NULL;

	return cu.StreamEndCapture(had.captured, &graph);
}

static bool ended_by_another_thread(void)
{
	struct attempt a = { end_the_capture, -1, 12345 };
	CUgraph graph = NULL;
	pthread_t thread;

	USE_DEVICE;
	if (!prepare(CU_STREAM_NON_BLOCKING))
		return false;
	for (int mode = GLOBAL; mode <= RELAXED; mode++) {
		DO(cu.StreamBeginCapture(had.captured, mode));
		THAT(!pthread_create(&thread, NULL, elsewhere, &a));
		pthread_join(thread, NULL);
		check_note("%d", (int)a.result);
		NOTE(cu.StreamEndCapture(had.captured, &graph));
	}
	return clear();
}

/* While a blocking stream is captured, the legacy stream would have to wait for it. */
static bool beside_the_legacy_stream(void)
{
	CUgraph graph = NULL;
	CUdeviceptr memory;
	int status = 77;

	USE_DEVICE;
	if (!prepare(CU_STREAM_DEFAULT))
		return false;
	DO(cu.MemAlloc(&memory, BLOCK));
	DO(cu.StreamBeginCapture(had.captured, RELAXED));
	NOTE(cu.StreamIsCapturing(NULL, &status));
	NOTE(cu.StreamEndCapture(had.captured, &graph));
	DO(cu.StreamBeginCapture(had.captured, RELAXED));
	NOTE(cu.LaunchKernel(kernels.empty, 1, 1, 1, 1, 1, 1, 0, NULL, NULL, NULL));
	NOTE(cu.StreamEndCapture(had.captured, &graph));
	DO(cu.StreamBeginCapture(had.captured, RELAXED));
	NOTE(cu.MemsetD8Async(memory, 1, 4, NULL));
	NOTE(cu.StreamEndCapture(had.captured, &graph));
	DO(cu.StreamBeginCapture(had.captured, RELAXED));
	NOTE(cu.EventRecord(had.event, NULL));
	NOTE(cu.StreamEndCapture(had.captured, &graph));
	DO(cu.StreamBeginCapture(had.captured, RELAXED));
	NOTE(cu.StreamSynchronize(NULL));
	NOTE(cu.StreamEndCapture(had.captured, &graph));
	DO(cu.StreamBeginCapture(had.captured, RELAXED));
	NOTE(cu.StreamQuery(NULL));
	NOTE(cu.StreamEndCapture(had.captured, &graph));
	DO(cu.StreamBeginCapture(had.captured, RELAXED));
	NOTE(cu.MemsetD8(memory, 1, 4));
	NOTE(cu.StreamEndCapture(had.captured, &graph));
	NOTE(cu.CtxSynchronize());
	DO(cu.MemFree(memory));
	return clear();
}

/* The stream goes while it is captured: the ban goes with it. */
static bool destroyed_while_captured(void)
{
	CUdeviceptr memory;

	USE_DEVICE;
	if (!prepare(CU_STREAM_NON_BLOCKING))
		return false;
	DO(cu.StreamBeginCapture(had.captured, GLOBAL));
	DO(cu.LaunchKernel(kernels.empty, 1, 1, 1, 1, 1, 1, 0, had.captured, NULL, NULL));
	NOTE(cu.StreamDestroy(had.captured));
	NOTE(cu.MemAlloc(&memory, BLOCK));
	NOTE(cu.CtxSynchronize());
	return true;
}

static const struct check checks[] = {
	{ "in_a_global_capture", in_a_global_capture },
	{ "in_a_local_capture", in_a_local_capture },
	{ "in_a_relaxed_capture", in_a_relaxed_capture },
	{ "beside_a_global_capture", beside_a_global_capture },
	{ "beside_a_local_capture", beside_a_local_capture },
	{ "by_a_relaxed_thread", by_a_relaxed_thread },
	{ "frees", frees },
	{ "unloading_a_library", unloading_a_library },
	{ "broken", broken },
	{ "wrong_uses", wrong_uses },
	{ "joining", joining },
	{ "after_a_capture", after_a_capture },
	{ "captured_events", captured_events },
	{ "ended_by_another_thread", ended_by_another_thread },
	{ "beside_the_legacy_stream", beside_the_legacy_stream },
	{ "destroyed_while_captured", destroyed_while_captured },
};
const struct check_group capture_rule_family = GROUP("capture_rules", checks);
