/* SPDX-License-Identifier: Apache-2.0 */
/* What a program sees of a capture, and captures into graphs that it has. */
#include "graph_abi.h"

#include <stdatomic.h>

static void count_up(void *counter)
{
	atomic_fetch_add((_Atomic int *)counter, 1);
}

static bool info(void)
{
	BIND(cuStreamGetCaptureInfo_v2, CUstream, int *, unsigned long long *, CUgraph *, const CUgraphNode **, size_t *);
	BIND(cuStreamGetCaptureInfo_v3, CUstream, int *, unsigned long long *, CUgraph *, const CUgraphNode **,
	     const edge_data **, size_t *);
	BIND(cuGraphAddEmptyNode, CUgraphNode *, CUgraph, const CUgraphNode *, size_t);
	BIND(cuStreamUpdateCaptureDependencies, CUstream, CUgraphNode *, size_t, unsigned int);
	BIND(cuStreamUpdateCaptureDependencies_v2, CUstream, CUgraphNode *, const edge_data *, size_t, unsigned int);
	BIND(cuGraphNodeGetDependencies, CUgraphNode, CUgraphNode *, size_t *);
	unsigned int factor = 3, addend = 1;
	unsigned long long id = 0, other_id = 0;
	const CUgraphNode *nodes;
	const edge_data *data;
	CUgraph graph, seen, again;
	CUgraphNode kernel, own, all[8];
	CUdeviceptr words;
	CUstream stream;
	int status = -1, n = GRAPH_WORDS;
	size_t count = 99;

	USE_DEVICE;
	DO(cu.StreamCreate(&stream, CU_STREAM_NON_BLOCKING));
	DO(cu.MemAlloc(&words, GRAPH_WORDS * 4));
	DO(cu.MemsetD32(words, 5, GRAPH_WORDS));
	DO(cu.CtxSynchronize());
	DO(cuStreamGetCaptureInfo_v2(stream, &status, &id, &seen, &nodes, &count));
	THAT(status == CU_STREAM_CAPTURE_STATUS_NONE);
	CODE(cuStreamUpdateCaptureDependencies(stream, NULL, 0, 1));
	DO(cu.StreamBeginCapture(stream, CU_STREAM_CAPTURE_MODE_RELAXED));
	DO(cuStreamGetCaptureInfo_v3(stream, &status, &id, &seen, &nodes, &data, &count));
	THAT(status == CU_STREAM_CAPTURE_STATUS_ACTIVE && id && seen && count == 0);
	DO(launch_1d(kernels.step, GRAPH_WORDS, stream, PARAMETERS(&words, &factor, &addend, &n)));
	DO(cuStreamGetCaptureInfo_v2(stream, &status, &other_id, &again, &nodes, &count));
	THAT(other_id == id && again == seen && count == 1 && nodes[0]);
	kernel = nodes[0];

	/* a node of the program's own comes between */
	DO(cuGraphAddEmptyNode(&own, seen, nodes, count));
	DO(cuStreamUpdateCaptureDependencies(stream, &own, 1, 1));
	DO(cuStreamGetCaptureInfo_v3(stream, &status, NULL, NULL, &nodes, &data, &count));
	THAT(count == 1 && nodes[0] == own && data && !data[0].type);
	DO(launch_1d(kernels.step, GRAPH_WORDS, stream, PARAMETERS(&words, &factor, &addend, &n)));
	DO(cuStreamGetCaptureInfo_v2(stream, &status, NULL, NULL, &nodes, &count));
	THAT(count == 1 && nodes[0] != kernel);
	DO(cuStreamUpdateCaptureDependencies_v2(stream, &own, NULL, 1, 0));
	DO(cuStreamGetCaptureInfo_v2(stream, &status, NULL, NULL, NULL, &count));
	THAT(count == 2);
	CODE(cuStreamUpdateCaptureDependencies(stream, &own, 1, 9));
	CODE(cuStreamGetCaptureInfo_v2(stream, NULL, &id, NULL, NULL, NULL));
	DO(cu.StreamEndCapture(stream, &graph));
	THAT(graph == seen);
	count = 8;
	DO(cu.GraphGetNodes(graph, all, &count));
	THAT(count == 3 && all[0] == kernel && all[1] == own);
	DO(cuGraphNodeGetDependencies(all[2], NULL, &count));
	THAT(count == 1);
	DO(run_graph(graph, stream));
	if (!words_are(words, (5 * 3 + 1) * 3 + 1))
		return false;
	DO(cu.GraphDestroy(graph));
	DO(cu.MemFree(words));
	DO(cu.StreamDestroy(stream));
	return true;
}

