/* SPDX-License-Identifier: Apache-2.0 */
/* Graphs that allocate, and graphs with conditions. A device that has neither says so. */
#include "graph_abi.h"

#define MIB (1024ull * 1024)

struct access {
	struct location location;
	int flags;
};

static CUresult get_attribute(int attribute, unsigned long long *value)
{
	BIND(cuDeviceGetGraphMemAttribute, CUdevice, int, void *);

	return cuDeviceGetGraphMemAttribute(device, attribute, value);
}

static bool allocations(void)
{
	BIND(cuGraphAddMemAllocNode, CUgraphNode *, CUgraph, const CUgraphNode *, size_t, struct alloc_params *);
	BIND(cuGraphMemAllocNodeGetParams, CUgraphNode, struct alloc_params *);
	BIND(cuGraphAddMemFreeNode, CUgraphNode *, CUgraph, const CUgraphNode *, size_t, CUdeviceptr);
	BIND(cuGraphMemFreeNodeGetParams, CUgraphNode, CUdeviceptr *);
	BIND(cuGraphAddMemsetNode, CUgraphNode *, CUgraph, const CUgraphNode *, size_t, const struct memset_params *, CUcontext);
	BIND(cuGraphAddMemcpyNode, CUgraphNode *, CUgraph, const CUgraphNode *, size_t, const struct memcpy_3d *, CUcontext);
	BIND(cuGraphClone, CUgraph *, CUgraph);
	BIND(cuGraphDestroyNode, CUgraphNode);
	BIND(cuDeviceGraphMemTrim, CUdevice);
	BIND(cuDeviceSetGraphMemAttribute, CUdevice, int, void *);
	struct access access = { { 1, 0 }, 3 };
	struct alloc_params p = { .alloc_type = 1, .location = { 1, 0 }, .access = &access, .access_count = 1, .bytes = 4 * MIB }, seen;
	unsigned long long used = 0, reserved = 0, high = 0, zero = 0;
	CUgraphNode alloc, fill, copy, release;
	CUdeviceptr words, freed = 0;
	struct memset_params set;
	struct memcpy_3d transfer;
	CUgraphExec exec, second;
	CUgraph graph, clone;
	CUstream stream;
	int result;

	USE_DEVICE;
	DO(cu.StreamCreate(&stream, CU_STREAM_NON_BLOCKING));
	DO(cu.MemAlloc(&words, GRAPH_WORDS * 4));
	DO(cu.GraphCreate(&graph, 0));
	result = cuGraphAddMemAllocNode(&alloc, graph, NULL, 0, &p);
	if (result == NOT_SUPPORTED) {
		check_note("not supported");
		DO(cu.GraphDestroy(graph));
		DO(cu.MemFree(words));
		DO(cu.StreamDestroy(stream));
		return true;
	}
	DO(result);
	THAT(p.address);
	memset(&seen, 0xff, sizeof(seen));
	DO(cuGraphMemAllocNodeGetParams(alloc, &seen));
	THAT(seen.address == p.address && seen.bytes == 4 * MIB && seen.location.type == 1 && seen.location.id == 0);
	check_note("%zu access descriptors", seen.access_count);
	if (seen.access_count)
		THAT(seen.access && ((const struct access *)seen.access)->location.id == 0);
	set = (struct memset_params){ .dst = p.address, .value = 7, .element = 4, .width = GRAPH_WORDS, .height = 1 };
	DO(cuGraphAddMemsetNode(&fill, graph, &alloc, 1, &set, context));
	transfer = (struct memcpy_3d){ .src = { .type = TYPE_DEVICE, .device = p.address },
				       .dst = { .type = TYPE_DEVICE, .device = words }, .width = GRAPH_WORDS * 4,
				       .height = 1, .depth = 1 };
	DO(cuGraphAddMemcpyNode(&copy, graph, &fill, 1, &transfer, context));
	DO(cuGraphAddMemFreeNode(&release, graph, &copy, 1, p.address));
	DO(cuGraphMemFreeNodeGetParams(release, &freed));
	THAT(freed == p.address);
	CODE(cuGraphAddMemFreeNode(&release, graph, &copy, 1, p.address));
	CODE(cuGraphAddMemFreeNode(&release, graph, &copy, 1, words));
	CODE(cuGraphClone(&clone, graph));
	CODE(cuGraphDestroyNode(alloc));
	DO(cu.GraphInstantiate(&exec, graph, 0));
	CODE(cu.GraphInstantiate(&second, graph, 0));	/* one at a time */
	for (int i = 0; i < 3; i++)
		DO(cu.GraphLaunch(exec, stream));
	DO(cu.StreamSynchronize(stream));
	if (!words_are(words, 7))
		return false;
	DO(get_attribute(0, &used));
	DO(get_attribute(1, &high));
	DO(get_attribute(2, &reserved));
	THAT(high >= 4 * MIB && reserved >= 4 * MIB);
	check_note("used %llu", used);
	DO(cu.GraphExecDestroy(exec));
	DO(cu.GraphDestroy(graph));
	DO(cuDeviceGraphMemTrim(device));
	DO(get_attribute(2, &reserved));
	check_note("after trim %llu", reserved);
	DO(cuDeviceSetGraphMemAttribute(device, 1, &zero));
	DO(get_attribute(1, &high));
	check_note("watermark %llu", high);
	CODE(cuDeviceSetGraphMemAttribute(device, 0, &zero));
	CODE(get_attribute(9, &used));
	DO(cu.MemFree(words));
	DO(cu.StreamDestroy(stream));
	return true;
}

