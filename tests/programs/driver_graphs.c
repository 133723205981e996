/* SPDX-License-Identifier: Apache-2.0 */
/* Graphs as ggml and PyTorch use them: captured, instantiated, launched, updated by another capture. */
#include "driver_test.h"

#include <string.h>

#define N 256

/* words = words * factor + addend, `steps` times, then a copy to `copy`. */
static CUresult capture(CUgraph *graph, CUstream stream, CUdeviceptr words, CUdeviceptr copy, unsigned int factor,
			unsigned int addend, int steps, int mode)
{
	CUresult result = cu.StreamBeginCapture(stream, mode);
	int n = N;

	for (int i = 0; i < steps && !result; i++)
		result = launch_1d(kernels.step, N, stream, PARAMETERS(&words, &factor, &addend, &n));
	if (!result)
		result = cu.MemcpyDtoDAsync(copy, words, N * 4, stream);
	return result ? result : cu.StreamEndCapture(stream, graph);
}

static void apply(unsigned int *words, unsigned int factor, unsigned int addend, int steps)
{
	for (int s = 0; s < steps; s++)
		for (int i = 0; i < N; i++)
			words[i] = words[i] * factor + addend;
}

static bool matches(CUdeviceptr address, const unsigned int *expected)
{
	unsigned int words[N];

	DO(cu.MemcpyDtoH(words, address, sizeof(words)));
	for (int i = 0; i < N; i++)
		if (words[i] != expected[i])
			return check_reason("word %d is %u, expected %u", i, words[i], expected[i]);
	return true;
}

static bool capture_launch_update(void)
{
	unsigned int expected[N] = { 0 };
	CUgraphExecUpdateResultInfo info = { 0 };
	CUdeviceptr words, copy;
	CUstream stream;
	CUgraph graph, other;
	CUgraphExec exec;
	size_t nodes = 0;

	USE_DEVICE;
	DO(cu.StreamCreate(&stream, CU_STREAM_NON_BLOCKING));
	DO(cu.MemAlloc(&words, N * 4));
	DO(cu.MemAlloc(&copy, N * 4));
	DO(cu.MemsetD32(words, 0, N));
	DO(cu.CtxSynchronize());

	DO(capture(&graph, stream, words, copy, 3, 1, 4, CU_STREAM_CAPTURE_MODE_RELAXED));
	DO(cu.GraphGetNodes(graph, NULL, &nodes));
	THAT(nodes == 5);
	if (!matches(words, expected))
		return false;	/* capturing executes nothing */
	DO(cu.GraphInstantiate(&exec, graph, 0));
	for (int i = 0; i < 3; i++) {
		DO(cu.GraphLaunch(exec, stream));
		apply(expected, 3, 1, 4);
	}
	DO(cu.StreamSynchronize(stream));
	if (!matches(words, expected) || !matches(copy, expected))
		return false;

	/* same shape, other parameters */
	DO(capture(&other, stream, words, copy, 5, 2, 4, CU_STREAM_CAPTURE_MODE_GLOBAL));
	DO(cu.GraphExecUpdate(exec, other, &info));
	THAT(info.result == 0);
	DO(cu.GraphDestroy(other));
	DO(cu.GraphLaunch(exec, stream));
	apply(expected, 5, 2, 4);
	DO(cu.StreamSynchronize(stream));
	if (!matches(copy, expected))
		return false;

	/* another shape: refused, and the executable graph stays as it is */
	DO(capture(&other, stream, words, copy, 7, 7, 6, CU_STREAM_CAPTURE_MODE_RELAXED));
	RESULT(CUDA_ERROR_GRAPH_EXEC_UPDATE_FAILURE, cu.GraphExecUpdate(exec, other, &info));
	DO(cu.GraphDestroy(other));
	DO(cu.GraphDestroy(graph));
	DO(cu.GraphLaunch(exec, stream));
	apply(expected, 5, 2, 4);
	DO(cu.StreamSynchronize(stream));
	if (!matches(copy, expected))
		return false;
	DO(cu.GraphExecDestroy(exec));
	DO(cu.MemFree(words));
	DO(cu.MemFree(copy));
	DO(cu.StreamDestroy(stream));
	return true;
}

