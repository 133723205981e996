/* SPDX-License-Identifier: Apache-2.0 */
/* Executable graphs, what they keep alive, host, event and memory operation nodes, captures as graphs. */
#include "graph_abi.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* Waits up to 10 s. */
static bool becomes(_Atomic int *what, int value)
{
	for (int i = 0; i < 10000 && atomic_load(what) != value; i++)
		usleep(1000);
	return atomic_load(what) == value;
}

static void count_up(void *counter)
{
	atomic_fetch_add((_Atomic int *)counter, 1);
}

static bool instantiate_results(void)
{
	BIND(cuGraphInstantiateWithParams, CUgraphExec *, CUgraph, struct instantiate_params *);
	BIND(cuGraphInstantiateWithFlags, CUgraphExec *, CUgraph, unsigned long long);
	BIND(cuGraphInstantiate, CUgraphExec *, CUgraph, CUgraphNode *, char *, size_t);
	BIND(cuGraphInstantiate_v2, CUgraphExec *, CUgraph, CUgraphNode *, char *, size_t);
	BIND(cuGraphUpload, CUgraphExec, CUstream);
	BIND(cuGraphExecGetFlags, CUgraphExec, unsigned long long *);
	BIND(cuGraphAddEmptyNode, CUgraphNode *, CUgraph, const CUgraphNode *, size_t);
	BIND(cuGraphAddDependencies, CUgraph, const CUgraphNode *, const CUgraphNode *, size_t);
	struct instantiate_params p = { 0 };
	unsigned long long flags = 99;
	CUgraphNode a, b, bad = NULL;
	char log[64] = "untouched";
	CUgraphExec exec = NULL;
	CUstream stream;
	CUgraph graph;

	USE_DEVICE;
	DO(cu.StreamCreate(&stream, CU_STREAM_NON_BLOCKING));
	DO(cu.GraphCreate(&graph, 0));
	DO(cuGraphAddEmptyNode(&a, graph, NULL, 0));
	DO(cuGraphAddEmptyNode(&b, graph, &a, 1));
	p.flags = 2 | 8;
	p.upload = stream;
	p.result = 77;
	DO(cuGraphInstantiateWithParams(&exec, graph, &p));
	THAT(p.result == 0 && !p.node);
	DO(cuGraphExecGetFlags(exec, &flags));
	check_note("flags %llu", flags);
	DO(cu.GraphLaunch(exec, stream));
	DO(cu.StreamSynchronize(stream));
	DO(cu.GraphExecDestroy(exec));
	DO(cuGraphInstantiate(&exec, graph, NULL, NULL, 0));
	DO(cuGraphUpload(exec, stream));
	DO(cu.GraphLaunch(exec, stream));
	DO(cu.StreamSynchronize(stream));
	CODE(cuGraphUpload(NULL, stream));
	DO(cu.GraphExecDestroy(exec));
	NOTE(cuGraphInstantiateWithFlags(&exec, graph, 2));
	for (unsigned int wanted = 1; wanted <= 8; wanted <<= 3) {
		DO(cuGraphInstantiateWithFlags(&exec, graph, wanted));
		DO(cuGraphExecGetFlags(exec, &flags));
		check_note("%u as %llu", wanted, flags);
		DO(cu.GraphExecDestroy(exec));
	}
	p.flags = 8;
	DO(cuGraphInstantiateWithParams(&exec, graph, &p));
	DO(cuGraphExecGetFlags(exec, &flags));
	check_note("%llu", flags);
	DO(cu.GraphExecDestroy(exec));
	CODE(cuGraphInstantiateWithFlags(&exec, graph, 1 << 20));
	CODE(cuGraphInstantiateWithParams(&exec, graph, NULL));

	/* a cycle */
	NOTE(cuGraphAddDependencies(graph, &b, &a, 1));
	p.flags = 0;
	p.result = 77;
	CODE(cuGraphInstantiateWithParams(&exec, graph, &p));
	check_note("result %u, node %s", p.result, p.node == a ? "a" : p.node == b ? "b" : p.node ? "another" : "null");
	CODE(cuGraphInstantiate_v2(&exec, graph, &bad, log, sizeof(log)));
	check_note("node %s", bad == a ? "a" : bad == b ? "b" : bad ? "another" : "null");
	CODE(cuGraphInstantiate(&exec, graph, &bad, log, sizeof(log)));
	DO(cu.GraphDestroy(graph));
	DO(cu.StreamDestroy(stream));
	return true;
}

