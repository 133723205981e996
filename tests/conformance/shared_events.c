/* SPDX-License-Identifier: Apache-2.0 */
/* Events of other processes. */
#include "child.h"
#include "conformance.h"

#include <string.h>

#define EVENT_INTERPROCESS (4 | 2)

struct handle {
	char bytes[64];
};

/* What a child found. */
struct answer {
	CUresult result;
	unsigned int value;
};

/* Waits on the GPU for an event of another process, and records it itself. */
static int play_listener(int socket)
{
	BIND(cuIpcOpenEventHandle, CUevent *, struct handle);
	struct answer answer = { 0 };
	struct handle handle;
	CUstream stream;
	CUevent event;
	char word = 0;

	if (device_ready() || !hear(socket, &handle, sizeof(handle), NULL) || cuIpcOpenEventHandle(&event, handle) ||
	    cu.StreamCreate(&stream, CU_STREAM_NON_BLOCKING))
		return 3;
	answer.result = cu.EventQuery(event);
	if (cu.StreamWaitEvent(stream, event, 0))
		return 4;
	answer.value = (unsigned int)cu.StreamQuery(stream);
	if (!tell(socket, &answer, sizeof(answer), -1))
		return 5;
	/* the parent lets its work end now */
	if (cu.StreamSynchronize(stream) || cu.EventQuery(event) || cu.EventRecord(event, stream) ||
	    cu.EventSynchronize(event) || !tell(socket, &word, 1, -1))
		return 6;
	if (!hear(socket, &word, 1, NULL) || cu.EventDestroy(event) || cu.StreamDestroy(stream))
		return 7;
	return 0;
}

const struct role listener_role = { "listener", play_listener };

static bool shared_event(void)
{
	BIND(cuIpcGetEventHandle, struct handle *, CUevent);
	unsigned long long bound = 20000000000ull;
	volatile unsigned int *gate;
	struct answer answer;
	struct handle handle;
	struct child child;
	CUstream stream;
	CUevent event;
	float milliseconds;
	char word = 0;

	USE_DEVICE;
	DO(cu.MemHostAlloc((void **)&gate, 4096, 0));
	*gate = 0;
	DO(cu.StreamCreate(&stream, CU_STREAM_NON_BLOCKING));
	DO(cu.EventCreate(&event, EVENT_INTERPROCESS));
	DO(cu.EventQuery(event));
	DO(cu.LaunchKernel(kernels.wait_for_gate, 1, 1, 1, 1, 1, 1, 0, stream, PARAMETERS(&gate, &bound), NULL));
	DO(cu.EventRecord(event, stream));
	DO(cuIpcGetEventHandle(&handle, event));
	if (!child_start(&child, "listener"))
		return false;
	THAT(tell(child.socket, &handle, sizeof(handle), -1));
	THAT(hear(child.socket, &answer, sizeof(answer), NULL));
	RESULT(CUDA_ERROR_NOT_READY, answer.result);
	RESULT(CUDA_ERROR_NOT_READY, (int)answer.value);
	*gate = 1;
	THAT(hear(child.socket, &word, 1, NULL));
	/* the child recorded it meanwhile */
	DO(cu.EventSynchronize(event));
	DO(cu.EventQuery(event));
	CODE(cu.EventElapsedTime(&milliseconds, event, event));
	THAT(tell(child.socket, &word, 1, -1));
	if (!child_join(&child))
		return false;
	DO(cu.EventDestroy(event));
	DO(cu.StreamDestroy(stream));
	DO(cu.MemFreeHost((void *)gate));
	return true;
}

static bool bad_events(void)
{
	BIND(cuIpcGetEventHandle, struct handle *, CUevent);
	BIND(cuIpcOpenEventHandle, CUevent *, struct handle);
	struct handle handle, garbage;
	CUevent event, shared, opened;

	USE_DEVICE;
	memset(&garbage, 0x5a, sizeof(garbage));
	CODE(cu.EventCreate(&event, 4));
	DO(cu.EventCreate(&event, 2));
	DO(cu.EventCreate(&shared, EVENT_INTERPROCESS));
	CODE(cuIpcGetEventHandle(&handle, event));
	CODE(cuIpcGetEventHandle(&handle, NULL));
	CODE(cuIpcGetEventHandle(NULL, shared));
	DO(cuIpcGetEventHandle(&handle, shared));
	CODE(cuIpcOpenEventHandle(&opened, handle));
	CODE(cuIpcOpenEventHandle(&opened, garbage));
	CODE(cuIpcOpenEventHandle(NULL, handle));
	DO(cu.EventDestroy(event));
	DO(cu.EventDestroy(shared));
	return true;
}

static const struct check checks[] = {
	{ "shared_event", shared_event },
	{ "bad_events", bad_events },
};
const struct check_group shared_event_family = GROUP("shared_events", checks);