/* Memory that outlives the launch, and is freed by the program. */
static bool kept_allocation(void)
{
	BIND(cuGraphAddMemAllocNode, CUgraphNode *, CUgraph, const CUgraphNode *, size_t, struct alloc_params *);
	BIND(cuDeviceGraphMemTrim, CUdevice);
	struct alloc_params p = { .alloc_type = 1, .location = { 1, 0 }, .bytes = GRAPH_WORDS * 4 };
	CUgraphNode alloc;
	CUgraphExec exec;
	CUstream stream;
	CUgraph graph;
	int result;

	USE_DEVICE;
	DO(cu.StreamCreate(&stream, CU_STREAM_NON_BLOCKING));
	DO(cu.GraphCreate(&graph, 0));
	result = cuGraphAddMemAllocNode(&alloc, graph, NULL, 0, &p);
	if (result == NOT_SUPPORTED) {
		check_note("not supported");
		DO(cu.GraphDestroy(graph));
		DO(cu.StreamDestroy(stream));
		return true;
	}
	DO(result);
	DO(cu.GraphInstantiate(&exec, graph, 0));
	DO(cu.GraphLaunch(exec, stream));
	DO(cu.MemsetD32Async(p.address, 3, GRAPH_WORDS, stream));
	DO(cu.StreamSynchronize(stream));
	if (!words_are(p.address, 3))
		return false;
	NOTE(cu.GraphLaunch(exec, stream));	/* not freed yet */
	NOTE(cu.StreamSynchronize(stream));
	DO(cu.MemFreeAsync(p.address, stream));
	DO(cu.GraphLaunch(exec, stream));
	DO(cu.StreamSynchronize(stream));
	DO(cu.MemsetD32(p.address, 4, GRAPH_WORDS));
	if (!words_are(p.address, 4))
		return false;
	DO(cu.MemFree(p.address));
	NOTE(cu.MemFree(p.address));
	DO(cu.GraphExecDestroy(exec));
	DO(cu.GraphDestroy(graph));
	DO(cuDeviceGraphMemTrim(device));
	DO(cu.StreamDestroy(stream));
	return true;
}

static bool conditional_nodes(void)
{
	BIND(cuGraphConditionalHandleCreate, unsigned long long *, CUgraph, CUcontext, unsigned int, unsigned int);
	BIND(cuGraphAddNode_v2, CUgraphNode *, CUgraph, const CUgraphNode *, const edge_data *, size_t, struct node_params *);
	BIND(cuGraphAddKernelNode_v2, CUgraphNode *, CUgraph, const CUgraphNode *, size_t, const struct kernel_params *);
	BIND(cuGraphNodeGetType, CUgraphNode, int *);
	BIND(cuGraphClone, CUgraph *, CUgraph);
	unsigned int factor = 3, addend = 1;
	int n = GRAPH_WORDS, type = -1, result;
	unsigned long long taken = 0, skipped = 0;
	struct kernel_params kernel;
	CUgraphNode first, second, node;
	struct node_params p;
	CUgraph graph, clone;
	CUdeviceptr words;
	CUstream stream;

	USE_DEVICE;
	DO(cu.StreamCreate(&stream, CU_STREAM_NON_BLOCKING));
	DO(cu.MemAlloc(&words, GRAPH_WORDS * 4));
	DO(cu.MemsetD32(words, 5, GRAPH_WORDS));
	DO(cu.CtxSynchronize());
	kernel = STEP_NODE(STEP_PARAMETERS(words, factor, addend, n));
	DO(cu.GraphCreate(&graph, 0));
	result = cuGraphConditionalHandleCreate(&taken, graph, context, 1, 1);
	if (result == NOT_SUPPORTED) {
		check_note("not supported");
		DO(cu.GraphDestroy(graph));
		DO(cu.MemFree(words));
		DO(cu.StreamDestroy(stream));
		return true;
	}
	DO(result);
	DO(cuGraphConditionalHandleCreate(&skipped, graph, context, 0, 1));
	p = (struct node_params){ .type = NODE_CONDITIONAL, .conditional = { .handle = taken, .type = 0, .size = 1, .ctx = context } };
	DO(cuGraphAddNode_v2(&first, graph, NULL, NULL, 0, &p));
	THAT(p.conditional.graphs && p.conditional.graphs[0]);
	DO(cuGraphAddKernelNode_v2(&node, p.conditional.graphs[0], NULL, 0, &kernel));
	DO(cuGraphNodeGetType(first, &type));
	THAT(type == NODE_CONDITIONAL);
	p = (struct node_params){ .type = NODE_CONDITIONAL, .conditional = { .handle = skipped, .type = 0, .size = 2, .ctx = context } };
	DO(cuGraphAddNode_v2(&second, graph, &first, NULL, 1, &p));
	THAT(p.conditional.graphs[0] && p.conditional.graphs[1] && p.conditional.graphs[0] != p.conditional.graphs[1]);
	DO(cuGraphAddKernelNode_v2(&node, p.conditional.graphs[0], NULL, 0, &kernel));
	kernel.params[1] = &addend;
	DO(cuGraphAddKernelNode_v2(&node, p.conditional.graphs[1], NULL, 0, &kernel));
	DO(run_graph(graph, stream));
	if (!words_are(words, 5 * 3 + 1 + 1))	/* the first body, then the second node's otherwise */
		return false;
	CODE(cuGraphClone(&clone, graph));
	CODE(cu.GraphDestroy(p.conditional.graphs[0]));
	DO(cu.GraphDestroy(graph));
	CODE(cuGraphConditionalHandleCreate(NULL, NULL, context, 1, 1));
	DO(cu.MemFree(words));
	DO(cu.StreamDestroy(stream));
	return true;
}

static const struct check checks[] = {
	{ "allocations", allocations },
	{ "kept_allocation", kept_allocation },
	{ "conditional_nodes", conditional_nodes },
};
const struct check_group graph_memory_family = GROUP("graph_memory", checks);
