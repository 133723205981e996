/* SPDX-License-Identifier: Apache-2.0 */
/* Attributes of streams, what a stream belongs to, the first versions of the capture calls. */
#include "conformance.h"

#include <pthread.h>
#include <sched.h>
#include <string.h>

union value {
	char bytes[64];
	struct {
		CUdeviceptr base;
		size_t bytes;
		float ratio;
		int hit, miss;
	} window;
	int number;
	unsigned char domains[2];
};

static bool attributes(void)
{
	BIND(cuStreamGetAttribute, CUstream, int, union value *);
	BIND(cuStreamSetAttribute, CUstream, int, const union value *);
	BIND(cuStreamCopyAttributes, CUstream, CUstream);
	union value value;
	CUdeviceptr memory;
	CUstream stream, other;
	int least, greatest;

	USE_DEVICE;
	DO(cu.CtxGetStreamPriorityRange(&least, &greatest));
	DO(cu.StreamCreateWithPriority(&stream, CU_STREAM_NON_BLOCKING, greatest));
	DO(cu.StreamCreate(&other, CU_STREAM_NON_BLOCKING));
	DO(cu.MemAlloc(&memory, 1 << 20));
	for (int attribute = 0; attribute < 20; attribute++) {
		memset(&value, 0, sizeof(value));
		NOTE(cuStreamGetAttribute(stream, attribute, &value));
		if (attribute == 3 || attribute == 8 || attribute == 10)
			check_note("(%d)", value.number);
	}

	/* the L2 window of a stream's accesses */
	memset(&value, 0, sizeof(value));
	value.window.base = memory;
	value.window.bytes = 1 << 20;
	value.window.ratio = 0.5f;
	value.window.hit = 2;
	value.window.miss = 1;
	DO(cuStreamSetAttribute(stream, 1, &value));
	memset(&value, 0, sizeof(value));
	DO(cuStreamGetAttribute(stream, 1, &value));
	THAT(value.window.base == memory);
	check_note("%zu %g %d %d", value.window.bytes, value.window.ratio, value.window.hit, value.window.miss);
	DO(cuStreamCopyAttributes(other, stream));
	memset(&value, 0, sizeof(value));
	DO(cuStreamGetAttribute(other, 1, &value));
	THAT(value.window.base == memory);
	value.window.ratio = 7;
	NOTE(cuStreamSetAttribute(stream, 1, &value));
	memset(&value, 0, sizeof(value));
	DO(cuStreamSetAttribute(stream, 1, &value));

	/* how to wait */
	for (int policy = 0; policy < 6; policy++) {
		memset(&value, 0, sizeof(value));
		value.number = policy;
		NOTE(cuStreamSetAttribute(stream, 3, &value));
		DO(cuStreamGetAttribute(stream, 3, &value));
		check_note("(%d)", value.number);
	}

	/* priority of what comes */
	for (int priority = 2; priority >= -7; priority -= 3) {
		int now;

		memset(&value, 0, sizeof(value));
		value.number = priority;
		NOTE(cuStreamSetAttribute(other, 8, &value));
		DO(cu.StreamGetPriority(other, &now));
		check_note("(%d)", now);
	}
	memset(&value, 0, sizeof(value));
	value.number = 1;
	NOTE(cuStreamSetAttribute(stream, 10, &value));
	NOTE(cuStreamSetAttribute(stream, 2, &value));
	NOTE(cuStreamGetAttribute(NULL, 8, &value));
	NOTE(cuStreamGetAttribute(CU_STREAM_PER_THREAD, 8, &value));
	DO(cu.StreamDestroy(stream));
	DO(cu.StreamDestroy(other));
	DO(cu.MemFree(memory));
	return true;
}