/* What the capture made may be asked like what was added by hand. */
static bool captured_nodes(void)
{
	BIND(cuGraphNodeGetType, CUgraphNode, int *);
	BIND(cuGraphKernelNodeGetParams_v2, CUgraphNode, struct kernel_params *);
	BIND(cuGraphMemsetNodeGetParams, CUgraphNode, struct memset_params *);
	BIND(cuGraphMemcpyNodeGetParams, CUgraphNode, struct memcpy_3d *);
	BIND(cuGraphHostNodeGetParams, CUgraphNode, struct host_params *);
	BIND(cuGraphExecKernelNodeSetParams_v2, CUgraphExec, CUgraphNode, const struct kernel_params *);
	BIND(cuLaunchHostFunc, CUstream, void (*)(void *), void *);
	unsigned int factor = 3, addend = 1, other = 2;
	int n = GRAPH_WORDS, type[4] = { -1, -1, -1, -1 };
	struct memset_params fill = { 0 };
	struct kernel_params kernel = { 0 };
	struct host_params host = { 0 };
	struct memcpy_3d copy = { 0 };
	CUdeviceptr words, to;
	_Atomic int calls = 0;
	CUgraphNode nodes[8];
	CUgraphExec exec;
	CUstream stream;
	CUgraph graph;
	size_t count = 8;

	USE_DEVICE;
	DO(cu.StreamCreate(&stream, CU_STREAM_NON_BLOCKING));
	DO(cu.MemAlloc(&words, GRAPH_WORDS * 4));
	DO(cu.MemAlloc(&to, GRAPH_WORDS * 4));
	DO(cu.StreamBeginCapture(stream, CU_STREAM_CAPTURE_MODE_RELAXED));
	DO(cu.MemsetD32Async(words, 5, GRAPH_WORDS, stream));
	DO(launch_1d(kernels.step, GRAPH_WORDS, stream, PARAMETERS(&words, &factor, &addend, &n)));
	DO(cu.MemcpyDtoDAsync(to, words, GRAPH_WORDS * 4, stream));
	DO(cuLaunchHostFunc(stream, count_up, &calls));
	DO(cu.StreamEndCapture(stream, &graph));
	DO(cu.GraphGetNodes(graph, nodes, &count));
	THAT(count == 4);
	for (int i = 0; i < 4; i++)
		DO(cuGraphNodeGetType(nodes[i], &type[i]));
	THAT(type[0] == NODE_MEMSET && type[1] == NODE_KERNEL && type[2] == NODE_MEMCPY && type[3] == NODE_HOST);
	DO(cuGraphKernelNodeGetParams_v2(nodes[1], &kernel));
	THAT(kernel.func == kernels.step && kernel.grid[0] == 2 && kernel.block[0] == 128 && kernel.params);
	THAT(*(CUdeviceptr *)kernel.params[0] == words && *(unsigned int *)kernel.params[1] == 3);
	check_note("kern %s, ctx %s", kernel.kern ? "set" : "null", kernel.ctx == context ? "current" : kernel.ctx ? "other" : "null");
	DO(cuGraphMemsetNodeGetParams(nodes[0], &fill));
	THAT(fill.dst == words && fill.value == 5 && fill.element == 4 && fill.width == GRAPH_WORDS && fill.height == 1);
	DO(cuGraphMemcpyNodeGetParams(nodes[2], &copy));
	THAT(copy.src.device == words && copy.dst.device == to && copy.width == GRAPH_WORDS * 4);
	check_note("copy of types %u to %u", copy.src.type, copy.dst.type);
	DO(cuGraphHostNodeGetParams(nodes[3], &host));
	THAT(host.fn == count_up && host.data == &calls);
	DO(cu.GraphInstantiate(&exec, graph, 0));
	kernel.params = STEP_PARAMETERS(words, other, other, n);
	DO(cuGraphExecKernelNodeSetParams_v2(exec, nodes[1], &kernel));
	DO(cu.GraphLaunch(exec, stream));
	DO(cu.StreamSynchronize(stream));
	if (!words_are(to, 12))
		return false;
	THAT(calls == 1);
	DO(cu.GraphExecDestroy(exec));
	DO(cu.GraphDestroy(graph));
	DO(cu.MemFree(words));
	DO(cu.MemFree(to));
	DO(cu.StreamDestroy(stream));
	return true;
}

