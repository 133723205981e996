/* SPDX-License-Identifier: Apache-2.0 */
/* Graphs built by hand from kernels, fills and copies: what they do, and what may be asked of and changed in them. */
#include "graph_abi.h"

#include <pthread.h>

bool words_are(CUdeviceptr words, unsigned int value)
{
	unsigned int seen[GRAPH_WORDS];

	DO(cu.MemcpyDtoH(seen, words, sizeof(seen)));
	for (int i = 0; i < GRAPH_WORDS; i++)
		if (seen[i] != value)
			return check_reason("word %d is %u, expected %u", i, seen[i], value);
	return true;
}

CUresult run_graph(CUgraph graph, CUstream stream)
{
	CUgraphExec exec;
	CUresult result = cu.GraphInstantiate(&exec, graph, 0);

	if (result)
		return result;
	if (!(result = cu.GraphLaunch(exec, stream)))
		result = cu.StreamSynchronize(stream);
	cu.GraphExecDestroy(exec);
	return result;
}

/* The linear graph of most checks: words = 5, words = words * 3 + 1, copy = words. */
struct line {
	CUgraph graph;
	CUstream stream;
	CUdeviceptr words, copy;
	CUgraphNode set, kernel, transfer;
	unsigned int factor, addend;
	int n;
	struct memset_params memset;
	struct memcpy_3d memcpy;
};

static bool line_open(struct line *l)
{
	BIND(cuGraphAddMemsetNode, CUgraphNode *, CUgraph, const CUgraphNode *, size_t, const struct memset_params *, CUcontext);
	BIND(cuGraphAddKernelNode_v2, CUgraphNode *, CUgraph, const CUgraphNode *, size_t, const struct kernel_params *);
	BIND(cuGraphAddMemcpyNode, CUgraphNode *, CUgraph, const CUgraphNode *, size_t, const struct memcpy_3d *, CUcontext);
	struct kernel_params kernel;

	USE_DEVICE;
	memset(l, 0, sizeof(*l));
	l->factor = 3;
	l->addend = 1;
	l->n = GRAPH_WORDS;
	DO(cu.StreamCreate(&l->stream, CU_STREAM_NON_BLOCKING));
	DO(cu.MemAlloc(&l->words, GRAPH_WORDS * 4));
	DO(cu.MemAlloc(&l->copy, GRAPH_WORDS * 4));
	DO(cu.MemsetD32(l->words, 0, GRAPH_WORDS));
	DO(cu.MemsetD32(l->copy, 0, GRAPH_WORDS));
	DO(cu.CtxSynchronize());
	DO(cu.GraphCreate(&l->graph, 0));
	l->memset = (struct memset_params){ .dst = l->words, .value = 5, .element = 4, .width = GRAPH_WORDS, .height = 1 };
	DO(cuGraphAddMemsetNode(&l->set, l->graph, NULL, 0, &l->memset, context));
	kernel = STEP_NODE(STEP_PARAMETERS(l->words, l->factor, l->addend, l->n));
	DO(cuGraphAddKernelNode_v2(&l->kernel, l->graph, &l->set, 1, &kernel));
	l->memcpy = (struct memcpy_3d){ .src = { .type = TYPE_DEVICE, .device = l->words },
					.dst = { .type = TYPE_DEVICE, .device = l->copy },
					.width = GRAPH_WORDS * 4, .height = 1, .depth = 1 };
	DO(cuGraphAddMemcpyNode(&l->transfer, l->graph, &l->kernel, 1, &l->memcpy, context));
	return true;
}

static bool line_close(struct line *l)
{
	DO(cu.GraphDestroy(l->graph));
	DO(cu.MemFree(l->words));
	DO(cu.MemFree(l->copy));
	DO(cu.StreamDestroy(l->stream));
	return true;
}

static bool built_by_hand(void)
{
	struct line l;

	if (!line_open(&l))
		return false;
	DO(run_graph(l.graph, l.stream));
	if (!words_are(l.words, 16) || !words_are(l.copy, 16))
		return false;
	return line_close(&l);
}