/* Why an update is refused, and which node is to blame. */
static bool update_results(void)
{
	BIND(cuGraphAddKernelNode_v2, CUgraphNode *, CUgraph, const CUgraphNode *, size_t, const struct kernel_params *);
	BIND(cuGraphAddMemsetNode, CUgraphNode *, CUgraph, const CUgraphNode *, size_t, const struct memset_params *, CUcontext);
	BIND(cuGraphAddEmptyNode, CUgraphNode *, CUgraph, const CUgraphNode *, size_t);
	BIND(cuGraphExecUpdate, CUgraphExec, CUgraph, CUgraphNode *, int *);
	unsigned int factor = 3, addend = 1;
	int n = GRAPH_WORDS, outcome = -1;
	struct memset_params fill;
	struct kernel_params kernel;
	CUgraphExecUpdateResultInfo info;
	CUgraph graph, other;
	CUgraphNode a, b, bad;
	CUgraphExec exec;
	CUdeviceptr words;

	USE_DEVICE;
	DO(cu.MemAlloc(&words, GRAPH_WORDS * 4));
	kernel = STEP_NODE(STEP_PARAMETERS(words, factor, addend, n));
	fill = (struct memset_params){ .dst = words, .value = 5, .element = 4, .width = GRAPH_WORDS, .height = 1 };
	DO(cu.GraphCreate(&graph, 0));
	DO(cuGraphAddMemsetNode(&a, graph, NULL, 0, &fill, context));
	DO(cuGraphAddKernelNode_v2(&b, graph, &a, 1, &kernel));
	DO(cu.GraphInstantiate(&exec, graph, 0));

	/* the same shape */
	DO(cu.GraphCreate(&other, 0));
	DO(cuGraphAddMemsetNode(&a, other, NULL, 0, &fill, context));
	DO(cuGraphAddKernelNode_v2(&b, other, &a, 1, &kernel));
	DO(cu.GraphExecUpdate(exec, other, &info));
	THAT(info.result == 0);
	bad = a;
	DO(cuGraphExecUpdate(exec, other, &bad, &outcome));
	THAT(outcome == 0);
	DO(cu.GraphDestroy(other));

	/* another type of node */
	DO(cu.GraphCreate(&other, 0));
	DO(cuGraphAddMemsetNode(&a, other, NULL, 0, &fill, context));
	DO(cuGraphAddEmptyNode(&b, other, &a, 1));
	CODE(cu.GraphExecUpdate(exec, other, &info));
	check_note("result %d, node %s", (int)info.result,
		   info.node == a ? "a" : info.node == b ? "b" : info.node ? "another" : "null");
	CODE(cuGraphExecUpdate(exec, other, &bad, &outcome));
	check_note("result %d, node %s", outcome, bad == a ? "a" : bad == b ? "b" : bad ? "another" : "null");
	DO(cu.GraphDestroy(other));

	/* other dependencies */
	DO(cu.GraphCreate(&other, 0));
	DO(cuGraphAddMemsetNode(&a, other, NULL, 0, &fill, context));
	DO(cuGraphAddKernelNode_v2(&b, other, NULL, 0, &kernel));
	CODE(cu.GraphExecUpdate(exec, other, &info));
	check_note("result %d", (int)info.result);
	DO(cu.GraphDestroy(other));

	/* another number of nodes */
	DO(cu.GraphCreate(&other, 0));
	DO(cuGraphAddMemsetNode(&a, other, NULL, 0, &fill, context));
	CODE(cu.GraphExecUpdate(exec, other, &info));
	check_note("result %d, node %s", (int)info.result, info.node ? "set" : "null");
	DO(cu.GraphDestroy(other));
	DO(cu.GraphExecDestroy(exec));
	DO(cu.GraphDestroy(graph));
	DO(cu.MemFree(words));
	return true;
}

