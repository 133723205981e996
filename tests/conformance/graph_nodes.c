/* SPDX-License-Identifier: Apache-2.0 */
/* Graphs built by hand from kernels, fills and copies: what they do, alone, copied, nested and in threads. */
#include "graph_line.h"

#include <pthread.h>

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
	{ "enabled", enabled },
	{ "clones", clones },
	{ "child_graphs", child_graphs },
	{ "several_threads", several_threads },
};
const struct check_group graph_node_family = GROUP("graph_nodes", checks);
