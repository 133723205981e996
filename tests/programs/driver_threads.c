/* SPDX-License-Identifier: Apache-2.0 */
/* Several threads at once, each with its stream; work of one thread that another waits for. */
#include "driver_test.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#define THREADS 4
#define N 512
#define ROUNDS 200

struct worker {
	pthread_t thread;
	unsigned int seed;
	CUstream stream;	/* NULL: makes its own */
	char failure[160];
};

static CUresult work(struct worker *worker, unsigned int *expected, unsigned int *words)
{
	CUstream stream = worker->stream;
	CUdeviceptr address;
	CUresult result;
	int n = N;

	if ((result = cu.CtxSetCurrent(context)))
		return result;
	if (!stream && (result = cu.StreamCreate(&stream, CU_STREAM_NON_BLOCKING)))
		return result;
	if ((result = cu.MemAlloc(&address, sizeof(int) * N)))
		return result;
	for (int i = 0; i < N; i++)
		words[i] = expected[i] = worker->seed + i;
	if ((result = cu.MemcpyHtoDAsync(address, words, sizeof(int) * N, stream)))
		return result;
	for (unsigned int round = 0; round < ROUNDS; round++) {
		unsigned int factor = worker->seed * 2 + 1;

		if ((result = launch_1d(kernels.step, N, stream, PARAMETERS(&address, &factor, &round, &n))))
			return result;
		for (int i = 0; i < N; i++)
			expected[i] = expected[i] * factor + round;
	}
	if ((result = cu.MemcpyDtoHAsync(words, address, sizeof(int) * N, stream)) ||
	    (result = cu.StreamSynchronize(stream)) || (result = cu.MemFree(address)))
		return result;
	return worker->stream ? CUDA_SUCCESS : cu.StreamDestroy(stream);
}

static void *run_worker(void *data)
{
	struct worker *worker = data;
	unsigned int expected[N], words[N];
	CUcontext current = (CUcontext)1;
	CUresult result = cu.CtxGetCurrent(&current);

	if (result || current) {
		snprintf(worker->failure, sizeof(worker->failure), "a new thread has a context (result %d)", result);
		return NULL;
	}
	result = work(worker, expected, words);
	if (result)
		snprintf(worker->failure, sizeof(worker->failure), "thread %u: result %d", worker->seed, result);
	else if (memcmp(expected, words, sizeof(words)))
		snprintf(worker->failure, sizeof(worker->failure), "thread %u: wrong words", worker->seed);
	return NULL;
}

static bool run_threads(CUstream stream)
{
	struct worker workers[THREADS] = { 0 };

	for (unsigned int i = 0; i < THREADS; i++) {
		workers[i].seed = i + 1;
		workers[i].stream = stream;
		if (pthread_create(&workers[i].thread, NULL, run_worker, &workers[i]))
			return check_reason("creating a thread");
	}
	for (unsigned int i = 0; i < THREADS; i++)
		pthread_join(workers[i].thread, NULL);
	for (unsigned int i = 0; i < THREADS; i++)
		if (workers[i].failure[0])
			return check_reason("%s", workers[i].failure);
	return true;
}

static bool own_streams(void)
{
	USE_DEVICE;
	return run_threads(NULL);
}

static bool per_thread_streams(void)
{
	USE_DEVICE;
	return run_threads(CU_STREAM_PER_THREAD);
}

static void *record_event(void *data)
{
	CUevent *event = data;
	unsigned long long nanoseconds = 50000000;
	CUdeviceptr nowhere = 0;

	if (cu.CtxSetCurrent(context) ||
	    cu.LaunchKernel(kernels.spin, 1, 1, 1, 1, 1, 1, 0, NULL, PARAMETERS(&nanoseconds, &nowhere), NULL) ||
	    cu.EventRecord(*event, NULL))
		return (void *)1;
	return NULL;
}

/* A thread launches and records; after joining it this thread's wait sees that work. */
static bool event_of_another_thread(void)
{
	CUevent event;
	pthread_t thread;
	void *failed = NULL;

	USE_DEVICE;
	DO(cu.EventCreate(&event, CU_EVENT_DISABLE_TIMING));
	THAT(!pthread_create(&thread, NULL, record_event, &event));
	pthread_join(thread, &failed);
	THAT(!failed);
	DO(cu.EventSynchronize(event));
	DO(cu.StreamQuery(NULL));
	DO(cu.EventDestroy(event));
	return true;
}

static const struct check checks[] = {
	{ "own_streams", own_streams },
	{ "per_thread_streams", per_thread_streams },
	{ "event_of_another_thread", event_of_another_thread },
};
const struct check_group thread_group = GROUP("threads", checks);
