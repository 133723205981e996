// SPDX-License-Identifier: Apache-2.0
/* Graphs: made by capture or cloned, instantiated, updated, launched. */
#include "graph.h"

#include "calls.h"
#include "enter.h"
#include "gen/ops.h"

/* CUgraphExecUpdateResultInfo */
struct update_info {
	unsigned int result;	/* 0 success, 1 error, 2 topology, ... */
	CUgraphNode errorNode, errorFromNode;
};
_Static_assert(sizeof(struct update_info) == 24, "CUgraphExecUpdateResultInfo");

/* CUDA_GRAPH_INSTANTIATE_PARAMS */
struct instantiate_params {
	unsigned long long flags;
	CUstream hUploadStream;
	CUgraphNode hErrNode_out;
	unsigned int result_out;
};
_Static_assert(sizeof(struct instantiate_params) == 32, "CUDA_GRAPH_INSTANTIATE_PARAMS");

#define INSTANTIATE_UPLOAD 2u

static int find(struct vg_thread **t, CUgraph graph)
{
	int result = vg_enter(t);

	if (result)
		return result;
	return graph && graph->object.kind == VG_GRAPH ? 0 : CUDA_ERROR_INVALID_VALUE;
}

static int find_exec(struct vg_thread **t, CUgraphExec exec)
{
	int result = vg_enter(t);

	if (result)
		return result;
	return exec && exec->object.kind == VG_GRAPHEXEC ? 0 : CUDA_ERROR_INVALID_VALUE;
}

VG_EXPORT CUresult cuGraphCreate(CUgraph *graph, unsigned int flags)
{
	struct vg_graph *g;
	struct vg_thread *t;
	int result = vg_enter(&t);

	if (result)
		return result;
	if (!graph || flags)
		return CUDA_ERROR_INVALID_VALUE;
	g = vg_object_new(VG_GRAPH, sizeof *g);
	if (!g)
		return CUDA_ERROR_OUT_OF_MEMORY;
	result = vg_op_graph_create(t, g->object.number, flags);
	if (result)
		vg_object_end(g);
	else
		*graph = g;
	return result;
}

VG_EXPORT CUresult cuGraphClone(CUgraph *clone, CUgraph original)
{
	struct vg_graph *g;
	struct vg_thread *t;
	int result = find(&t, original);

	if (result)
		return result;
	if (!clone)
		return CUDA_ERROR_INVALID_VALUE;
	g = vg_object_new(VG_GRAPH, sizeof *g);
	if (!g)
		return CUDA_ERROR_OUT_OF_MEMORY;
	result = vg_op_graph_clone(t, g->object.number, original->object.number);
	if (result)
		vg_object_end(g);
	else
		*clone = g;
	return result;
}

VG_EXPORT CUresult cuGraphDestroy(CUgraph graph)
{
	struct vg_thread *t;
	int result = find(&t, graph);

	if (!result)
		result = vg_op_graph_destroy(t, graph->object.number);
	if (!result)
		vg_object_end(graph);
	return result;
}

VG_EXPORT CUresult cuGraphGetNodes(CUgraph graph, CUgraphNode *nodes, size_t *count)
{
	uint32_t numbers[512];
	struct vg_thread *t;
	uint64_t total = 0;
	size_t have = 0;
	int result = find(&t, graph);

	if (result)
		return result;
	if (!count)
		return CUDA_ERROR_INVALID_VALUE;
	do {
		uint32_t size = nodes ? sizeof numbers : 0;

		result = vg_op_graph_nodes(t, graph->object.number, (uint32_t)have, &total, numbers, &size);
		if (result)
			return result;
		if (!nodes) {
			*count = total;
			return CUDA_SUCCESS;
		}
		if (!size)
			break;
		for (uint32_t i = 0; i < size / sizeof numbers[0] && have < *count; i++)
			nodes[have++] = (CUgraphNode)(uintptr_t)numbers[i];
	} while (have < *count && have < total);
	for (size_t i = have; i < *count; i++)
		nodes[i] = NULL;
	*count = have;
	return CUDA_SUCCESS;
}

VG_EXPORT CUresult cuGraphNodeGetType(CUgraphNode node, unsigned int *type)
{
	struct vg_thread *t;
	int result = vg_enter(&t);

	if (result)
		return result;
	if (!type || !node)
		return CUDA_ERROR_INVALID_VALUE;
	return vg_op_node_type(t, (uint32_t)(uintptr_t)node, type);
}

