/* SPDX-License-Identifier: Apache-2.0 */
/* Streams, events, and their order. */
#include "driver_test.h"

#include <string.h>
#include <time.h>

#define MILLISECOND 1000000ull

static CUresult spin_on(CUstream stream, unsigned long long nanoseconds)
{
	CUdeviceptr nowhere = 0;

	return cu.LaunchKernel(kernels.spin, 1, 1, 1, 1, 1, 1, 0, stream, PARAMETERS(&nanoseconds, &nowhere), NULL);
}

#define GATE_BOUND (20000 * MILLISECOND)

/* A kernel that computes until open_gate(): the stream is busy for as long as a check needs it. */
static CUresult close_gate(CUstream stream, volatile unsigned int **gate)
{
	unsigned long long bound = GATE_BOUND;
	CUresult result = cu.MemHostAlloc((void **)gate, sizeof(**gate), 0);

	if (result)
		return result;
	**gate = 0;
	return cu.LaunchKernel(kernels.wait_for_gate, 1, 1, 1, 1, 1, 1, 0, stream, PARAMETERS(gate, &bound), NULL);
}

/* Waits for the stream too. */
static CUresult open_gate(CUstream stream, volatile unsigned int *gate)
{
	CUresult result;

	*gate = 1;
	result = cu.StreamSynchronize(stream);
	return result ? result : cu.MemFreeHost((void *)gate);
}

static bool properties(void)
{
	CUstream stream;
	unsigned int flags = 99;
	int least, greatest, priority = 99;

	USE_DEVICE;
	DO(cu.CtxGetStreamPriorityRange(&least, &greatest));
	DO(cu.StreamCreateWithPriority(&stream, CU_STREAM_NON_BLOCKING, greatest));
	DO(cu.StreamGetFlags(stream, &flags));
	THAT(flags == CU_STREAM_NON_BLOCKING);
	DO(cu.StreamGetPriority(stream, &priority));
	THAT(priority == greatest);
	DO(cu.StreamQuery(stream));
	DO(cu.StreamSynchronize(stream));
	DO(cu.StreamDestroy(stream));
	return true;
}

static bool busy_stream(void)
{
	volatile unsigned int *gate;
	CUstream stream;

	USE_DEVICE;
	DO(cu.StreamCreate(&stream, CU_STREAM_NON_BLOCKING));
	DO(close_gate(stream, &gate));
	for (int i = 0; i < 100; i++)
		RESULT(CUDA_ERROR_NOT_READY, cu.StreamQuery(stream));
	DO(open_gate(stream, gate));
	DO(cu.StreamQuery(stream));
	DO(cu.StreamDestroy(stream));
	return true;
}

static bool events(void)
{
	const struct timespec pause = { 0, 200 * MILLISECOND };
	volatile unsigned int *gate;
	CUstream stream;
	CUevent start, end, untimed;
	float milliseconds = -1;

	USE_DEVICE;
	DO(cu.StreamCreate(&stream, CU_STREAM_DEFAULT));
	DO(cu.EventCreate(&start, CU_EVENT_DEFAULT));
	DO(cu.EventCreate(&end, CU_EVENT_DEFAULT));
	DO(cu.EventCreate(&untimed, CU_EVENT_DISABLE_TIMING));
	DO(cu.EventQuery(start));
	DO(cu.EventSynchronize(start));
	RESULT(CUDA_ERROR_INVALID_HANDLE, cu.EventElapsedTime(&milliseconds, start, end));
	DO(cu.EventRecord(start, stream));
	DO(close_gate(stream, &gate));
	DO(cu.EventRecord(end, stream));
	DO(cu.EventRecord(untimed, stream));
	DO(cu.EventSynchronize(start));
	RESULT(CUDA_ERROR_NOT_READY, cu.EventQuery(end));
	nanosleep(&pause, NULL);
	RESULT(CUDA_ERROR_NOT_READY, cu.EventQuery(end));
	*gate = 1;
	DO(cu.EventSynchronize(end));
	DO(open_gate(stream, gate));
	DO(cu.EventQuery(end));
	DO(cu.EventSynchronize(untimed));
	DO(cu.EventElapsedTime(&milliseconds, start, end));
	if (milliseconds < 200 || milliseconds > 20000)
		return check_reason("elapsed time %g ms of a kernel of at least 200 ms", milliseconds);
	RESULT(CUDA_ERROR_INVALID_HANDLE, cu.EventElapsedTime(&milliseconds, start, untimed));
	DO(cu.EventDestroy(start));
	DO(cu.EventDestroy(end));
	DO(cu.EventDestroy(untimed));
	DO(cu.StreamDestroy(stream));
	return true;
}

