// SPDX-License-Identifier: Apache-2.0
/* Nodes that hold graphs, nodes that do nothing, nodes that allocate and free. */
#include "calls.h"
#include "gen/ops.h"
#include "graph.h"

VG_EXPORT CUresult cuGraphAddEmptyNode(CUgraphNode *out, CUgraph graph, const CUgraphNode *after, size_t count)
{
	CUgraphNodeParams p = { .type = NODE_EMPTY };

	return vg_node_add(out, graph, after, NULL, count, &p, false);
}

VG_EXPORT CUresult cuGraphAddChildGraphNode(CUgraphNode *out, CUgraph graph, const CUgraphNode *after, size_t count,
					    CUgraph child)
{
	CUgraphNodeParams p = { .type = NODE_GRAPH, .graph = { .graph = child } };

	return vg_node_add(out, graph, after, NULL, count, &p, false);
}

VG_EXPORT CUresult cuGraphExecChildGraphNodeSetParams(CUgraphExec exec, CUgraphNode node, CUgraph child)
{
	CUgraphNodeParams p = { .type = NODE_GRAPH, .graph = { .graph = child } };

	return vg_graphexec_node_set(exec, node, &p, false);
}

/* The graph inside keeps the number that it was given when it was first asked for. The graph lock is held. */
static int graph_inside(struct vg_thread *t, struct vg_node *n, CUgraph *out)
{
	struct vg_graph *g = vg_object_new(VG_GRAPH, sizeof *g), *known;
	uint32_t number = 0;
	int result;

	if (!g)
		return CUDA_ERROR_OUT_OF_MEMORY;
	result = vg_op_node_graph(t, n->object.number, g->object.number, &number);
	if (!result && number == g->object.number) {
		vg_node_hold(n, g);
		*out = g;
		return 0;
	}
	known = result ? NULL : vg_object_find(VG_GRAPH, number);
	vg_object_end(g);
	if (!result && !known)
		result = VG_ERROR_PROTOCOL;
	*out = known;
	return result;
}

VG_EXPORT CUresult cuGraphChildGraphNodeGetGraph(CUgraphNode node, CUgraph *graph)
{
	struct vg_thread *t;
	int result = vg_node_enter(&t, node);

	if (result)
		return result;
	if (!graph)
		return CUDA_ERROR_INVALID_VALUE;
	vg_graphs_lock();
	result = graph_inside(t, node, graph);
	vg_graphs_unlock();
	return result;
}

VG_EXPORT CUresult cuGraphConditionalHandleCreate(unsigned long long *handle, CUgraph graph, CUcontext context,
						  unsigned int value, unsigned int flags)
{
	uint64_t made = 0;
	struct vg_thread *t;
	int result = vg_graph_enter(&t, graph);

	if (result)
		return result;
	if (!handle)
		return CUDA_ERROR_INVALID_VALUE;
	if (context && !vg_context_valid(context))
		return CUDA_ERROR_INVALID_CONTEXT;
	result = vg_op_conditional_create(t, graph->object.number, context ? context->object.number : 0, value, flags, &made);
	if (!result)
		*handle = made;
	return result;
}

VG_EXPORT CUresult cuGraphAddMemAllocNode(CUgraphNode *out, CUgraph graph, const CUgraphNode *after, size_t count,
					  CUDA_MEM_ALLOC_NODE_PARAMS *a)
{
	CUgraphNodeParams p = { .type = NODE_MEM_ALLOC };
	int result;

	if (!a)
		return CUDA_ERROR_INVALID_VALUE;
	p.alloc = *a;
	result = vg_node_add(out, graph, after, NULL, count, &p, false);
	if (!result)
		a->dptr = p.alloc.dptr;
	return result;
}

VG_EXPORT CUresult cuGraphMemAllocNodeGetParams(CUgraphNode node, CUDA_MEM_ALLOC_NODE_PARAMS *a)
{
	CUgraphNodeParams p;
	int result;

	if (!a)
		return CUDA_ERROR_INVALID_VALUE;
	result = vg_node_get(node, NODE_MEM_ALLOC, &p);
	if (!result)
		*a = p.alloc;
	return result;
}

VG_EXPORT CUresult cuGraphAddMemFreeNode(CUgraphNode *out, CUgraph graph, const CUgraphNode *after, size_t count,
					 CUdeviceptr address)
{
	CUgraphNodeParams p = { .type = NODE_MEM_FREE, .free = address };

	return vg_node_add(out, graph, after, NULL, count, &p, false);
}

VG_EXPORT CUresult cuGraphMemFreeNodeGetParams(CUgraphNode node, CUdeviceptr *address)
{
	CUgraphNodeParams p;
	int result;

	if (!address)
		return CUDA_ERROR_INVALID_VALUE;
	result = vg_node_get(node, NODE_MEM_FREE, &p);
	if (!result)
		*address = p.free;
	return result;
}
