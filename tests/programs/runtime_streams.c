/* SPDX-License-Identifier: Apache-2.0 */
/* Streams, events, graphs and threads through the runtime. */
#include "runtime_test.h"

#include <pthread.h>
#include <string.h>
#include <time.h>

#define N 256

/* A kernel that computes until the host stores 1 into the gate. */
static cudaError_t close_gate(cudaStream_t stream, volatile unsigned int **gate)
{
	unsigned long long bound = 20000000000ull;
	struct dim3 one = { 1, 1, 1 };
	cudaError_t error = cudart.MallocHost((void **)gate, sizeof(**gate));

	if (error)
		return error;
	**gate = 0;
	return cudart.LaunchKernel(&host_wait_for_gate, one, one, PARAMETERS(gate, &bound), 0, stream);
}

static cudaError_t step_on(cudaStream_t stream, void *words, unsigned int factor, unsigned int addend)
{
	int n = N;

	return launch_1d(&host_step, N, stream, PARAMETERS(&words, &factor, &addend, &n));
}

static bool order_by_events(void)
{
	unsigned int words[N];
	const struct timespec pause = { 0, 150000000 };
	volatile unsigned int *gate;
	cudaStream_t a, b;
	cudaEvent_t event, start, end;
	float milliseconds = 0;
	void *address;

	DO(cudart.StreamCreate(&a));
	DO(cudart.StreamCreateWithFlags(&b, cudaStreamNonBlocking));
	DO(cudart.EventCreateWithFlags(&event, cudaEventDisableTiming));
	DO(cudart.EventCreate(&start));
	DO(cudart.EventCreate(&end));
	DO(cudart.Malloc(&address, sizeof(words)));
	DO(cudart.Memset(address, 0, sizeof(words)));
	DO(cudart.DeviceSynchronize());
	DO(cudart.EventRecord(start, a));
	DO(cudart.EventSynchronize(start));	/* the pause below lies behind it */
	DO(close_gate(a, &gate));
	DO(step_on(a, address, 1, 5));
	DO(cudart.EventRecord(event, a));
	DO(cudart.EventRecord(end, a));
	RESULT(cudaErrorNotReady, cudart.StreamQuery(a));
	RESULT(cudaErrorNotReady, cudart.EventQuery(event));
	DO(cudart.StreamWaitEvent(b, event, 0));
	DO(step_on(b, address, 7, 1));
	nanosleep(&pause, NULL);
	RESULT(cudaErrorNotReady, cudart.EventQuery(event));
	*gate = 1;
	DO(cudart.MemcpyAsync(words, address, sizeof(words), cudaMemcpyDeviceToHost, b));
	DO(cudart.StreamSynchronize(b));
	THAT(words[0] == 36 && words[N - 1] == 36);
	DO(cudart.EventSynchronize(end));
	DO(cudart.EventElapsedTime(&milliseconds, start, end));
	THAT(milliseconds >= 150 && milliseconds < 20000);
	cudart.GetLastError();
	DO(cudart.FreeHost((void *)gate));
	DO(cudart.EventDestroy(event));
	DO(cudart.EventDestroy(start));
	DO(cudart.EventDestroy(end));
	DO(cudart.StreamDestroy(a));
	DO(cudart.StreamDestroy(b));
	DO(cudart.Free(address));
	return true;
}

static void *work(void *result)
{
	unsigned int words[N], expected = 0;
	void *address;
	cudaStream_t stream = (cudaStream_t)2;

	if (cudart.Malloc(&address, sizeof(words)) || cudart.MemsetAsync(address, 0, sizeof(words), stream))
		return NULL;
	for (unsigned int i = 0; i < 100; i++) {
		if (step_on(stream, address, 3, i))
			return NULL;
		expected = expected * 3 + i;
	}
	if (cudart.MemcpyAsync(words, address, sizeof(words), cudaMemcpyDeviceToHost, stream) ||
	    cudart.StreamSynchronize(stream) || cudart.Free(address))
		return NULL;
	*(int *)result = words[0] == expected && words[N - 1] == expected;
	return NULL;
}

static bool threads(void)
{
	pthread_t workers[4];
	int good[4] = { 0 };

	for (int i = 0; i < 4; i++)
		THAT(!pthread_create(&workers[i], NULL, work, &good[i]));
	for (int i = 0; i < 4; i++)
		pthread_join(workers[i], NULL);
	for (int i = 0; i < 4; i++)
		THAT(good[i]);
	return true;
}

static const struct check stream_checks[] = {
	{ "order_by_events", order_by_events },
	{ "threads", threads },
};
const struct check_group stream_group = GROUP("streams", stream_checks);

static cudaError_t capture(cudaGraph_t *graph, cudaStream_t stream, void *words, unsigned int factor, int steps)
{
	cudaError_t error = cudart.StreamBeginCapture(stream, cudaStreamCaptureModeRelaxed);

	for (int i = 0; i < steps && !error; i++)
		error = step_on(stream, words, factor, 1);
	return error ? error : cudart.StreamEndCapture(stream, graph);
}

static bool capture_launch_update(void)
{
	struct graph_update_result update = { 0 };
	unsigned int words[N], expected = 0;
	cudaGraphExec_t exec;
	cudaGraph_t graph, other;
	cudaStream_t stream;
	int status = -1;
	void *address;

	DO(cudart.StreamCreateWithFlags(&stream, cudaStreamNonBlocking));
	DO(cudart.Malloc(&address, sizeof(words)));
	DO(cudart.Memset(address, 0, sizeof(words)));
	DO(cudart.DeviceSynchronize());
	DO(cudart.StreamIsCapturing(stream, &status));
	THAT(status == 0);
	DO(capture(&graph, stream, address, 3, 3));
	DO(cudart.GraphInstantiate(&exec, graph, 0));
	DO(cudart.GraphLaunch(exec, stream));
	DO(cudart.GraphLaunch(exec, stream));
	for (int i = 0; i < 6; i++)
		expected = expected * 3 + 1;
	DO(capture(&other, stream, address, 5, 3));
	DO(cudart.GraphExecUpdate(exec, other, &update));
	THAT(update.result == 0);
	DO(cudart.GraphLaunch(exec, stream));
	for (int i = 0; i < 3; i++)
		expected = expected * 5 + 1;
	DO(cudart.MemcpyAsync(words, address, sizeof(words), cudaMemcpyDeviceToHost, stream));
	DO(cudart.StreamSynchronize(stream));
	if (words[0] != expected || words[N - 1] != expected)
		return check_reason("word 0 is %u, expected %u", words[0], expected);
	DO(cudart.GraphExecDestroy(exec));
	DO(cudart.GraphDestroy(graph));
	DO(cudart.GraphDestroy(other));
	DO(cudart.Free(address));
	DO(cudart.StreamDestroy(stream));
	return true;
}

static const struct check graph_checks[] = {
	{ "capture_launch_update", capture_launch_update },
};
const struct check_group graph_group = GROUP("graphs", graph_checks);