static bool host_nodes(void)
{
	BIND(cuGraphAddHostNode, CUgraphNode *, CUgraph, const CUgraphNode *, size_t, const struct host_params *);
	BIND(cuGraphHostNodeGetParams, CUgraphNode, struct host_params *);
	BIND(cuGraphHostNodeSetParams, CUgraphNode, const struct host_params *);
	BIND(cuGraphExecHostNodeSetParams, CUgraphExec, CUgraphNode, const struct host_params *);
	_Atomic int first = 0, second = 0, third = 0;
	struct host_params p = { count_up, &first }, seen = { 0 };
	CUgraphExec exec;
	CUgraphNode node;
	CUstream stream;
	CUgraph graph;

	USE_DEVICE;
	DO(cu.StreamCreate(&stream, CU_STREAM_NON_BLOCKING));
	DO(cu.GraphCreate(&graph, 0));
	DO(cuGraphAddHostNode(&node, graph, NULL, 0, &p));
	DO(cuGraphHostNodeGetParams(node, &seen));
	THAT(seen.fn == count_up && seen.data == &first);
	DO(cu.GraphInstantiate(&exec, graph, 0));
	for (int i = 0; i < 3; i++)
		DO(cu.GraphLaunch(exec, stream));
	DO(cu.StreamSynchronize(stream));
	THAT(first == 3);
	p.data = &second;
	DO(cuGraphExecHostNodeSetParams(exec, node, &p));
	DO(cu.GraphLaunch(exec, stream));
	DO(cu.StreamSynchronize(stream));
	THAT(first == 3 && second == 1);
	p.data = &third;
	DO(cuGraphHostNodeSetParams(node, &p));
	DO(run_graph(graph, stream));
	THAT(third == 1);
	p.fn = NULL;
	CODE(cuGraphHostNodeSetParams(node, &p));
	DO(cu.GraphDestroy(graph));
	DO(cu.GraphLaunch(exec, stream));	/* the executable graph lives on */
	DO(cu.StreamSynchronize(stream));
	THAT(second == 2);
	DO(cu.GraphExecDestroy(exec));
	DO(cu.StreamDestroy(stream));
	return true;
}