static bool topology(void)
{
	BIND(cuGraphGetRootNodes, CUgraph, CUgraphNode *, size_t *);
	BIND(cuGraphGetEdges, CUgraph, CUgraphNode *, CUgraphNode *, size_t *);
	BIND(cuGraphGetEdges_v2, CUgraph, CUgraphNode *, CUgraphNode *, edge_data *, size_t *);
	BIND(cuGraphNodeGetDependencies, CUgraphNode, CUgraphNode *, size_t *);
	BIND(cuGraphNodeGetDependencies_v2, CUgraphNode, CUgraphNode *, edge_data *, size_t *);
	BIND(cuGraphNodeGetDependentNodes, CUgraphNode, CUgraphNode *, size_t *);
	BIND(cuGraphNodeGetDependentNodes_v2, CUgraphNode, CUgraphNode *, edge_data *, size_t *);
	BIND(cuGraphNodeGetType, CUgraphNode, int *);
	BIND(cuGraphAddDependencies, CUgraph, const CUgraphNode *, const CUgraphNode *, size_t);
	BIND(cuGraphRemoveDependencies_v2, CUgraph, const CUgraphNode *, const CUgraphNode *, const edge_data *, size_t);
	BIND(cuGraphAddEmptyNode, CUgraphNode *, CUgraph, const CUgraphNode *, size_t);
	BIND(cuGraphDestroyNode, CUgraphNode);
	CUgraphNode nodes[8], to[8], join;
	edge_data data[8];
	struct line l;
	size_t count;
	int type = -1;

	if (!line_open(&l))
		return false;
	count = 8;
	DO(cu.GraphGetNodes(l.graph, nodes, &count));
	THAT(count == 3 && nodes[0] == l.set && nodes[1] == l.kernel && nodes[2] == l.transfer && !nodes[3] && !nodes[7]);
	count = 2;
	DO(cu.GraphGetNodes(l.graph, nodes, &count));
	THAT(count == 2);
	DO(cuGraphGetRootNodes(l.graph, NULL, &count));
	THAT(count == 1);
	DO(cuGraphGetRootNodes(l.graph, nodes, &count));
	THAT(nodes[0] == l.set);
	DO(cuGraphNodeGetType(l.kernel, &type));
	THAT(type == NODE_KERNEL);
	DO(cuGraphNodeGetType(l.set, &type));
	THAT(type == NODE_MEMSET);
	DO(cuGraphNodeGetType(l.transfer, &type));
	THAT(type == NODE_MEMCPY);

	DO(cuGraphGetEdges(l.graph, NULL, NULL, &count));
	THAT(count == 2);
	count = 8;
	memset(data, 0xff, sizeof(data));
	DO(cuGraphGetEdges_v2(l.graph, nodes, to, data, &count));
	THAT(count == 2 && nodes[0] == l.set && to[0] == l.kernel && nodes[1] == l.kernel && to[1] == l.transfer);
	THAT(!nodes[2] && !to[7] && !data[0].type && !data[1].from_port);
	DO(cuGraphNodeGetDependencies(l.kernel, NULL, &count));
	THAT(count == 1);
	DO(cuGraphNodeGetDependencies(l.kernel, nodes, &count));
	THAT(nodes[0] == l.set);
	count = 8;
	DO(cuGraphNodeGetDependentNodes_v2(l.kernel, nodes, data, &count));
	THAT(count == 1 && nodes[0] == l.transfer);
	DO(cuGraphNodeGetDependentNodes(l.transfer, NULL, &count));
	THAT(count == 0);
	DO(cuGraphNodeGetDependencies_v2(l.set, NULL, NULL, &count));
	THAT(count == 0);

	/* another way round: set -> join -> transfer beside the kernel */
	DO(cuGraphAddEmptyNode(&join, l.graph, &l.set, 1));
	DO(cuGraphAddDependencies(l.graph, &join, &l.transfer, 1));
	DO(cuGraphNodeGetDependencies(l.transfer, NULL, &count));
	THAT(count == 2);
	CODE(cuGraphAddDependencies(l.graph, &join, &l.transfer, 1));	/* there already */
	CODE(cuGraphAddDependencies(l.graph, &join, &join, 1));
	DO(cuGraphRemoveDependencies_v2(l.graph, &join, &l.transfer, NULL, 1));
	CODE(cuGraphRemoveDependencies_v2(l.graph, &join, &l.transfer, NULL, 1));
	DO(cuGraphDestroyNode(join));
	DO(cuGraphGetEdges(l.graph, NULL, NULL, &count));
	THAT(count == 2);
	DO(cuGraphDestroyNode(l.kernel));
	DO(cuGraphGetEdges(l.graph, NULL, NULL, &count));
	THAT(count == 0);
	count = 8;
	DO(cuGraphGetRootNodes(l.graph, nodes, &count));
	THAT(count == 2);
	return line_close(&l);
}

