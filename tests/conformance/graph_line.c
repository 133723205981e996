/* SPDX-License-Identifier: Apache-2.0 */
#include "graph_line.h"

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

bool line_open(struct line *l)
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

bool line_close(struct line *l)
{
	DO(cu.GraphDestroy(l->graph));
	DO(cu.MemFree(l->words));
	DO(cu.MemFree(l->copy));
	DO(cu.StreamDestroy(l->stream));
	return true;
}
