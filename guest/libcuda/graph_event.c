// SPDX-License-Identifier: Apache-2.0
/* Nodes that record events, wait for them, do memory operations, or call the program. */
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

/* The four calls of a type of node whose parameters are one structure, which CUgraphNodeParams has as member. */
#define STRUCTURE_NODE(name, kind, structure, member)                                                                 \
	VG_EXPORT CUresult cuGraphAdd##name##Node(CUgraphNode *out, CUgraph graph, const CUgraphNode *after,          \
						  size_t count, const structure *of)                                  \
	{                                                                                                             \
		if (!of)                                                                                              \
			return CUDA_ERROR_INVALID_VALUE;                                                              \
		return vg_node_add(out, graph, after, NULL, count, &(CUgraphNodeParams){ .type = kind, .member = *of }, \
				   false);                                                                            \
	}                                                                                                             \
	VG_EXPORT CUresult cuGraph##name##NodeGetParams(CUgraphNode node, structure *of)                              \
	{                                                                                                             \
		CUgraphNodeParams p;                                                                                  \
		int result;                                                                                           \
                                                                                                                      \
		if (!of)                                                                                              \
			return CUDA_ERROR_INVALID_VALUE;                                                              \
		result = vg_node_get(node, kind, &p);                                                                 \
		if (!result)                                                                                          \
			*of = p.member;                                                                               \
		return result;                                                                                        \
	}                                                                                                             \
	VG_EXPORT CUresult cuGraph##name##NodeSetParams(CUgraphNode node, const structure *of)                        \
	{                                                                                                             \
		if (!of)                                                                                              \
			return CUDA_ERROR_INVALID_VALUE;                                                              \
		return vg_node_set(node, &(CUgraphNodeParams){ .type = kind, .member = *of }, false);                 \
	}                                                                                                             \
	VG_EXPORT CUresult cuGraphExec##name##NodeSetParams(CUgraphExec exec, CUgraphNode node, const structure *of)  \
	{                                                                                                             \
		if (!of)                                                                                              \
			return CUDA_ERROR_INVALID_VALUE;                                                              \
		return vg_graphexec_node_set(exec, node, &(CUgraphNodeParams){ .type = kind, .member = *of }, false); \
	}

STRUCTURE_NODE(BatchMemOp, NODE_BATCH_MEM_OP, CUDA_BATCH_MEM_OP_NODE_PARAMS, memOp)
STRUCTURE_NODE(Host, NODE_HOST, CUDA_HOST_NODE_PARAMS, host)
