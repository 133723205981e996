/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a capture forbids, whom, and what becomes of it: unsafe calls by the mode of the capture and of the
 * thread, waits for what is being captured, the legacy stream beside blocking ones, captures used wrongly.
 */
#include "capture_calls.h"
#include "kernels.h"

#include <pthread.h>

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
	if (!capture_prepare(CU_STREAM_NON_BLOCKING))
		return false;
	for (const struct forbidden *f = capture_calls; f->name; f++)
		if (!attempt(f, mode, other_thread, thread_mode))
			return false;
	return capture_clear();
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

static bool frees(void)
{
	USE_DEVICE;
	if (!capture_prepare(CU_STREAM_NON_BLOCKING) || !capture_make_what_goes())
		return false;
	for (const struct forbidden *f = capture_frees; f->name; f++)
		if (!attempt(f, GLOBAL, false, -1))
			return false;
	return capture_clear();
}

static bool unloading_a_library(void)
{
	USE_DEVICE;
	if (!capture_prepare(CU_STREAM_NON_BLOCKING))
		return false;
	DO(cu.LibraryLoadData(&had.library, kernels_ptx, NULL, NULL, 0, NULL, NULL, 0));
	return attempt(&capture_unload, GLOBAL, false, -1) && capture_clear();
}

/* A broken capture: what forbids, what is refused, and that it ends. */
static bool broken(void)
{
	CUgraph graph = NULL;
	CUdeviceptr memory;
	int status = 77;

	USE_DEVICE;
	if (!capture_prepare(CU_STREAM_NON_BLOCKING))
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
	return capture_clear();
}

static bool wrong_uses(void)
{
	CUgraph graph = NULL;
	int mode;

	USE_DEVICE;
	if (!capture_prepare(CU_STREAM_NON_BLOCKING))
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
	return capture_clear();
}

/* Another stream joins; what is not joined again, and who may end. */
static bool joining(void)
{
	CUgraph graph = NULL;
	CUevent captured;

	USE_DEVICE;
	if (!capture_prepare(CU_STREAM_NON_BLOCKING))
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
	return capture_clear();
}

/* An event of a capture that ended well, until it is recorded again. */
static bool after_a_capture(void)
{
	CUgraph graph;

	USE_DEVICE;
	if (!capture_prepare(CU_STREAM_NON_BLOCKING))
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
	return capture_clear();
}

/* What an event of a capture cannot be used for, and what that does to the captures. */
static bool captured_events(void)
{
	CUgraph graph = NULL;

	USE_DEVICE;
	if (!capture_prepare(CU_STREAM_NON_BLOCKING))
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
	return capture_clear();
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
	if (!capture_prepare(CU_STREAM_NON_BLOCKING))
		return false;
	for (int mode = GLOBAL; mode <= RELAXED; mode++) {
		DO(cu.StreamBeginCapture(had.captured, mode));
		THAT(!pthread_create(&thread, NULL, elsewhere, &a));
		pthread_join(thread, NULL);
		check_note("%d", (int)a.result);
		NOTE(cu.StreamEndCapture(had.captured, &graph));
	}
	return capture_clear();
}

/* While a blocking stream is captured, the legacy stream would have to wait for it. */
static bool beside_the_legacy_stream(void)
{
	CUgraph graph = NULL;
	CUdeviceptr memory;
	int status = 77;

	USE_DEVICE;
	if (!capture_prepare(CU_STREAM_DEFAULT))
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
	return capture_clear();
}

/* The stream goes while it is captured: the ban goes with it. */
static bool destroyed_while_captured(void)
{
	CUdeviceptr memory;

	USE_DEVICE;
	if (!capture_prepare(CU_STREAM_NON_BLOCKING))
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
