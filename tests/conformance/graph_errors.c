/* SPDX-License-Identifier: Apache-2.0 */
/* Misuse of graphs: missing graphs and nodes, nodes that cannot be, executable graphs of the wrong kind. */
#include "graph_abi.h"

static void nothing(void *data)
{
	(void)data;
}

static bool graphs(void)
{
	BIND(cuGraphInstantiateWithFlags, CUgraphExec *, CUgraph, unsigned long long);
	BIND(cuGraphGetRootNodes, CUgraph, CUgraphNode *, size_t *);
	BIND(cuGraphClone, CUgraph *, CUgraph);
	CUgraph graph, other;
	CUgraphExec exec;
	CUgraphNode node;
	size_t count = 1;

	USE_DEVICE;
	NOTE(cu.GraphCreate(NULL, 0));
	NOTE(cu.GraphCreate(&graph, 1));
	NOTE(cu.GraphDestroy(NULL));
	NOTE(cu.GraphExecDestroy(NULL));
	NOTE(cu.GraphLaunch(NULL, NULL));
	DO(cu.GraphCreate(&graph, 0));
	NOTE(cu.GraphGetNodes(NULL, &node, &count));
	NOTE(cu.GraphGetNodes(graph, &node, NULL));
	NOTE(cuGraphGetRootNodes(NULL, &node, &count));
	NOTE(cuGraphGetRootNodes(graph, &node, NULL));
	NOTE(cuGraphClone(NULL, graph));
	NOTE(cuGraphClone(&other, NULL));
	NOTE(cuGraphInstantiateWithFlags(NULL, graph, 0));
	NOTE(cuGraphInstantiateWithFlags(&exec, NULL, 0));
	NOTE(cuGraphInstantiateWithFlags(NULL, NULL, 99));
	DO(cu.GraphInstantiate(&exec, graph, 0));	/* of nothing */
	NOTE(cu.GraphLaunch(exec, NULL));
	DO(cu.CtxSynchronize());
	DO(cu.GraphExecDestroy(exec));
	DO(cu.GraphDestroy(graph));
	return true;
}

static bool nodes(void)
{
	BIND(cuGraphAddEmptyNode, CUgraphNode *, CUgraph, const CUgraphNode *, size_t);
	BIND(cuGraphNodeGetType, CUgraphNode, int *);
	BIND(cuGraphNodeGetDependencies, CUgraphNode, CUgraphNode *, size_t *);
	BIND(cuGraphNodeGetDependentNodes, CUgraphNode, CUgraphNode *, size_t *);
	BIND(cuGraphNodeFindInClone, CUgraphNode *, CUgraphNode, CUgraph);
	BIND(cuGraphDestroyNode, CUgraphNode);
	CUgraphNode node, found;
	CUgraph graph, other;
	size_t count = 1;
	int type;

	USE_DEVICE;
	DO(cu.GraphCreate(&graph, 0));
	DO(cu.GraphCreate(&other, 0));
	NOTE(cuGraphAddEmptyNode(NULL, graph, NULL, 0));
	NOTE(cuGraphAddEmptyNode(&node, NULL, NULL, 0));
	NOTE(cuGraphAddEmptyNode(&node, graph, NULL, 1));
	DO(cuGraphAddEmptyNode(&node, graph, NULL, 0));
	NOTE(cuGraphAddEmptyNode(&found, other, &node, 1));	/* of another graph */
	NOTE(cuGraphNodeGetType(NULL, &type));
	NOTE(cuGraphNodeGetType(node, NULL));
	NOTE(cuGraphNodeGetDependencies(NULL, NULL, &count));
	NOTE(cuGraphNodeGetDependencies(node, NULL, NULL));
	NOTE(cuGraphNodeGetDependentNodes(NULL, NULL, &count));
	NOTE(cuGraphNodeGetDependentNodes(node, NULL, NULL));
	NOTE(cuGraphNodeFindInClone(NULL, node, graph));
	NOTE(cuGraphNodeFindInClone(&found, NULL, graph));
	NOTE(cuGraphNodeFindInClone(&found, node, NULL));
	NOTE(cuGraphNodeFindInClone(&found, node, graph));
	NOTE(cuGraphDestroyNode(NULL));
	DO(cuGraphDestroyNode(node));
	DO(cu.GraphDestroy(graph));
	DO(cu.GraphDestroy(other));
	return true;
}