/* A kernel of a library, launched as such: its node names a function. */
static bool captured_kernel(void)
{
	BIND(cuGraphKernelNodeGetParams_v2, CUgraphNode, struct kernel_params *);
	BIND(cuGraphAddKernelNode_v2, CUgraphNode *, CUgraph, const CUgraphNode *, size_t, const struct kernel_params *);
	extern const char kernels_ptx[];
	unsigned int factor = 3, addend = 1;
	int n = GRAPH_WORDS;
	struct kernel_params seen = { 0 }, by_kernel;
	CUfunction function;
	CUdeviceptr words;
	CUgraphNode node, added;
	CUlibrary library;
	CUkernel kernel;
	CUstream stream;
	CUgraph graph;
	size_t count = 1;

	USE_DEVICE;
	DO(cu.StreamCreate(&stream, CU_STREAM_NON_BLOCKING));
	DO(cu.MemAlloc(&words, GRAPH_WORDS * 4));
	DO(cu.MemsetD32(words, 5, GRAPH_WORDS));
	DO(cu.CtxSynchronize());
	DO(cu.LibraryLoadData(&library, kernels_ptx, NULL, NULL, 0, NULL, NULL, 0));
	DO(cu.LibraryGetKernel(&kernel, library, "step"));
	DO(cu.StreamBeginCapture(stream, CU_STREAM_CAPTURE_MODE_RELAXED));
	DO(launch_1d((CUfunction)kernel, GRAPH_WORDS, stream, PARAMETERS(&words, &factor, &addend, &n)));
	DO(cu.StreamEndCapture(stream, &graph));
	DO(cu.GraphGetNodes(graph, &node, &count));
	DO(cuGraphKernelNodeGetParams_v2(node, &seen));
	DO(cu.KernelGetFunction(&function, kernel));
	check_note("func %s, kern %s", seen.func == function ? "the kernel's" : seen.func ? "another" : "null",
		   seen.kern == kernel ? "the kernel" : seen.kern ? "another" : "null");
	THAT(*(unsigned int *)seen.params[1] == 3);
	by_kernel = (struct kernel_params){ .kern = kernel, .grid = { 2, 1, 1 }, .block = { 128, 1, 1 },
					    .params = STEP_PARAMETERS(words, factor, addend, n), .ctx = context };
	DO(cuGraphAddKernelNode_v2(&added, graph, &node, 1, &by_kernel));
	memset(&seen, 0, sizeof(seen));
	DO(cuGraphKernelNodeGetParams_v2(added, &seen));
	check_note("func %s, kern %s, ctx %s", seen.func == function ? "the kernel's" : seen.func ? "another" : "null",
		   seen.kern == kernel ? "the kernel" : seen.kern ? "another" : "null",
		   seen.ctx == context ? "current" : seen.ctx ? "other" : "null");
	DO(run_graph(graph, stream));
	if (!words_are(words, (5 * 3 + 1) * 3 + 1))
		return false;
	DO(cu.GraphDestroy(graph));
	DO(cu.LibraryUnload(library));
	DO(cu.MemFree(words));
	DO(cu.StreamDestroy(stream));
	return true;
}