static bool kernel_params(void)
{
	BIND(cuGraphKernelNodeGetParams, CUgraphNode, struct kernel_params *);
	BIND(cuGraphKernelNodeGetParams_v2, CUgraphNode, struct kernel_params *);
	BIND(cuGraphKernelNodeSetParams, CUgraphNode, const struct kernel_params *);
	BIND(cuGraphKernelNodeSetParams_v2, CUgraphNode, const struct kernel_params *);
	BIND(cuGraphExecKernelNodeSetParams_v2, CUgraphExec, CUgraphNode, const struct kernel_params *);
	BIND(cuGraphExecKernelNodeSetParams, CUgraphExec, CUgraphNode, const struct kernel_params *);
	BIND(cuGraphMemsetNodeGetParams, CUgraphNode, struct memset_params *);
	unsigned int other_factor = 7, other_addend = 2;
	struct kernel_params seen, first;
	CUgraphExec exec;
	struct line l;
	size_t size;
	struct {
		CUdeviceptr words;
		unsigned int factor, addend;
		int n;
	} packed;
	void *extra[] = { CU_LAUNCH_PARAM_BUFFER_POINTER, &packed, CU_LAUNCH_PARAM_BUFFER_SIZE, &size, CU_LAUNCH_PARAM_END };

	if (!line_open(&l))
		return false;
	memset(&seen, 0xff, sizeof(seen));
	DO(cuGraphKernelNodeGetParams_v2(l.kernel, &seen));
	THAT(seen.func == kernels.step && seen.grid[0] == 2 && seen.grid[1] == 1 && seen.block[0] == 128 && !seen.shared);
	THAT(seen.params && !seen.extra);
	THAT(*(CUdeviceptr *)seen.params[0] == l.words && *(unsigned int *)seen.params[1] == 3 &&
	     *(unsigned int *)seen.params[2] == 1 && *(int *)seen.params[3] == GRAPH_WORDS);
	check_note("kern %s, ctx %s", seen.kern ? "set" : "null", seen.ctx == context ? "current" : seen.ctx ? "other" : "null");

	/* what the query returned may be handed back; the first version leaves what lies behind it alone */
	memset(&first, 0x5a, sizeof(first));
	DO(cuGraphKernelNodeGetParams(l.kernel, &first));
	THAT(first.func == kernels.step && *(unsigned int *)first.params[1] == 3);
	THAT(*(unsigned char *)&first.kern == 0x5a);
	first.params[1] = &other_factor;
	DO(cuGraphKernelNodeSetParams(l.kernel, &first));
	DO(run_graph(l.graph, l.stream));
	if (!words_are(l.copy, 5 * 7 + 1))
		return false;

	/* the packed form is returned as such */
	packed.words = l.words;
	packed.factor = 2;
	packed.addend = 3;
	packed.n = GRAPH_WORDS;
	size = 20;
	seen = STEP_NODE(NULL);
	seen.extra = extra;
	DO(cuGraphKernelNodeSetParams_v2(l.kernel, &seen));
	DO(cuGraphKernelNodeGetParams_v2(l.kernel, &seen));
	check_note("packed: params %s, extra %s", seen.params ? "set" : "null", seen.extra ? "set" : "null");
	if (seen.extra)
		for (void **e = seen.extra; *e; e += 2)
			if (*e == CU_LAUNCH_PARAM_BUFFER_POINTER)
				THAT(((unsigned int *)e[1])[2] == 2 && ((unsigned int *)e[1])[3] == 3);
	DO(run_graph(l.graph, l.stream));
	if (!words_are(l.copy, 5 * 2 + 3))
		return false;

	/* an executable graph is changed by itself */
	DO(cu.GraphInstantiate(&exec, l.graph, 0));
	seen = STEP_NODE(STEP_PARAMETERS(l.words, other_factor, other_addend, l.n));
	DO(cuGraphExecKernelNodeSetParams_v2(exec, l.kernel, &seen));
	DO(cu.GraphLaunch(exec, l.stream));
	DO(cu.StreamSynchronize(l.stream));
	if (!words_are(l.copy, 5 * 7 + 2))
		return false;
	seen.params[1] = &other_addend;
	DO(cuGraphExecKernelNodeSetParams(exec, l.kernel, &seen));
	DO(cu.GraphLaunch(exec, l.stream));
	DO(cu.StreamSynchronize(l.stream));
	if (!words_are(l.copy, 5 * 2 + 2))
		return false;
	DO(run_graph(l.graph, l.stream));
	if (!words_are(l.copy, 5 * 2 + 3))
		return false;
	DO(cu.GraphExecDestroy(exec));

	/* refusals */
	seen.extra = extra;
	CODE(cuGraphKernelNodeSetParams_v2(l.kernel, &seen));	/* both forms */
	seen.extra = NULL;
	seen.params = NULL;
	CODE(cuGraphKernelNodeSetParams_v2(l.kernel, &seen));	/* neither */
	seen.func = NULL;
	CODE(cuGraphKernelNodeSetParams_v2(l.kernel, &seen));
	seen = STEP_NODE(STEP_PARAMETERS(l.words, other_factor, other_addend, l.n));
	seen.block[0] = 4096;
	NOTE(cuGraphKernelNodeSetParams_v2(l.kernel, &seen));
	seen.block[0] = 0;
	NOTE(cuGraphKernelNodeSetParams_v2(l.kernel, &seen));
	CODE(cuGraphKernelNodeGetParams_v2(l.set, &seen));
	CODE(cuGraphMemsetNodeGetParams(l.kernel, &l.memset));
	CODE(cuGraphKernelNodeGetParams_v2(l.kernel, NULL));
	return line_close(&l);
}