static bool kernel_nodes(void)
{
	BIND(cuGraphAddKernelNode_v2, CUgraphNode *, CUgraph, const CUgraphNode *, size_t, const struct kernel_params *);
	struct kernel_params good, p;
	CUgraphNode node;
	CUgraph graph;

	USE_DEVICE;
	good = (struct kernel_params){ .func = kernels.empty, .grid = { 1, 1, 1 }, .block = { 1, 1, 1 } };
	DO(cu.GraphCreate(&graph, 0));
	NOTE(cuGraphAddKernelNode_v2(NULL, graph, NULL, 0, &good));
	NOTE(cuGraphAddKernelNode_v2(&node, NULL, NULL, 0, &good));
	NOTE(cuGraphAddKernelNode_v2(&node, graph, NULL, 0, NULL));
	p = good;
	p.func = NULL;
	NOTE(cuGraphAddKernelNode_v2(&node, graph, NULL, 0, &p));
	p = good;
	p.grid[0] = 0;
	NOTE(cuGraphAddKernelNode_v2(&node, graph, NULL, 0, &p));
	p = good;
	p.grid[1] = 65536;
	NOTE(cuGraphAddKernelNode_v2(&node, graph, NULL, 0, &p));
	p = good;
	p.block[2] = 0;
	NOTE(cuGraphAddKernelNode_v2(&node, graph, NULL, 0, &p));
	p = good;
	p.block[0] = 2048;
	NOTE(cuGraphAddKernelNode_v2(&node, graph, NULL, 0, &p));
	p = good;
	p.shared = 1 << 20;
	NOTE(cuGraphAddKernelNode_v2(&node, graph, NULL, 0, &p));
	p = good;
	p.func = kernels.write_word;	/* which takes parameters */
	NOTE(cuGraphAddKernelNode_v2(&node, graph, NULL, 0, &p));
	DO(cu.GraphDestroy(graph));
	return true;
}

/* Adds a kernel node whose parameters, 12 bytes of them, come as one buffer of a size; 0: as something else that extra does not name. */
static CUresult add_packed(CUgraph graph, CUfunction func, size_t size)
{
	BIND(cuGraphAddKernelNode_v2, CUgraphNode *, CUgraph, const CUgraphNode *, size_t, const struct kernel_params *);
	struct {
		CUdeviceptr word;
		unsigned int value, pad;
	} buffer = { .value = 7 };
	void *extra[] = { CU_LAUNCH_PARAM_BUFFER_POINTER, &buffer, CU_LAUNCH_PARAM_BUFFER_SIZE, &size, CU_LAUNCH_PARAM_END };
	void *unknown[] = { (void *)7, NULL, CU_LAUNCH_PARAM_END };
	struct kernel_params p = { .func = func, .grid = { 1, 1, 1 }, .block = { 1, 1, 1 }, .extra = size ? extra : unknown };
	CUgraphNode node;

	return cuGraphAddKernelNode_v2(&node, graph, NULL, 0, &p);
}

/* Of no kernel, and of one that takes no parameters. */
static bool packed_parameters(void)
{
	CUgraph graph;

	USE_DEVICE;
	DO(cu.GraphCreate(&graph, 0));
	NOTE(add_packed(graph, NULL, 12));
	NOTE(add_packed(graph, NULL, 16));
	NOTE(add_packed(graph, kernels.empty, 16));
	NOTE(add_packed(graph, kernels.empty, 0));
	DO(cu.GraphDestroy(graph));
	return true;
}