static bool event_nodes(void)
{
	BIND(cuGraphAddEventRecordNode, CUgraphNode *, CUgraph, const CUgraphNode *, size_t, CUevent);
	BIND(cuGraphAddEventWaitNode, CUgraphNode *, CUgraph, const CUgraphNode *, size_t, CUevent);
	BIND(cuGraphEventRecordNodeGetEvent, CUgraphNode, CUevent *);
	BIND(cuGraphEventRecordNodeSetEvent, CUgraphNode, CUevent);
	BIND(cuGraphEventWaitNodeGetEvent, CUgraphNode, CUevent *);
	BIND(cuGraphEventWaitNodeSetEvent, CUgraphNode, CUevent);
	BIND(cuGraphExecEventRecordNodeSetEvent, CUgraphExec, CUgraphNode, CUevent);
	BIND(cuGraphExecEventWaitNodeSetEvent, CUgraphExec, CUgraphNode, CUevent);
	BIND(cuGraphAddKernelNode_v2, CUgraphNode *, CUgraph, const CUgraphNode *, size_t, const struct kernel_params *);
	unsigned long long bound = 3000000000ull;
	CUgraphNode held, record, wait;
	CUevent early, late, seen = NULL;
	CUstream stream, other;
	unsigned int *gate;
	struct kernel_params kernel;
	CUgraphExec exec;
	CUgraph graph;
	float elapsed = -1;

	USE_DEVICE;
	DO(cu.StreamCreate(&stream, CU_STREAM_NON_BLOCKING));
	DO(cu.StreamCreate(&other, CU_STREAM_NON_BLOCKING));
	DO(cu.EventCreate(&early, CU_EVENT_DEFAULT));
	DO(cu.EventCreate(&late, CU_EVENT_DEFAULT));
	DO(cu.MemHostAlloc((void **)&gate, 4, 0));
	*gate = 0;
	kernel = (struct kernel_params){ .func = kernels.wait_for_gate, .grid = { 1, 1, 1 }, .block = { 1, 1, 1 },
					 .params = PARAMETERS(&gate, &bound) };
	DO(cu.GraphCreate(&graph, 0));
	DO(cuGraphAddEventWaitNode(&wait, graph, NULL, 0, early));
	DO(cuGraphAddKernelNode_v2(&held, graph, &wait, 1, &kernel));
	DO(cuGraphAddEventRecordNode(&record, graph, &held, 1, late));
	DO(cuGraphEventRecordNodeGetEvent(record, &seen));
	THAT(seen == late);
	DO(cuGraphEventWaitNodeGetEvent(wait, &seen));
	THAT(seen == early);
	DO(cu.GraphInstantiate(&exec, graph, 0));
	DO(cu.EventRecord(early, other));
	DO(cu.EventRecord(late, other));
	DO(cu.StreamSynchronize(other));
	DO(cu.GraphLaunch(exec, stream));
	RESULT(CUDA_ERROR_NOT_READY, cu.EventQuery(late));	/* not what the stream recorded, but the graph */
	DO(cu.StreamWaitEvent(other, late, 0));
	RESULT(CUDA_ERROR_NOT_READY, cu.StreamQuery(other));
	*(volatile unsigned int *)gate = 1;
	DO(cu.EventSynchronize(late));
	DO(cu.EventQuery(late));
	DO(cu.StreamSynchronize(other));
	DO(cu.EventElapsedTime(&elapsed, early, late));
	THAT(elapsed >= 0);

	DO(cuGraphExecEventRecordNodeSetEvent(exec, record, early));
	DO(cuGraphExecEventWaitNodeSetEvent(exec, wait, late));
	DO(cu.GraphLaunch(exec, stream));
	DO(cu.EventSynchronize(early));
	DO(cuGraphEventRecordNodeSetEvent(record, early));
	DO(cuGraphEventRecordNodeGetEvent(record, &seen));
	THAT(seen == early);
	DO(cuGraphEventWaitNodeSetEvent(wait, late));
	CODE(cuGraphEventWaitNodeGetEvent(record, &seen));
	CODE(cuGraphEventWaitNodeSetEvent(record, late));
	CODE(cuGraphAddEventRecordNode(&record, graph, NULL, 0, NULL));
	DO(cu.GraphExecDestroy(exec));
	DO(cu.GraphDestroy(graph));
	DO(cu.EventDestroy(early));
	DO(cu.EventDestroy(late));
	DO(cu.MemFreeHost(gate));
	DO(cu.StreamDestroy(stream));
	DO(cu.StreamDestroy(other));
	return true;
}