/* Work forked to a second stream by an event belongs to the graph. */
static bool forked_capture(void)
{
	unsigned int expected[N] = { 0 }, factor = 3, addend = 5;
	CUdeviceptr left, right;
	CUstream a, b;
	CUevent fork, join;
	CUgraph graph;
	CUgraphExec exec;
	int status = -1, n = N;

	USE_DEVICE;
	DO(cu.StreamCreate(&a, CU_STREAM_NON_BLOCKING));
	DO(cu.StreamCreate(&b, CU_STREAM_NON_BLOCKING));
	DO(cu.EventCreate(&fork, CU_EVENT_DISABLE_TIMING));
	DO(cu.EventCreate(&join, CU_EVENT_DISABLE_TIMING));
	DO(cu.MemAlloc(&left, N * 4));
	DO(cu.MemAlloc(&right, N * 4));
	DO(cu.MemsetD32(left, 0, N));
	DO(cu.MemsetD32(right, 0, N));
	DO(cu.CtxSynchronize());
	DO(cu.StreamIsCapturing(a, &status));
	THAT(status == CU_STREAM_CAPTURE_STATUS_NONE);
	DO(cu.StreamBeginCapture(a, CU_STREAM_CAPTURE_MODE_RELAXED));
	DO(cu.StreamIsCapturing(a, &status));
	THAT(status == CU_STREAM_CAPTURE_STATUS_ACTIVE);
	DO(launch_1d(kernels.step, N, a, PARAMETERS(&left, &factor, &addend, &n)));
	DO(cu.EventRecord(fork, a));
	DO(cu.StreamWaitEvent(b, fork, 0));
	DO(cu.StreamIsCapturing(b, &status));
	THAT(status == CU_STREAM_CAPTURE_STATUS_ACTIVE);
	DO(launch_1d(kernels.step, N, b, PARAMETERS(&right, &factor, &addend, &n)));
	DO(cu.EventRecord(join, b));
	DO(launch_1d(kernels.step, N, a, PARAMETERS(&left, &factor, &addend, &n)));
	DO(cu.StreamWaitEvent(a, join, 0));
	DO(cu.StreamEndCapture(a, &graph));
	DO(cu.StreamIsCapturing(b, &status));
	THAT(status == CU_STREAM_CAPTURE_STATUS_NONE);
	DO(cu.GraphInstantiate(&exec, graph, 0));
	DO(cu.GraphDestroy(graph));
	DO(cu.GraphLaunch(exec, a));
	DO(cu.StreamSynchronize(a));
	apply(expected, 3, 5, 1);
	if (!matches(right, expected))
		return false;
	apply(expected, 3, 5, 1);
	if (!matches(left, expected))
		return false;
	DO(cu.GraphExecDestroy(exec));
	DO(cu.EventDestroy(fork));
	DO(cu.EventDestroy(join));
	DO(cu.MemFree(left));
	DO(cu.MemFree(right));
	DO(cu.StreamDestroy(a));
	DO(cu.StreamDestroy(b));
	return true;
}

static bool empty_graph(void)
{
	CUgraph graph;
	CUgraphExec exec;
	CUstream stream;
	size_t nodes = 99;

	USE_DEVICE;
	DO(cu.StreamCreate(&stream, CU_STREAM_DEFAULT));
	DO(cu.GraphCreate(&graph, 0));
	DO(cu.GraphGetNodes(graph, NULL, &nodes));
	THAT(nodes == 0);
	DO(cu.GraphInstantiate(&exec, graph, 0));
	DO(cu.GraphLaunch(exec, stream));
	DO(cu.StreamSynchronize(stream));
	DO(cu.GraphExecDestroy(exec));
	DO(cu.GraphDestroy(graph));
	DO(cu.StreamDestroy(stream));
	return true;
}

static bool synchronizing_breaks_capture(void)
{
	CUstream stream;
	CUgraph graph = NULL;
	int status = -1;

	USE_DEVICE;
	DO(cu.StreamCreate(&stream, CU_STREAM_NON_BLOCKING));
	DO(cu.StreamBeginCapture(stream, CU_STREAM_CAPTURE_MODE_GLOBAL));
	DO(launch_1d(kernels.empty, 1, stream, NULL));
	RESULT(CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, cu.StreamSynchronize(stream));
	RESULT(CUDA_ERROR_STREAM_CAPTURE_INVALIDATED, launch_1d(kernels.empty, 1, stream, NULL));
	RESULT(CUDA_ERROR_STREAM_CAPTURE_INVALIDATED, cu.StreamEndCapture(stream, &graph));
	THAT(!graph);
	DO(cu.StreamIsCapturing(stream, &status));
	THAT(status == CU_STREAM_CAPTURE_STATUS_NONE);
	DO(launch_1d(kernels.empty, 1, stream, NULL));
	DO(cu.StreamSynchronize(stream));
	DO(cu.StreamDestroy(stream));
	return true;
}

static const struct check checks[] = {
	{ "capture_launch_update", capture_launch_update },
	{ "forked_capture", forked_capture },
	{ "empty_graph", empty_graph },
	{ "synchronizing_breaks_capture", synchronizing_breaks_capture },
};
const struct check_group graph_group = GROUP("graphs", checks);