/* Of a kernel that takes 12 bytes. */
static bool packed_parameters_that_count(void)
{
	CUgraph graph;

	USE_DEVICE;
	DO(cu.GraphCreate(&graph, 0));
	NOTE(add_packed(graph, kernels.write_word, 12));
	NOTE(add_packed(graph, kernels.write_word, 16));
	NOTE(add_packed(graph, kernels.write_word, 0));
	DO(cu.GraphDestroy(graph));
	return true;
}

static bool transfer_nodes(void)
{
	BIND(cuGraphAddMemsetNode, CUgraphNode *, CUgraph, const CUgraphNode *, size_t, const struct memset_params *, CUcontext);
	BIND(cuGraphAddMemcpyNode, CUgraphNode *, CUgraph, const CUgraphNode *, size_t, const struct memcpy_3d *, CUcontext);
	struct memset_params fill;
	struct memcpy_3d copy = { .width = 64, .height = 1, .depth = 1 };
	CUgraphNode node;
	CUdeviceptr a;
	CUgraph graph;

	USE_DEVICE;
	DO(cu.MemAlloc(&a, 4096));
	DO(cu.GraphCreate(&graph, 0));
	NOTE(cuGraphAddMemsetNode(&node, graph, NULL, 0, NULL, context));
	for (int wrong = 0; wrong < 9; wrong++) {
		CUcontext where = context;

		fill = (struct memset_params){ .dst = a, .element = 4, .width = 16, .height = 1 };
		if (wrong == 0)
			fill.dst = 0;
		else if (wrong == 1)
			fill.element = 3;
		else if (wrong == 2)
			fill.element = 0;
		else if (wrong == 3)
			fill.width = 0;
		else if (wrong == 4)
			fill.height = 0;
		else if (wrong == 5)
			fill.dst = a + 1;
		else if (wrong == 6)
			where = NULL;
		else if (wrong == 7)
			fill.height = 4;	/* and no pitch */
		else
			fill.value = 0x12345, fill.element = 1;
		NOTE(cuGraphAddMemsetNode(&node, graph, NULL, 0, &fill, where));
	}
	copy.src.type = copy.dst.type = TYPE_DEVICE;
	copy.src.device = a;
	copy.dst.device = a + 2048;
	NOTE(cuGraphAddMemcpyNode(&node, graph, NULL, 0, NULL, context));
	NOTE(cuGraphAddMemcpyNode(&node, NULL, NULL, 0, &copy, context));
	NOTE(cuGraphAddMemcpyNode(NULL, graph, NULL, 0, &copy, context));
	NOTE(cuGraphAddMemcpyNode(&node, graph, NULL, 0, &copy, NULL));
	copy.src.type = 9;
	NOTE(cuGraphAddMemcpyNode(&node, graph, NULL, 0, &copy, context));
	copy.src.type = TYPE_DEVICE;
	copy.depth = 0;
	NOTE(cuGraphAddMemcpyNode(&node, graph, NULL, 0, &copy, context));
	copy.depth = 1;
	copy.dst.device = 0;
	NOTE(cuGraphAddMemcpyNode(&node, graph, NULL, 0, &copy, context));
	DO(cu.GraphDestroy(graph));
	DO(cu.MemFree(a));
	return true;
}