static bool transfer_params(void)
{
	BIND(cuGraphMemsetNodeGetParams, CUgraphNode, struct memset_params *);
	BIND(cuGraphMemsetNodeSetParams, CUgraphNode, const struct memset_params *);
	BIND(cuGraphExecMemsetNodeSetParams, CUgraphExec, CUgraphNode, const struct memset_params *, CUcontext);
	BIND(cuGraphMemcpyNodeGetParams, CUgraphNode, struct memcpy_3d *);
	BIND(cuGraphMemcpyNodeSetParams, CUgraphNode, const struct memcpy_3d *);
	BIND(cuGraphExecMemcpyNodeSetParams, CUgraphExec, CUgraphNode, const struct memcpy_3d *, CUcontext);
	struct memset_params fill;
	struct memcpy_3d copy;
	unsigned int *pinned;
	CUdeviceptr third;
	CUgraphExec exec;
	struct line l;

	if (!line_open(&l))
		return false;
	DO(cu.MemAlloc(&third, GRAPH_WORDS * 4));
	DO(cu.MemHostAlloc((void **)&pinned, GRAPH_WORDS * 4, 0));
	memset(&fill, 0, sizeof(fill));
	DO(cuGraphMemsetNodeGetParams(l.set, &fill));
	THAT(fill.dst == l.words && fill.value == 5 && fill.element == 4 && fill.width == GRAPH_WORDS && fill.height == 1);
	memset(&copy, 0, sizeof(copy));
	DO(cuGraphMemcpyNodeGetParams(l.transfer, &copy));
	THAT(copy.src.type == TYPE_DEVICE && copy.src.device == l.words && copy.dst.type == TYPE_DEVICE &&
	     copy.dst.device == l.copy && copy.width == GRAPH_WORDS * 4 && copy.height == 1 && copy.depth == 1);

	fill.value = 6;
	DO(cuGraphMemsetNodeSetParams(l.set, &fill));
	DO(run_graph(l.graph, l.stream));
	if (!words_are(l.copy, 19))
		return false;
	DO(cu.GraphInstantiate(&exec, l.graph, 0));
	fill.value = 9;
	DO(cuGraphExecMemsetNodeSetParams(exec, l.set, &fill, context));
	copy.dst.device = third;
	DO(cuGraphExecMemcpyNodeSetParams(exec, l.transfer, &copy, context));
	DO(cu.GraphLaunch(exec, l.stream));
	DO(cu.StreamSynchronize(l.stream));
	if (!words_are(third, 28) || !words_are(l.copy, 19))
		return false;
	DO(cu.GraphExecDestroy(exec));

	/* pinned memory by either name */
	copy.dst = (struct memcpy_end){ .type = TYPE_HOST, .host = pinned };
	DO(cuGraphMemcpyNodeSetParams(l.transfer, &copy));
	memset(pinned, 0, GRAPH_WORDS * 4);
	DO(run_graph(l.graph, l.stream));
	THAT(pinned[0] == 19 && pinned[GRAPH_WORDS - 1] == 19);
	copy.src = (struct memcpy_end){ .type = TYPE_UNIFIED, .device = (CUdeviceptr)(uintptr_t)pinned };
	copy.dst = (struct memcpy_end){ .type = TYPE_UNIFIED, .device = third };
	DO(cuGraphMemcpyNodeSetParams(l.transfer, &copy));
	memset(&copy, 0, sizeof(copy));
	DO(cuGraphMemcpyNodeGetParams(l.transfer, &copy));
	check_note("unified comes back as %u and %u", copy.src.type, copy.dst.type);
	pinned[0] = 4242;
	DO(run_graph(l.graph, l.stream));
	DO(cu.MemcpyDtoH(pinned + 1, third, 4));
	THAT(pinned[1] == 4242);

	/* two dimensions */
	copy = (struct memcpy_3d){ .src = { .type = TYPE_DEVICE, .device = l.words, .pitch = 64 },
				   .dst = { .type = TYPE_DEVICE, .device = third, .pitch = 32, .x = 8 },
				   .width = 16, .height = 4, .depth = 1 };
	DO(cu.MemsetD32(third, 1, GRAPH_WORDS));
	DO(cu.CtxSynchronize());
	DO(cuGraphMemcpyNodeSetParams(l.transfer, &copy));
	fill = (struct memset_params){ .dst = l.words, .pitch = 64, .value = 0xab, .element = 1, .width = 16, .height = 4 };
	NOTE(cuGraphMemsetNodeSetParams(l.set, &fill));
	DO(run_graph(l.graph, l.stream));
	DO(cu.MemcpyDtoH(pinned, third, GRAPH_WORDS * 4));
	THAT(pinned[0] == 1 && pinned[1] == 1 && pinned[2] == 0xabababab * 3u + 1 && pinned[5] == pinned[2] && pinned[6] == 1);
	THAT(pinned[8 * 3 + 2] == pinned[2] && pinned[8 * 4 + 2] == 1);

	/* refusals */
	fill = l.memset;
	fill.element = 3;
	CODE(cuGraphMemsetNodeSetParams(l.set, &fill));
	fill = l.memset;
	fill.dst = 64;
	NOTE(cuGraphMemsetNodeSetParams(l.set, &fill));
	fill = l.memset;
	fill.width = 0;
	NOTE(cuGraphMemsetNodeSetParams(l.set, &fill));
	copy = l.memcpy;
	copy.dst.device = 64;
	NOTE(cuGraphMemcpyNodeSetParams(l.transfer, &copy));
	copy = l.memcpy;
	copy.width = 0;
	NOTE(cuGraphMemcpyNodeSetParams(l.transfer, &copy));
	CODE(cuGraphMemcpyNodeSetParams(l.transfer, NULL));
	DO(cu.MemFree(third));
	DO(cu.MemFreeHost(pinned));
	return line_close(&l);
}

