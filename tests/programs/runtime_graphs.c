/* SPDX-License-Identifier: Apache-2.0 */
/* Graphs built by hand through the runtime: what CUDA's own samples and command buffers of frameworks do. */
#include "runtime_test.h"

#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#define N 256

struct kernel_node_params {
	const void *function;
	struct dim3 grid, block;
	unsigned int shared_bytes;
	void **parameters, **extra;
};
_Static_assert(sizeof(struct kernel_node_params) == 56, "cudaKernelNodeParams");

struct memset_params {
	void *destination;
	size_t pitch;
	unsigned int value, element_bytes;
	size_t width, height;
};
_Static_assert(sizeof(struct memset_params) == 40, "cudaMemsetParams");

struct host_node_params {
	void (*function)(void *);
	void *data;
};

static void count_up(void *counter)
{
	atomic_fetch_add((_Atomic int *)counter, 1);
}

static bool words_are(const unsigned int *words, unsigned int value)
{
	for (int i = 0; i < N; i++)
		if (words[i] != value)
			return check_reason("word %d is %u, expected %u", i, words[i], value);
	return true;
}

static bool built_by_hand(void)
{
	unsigned int factor = 3, addend = 1, other = 7, *result;
	struct kernel_node_params kernel, seen = { 0 };
	cudaGraphNode_t set, step, copy, host, nodes[8];
	struct host_node_params call;
	struct memset_params fill;
	cudaGraph_t graph, clone;
	_Atomic int calls = 0;
	cudaGraphExec_t exec;
	cudaStream_t stream;
	size_t count = 8;
	int n = N;
	void *words;

	DO(cudart.StreamCreateWithFlags(&stream, 1));
	DO(cudart.Malloc(&words, N * 4));
	DO(cudart.MallocHost((void **)&result, N * 4));
	DO(cudart.GraphCreate(&graph, 0));
	fill = (struct memset_params){ .destination = words, .value = 5, .element_bytes = 4, .width = N, .height = 1 };
	DO(cudart.GraphAddMemsetNode(&set, graph, NULL, 0, &fill));
	kernel = (struct kernel_node_params){ .function = &host_step, .grid = { 2, 1, 1 }, .block = { 128, 1, 1 },
					      .parameters = PARAMETERS(&words, &factor, &addend, &n) };
	DO(cudart.GraphAddKernelNode(&step, graph, &set, 1, &kernel));
	DO(cudart.GraphAddMemcpyNode1D(&copy, graph, &step, 1, result, words, N * 4, cudaMemcpyDeviceToHost));
	call = (struct host_node_params){ count_up, &calls };
	DO(cudart.GraphAddHostNode(&host, graph, &copy, 1, &call));
	DO(cudart.GraphGetNodes(graph, nodes, &count));
	THAT(count == 4 && nodes[1] == step);
	DO(cudart.GraphKernelNodeGetParams(step, &seen));
	THAT(seen.grid.x == 2 && seen.block.x == 128 && seen.parameters && *(unsigned int *)seen.parameters[1] == 3);
	check_note("function %s", seen.function == &host_step ? "as given" : "another");
	DO(cudart.GraphClone(&clone, graph));
	DO(cudart.GraphInstantiate(&exec, graph, 0));
	DO(cudart.GraphLaunch(exec, stream));
	DO(cudart.StreamSynchronize(stream));
	if (!words_are(result, 16))
		return false;
	THAT(calls == 1);

	kernel.parameters = PARAMETERS(&words, &other, &addend, &n);
	DO(cudart.GraphExecKernelNodeSetParams(exec, step, &kernel));
	DO(cudart.GraphLaunch(exec, stream));
	DO(cudart.StreamSynchronize(stream));
	if (!words_are(result, 36))
		return false;
	DO(cudart.GraphExecDestroy(exec));
	DO(cudart.GraphInstantiate(&exec, clone, 0));
	DO(cudart.GraphLaunch(exec, stream));
	DO(cudart.StreamSynchronize(stream));
	if (!words_are(result, 16))
		return false;
	THAT(calls == 3);
	DO(cudart.GraphExecDestroy(exec));
	DO(cudart.GraphDestroy(clone));
	DO(cudart.GraphDestroy(graph));
	DO(cudart.Free(words));
	DO(cudart.FreeHost(result));
	DO(cudart.StreamDestroy(stream));
	return true;
}

/* As NCCL does it: something of its own ends with the graph that a capture makes. */
static bool kept_alive(void)
{
	cudaGraph_t graph;
	_Atomic int ended = 0;
	cudaGraphExec_t exec;
	cudaStream_t stream;
	void *object;

	DO(cudart.StreamCreateWithFlags(&stream, 1));
	DO(cudart.GraphCreate(&graph, 0));
	DO(cudart.UserObjectCreate(&object, &ended, count_up, 1, 1));
	DO(cudart.GraphRetainUserObject(graph, object, 1, 1));
	DO(cudart.GraphInstantiate(&exec, graph, 0));
	DO(cudart.GraphDestroy(graph));
	DO(cudart.GraphLaunch(exec, stream));
	DO(cudart.StreamSynchronize(stream));
	THAT(ended == 0);
	DO(cudart.GraphExecDestroy(exec));
	DO(cudart.StreamSynchronize(stream));
	for (int i = 0; i < 5000 && !ended; i++)
		usleep(1000);
	THAT(ended == 1);
	DO(cudart.StreamDestroy(stream));
	return true;
}

static const struct check checks[] = {
	{ "built_by_hand", built_by_hand },
	{ "kept_alive", kept_alive },
};
const struct check_group hand_graph_group = GROUP("graphs_by_hand", checks);