static bool other_nodes(void)
{
	BIND(cuGraphAddHostNode, CUgraphNode *, CUgraph, const CUgraphNode *, size_t, const struct host_params *);
	BIND(cuGraphAddEventRecordNode, CUgraphNode *, CUgraph, const CUgraphNode *, size_t, CUevent);
	BIND(cuGraphAddEventWaitNode, CUgraphNode *, CUgraph, const CUgraphNode *, size_t, CUevent);
	BIND(cuGraphAddChildGraphNode, CUgraphNode *, CUgraph, const CUgraphNode *, size_t, CUgraph);
	BIND(cuGraphAddMemFreeNode, CUgraphNode *, CUgraph, const CUgraphNode *, size_t, CUdeviceptr);
	BIND(cuGraphAddMemAllocNode, CUgraphNode *, CUgraph, const CUgraphNode *, size_t, struct alloc_params *);
	struct host_params host = { nothing, NULL };
	struct alloc_params alloc = { .alloc_type = 1, .location = { 1, 0 }, .bytes = 0 };
	CUgraphNode node;
	CUgraph graph;
	CUevent event;

	USE_DEVICE;
	DO(cu.EventCreate(&event, CU_EVENT_DISABLE_TIMING));
	DO(cu.GraphCreate(&graph, 0));
	NOTE(cuGraphAddHostNode(&node, graph, NULL, 0, NULL));
	NOTE(cuGraphAddHostNode(&node, NULL, NULL, 0, &host));
	host.fn = NULL;
	NOTE(cuGraphAddHostNode(&node, graph, NULL, 0, &host));
	NOTE(cuGraphAddEventRecordNode(&node, graph, NULL, 0, NULL));
	NOTE(cuGraphAddEventRecordNode(NULL, graph, NULL, 0, event));
	NOTE(cuGraphAddEventWaitNode(&node, graph, NULL, 0, NULL));
	NOTE(cuGraphAddEventWaitNode(&node, NULL, NULL, 0, event));
	NOTE(cuGraphAddChildGraphNode(&node, graph, NULL, 0, NULL));
	NOTE(cuGraphAddChildGraphNode(&node, NULL, NULL, 0, graph));
	NOTE(cuGraphAddMemFreeNode(&node, graph, NULL, 0, 0));
	NOTE(cuGraphAddMemFreeNode(&node, graph, NULL, 0, 4096));
	NOTE(cuGraphAddMemAllocNode(&node, graph, NULL, 0, NULL));
	NOTE(cuGraphAddMemAllocNode(&node, graph, NULL, 0, &alloc));
	alloc.bytes = 4096;
	alloc.location.id = 99;
	NOTE(cuGraphAddMemAllocNode(&node, graph, NULL, 0, &alloc));
	alloc.location.id = 0;
	alloc.alloc_type = 0;
	NOTE(cuGraphAddMemAllocNode(&node, graph, NULL, 0, &alloc));
	DO(cu.GraphDestroy(graph));
	DO(cu.EventDestroy(event));
	return true;
}

static bool user_objects(void)
{
	BIND(cuUserObjectCreate, void **, void *, void (*)(void *), unsigned int, unsigned int);
	BIND(cuUserObjectRetain, void *, unsigned int);
	BIND(cuUserObjectRelease, void *, unsigned int);
	BIND(cuGraphRetainUserObject, CUgraph, void *, unsigned int, unsigned int);
	BIND(cuGraphReleaseUserObject, CUgraph, void *, unsigned int);
	CUgraph graph;
	void *object;

	USE_DEVICE;
	DO(cu.GraphCreate(&graph, 0));
	NOTE(cuUserObjectCreate(NULL, NULL, nothing, 1, 1));
	NOTE(cuUserObjectCreate(&object, NULL, NULL, 1, 1));
	NOTE(cuUserObjectCreate(&object, NULL, nothing, 0, 1));
	NOTE(cuUserObjectCreate(&object, NULL, nothing, 1, 0));
	NOTE(cuUserObjectCreate(&object, NULL, nothing, 1, 2));
	DO(cuUserObjectCreate(&object, NULL, nothing, 2, 1));
	NOTE(cuUserObjectRetain(NULL, 1));
	NOTE(cuUserObjectRetain(object, 0));
	NOTE(cuUserObjectRelease(NULL, 1));
	NOTE(cuUserObjectRelease(object, 0));
	NOTE(cuGraphRetainUserObject(NULL, object, 1, 0));
	NOTE(cuGraphRetainUserObject(graph, NULL, 1, 0));
	NOTE(cuGraphRetainUserObject(graph, object, 0, 0));
	NOTE(cuGraphRetainUserObject(graph, object, 1, 7));
	NOTE(cuGraphReleaseUserObject(graph, object, 0));
	NOTE(cuGraphReleaseUserObject(graph, NULL, 1));
	DO(cuUserObjectRelease(object, 2));
	DO(cu.GraphDestroy(graph));
	return true;
}