static CUresult instantiate(CUgraphExec *exec, CUgraph graph, unsigned long long flags)
{
	struct vg_graphexec *x;
	struct vg_thread *t;
	int result = find(&t, graph);

	if (result)
		return result;
	if (!exec)
		return CUDA_ERROR_INVALID_VALUE;
	x = vg_object_new(VG_GRAPHEXEC, sizeof *x);
	if (!x)
		return CUDA_ERROR_OUT_OF_MEMORY;
	result = vg_op_graph_instantiate(t, x->object.number, graph->object.number, flags);
	if (result)
		vg_object_end(x);
	else
		*exec = x;
	return result;
}

VG_EXPORT CUresult cuGraphInstantiateWithFlags(CUgraphExec *exec, CUgraph graph, unsigned long long flags)
{
	return instantiate(exec, graph, flags);
}

VG_EXPORT CUresult cuGraphInstantiate(CUgraphExec *exec, CUgraph graph, CUgraphNode *error_node, char *log, size_t size)
{
	if (error_node)
		*error_node = NULL;
	if (log && size)
		*log = 0;
	return instantiate(exec, graph, 0);
}

VG_EXPORT CUresult cuGraphInstantiate_v2(CUgraphExec *exec, CUgraph graph, CUgraphNode *error_node, char *log,
					 size_t size)
{
	return cuGraphInstantiate(exec, graph, error_node, log, size);
}

static CUresult launch(CUgraphExec exec, CUstream handle, bool per_thread, bool upload)
{
	struct vg_stream *s;
	struct vg_thread *t;
	int result = find_exec(&t, exec);

	if (!result)
		result = vg_stream_get(t, handle, per_thread, &s);
	if (result)
		return result;
	result = upload ? vg_op_graph_upload(t, exec->object.number, s->object.number) :
			  vg_op_graph_launch(t, exec->object.number, s->object.number);
	if (!result)
		vg_stream_busy(s);
	return result;
}

static CUresult instantiate_params(CUgraphExec *exec, CUgraph graph, struct instantiate_params *p, bool per_thread)
{
	CUresult result;

	if (!p)
		return CUDA_ERROR_INVALID_VALUE;
	p->hErrNode_out = NULL;
	result = instantiate(exec, graph, p->flags & ~(unsigned long long)INSTANTIATE_UPLOAD);
	p->result_out = result ? 1 : 0;
	if (!result && (p->flags & INSTANTIATE_UPLOAD))
		result = launch(*exec, p->hUploadStream, per_thread, true);
	return result;
}

VG_EXPORT CUresult cuGraphInstantiateWithParams(CUgraphExec *exec, CUgraph graph, struct instantiate_params *p)
{
	return instantiate_params(exec, graph, p, false);
}

VG_EXPORT CUresult cuGraphInstantiateWithParams_ptsz(CUgraphExec *exec, CUgraph graph, struct instantiate_params *p)
{
	return instantiate_params(exec, graph, p, true);
}

VG_EXPORT CUresult cuGraphExecUpdate_v2(CUgraphExec exec, CUgraph graph, struct update_info *info)
{
	struct vg_thread *t;
	uint32_t outcome = 0;
	int result = find_exec(&t, exec);

	if (result)
		return result;
	if (!graph || graph->object.kind != VG_GRAPH || !info)
		return CUDA_ERROR_INVALID_VALUE;
	result = vg_op_graph_update(t, exec->object.number, graph->object.number, &outcome);
	*info = (struct update_info){ .result = outcome };
	/* the reply carries the outcome only with success */
	if (!result && outcome)
		result = CUDA_ERROR_GRAPH_EXEC_UPDATE_FAILURE;
	return result;
}

VG_EXPORT CUresult cuGraphExecUpdate(CUgraphExec exec, CUgraph graph, CUgraphNode *error_node, unsigned int *outcome)
{
	struct update_info info = { 0 };
	CUresult result;

	if (!outcome)
		return CUDA_ERROR_INVALID_VALUE;
	result = cuGraphExecUpdate_v2(exec, graph, &info);
	*outcome = info.result;
	if (error_node)
		*error_node = NULL;
	return result;
}

VG_EXPORT CUresult cuGraphLaunch(CUgraphExec exec, CUstream stream)
{
	return launch(exec, stream, false, false);
}

VG_EXPORT CUresult cuGraphLaunch_ptsz(CUgraphExec exec, CUstream stream)
{
	return launch(exec, stream, true, false);
}

VG_EXPORT CUresult cuGraphUpload(CUgraphExec exec, CUstream stream)
{
	return launch(exec, stream, false, true);
}

VG_EXPORT CUresult cuGraphUpload_ptsz(CUgraphExec exec, CUstream stream)
{
	return launch(exec, stream, true, true);
}

VG_EXPORT CUresult cuGraphExecDestroy(CUgraphExec exec)
{
	struct vg_thread *t;
	int result = find_exec(&t, exec);

	if (!result)
		result = vg_op_graphexec_destroy(t, exec->object.number);
	if (!result)
		vg_object_end(exec);
	return result;
}