/* The calls for nodes of any type. */
static bool general_calls(void)
{
	BIND(cuGraphAddNode_v2, CUgraphNode *, CUgraph, const CUgraphNode *, const edge_data *, size_t, struct node_params *);
	BIND(cuGraphAddNode, CUgraphNode *, CUgraph, const CUgraphNode *, size_t, struct node_params *);
	BIND(cuGraphNodeSetParams, CUgraphNode, struct node_params *);
	BIND(cuGraphExecNodeSetParams, CUgraphExec, CUgraphNode, struct node_params *);
	CUgraphNode set, step, empty;
	unsigned int factor = 3, addend = 1, other = 10;
	int n = GRAPH_WORDS;
	struct node_params p;
	CUgraphExec exec;
	edge_data none;
	struct line l;
	CUgraph graph;

	if (!line_open(&l))
		return false;
	DO(cu.GraphCreate(&graph, 0));
	p = (struct node_params){ .type = NODE_MEMSET, .memset = l.memset };
	p.memset.ctx = context;
	DO(cuGraphAddNode_v2(&set, graph, NULL, NULL, 0, &p));
	p = (struct node_params){ .type = NODE_KERNEL, .kernel = STEP_NODE(STEP_PARAMETERS(l.words, factor, addend, n)) };
	memset(&none, 0, sizeof(none));
	DO(cuGraphAddNode_v2(&step, graph, &set, &none, 1, &p));
	p = (struct node_params){ .type = NODE_EMPTY };
	DO(cuGraphAddNode(&empty, graph, &step, 1, &p));
	DO(run_graph(graph, l.stream));
	if (!words_are(l.words, 16))
		return false;
	p = (struct node_params){ .type = NODE_KERNEL, .kernel = STEP_NODE(STEP_PARAMETERS(l.words, factor, other, n)) };
	DO(cuGraphNodeSetParams(step, &p));
	DO(run_graph(graph, l.stream));
	if (!words_are(l.words, 25))
		return false;
	DO(cu.GraphInstantiate(&exec, graph, 0));
	p.kernel.params = STEP_PARAMETERS(l.words, other, other, n);
	DO(cuGraphExecNodeSetParams(exec, step, &p));
	DO(cu.GraphLaunch(exec, l.stream));
	DO(cu.StreamSynchronize(l.stream));
	if (!words_are(l.words, 60))
		return false;

	/* what does not fit together */
	CODE(cuGraphNodeSetParams(set, &p));
	CODE(cuGraphExecNodeSetParams(exec, set, &p));
	p.type = 77;
	CODE(cuGraphAddNode_v2(&set, graph, NULL, NULL, 0, &p));
	CODE(cuGraphAddNode_v2(&set, graph, NULL, NULL, 0, NULL));
	p = (struct node_params){ .type = NODE_EMPTY };
	CODE(cuGraphAddNode_v2(&set, graph, NULL, NULL, 1, &p));
	CODE(cuGraphAddNode_v2(NULL, graph, NULL, NULL, 0, &p));
	CODE(cuGraphAddNode_v2(&set, NULL, NULL, NULL, 0, &p));
	CODE(cuGraphAddNode_v2(&set, graph, &l.set, NULL, 1, &p));	/* of another graph */
	CODE(cuGraphAddNode_v2(&set, graph, (CUgraphNode[]){ step, step }, NULL, 2, &p));
	p.reserved0[1] = 1;
	NOTE(cuGraphAddNode_v2(&set, graph, NULL, NULL, 0, &p));
	p = (struct node_params){ .type = NODE_MEMSET, .memset = l.memset };
	p.memset.ctx = NULL;
	NOTE(cuGraphAddNode_v2(&set, graph, NULL, NULL, 0, &p));
	DO(cu.GraphExecDestroy(exec));
	DO(cu.GraphDestroy(graph));
	return line_close(&l);
}

