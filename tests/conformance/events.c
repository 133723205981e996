/* SPDX-License-Identifier: Apache-2.0 */
/* Time between events, errors of events, and the first versions of the calls that end events and streams. */
#include "conformance.h"

static bool time_between(void)
{
	BIND(cuEventElapsedTime_v2, float *, CUevent, CUevent);
	unsigned long long duration = 20000000, *rounds = NULL;
	float first = -1, second = -1, back = 1;
	CUevent before, after;
	CUstream stream;

	USE_DEVICE;
	DO(cu.StreamCreate(&stream, CU_STREAM_NON_BLOCKING));
	DO(cu.EventCreate(&before, CU_EVENT_DEFAULT));
	DO(cu.EventCreate(&after, CU_EVENT_DEFAULT));
	DO(cu.EventRecord(before, stream));
	DO(cu.LaunchKernel(kernels.spin, 1, 1, 1, 1, 1, 1, 0, stream, PARAMETERS(&duration, &rounds), NULL));
	DO(cu.EventRecord(after, stream));
	DO(cu.EventSynchronize(after));
	DO(cu.EventElapsedTime(&first, before, after));
	DO(cuEventElapsedTime_v2(&second, before, after));
	THAT(first == second && first >= 19);
	DO(cuEventElapsedTime_v2(&back, after, before));
	THAT(back == -first);
	DO(cuEventElapsedTime_v2(&back, after, after));
	THAT(back == 0);
	DO(cu.EventDestroy(before));
	DO(cu.EventDestroy(after));
	DO(cu.StreamDestroy(stream));
	return true;
}

static bool errors(void)
{
	BIND(cuEventElapsedTime_v2, float *, CUevent, CUevent);
	BIND(cuEventDestroy, CUevent);
	BIND(cuStreamDestroy, CUstream);
	unsigned long long bound = 20000000000ull;
	volatile unsigned int *gate;
	CUevent timed, untimed, never;
	float milliseconds;
	CUstream stream;

	USE_DEVICE;
	DO(cu.MemHostAlloc((void **)&gate, 4096, 0));
	*gate = 0;
	DO(cu.StreamCreate(&stream, CU_STREAM_NON_BLOCKING));
	DO(cu.EventCreate(&timed, CU_EVENT_DEFAULT));
	DO(cu.EventCreate(&untimed, CU_EVENT_DISABLE_TIMING));
	DO(cu.EventCreate(&never, CU_EVENT_DEFAULT));
	CODE(cu.EventCreate(&never, 1 << 10));
	DO(cu.EventQuery(never));
	DO(cu.EventSynchronize(never));
	DO(cu.LaunchKernel(kernels.wait_for_gate, 1, 1, 1, 1, 1, 1, 0, stream, PARAMETERS(&gate, &bound), NULL));
	DO(cu.EventRecord(timed, stream));
	DO(cu.EventRecord(untimed, stream));
	RESULT(CUDA_ERROR_NOT_READY, cuEventElapsedTime_v2(&milliseconds, timed, timed));
	CODE(cuEventElapsedTime_v2(&milliseconds, timed, untimed));
	CODE(cuEventElapsedTime_v2(&milliseconds, timed, never));
	/* an event and a stream may go while work is behind them */
	DO(cuEventDestroy(untimed));
	*gate = 1;
	DO(cu.EventSynchronize(timed));
	CODE(cuEventElapsedTime_v2(NULL, timed, timed));
	CODE(cu.EventElapsedTime(NULL, timed, timed));
	CODE(cuEventElapsedTime_v2(NULL, NULL, timed));
	CODE(cuEventElapsedTime_v2(&milliseconds, NULL, timed));
	CODE(cuEventElapsedTime_v2(&milliseconds, timed, NULL));
	CODE(cuEventElapsedTime_v2(&milliseconds, timed, never));
	DO(cuStreamDestroy(stream));
	CODE(cuEventDestroy(NULL));
	CODE(cuStreamDestroy(NULL));
	DO(cuEventDestroy(timed));
	DO(cuEventDestroy(never));
	DO(cu.MemFreeHost((void *)gate));
	return true;
}

static const struct check checks[] = {
	{ "time_between", time_between },
	{ "errors", errors },
};
const struct check_group event_family = GROUP("events", checks);