/* An event recorded on an idle stream is done once the stream, or the context, has been waited for. */
static bool event_on_idle_stream(void)
{
	CUstream stream;
	CUevent event;

	USE_DEVICE;
	DO(cu.StreamCreate(&stream, CU_STREAM_NON_BLOCKING));
	DO(cu.EventCreate(&event, CU_EVENT_DISABLE_TIMING));
	for (int i = 0; i < 200; i++) {
		DO(cu.StreamSynchronize(stream));
		DO(cu.EventRecord(event, stream));
		DO(cu.StreamSynchronize(stream));
		DO(cu.EventQuery(event));
		DO(cu.EventRecord(event, stream));
		DO(cu.CtxSynchronize());
		DO(cu.EventQuery(event));
	}
	DO(cu.EventDestroy(event));
	DO(cu.StreamDestroy(stream));
	return true;
}

/* The last record of an event counts, also when an earlier one in another stream is done after it. */
static bool event_changes_streams(void)
{
	volatile unsigned int *gate;
	CUstream busy, idle;
	CUevent event;

	USE_DEVICE;
	DO(cu.StreamCreate(&busy, CU_STREAM_NON_BLOCKING));
	DO(cu.StreamCreate(&idle, CU_STREAM_NON_BLOCKING));
	DO(cu.EventCreate(&event, CU_EVENT_DISABLE_TIMING));
	DO(close_gate(busy, &gate));
	DO(cu.EventRecord(event, busy));
	RESULT(CUDA_ERROR_NOT_READY, cu.EventQuery(event));
	DO(cu.EventRecord(event, idle));
	DO(cu.EventSynchronize(event));
	DO(cu.EventQuery(event));
	DO(open_gate(busy, gate));
	DO(cu.StreamSynchronize(busy));
	DO(cu.EventQuery(event));
	DO(cu.EventSynchronize(event));
	DO(cu.EventDestroy(event));
	DO(cu.StreamDestroy(idle));
	DO(cu.StreamDestroy(busy));
	return true;
}

static unsigned long long now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (unsigned long long)t.tv_sec * 1000 * MILLISECOND + (unsigned long long)t.tv_nsec;
}

/* The event comes behind a kernel in the other stream; *late: the program was not asking while that ran. */
static bool event_behind(CUstream first, CUstream second, CUevent event, unsigned long long spin, bool *late)
{
	unsigned long long start;
	CUresult result;

	DO(cu.CtxSynchronize());
	start = now();
	DO(spin_on(first, spin));
	DO(cu.EventRecord(event, second));
	result = cu.EventQuery(event);
	*late = !result && now() - start >= spin;
	if (!*late)
		RESULT(CUDA_ERROR_NOT_READY, result);
	DO(cu.EventSynchronize(event));
	DO(cu.StreamQuery(first));
	return true;
}

/* Work of the legacy stream comes before an event of a blocking one, and the other way round. */
static bool event_behind_legacy_stream(void)
{
	CUstream blocking;
	CUevent event;
	bool late = true;

	USE_DEVICE;
	DO(cu.StreamCreate(&blocking, CU_STREAM_DEFAULT));
	DO(cu.EventCreate(&event, CU_EVENT_DISABLE_TIMING));
	for (int i = 0; i < 2; i++) {
		late = true;
		for (unsigned long long spin = 50 * MILLISECOND; late && spin < 10000 * MILLISECOND; spin *= 4)
			if (!event_behind(i ? blocking : NULL, i ? NULL : blocking, event, spin, &late))
				return false;
		THAT(!late);
	}
	DO(cu.EventDestroy(event));
	DO(cu.StreamDestroy(blocking));
	return true;
}

