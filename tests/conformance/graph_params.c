/* SPDX-License-Identifier: Apache-2.0 */
/* What may be asked of and changed in nodes: kernels, fills and copies, attributes, and the calls for nodes of any type. */
#include "graph_line.h"

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

static const struct check checks[] = {
	{ "kernel_params", kernel_params },
	{ "transfer_params", transfer_params },
	{ "general_calls", general_calls },
	{ "node_attributes", node_attributes },
};
const struct check_group graph_params_family = GROUP("graph_params", checks);