static bool memop_nodes(void)
{
	BIND(cuGraphAddBatchMemOpNode, CUgraphNode *, CUgraph, const CUgraphNode *, size_t, const struct memop_params *);
	BIND(cuGraphBatchMemOpNodeGetParams, CUgraphNode, struct memop_params *);
	BIND(cuGraphBatchMemOpNodeSetParams, CUgraphNode, const struct memop_params *);
	BIND(cuGraphExecBatchMemOpNodeSetParams, CUgraphExec, CUgraphNode, const struct memop_params *);
	struct memop operations[2] = { { .operation = 2, .value = 11 }, { .operation = 5, .value = 22 } };
	struct memop_params p, seen = { 0 };
	unsigned int words[4] = { 0 };
	CUdeviceptr memory;
	CUgraphExec exec;
	CUgraphNode node;
	CUstream stream;
	CUgraph graph;

	USE_DEVICE;
	DO(cu.StreamCreate(&stream, CU_STREAM_NON_BLOCKING));
	DO(cu.MemAlloc(&memory, 64));
	DO(cu.MemsetD32(memory, 0, 16));
	DO(cu.CtxSynchronize());
	operations[0].address = memory;
	operations[1].address = memory + 8;
	p = (struct memop_params){ context, 2, operations, 0 };
	DO(cu.GraphCreate(&graph, 0));
	DO(cuGraphAddBatchMemOpNode(&node, graph, NULL, 0, &p));
	DO(cuGraphBatchMemOpNodeGetParams(node, &seen));
	THAT(seen.count == 2 && seen.array && seen.array != operations && seen.array[0].operation == 2 &&
	     seen.array[1].value == 22 && seen.array[1].address == memory + 8);
	DO(cu.GraphInstantiate(&exec, graph, 0));
	DO(cu.GraphLaunch(exec, stream));
	DO(cu.StreamSynchronize(stream));
	DO(cu.MemcpyDtoH(words, memory, sizeof(words)));
	THAT(words[0] == 11 && words[1] == 0 && words[2] == 22);
	operations[0].value = 33;
	DO(cuGraphExecBatchMemOpNodeSetParams(exec, node, &p));
	DO(cu.GraphLaunch(exec, stream));
	DO(cu.StreamSynchronize(stream));
	DO(cu.MemcpyDtoH(words, memory, sizeof(words)));
	THAT(words[0] == 33);
	operations[1].value = 44;
	DO(cuGraphBatchMemOpNodeSetParams(node, &p));
	DO(run_graph(graph, stream));
	DO(cu.MemcpyDtoH(words, memory, sizeof(words)));
	THAT(words[2] == 44);
	p.count = 0;
	NOTE(cuGraphBatchMemOpNodeSetParams(node, &p));
	p.count = 2;
	p.array = NULL;
	CODE(cuGraphBatchMemOpNodeSetParams(node, &p));
	DO(cu.GraphExecDestroy(exec));
	DO(cu.GraphDestroy(graph));
	DO(cu.MemFree(memory));
	DO(cu.StreamDestroy(stream));
	return true;
}

static bool user_objects(void)
{
	BIND(cuUserObjectCreate, void **, void *, void (*)(void *), unsigned int, unsigned int);
	BIND(cuUserObjectRetain, void *, unsigned int);
	BIND(cuUserObjectRelease, void *, unsigned int);
	BIND(cuGraphRetainUserObject, CUgraph, void *, unsigned int, unsigned int);
	BIND(cuGraphReleaseUserObject, CUgraph, void *, unsigned int);
	BIND(cuGraphAddKernelNode_v2, CUgraphNode *, CUgraph, const CUgraphNode *, size_t, const struct kernel_params *);
	BIND(cuGraphClone, CUgraph *, CUgraph);
	unsigned long long bound = 3000000000ull;
	_Atomic int ended = 0, others = 0;
	struct kernel_params kernel;
	CUgraph graph, clone;
	void *object, *other;
	unsigned int *gate;
	CUgraphNode node;
	CUgraphExec exec;
	CUstream stream;

	USE_DEVICE;
	DO(cuUserObjectCreate(&object, &ended, count_up, 1, 1));
	DO(cuUserObjectRetain(object, 2));
	DO(cuUserObjectRelease(object, 2));
	usleep(20000);
	THAT(ended == 0);
	DO(cuUserObjectRelease(object, 1));
	THAT(becomes(&ended, 1));

	/* a graph, its clone, its executable graph and a launch under way keep it */
	DO(cu.StreamCreate(&stream, CU_STREAM_NON_BLOCKING));
	DO(cu.MemHostAlloc((void **)&gate, 4, 0));
	*gate = 0;
	kernel = (struct kernel_params){ .func = kernels.wait_for_gate, .grid = { 1, 1, 1 }, .block = { 1, 1, 1 },
					 .params = PARAMETERS(&gate, &bound) };
	DO(cu.GraphCreate(&graph, 0));
	DO(cuGraphAddKernelNode_v2(&node, graph, NULL, 0, &kernel));
	DO(cuUserObjectCreate(&object, &ended, count_up, 1, 1));
	DO(cuGraphRetainUserObject(graph, object, 1, 1));	/* moved */
	DO(cuGraphClone(&clone, graph));
	DO(cu.GraphDestroy(clone));
	DO(cu.GraphInstantiate(&exec, graph, 0));
	DO(cu.GraphDestroy(graph));
	DO(cu.GraphLaunch(exec, stream));
	DO(cu.GraphExecDestroy(exec));
	usleep(50000);
	THAT(ended == 1);
	*(volatile unsigned int *)gate = 1;
	DO(cu.StreamSynchronize(stream));
	THAT(becomes(&ended, 2));

	DO(cu.GraphCreate(&graph, 0));
	DO(cuUserObjectCreate(&other, &others, count_up, 2, 1));
	DO(cuGraphRetainUserObject(graph, other, 3, 0));
	DO(cuGraphReleaseUserObject(graph, other, 2));
	DO(cuUserObjectRelease(other, 2));
	usleep(20000);
	THAT(others == 0);
	DO(cu.GraphDestroy(graph));
	THAT(becomes(&others, 1));

	/* refusals */
	CODE(cuUserObjectCreate(&other, NULL, NULL, 1, 1));
	CODE(cuUserObjectCreate(&other, NULL, count_up, 0, 1));
	CODE(cuUserObjectCreate(&other, NULL, count_up, 1, 0));
	CODE(cuUserObjectCreate(NULL, NULL, count_up, 1, 1));
	CODE(cuUserObjectRetain(NULL, 1));
	DO(cu.MemFreeHost(gate));
	DO(cu.StreamDestroy(stream));
	return true;
}