static bool into_a_graph(void)
{
	BIND(cuStreamBeginCaptureToGraph, CUstream, CUgraph, const CUgraphNode *, const edge_data *, size_t, int);
	BIND(cuGraphAddMemsetNode, CUgraphNode *, CUgraph, const CUgraphNode *, size_t, const struct memset_params *, CUcontext);
	BIND(cuGraphNodeGetDependencies, CUgraphNode, CUgraphNode *, size_t *);
	BIND(cuStreamGetCaptureInfo_v2, CUstream, int *, unsigned long long *, CUgraph *, const CUgraphNode **, size_t *);
	unsigned int factor = 3, addend = 1;
	int n = GRAPH_WORDS, status = -1;
	CUgraph graph, ended = NULL, seen = NULL;
	const CUgraphNode *after;
	struct memset_params fill;
	CUgraphNode set, nodes[4], before;
	CUdeviceptr words;
	CUstream stream;
	size_t count = 4;

	USE_DEVICE;
	DO(cu.StreamCreate(&stream, CU_STREAM_NON_BLOCKING));
	DO(cu.MemAlloc(&words, GRAPH_WORDS * 4));
	fill = (struct memset_params){ .dst = words, .value = 5, .element = 4, .width = GRAPH_WORDS, .height = 1 };
	DO(cu.GraphCreate(&graph, 0));
	DO(cuGraphAddMemsetNode(&set, graph, NULL, 0, &fill, context));
	DO(cuStreamBeginCaptureToGraph(stream, graph, &set, NULL, 1, CU_STREAM_CAPTURE_MODE_GLOBAL));
	DO(cuStreamGetCaptureInfo_v2(stream, &status, NULL, &seen, &after, &count));
	THAT(status == CU_STREAM_CAPTURE_STATUS_ACTIVE && seen == graph && count == 1 && after[0] == set);
	DO(launch_1d(kernels.step, GRAPH_WORDS, stream, PARAMETERS(&words, &factor, &addend, &n)));
	DO(cu.StreamEndCapture(stream, &ended));
	THAT(ended == graph);
	count = 4;
	DO(cu.GraphGetNodes(graph, nodes, &count));
	THAT(count == 2 && nodes[0] == set);
	count = 1;
	DO(cuGraphNodeGetDependencies(nodes[1], &before, &count));
	THAT(count == 1 && before == set);
	DO(run_graph(graph, stream));
	if (!words_are(words, 16))
		return false;
	CODE(cuStreamBeginCaptureToGraph(stream, NULL, NULL, NULL, 0, CU_STREAM_CAPTURE_MODE_GLOBAL));
	CODE(cuStreamBeginCaptureToGraph(stream, graph, NULL, NULL, 1, CU_STREAM_CAPTURE_MODE_GLOBAL));

	/* a broken capture takes the graph with it */
	DO(cuStreamBeginCaptureToGraph(stream, graph, &nodes[1], NULL, 1, CU_STREAM_CAPTURE_MODE_RELAXED));
	RESULT(CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, cu.StreamSynchronize(stream));
	RESULT(CUDA_ERROR_STREAM_CAPTURE_INVALIDATED, cu.StreamEndCapture(stream, &ended));
	check_note("graph %s", ended == graph ? "returned" : ended ? "another" : "null");
	NOTE(cu.GraphGetNodes(graph, NULL, &count));
	DO(cu.MemFree(words));
	DO(cu.StreamDestroy(stream));
	return true;
}

