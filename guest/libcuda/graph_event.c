// SPDX-License-Identifier: Apache-2.0
/* Nodes that record events, wait for them, or do memory operations. */
#include "calls.h"
#include "graph.h"

/* The four calls of one type of event node. */
#define EVENT_NODE(name, kind)                                                                                        \
	VG_EXPORT CUresult cuGraphAdd##name##Node(CUgraphNode *out, CUgraph graph, const CUgraphNode *after,          \
						  size_t count, CUevent event)                                        \
	{                                                                                                             \
		CUgraphNodeParams p = { .type = kind, .event = event };                                               \
                                                                                                                      \
		return vg_node_add(out, graph, after, NULL, count, &p, false);                                        \
	}                                                                                                             \
	VG_EXPORT CUresult cuGraph##name##NodeGetEvent(CUgraphNode node, CUevent *event)                              \
	{                                                                                                             \
		CUgraphNodeParams p;                                                                                  \
		int result;                                                                                           \
                                                                                                                      \
		if (!event)                                                                                           \
			return CUDA_ERROR_INVALID_VALUE;                                                              \
		result = vg_node_get(node, kind, &p);                                                                 \
		if (!result)                                                                                          \
			*event = p.event;                                                                             \
		return result;                                                                                        \
	}                                                                                                             \
	VG_EXPORT CUresult cuGraph##name##NodeSetEvent(CUgraphNode node, CUevent event)                               \
	{                                                                                                             \
		CUgraphNodeParams p = { .type = kind, .event = event };                                               \
                                                                                                                      \
		return vg_node_set(node, &p, false);                                                                  \
	}                                                                                                             \
	VG_EXPORT CUresult cuGraphExec##name##NodeSetEvent(CUgraphExec exec, CUgraphNode node, CUevent event)         \
	{                                                                                                             \
		CUgraphNodeParams p = { .type = kind, .event = event };                                               \
                                                                                                                      \
		return vg_graphexec_node_set(exec, node, &p, false);                                                  \
	}

EVENT_NODE(EventRecord, NODE_EVENT_RECORD)
EVENT_NODE(EventWait, NODE_WAIT_EVENT)

static CUgraphNodeParams memop_params(const CUDA_BATCH_MEM_OP_NODE_PARAMS *m)
{
	return (CUgraphNodeParams){ .type = NODE_BATCH_MEM_OP, .memOp = *m };
}

VG_EXPORT CUresult cuGraphAddBatchMemOpNode(CUgraphNode *out, CUgraph graph, const CUgraphNode *after, size_t count,
					    const CUDA_BATCH_MEM_OP_NODE_PARAMS *m)
{
	CUgraphNodeParams p;

	if (!m)
		return CUDA_ERROR_INVALID_VALUE;
	p = memop_params(m);
	return vg_node_add(out, graph, after, NULL, count, &p, false);
}

VG_EXPORT CUresult cuGraphBatchMemOpNodeGetParams(CUgraphNode node, CUDA_BATCH_MEM_OP_NODE_PARAMS *m)
{
	CUgraphNodeParams p;
	int result;

	if (!m)
		return CUDA_ERROR_INVALID_VALUE;
	result = vg_node_get(node, NODE_BATCH_MEM_OP, &p);
	if (!result)
		*m = p.memOp;
	return result;
}

VG_EXPORT CUresult cuGraphBatchMemOpNodeSetParams(CUgraphNode node, const CUDA_BATCH_MEM_OP_NODE_PARAMS *m)
{
	CUgraphNodeParams p;

	if (!m)
		return CUDA_ERROR_INVALID_VALUE;
	p = memop_params(m);
	return vg_node_set(node, &p, false);
}

VG_EXPORT CUresult cuGraphExecBatchMemOpNodeSetParams(CUgraphExec exec, CUgraphNode node,
						      const CUDA_BATCH_MEM_OP_NODE_PARAMS *m)
{
	CUgraphNodeParams p;

	if (!m)
		return CUDA_ERROR_INVALID_VALUE;
	p = memop_params(m);
	return vg_graphexec_node_set(exec, node, &p, false);
}