static bool enabled(void)
{
	BIND(cuGraphNodeSetEnabled, CUgraphExec, CUgraphNode, unsigned int);
	BIND(cuGraphNodeGetEnabled, CUgraphExec, CUgraphNode, unsigned int *);
	BIND(cuGraphAddEmptyNode, CUgraphNode *, CUgraph, const CUgraphNode *, size_t);
	unsigned int is = 7;
	CUgraphNode empty;
	CUgraphExec exec;
	struct line l;

	if (!line_open(&l))
		return false;
	DO(cuGraphAddEmptyNode(&empty, l.graph, NULL, 0));
	DO(cu.GraphInstantiate(&exec, l.graph, 0));
	DO(cuGraphNodeGetEnabled(exec, l.kernel, &is));
	THAT(is == 1);
	DO(cuGraphNodeSetEnabled(exec, l.kernel, 0));
	DO(cuGraphNodeGetEnabled(exec, l.kernel, &is));
	THAT(is == 0);
	DO(cu.GraphLaunch(exec, l.stream));
	DO(cu.StreamSynchronize(l.stream));
	if (!words_are(l.copy, 5))
		return false;
	DO(cuGraphNodeSetEnabled(exec, l.kernel, 1));
	DO(cu.GraphLaunch(exec, l.stream));
	DO(cu.StreamSynchronize(l.stream));
	if (!words_are(l.copy, 16))
		return false;
	CODE(cuGraphNodeSetEnabled(exec, empty, 0));
	CODE(cuGraphNodeGetEnabled(exec, empty, &is));
	CODE(cuGraphNodeGetEnabled(exec, l.kernel, NULL));
	DO(cu.GraphExecDestroy(exec));
	return line_close(&l);
}

static bool clones(void)
{
	BIND(cuGraphClone, CUgraph *, CUgraph);
	BIND(cuGraphNodeFindInClone, CUgraphNode *, CUgraphNode, CUgraph);
	BIND(cuGraphKernelNodeGetParams_v2, CUgraphNode, struct kernel_params *);
	BIND(cuGraphKernelNodeSetParams_v2, CUgraphNode, const struct kernel_params *);
	unsigned int factor = 10, addend = 0;
	struct kernel_params seen;
	CUgraphNode node, none;
	CUgraph clone, other;
	struct line l;

	if (!line_open(&l))
		return false;
	DO(cuGraphClone(&clone, l.graph));
	DO(cuGraphNodeFindInClone(&node, l.kernel, clone));
	THAT(node && node != l.kernel);
	DO(cuGraphKernelNodeGetParams_v2(node, &seen));
	THAT(seen.func == kernels.step && *(unsigned int *)seen.params[1] == 3);
	seen.params = STEP_PARAMETERS(l.words, factor, addend, l.n);
	DO(cuGraphKernelNodeSetParams_v2(node, &seen));
	DO(run_graph(clone, l.stream));
	if (!words_are(l.copy, 50))
		return false;
	DO(run_graph(l.graph, l.stream));
	if (!words_are(l.copy, 16))
		return false;
	DO(cu.GraphCreate(&other, 0));
	CODE(cuGraphNodeFindInClone(&none, l.kernel, other));
	CODE(cuGraphNodeFindInClone(&none, node, clone));
	DO(cu.GraphDestroy(other));
	DO(cu.GraphDestroy(clone));
	return line_close(&l);
}