static bool executable_graphs(void)
{
	BIND(cuGraphAddKernelNode_v2, CUgraphNode *, CUgraph, const CUgraphNode *, size_t, const struct kernel_params *);
	BIND(cuGraphAddEmptyNode, CUgraphNode *, CUgraph, const CUgraphNode *, size_t);
	BIND(cuGraphExecKernelNodeSetParams_v2, CUgraphExec, CUgraphNode, const struct kernel_params *);
	BIND(cuGraphExecUpdate_v2, CUgraphExec, CUgraph, CUgraphExecUpdateResultInfo *);
	BIND(cuGraphExecGetFlags, CUgraphExec, unsigned long long *);
	BIND(cuGraphNodeSetEnabled, CUgraphExec, CUgraphNode, unsigned int);
	struct kernel_params kernel, p;
	CUgraphExecUpdateResultInfo info;
	CUgraphNode node, empty, late;
	unsigned long long flags;
	CUgraph graph;
	CUgraphExec exec;

	USE_DEVICE;
	kernel = (struct kernel_params){ .func = kernels.empty, .grid = { 1, 1, 1 }, .block = { 1, 1, 1 } };
	DO(cu.GraphCreate(&graph, 0));
	DO(cuGraphAddKernelNode_v2(&node, graph, NULL, 0, &kernel));
	DO(cuGraphAddEmptyNode(&empty, graph, NULL, 0));
	DO(cu.GraphInstantiate(&exec, graph, 0));
	DO(cuGraphAddKernelNode_v2(&late, graph, NULL, 0, &kernel));
	NOTE(cuGraphExecKernelNodeSetParams_v2(exec, node, &kernel));
	NOTE(cuGraphExecKernelNodeSetParams_v2(NULL, node, &kernel));
	NOTE(cuGraphExecKernelNodeSetParams_v2(exec, NULL, &kernel));
	NOTE(cuGraphExecKernelNodeSetParams_v2(exec, node, NULL));
	NOTE(cuGraphExecKernelNodeSetParams_v2(exec, empty, &kernel));
	NOTE(cuGraphExecKernelNodeSetParams_v2(exec, late, &kernel));
	p = kernel;
	p.grid[0] = 0;
	NOTE(cuGraphExecKernelNodeSetParams_v2(exec, node, &p));
	p = kernel;
	p.func = NULL;
	NOTE(cuGraphExecKernelNodeSetParams_v2(exec, node, &p));
	NOTE(cuGraphNodeSetEnabled(exec, NULL, 0));
	NOTE(cuGraphNodeSetEnabled(NULL, node, 0));
	NOTE(cuGraphNodeSetEnabled(exec, late, 0));
	NOTE(cuGraphExecGetFlags(NULL, &flags));
	NOTE(cuGraphExecGetFlags(exec, NULL));
	NOTE(cuGraphExecUpdate_v2(NULL, graph, &info));
	NOTE(cuGraphExecUpdate_v2(exec, NULL, &info));
	NOTE(cu.GraphLaunch(exec, NULL));
	DO(cu.CtxSynchronize());
	DO(cu.GraphExecDestroy(exec));
	DO(cu.GraphDestroy(graph));
	return true;
}

static const struct check checks[] = {
	{ "graphs", graphs },
	{ "nodes", nodes },
	{ "kernel_nodes", kernel_nodes },
	{ "packed_parameters", packed_parameters },
	{ "packed_parameters_that_count", packed_parameters_that_count },
	{ "transfer_nodes", transfer_nodes },
	{ "other_nodes", other_nodes },
	{ "user_objects", user_objects },
	{ "executable_graphs", executable_graphs },
};
const struct check_group graph_error_family = GROUP("graph_errors", checks);