static bool dot_print(void)
{
	BIND(cuGraphDebugDotPrint, CUgraph, const char *, unsigned int);
	BIND(cuGraphAddKernelNode_v2, CUgraphNode *, CUgraph, const CUgraphNode *, size_t, const struct kernel_params *);
	BIND(cuGraphAddEmptyNode, CUgraphNode *, CUgraph, const CUgraphNode *, size_t);
	char path[] = "/tmp/conformance-dot-XXXXXX", text[8192];
	struct kernel_params kernel = { .func = NULL, .grid = { 1, 1, 1 }, .block = { 1, 1, 1 } };
	CUgraphNode a, b;
	CUgraph graph;
	size_t size;
	FILE *file;
	int fd;

	USE_DEVICE;
	kernel.func = kernels.empty;
	DO(cu.GraphCreate(&graph, 0));
	DO(cuGraphAddKernelNode_v2(&a, graph, NULL, 0, &kernel));
	DO(cuGraphAddEmptyNode(&b, graph, &a, 1));
	fd = mkstemp(path);
	THAT(fd >= 0);
	close(fd);
	DO(cuGraphDebugDotPrint(graph, path, 1));
	file = fopen(path, "r");
	THAT(file);
	size = fread(text, 1, sizeof(text) - 1, file);
	text[size] = 0;
	fclose(file);
	unlink(path);
	THAT(strncmp(text, "digraph", 7) == 0 && strstr(text, "empty") && strstr(text, "->"));
	CODE(cuGraphDebugDotPrint(graph, "/nonexistent/directory/file", 0));
	CODE(cuGraphDebugDotPrint(graph, NULL, 0));
	NOTE(cuGraphDebugDotPrint(graph, "/dev/null", 1 << 30));
	DO(cu.GraphDestroy(graph));
	return true;
}

static const struct check checks[] = {
	{ "instantiate_results", instantiate_results },
	{ "update_results", update_results },
	{ "host_nodes", host_nodes },
	{ "event_nodes", event_nodes },
	{ "memop_nodes", memop_nodes },
	{ "user_objects", user_objects },
	{ "dot_print", dot_print },
};
const struct check_group graph_life_family = GROUP("graph_life", checks);