static bool child_graphs(void)
{
	BIND(cuGraphAddChildGraphNode, CUgraphNode *, CUgraph, const CUgraphNode *, size_t, CUgraph);
	BIND(cuGraphChildGraphNodeGetGraph, CUgraphNode, CUgraph *);
	BIND(cuGraphExecChildGraphNodeSetParams, CUgraphExec, CUgraphNode, CUgraph);
	BIND(cuGraphKernelNodeSetParams_v2, CUgraphNode, const struct kernel_params *);
	BIND(cuGraphNodeGetType, CUgraphNode, int *);
	unsigned int factor = 4, addend = 4;
	struct kernel_params changed;
	CUgraph outer, inside, again;
	CUgraphNode node, nodes[4];
	CUgraphExec exec;
	struct line l;
	size_t count = 4;
	int type = -1;

	if (!line_open(&l))
		return false;
	DO(cu.GraphCreate(&outer, 0));
	DO(cuGraphAddChildGraphNode(&node, outer, NULL, 0, l.graph));
	DO(cuGraphNodeGetType(node, &type));
	THAT(type == NODE_GRAPH);
	DO(cuGraphChildGraphNodeGetGraph(node, &inside));
	THAT(inside && inside != l.graph);
	DO(cuGraphChildGraphNodeGetGraph(node, &again));
	THAT(again == inside);
	DO(cu.GraphGetNodes(inside, nodes, &count));
	THAT(count == 3);
	DO(run_graph(outer, l.stream));
	if (!words_are(l.copy, 16))
		return false;

	/* the graph inside is the node's: changes reach the outer graph, not the original */
	changed = STEP_NODE(STEP_PARAMETERS(l.words, factor, addend, l.n));
	DO(cuGraphKernelNodeSetParams_v2(nodes[1], &changed));
	DO(run_graph(outer, l.stream));
	if (!words_are(l.copy, 24))
		return false;
	DO(run_graph(l.graph, l.stream));
	if (!words_are(l.copy, 16))
		return false;
	DO(cu.GraphInstantiate(&exec, outer, 0));
	DO(cuGraphExecChildGraphNodeSetParams(exec, node, l.graph));
	DO(cu.GraphLaunch(exec, l.stream));
	DO(cu.StreamSynchronize(l.stream));
	if (!words_are(l.copy, 16))
		return false;
	CODE(cuGraphChildGraphNodeGetGraph(l.kernel, &again));
	CODE(cuGraphAddChildGraphNode(&node, outer, NULL, 0, NULL));
	DO(cu.GraphExecDestroy(exec));
	DO(cu.GraphDestroy(outer));
	return line_close(&l);
}

static bool node_attributes(void)
{
	union {
		char bytes[64];
		int number;
		unsigned int dimensions[3];
	} value;
	BIND(cuGraphKernelNodeGetAttribute, CUgraphNode, int, void *);
	BIND(cuGraphKernelNodeSetAttribute, CUgraphNode, int, const void *);
	BIND(cuGraphKernelNodeCopyAttributes, CUgraphNode, CUgraphNode);
	BIND(cuGraphAddKernelNode, CUgraphNode *, CUgraph, const CUgraphNode *, size_t, const struct kernel_params *);
	struct kernel_params kernel;
	CUgraphNode other;
	struct line l;

	if (!line_open(&l))
		return false;
	memset(&value, 0, sizeof(value));
	DO(cuGraphKernelNodeGetAttribute(l.kernel, 2, &value));
	THAT(value.number == 0);
	value.number = 1;
	DO(cuGraphKernelNodeSetAttribute(l.kernel, 2, &value));	/* cooperative */
	memset(&value, 0, sizeof(value));
	DO(cuGraphKernelNodeGetAttribute(l.kernel, 2, &value));
	THAT(value.number == 1);
	DO(run_graph(l.graph, l.stream));
	if (!words_are(l.copy, 16))
		return false;
	kernel = STEP_NODE(STEP_PARAMETERS(l.words, l.factor, l.addend, l.n));
	DO(cuGraphAddKernelNode(&other, l.graph, &l.transfer, 1, &kernel));
	DO(cuGraphKernelNodeCopyAttributes(other, l.kernel));
	memset(&value, 0, sizeof(value));
	DO(cuGraphKernelNodeGetAttribute(other, 2, &value));
	THAT(value.number == 1);
	memset(&value, 0, sizeof(value));
	value.number = -1;
	DO(cuGraphKernelNodeSetAttribute(other, 8, &value));	/* priority */
	memset(&value, 0, sizeof(value));
	DO(cuGraphKernelNodeGetAttribute(other, 8, &value));
	check_note("priority %d", value.number);
	CODE(cuGraphKernelNodeGetAttribute(l.set, 2, &value));
	CODE(cuGraphKernelNodeSetAttribute(l.set, 2, &value));
	CODE(cuGraphKernelNodeCopyAttributes(l.kernel, l.set));
	CODE(cuGraphKernelNodeGetAttribute(l.kernel, 99, &value));
	return line_close(&l);
}