/* Stream b waits for what stream a does after a long kernel. */
static bool wait_event(void)
{
	CUstream a, b;
	CUevent event;
	CUdeviceptr word;
	unsigned int value = 41, factor = 1, addend = 1, result = 0;
	int one = 1;

	USE_DEVICE;
	DO(cu.MemAlloc(&word, 4));
	DO(cu.MemsetD32(word, 0, 1));
	DO(cu.CtxSynchronize());
	DO(cu.StreamCreate(&a, CU_STREAM_NON_BLOCKING));
	DO(cu.StreamCreate(&b, CU_STREAM_NON_BLOCKING));
	DO(cu.EventCreate(&event, CU_EVENT_DISABLE_TIMING));
	DO(spin_on(a, 50 * MILLISECOND));
	DO(launch_1d(kernels.write_word, 1, a, PARAMETERS(&word, &value)));
	DO(cu.EventRecord(event, a));
	DO(cu.StreamWaitEvent(b, event, 0));
	DO(launch_1d(kernels.step, 1, b, PARAMETERS(&word, &factor, &addend, &one)));
	DO(cu.MemcpyDtoHAsync(&result, word, 4, b));
	DO(cu.StreamSynchronize(b));
	THAT(result == 42);
	/* an event that goes while work waits for it */
	DO(spin_on(a, 20 * MILLISECOND));
	DO(cu.EventRecord(event, a));
	DO(cu.StreamWaitEvent(b, event, 0));
	DO(cu.EventDestroy(event));
	DO(cu.StreamSynchronize(b));
	DO(cu.MemFree(word));
	DO(cu.StreamDestroy(a));
	DO(cu.StreamDestroy(b));
	return true;
}

/* The legacy default stream waits for blocking streams and they for it. */
static bool legacy_default_stream(void)
{
	CUstream blocking;
	CUdeviceptr word;
	unsigned int one_value = 7, factor = 10, addend = 3, result = 0;
	int one = 1;

	USE_DEVICE;
	DO(cu.MemAlloc(&word, 4));
	DO(cu.StreamCreate(&blocking, CU_STREAM_DEFAULT));
	DO(cu.MemsetD32(word, 0, 1));
	DO(spin_on(blocking, 50 * MILLISECOND));
	DO(launch_1d(kernels.write_word, 1, blocking, PARAMETERS(&word, &one_value)));
	DO(launch_1d(kernels.step, 1, CU_STREAM_LEGACY, PARAMETERS(&word, &factor, &addend, &one)));
	DO(spin_on(NULL, 50 * MILLISECOND));
	DO(launch_1d(kernels.step, 1, blocking, PARAMETERS(&word, &factor, &addend, &one)));
	DO(cu.MemcpyDtoHAsync(&result, word, 4, blocking));
	DO(cu.StreamSynchronize(blocking));
	THAT(result == (7 * 10 + 3) * 10 + 3);
	DO(cu.MemFree(word));
	DO(cu.StreamDestroy(blocking));
	return true;
}

static bool per_thread_stream(void)
{
	CUdeviceptr word;
	unsigned int value = 1234, result = 0;

	USE_DEVICE;
	DO(cu.MemAlloc(&word, 4));
	DO(launch_1d(kernels.write_word, 1, CU_STREAM_PER_THREAD, PARAMETERS(&word, &value)));
	DO(cu.MemcpyDtoHAsync(&result, word, 4, CU_STREAM_PER_THREAD));
	DO(cu.StreamSynchronize(CU_STREAM_PER_THREAD));
	THAT(result == 1234);
	DO(cu.MemFree(word));
	return true;
}

static bool context_synchronize(void)
{
	CUstream streams[4];
	unsigned int *words;

	USE_DEVICE;
	DO(cu.MemHostAlloc((void **)&words, 4096, 0));
	memset(words, 0, 4096);
	for (unsigned int i = 0; i < 4; i++) {
		unsigned int *word = words + i, value = i + 1;

		DO(cu.StreamCreate(&streams[i], CU_STREAM_NON_BLOCKING));
		DO(spin_on(streams[i], 20 * MILLISECOND));
		DO(launch_1d(kernels.write_word, 1, streams[i], PARAMETERS(&word, &value)));
	}
	DO(cu.CtxSynchronize());
	for (unsigned int i = 0; i < 4; i++) {
		THAT(words[i] == i + 1);
		DO(cu.StreamDestroy(streams[i]));
	}
	DO(cu.MemFreeHost(words));
	return true;
}

static const struct check checks[] = {
	{ "properties", properties },
	{ "busy_stream", busy_stream },
	{ "events", events },
	{ "event_on_idle_stream", event_on_idle_stream },
	{ "event_changes_streams", event_changes_streams },
	{ "event_behind_legacy_stream", event_behind_legacy_stream },
	{ "wait_event", wait_event },
	{ "legacy_default_stream", legacy_default_stream },
	{ "per_thread_stream", per_thread_stream },
	{ "context_synchronize", context_synchronize },
};
const struct check_group stream_group = GROUP("streams", checks);