/* Events recorded and waited for by nodes, not by the capture. */
static bool external_events(void)
{
	BIND(cuEventRecordWithFlags, CUevent, CUstream, unsigned int);
	BIND(cuGraphNodeGetType, CUgraphNode, int *);
	BIND(cuGraphEventRecordNodeGetEvent, CUgraphNode, CUevent *);
	CUevent before, after, seen = NULL;
	CUgraphNode nodes[4];
	CUgraphExec exec;
	CUstream stream;
	CUgraph graph;
	size_t count = 4;
	int type = -1;

	USE_DEVICE;
	DO(cu.StreamCreate(&stream, CU_STREAM_NON_BLOCKING));
	DO(cu.EventCreate(&before, CU_EVENT_DISABLE_TIMING));
	DO(cu.EventCreate(&after, CU_EVENT_DISABLE_TIMING));
	DO(cu.EventRecord(before, stream));
	DO(cu.StreamBeginCapture(stream, CU_STREAM_CAPTURE_MODE_RELAXED));
	DO(cu.StreamWaitEvent(stream, before, 1));
	DO(launch_1d(kernels.empty, 1, stream, NULL));
	DO(cuEventRecordWithFlags(after, stream, 1));
	DO(cu.StreamEndCapture(stream, &graph));
	DO(cu.GraphGetNodes(graph, nodes, &count));
	THAT(count == 3);
	DO(cuGraphNodeGetType(nodes[0], &type));
	THAT(type == NODE_WAIT_EVENT);
	DO(cuGraphNodeGetType(nodes[2], &type));
	THAT(type == NODE_EVENT_RECORD);
	DO(cuGraphEventRecordNodeGetEvent(nodes[2], &seen));
	THAT(seen == after);
	DO(cu.EventQuery(after));
	DO(cu.GraphInstantiate(&exec, graph, 0));
	DO(cu.GraphLaunch(exec, stream));
	DO(cu.EventSynchronize(after));
	DO(cu.EventQuery(after));
	DO(cu.StreamWaitEvent(stream, after, 0));
	DO(cu.StreamSynchronize(stream));
	DO(cu.GraphExecDestroy(exec));
	DO(cu.GraphDestroy(graph));
	DO(cu.EventDestroy(before));
	DO(cu.EventDestroy(after));
	DO(cu.StreamDestroy(stream));
	return true;
}

/* A graph launched in a capture becomes one node. */
static bool captured_launch(void)
{
	BIND(cuGraphAddKernelNode_v2, CUgraphNode *, CUgraph, const CUgraphNode *, size_t, const struct kernel_params *);
	unsigned int factor = 3, addend = 1;
	struct kernel_params kernel;
	int n = GRAPH_WORDS, status;
	CUgraph inner, outer;
	CUdeviceptr words;
	CUgraphExec exec;
	CUgraphNode node;
	CUstream stream;

	USE_DEVICE;
	DO(cu.StreamCreate(&stream, CU_STREAM_NON_BLOCKING));
	DO(cu.MemAlloc(&words, GRAPH_WORDS * 4));
	DO(cu.MemsetD32(words, 5, GRAPH_WORDS));
	DO(cu.CtxSynchronize());
	kernel = STEP_NODE(STEP_PARAMETERS(words, factor, addend, n));
	DO(cu.GraphCreate(&inner, 0));
	DO(cuGraphAddKernelNode_v2(&node, inner, NULL, 0, &kernel));
	DO(cu.GraphInstantiate(&exec, inner, 0));
	DO(cu.StreamBeginCapture(stream, CU_STREAM_CAPTURE_MODE_RELAXED));
	CODE(cu.GraphLaunch(exec, stream));
	DO(cu.StreamIsCapturing(stream, &status));
	check_note("(%d)", status);
	CODE(cu.StreamEndCapture(stream, &outer));
	/* not captured, it runs */
	DO(cu.GraphLaunch(exec, stream));
	DO(cu.StreamSynchronize(stream));
	if (!words_are(words, 5 * 3 + 1))
		return false;
	DO(cu.GraphExecDestroy(exec));
	DO(cu.GraphDestroy(inner));
	DO(cu.MemFree(words));
	DO(cu.StreamDestroy(stream));
	return true;
}

static const struct check checks[] = {
	{ "info", info },
	{ "captured_nodes", captured_nodes },
	{ "captured_kernel", captured_kernel },
	{ "into_a_graph", into_a_graph },
	{ "external_events", external_events },
	{ "captured_launch", captured_launch },
};
const struct check_group graph_capture_family = GROUP("graph_capture", checks);