static bool belonging(void)
{
	BIND(cuStreamGetCtx, CUstream, CUcontext *);
	BIND(cuStreamGetCtx_v2, CUstream, CUcontext *, void **);
	BIND(cuStreamGetGreenCtx, CUstream, void **);
	BIND(cuStreamGetDevice, CUstream, CUdevice *);
	CUstream stream, handles[4];
	CUcontext owner;
	CUdevice found;
	void *green;

	USE_DEVICE;
	DO(cu.StreamCreate(&stream, CU_STREAM_DEFAULT));
	handles[0] = stream;
	handles[1] = NULL;
	handles[2] = CU_STREAM_LEGACY;
	handles[3] = CU_STREAM_PER_THREAD;
	for (int i = 0; i < 4; i++) {
		owner = NULL;
		DO(cuStreamGetCtx(handles[i], &owner));
		THAT(owner == context);
		owner = NULL;
		green = &owner;
		DO(cuStreamGetCtx_v2(handles[i], &owner, &green));
		THAT(owner == context && !green);
		green = &owner;
		DO(cuStreamGetGreenCtx(handles[i], &green));
		THAT(!green);
		found = 77;
		DO(cuStreamGetDevice(handles[i], &found));
		THAT(found == device);
	}
	NOTE(cuStreamGetCtx_v2(stream, NULL, &green));
	NOTE(cuStreamGetCtx_v2(stream, &owner, NULL));
	DO(cu.StreamDestroy(stream));
	return true;
}

static bool first_capture_calls(void)
{
	BIND(cuStreamBeginCapture, CUstream);
	BIND(cuStreamGetCaptureInfo, CUstream, int *, unsigned long long *);
	unsigned long long id = 0;
	CUdeviceptr memory, other = 0;
	CUgraphExec exec;
	CUstream stream;
	CUgraph graph;
	unsigned int word = 0;
	int status = 9;

	USE_DEVICE;
	DO(cu.MemAlloc(&memory, 4));
	DO(cu.StreamCreate(&stream, CU_STREAM_NON_BLOCKING));
	DO(cuStreamGetCaptureInfo(stream, &status, &id));
	THAT(status == CU_STREAM_CAPTURE_STATUS_NONE);
	DO(cuStreamBeginCapture(stream));
	DO(cuStreamGetCaptureInfo(stream, &status, &id));
	THAT(status == CU_STREAM_CAPTURE_STATUS_ACTIVE && id);
	DO(cu.MemsetD32Async(memory, 77, 1, stream));
	/* which mode it is shows in what the thread may do meanwhile */
	NOTE(cu.MemAlloc(&other, 4));
	DO(cu.StreamIsCapturing(stream, &status));
	check_note("%d", status);
	NOTE(cu.StreamEndCapture(stream, &graph));
	CODE(cuStreamGetCaptureInfo(stream, NULL, &id));
	DO(cu.MemFree(other));

	DO(cuStreamBeginCapture(stream));
	DO(cu.MemsetD32Async(memory, 77, 1, stream));
	DO(cu.StreamEndCapture(stream, &graph));
	DO(cu.GraphInstantiate(&exec, graph, 0));
	DO(cu.GraphLaunch(exec, stream));
	DO(cu.MemcpyDtoHAsync(&word, memory, 4, stream));
	DO(cu.StreamSynchronize(stream));
	THAT(word == 77);
	DO(cu.GraphExecDestroy(exec));
	DO(cu.GraphDestroy(graph));
	DO(cu.StreamDestroy(stream));
	DO(cu.MemFree(memory));
	return true;
}

static bool managed_memory_only(void)
{
	BIND(cuStreamAttachMemAsync, CUstream, CUdeviceptr, size_t, unsigned int);
	CUdeviceptr memory;

	USE_DEVICE;
	DO(cu.MemAlloc(&memory, 4096));
	CODE(cuStreamAttachMemAsync(NULL, memory, 0, 1));
	CODE(cuStreamAttachMemAsync(NULL, 0, 0, 1));
	CODE(cuStreamAttachMemAsync(NULL, memory, 0, 9));
	DO(cu.MemFree(memory));
	return true;
}

/* Rounds of little work and an event behind it, which is asked, waited for, or gone when the stream is asked. */
#define QUERY_ROUNDS 3000

static bool query_round(unsigned int round, CUstream stream, CUstream other, CUdeviceptr memory, CUevent *kept)
{
	CUevent event = *kept;
	CUresult result;
	bool fresh = round % 4 == 3;

	if (fresh)
		DO(cu.EventCreate(&event, round % 8 == 3 ? CU_EVENT_DISABLE_TIMING : CU_EVENT_DEFAULT));
	DO(cu.MemsetD8Async(memory, (unsigned char)round, 4096, stream));
	if (round % 3 == 1)
		cu.StreamQuery(stream);
	DO(cu.EventRecord(event, stream));
	if (round % 3 == 2)
		cu.StreamQuery(stream);
	if (round % 2)
		DO(cu.EventSynchronize(event));
	while ((result = cu.EventQuery(event)) == CUDA_ERROR_NOT_READY)
		;
	DO(result);
	if (round % 4 == 1) /* the event goes on to another stream */
		DO(cu.EventRecord(event, other));
	if (fresh)
		DO(cu.EventDestroy(event));
	DO(cu.StreamQuery(stream));
	return true;
}