/* More dependencies than one record of the wire holds. */
static bool wide_join(void)
{
	enum { WIDE = 5000 };
	BIND(cuGraphAddEmptyNode, CUgraphNode *, CUgraph, const CUgraphNode *, size_t);
	BIND(cuGraphNodeGetDependencies, CUgraphNode, CUgraphNode *, size_t *);
	BIND(cuGraphGetEdges, CUgraph, CUgraphNode *, CUgraphNode *, size_t *);
	static CUgraphNode nodes[WIDE], seen[WIDE];
	CUgraphNode join;
	CUgraph graph;
	size_t count;

	USE_DEVICE;
	DO(cu.GraphCreate(&graph, 0));
	for (int i = 0; i < WIDE; i++)
		DO(cuGraphAddEmptyNode(&nodes[i], graph, NULL, 0));
	DO(cuGraphAddEmptyNode(&join, graph, nodes, WIDE));
	DO(cuGraphNodeGetDependencies(join, NULL, &count));
	THAT(count == WIDE);
	DO(cuGraphNodeGetDependencies(join, seen, &count));
	THAT(count == WIDE && seen[0] == nodes[0] && seen[WIDE - 1] == nodes[WIDE - 1] && seen[3333] == nodes[3333]);
	DO(cuGraphGetEdges(graph, NULL, NULL, &count));
	THAT(count == WIDE);
	DO(cu.GraphDestroy(graph));
	return true;
}

/* Graphs of their own in several threads: nodes come and go under the others' feet. */
enum { BUILDERS = 8, ROUNDS = 25, LENGTH = 20 };

static void *build(void *result)
{
	BIND(cuGraphAddKernelNode_v2, CUgraphNode *, CUgraph, const CUgraphNode *, size_t, const struct kernel_params *);
	BIND(cuGraphKernelNodeGetParams_v2, CUgraphNode, struct kernel_params *);
	BIND(cuGraphDestroyNode, CUgraphNode);
	unsigned int factor = 1, addend = 1, words[GRAPH_WORDS];
	struct kernel_params kernel, seen;
	CUgraphNode nodes[LENGTH], extra;
	CUdeviceptr memory;
	CUstream stream;
	CUgraph graph;
	CUresult r;
	int n = GRAPH_WORDS;

	if ((r = cu.CtxSetCurrent(context)) || (r = cu.StreamCreate(&stream, CU_STREAM_NON_BLOCKING)) ||
	    (r = cu.MemAlloc(&memory, GRAPH_WORDS * 4)) || (r = cu.MemsetD32Async(memory, 0, GRAPH_WORDS, stream)))
		goto out;
	kernel = STEP_NODE(STEP_PARAMETERS(memory, factor, addend, n));
	for (int round = 0; round < ROUNDS && !r; round++) {
		r = cu.GraphCreate(&graph, 0);
		for (int i = 0; i < LENGTH && !r; i++)
			r = cuGraphAddKernelNode_v2(&nodes[i], graph, i ? &nodes[i - 1] : NULL, i ? 1 : 0, &kernel);
		if (r || (r = cuGraphAddKernelNode_v2(&extra, graph, NULL, 0, &kernel)) ||
		    (r = cuGraphDestroyNode(extra)) || (r = cuGraphKernelNodeGetParams_v2(nodes[LENGTH / 2], &seen)))
			break;
		if (*(CUdeviceptr *)seen.params[0] != memory) {
			r = -1;
			break;
		}
		if (!(r = run_graph(graph, stream)))
			r = cu.GraphDestroy(graph);
	}
	if (!r && !(r = cu.MemcpyDtoH(words, memory, sizeof(words))) && words[GRAPH_WORDS - 1] != ROUNDS * LENGTH)
		r = -2;
out:
	*(CUresult *)result = r;
	return NULL;
}

static bool several_threads(void)
{
	CUresult results[BUILDERS];
	pthread_t threads[BUILDERS];

	USE_DEVICE;
	for (int i = 0; i < BUILDERS; i++)
		THAT(!pthread_create(&threads[i], NULL, build, &results[i]));
	for (int i = 0; i < BUILDERS; i++)
		pthread_join(threads[i], NULL);
	for (int i = 0; i < BUILDERS; i++)
		DO(results[i]);
	return true;
}

static const struct check checks[] = {
	{ "built_by_hand", built_by_hand },
	{ "topology", topology },
	{ "kernel_params", kernel_params },
	{ "transfer_params", transfer_params },
	{ "general_calls", general_calls },
	{ "enabled", enabled },
	{ "clones", clones },
	{ "child_graphs", child_graphs },
	{ "node_attributes", node_attributes },
	{ "wide_join", wide_join },
	{ "several_threads", several_threads },
};
const struct check_group graph_node_family = GROUP("graph_nodes", checks);