/* What an event has shown to be done, the stream it was recorded in never calls unfinished. */
static bool queries_behind_events(void)
{
	CUstream streams[2];
	CUdeviceptr memory;
	CUevent event;

	USE_DEVICE;
	DO(cu.StreamCreate(&streams[0], CU_STREAM_NON_BLOCKING));
	DO(cu.StreamCreate(&streams[1], CU_STREAM_DEFAULT));
	DO(cu.EventCreate(&event, CU_EVENT_DISABLE_TIMING));
	DO(cu.MemAlloc(&memory, 4096));
	for (unsigned int round = 0; round < QUERY_ROUNDS; round++)
		if (!query_round(round, streams[round / 100 % 2], streams[1 - round / 100 % 2], memory, &event))
			return false;
	DO(cu.EventDestroy(event));
	DO(cu.MemFree(memory));
	DO(cu.StreamDestroy(streams[0]));
	DO(cu.StreamDestroy(streams[1]));
	return true;
}

/* One thread's events come and go on the stream on which another thread works. */
#define SHARED_ROUNDS 500

static struct {
	CUcontext context;
	CUstream stream, other;
	_Atomic bool enough;
	_Atomic CUresult result;
} shared;

static CUresult record_now_and_then(void)
{
	CUevent event;
	CUresult result = cu.CtxSetCurrent(shared.context);

	if (result || (result = cu.EventCreate(&event, CU_EVENT_DISABLE_TIMING)))
		return result;
	for (unsigned int round = 0; !shared.enough; round++) {
		if ((result = cu.EventRecord(event, round % 8 ? shared.stream : shared.other)))
			return result;
		if (round % 16 == 5 && (result = cu.EventSynchronize(event)))
			return result;
		if (round % 64 == 9 && ((result = cu.EventDestroy(event)) ||
					(result = cu.EventCreate(&event, CU_EVENT_DISABLE_TIMING))))
			return result;
	}
	return cu.EventDestroy(event);
}

static void *record_for_ever(void *nothing)
{
	shared.result = record_now_and_then();
	return nothing;
}

static bool stream_of_two_threads(void)
{
	volatile unsigned int *word;
	pthread_t thread;
	bool good = true;

	USE_DEVICE;
	DO(cu.CtxGetCurrent(&shared.context));
	DO(cu.StreamCreate(&shared.stream, CU_STREAM_NON_BLOCKING));
	DO(cu.StreamCreate(&shared.other, CU_STREAM_NON_BLOCKING));
	DO(cu.MemHostAlloc((void **)&word, 4, 0));
	THAT(pthread_create(&thread, NULL, record_for_ever, NULL) == 0);
	for (unsigned int round = 1; good && round <= SHARED_ROUNDS; round++) {
		CUresult result = cu.MemsetD32Async((CUdeviceptr)(size_t)word, round, 1, shared.stream);

		if (!result && round % 3)
			result = cu.StreamSynchronize(shared.stream);
		else if (!result)
			while ((result = cu.StreamQuery(shared.stream)) == CUDA_ERROR_NOT_READY)
				sched_yield();
		if (result || *word != round)
			good = check_reason("round %u: result %d, the word is %u", round, result, *word);
	}
	shared.enough = true;
	pthread_join(thread, NULL);
	if (!good)
		return false;
	DO(shared.result);
	DO(cu.CtxSynchronize());
	THAT(*word == SHARED_ROUNDS);
	DO(cu.MemFreeHost((void *)word));
	DO(cu.StreamDestroy(shared.stream));
	DO(cu.StreamDestroy(shared.other));
	return true;
}

static const struct check checks[] = {
	{ "attributes", attributes },
	{ "belonging", belonging },
	{ "first_capture_calls", first_capture_calls },
	{ "managed_memory_only", managed_memory_only },
	{ "queries_behind_events", queries_behind_events },
	{ "stream_of_two_threads", stream_of_two_threads },
};
const struct check_group stream_family = GROUP("streams", checks);
