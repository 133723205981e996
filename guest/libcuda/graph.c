// SPDX-License-Identifier: Apache-2.0
/* The life of graphs and executable graphs. */
#include "graph.h"

#include "callback.h"
#include "capture.h"
#include "calls.h"
#include "gen/ops.h"
#include "references.h"
#include "stream.h"

#define INSTANTIATE_ERROR 1u
#define UPDATE_ERROR 1u

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
	int result = vg_graph_enter(&t, original);

	if (result)
		return result;
	if (!clone)
		return CUDA_ERROR_INVALID_VALUE;
	g = vg_object_new(VG_GRAPH, sizeof *g);
	if (!g)
		return CUDA_ERROR_OUT_OF_MEMORY;
	result = vg_references_copy(&g->references, original->references);
	if (!result)
		result = vg_op_graph_clone(t, g->object.number, original->object.number);
	if (result)
		vg_graph_end(g);
	else
		*clone = g;
	return result;
}

VG_EXPORT CUresult cuGraphDestroy(CUgraph graph)
{
	struct vg_thread *t;
	int result = vg_graph_enter(&t, graph);

	if (result)
		return result;
	if (graph->holder)
		return CUDA_ERROR_INVALID_VALUE;
	vg_graphs_lock();
	result = vg_op_graph_destroy(t, graph->object.number);
	if (!result)
		vg_graph_end(graph);
	vg_graphs_unlock();
	return result;
}

/* The node that an answer names, NULL for none. */
static CUgraphNode node_of(struct vg_graph *g, uint32_t number)
{
	CUgraphNode n;

	if (!number)
		return NULL;
	vg_graphs_lock();
	n = vg_node_at(g, number);
	vg_graphs_unlock();
	return n;
}

static CUresult instantiate(CUgraphExec *exec, CUgraph graph, unsigned long long flags, uint32_t *outcome, CUgraphNode *node)
{
	uint32_t driver_result = 0, number = 0, allocates = 0;
	struct vg_graphexec *x;
	struct vg_thread *t;
	int result = vg_graph_enter(&t, graph);

	*outcome = INSTANTIATE_ERROR;
	*node = NULL;
	if (result)
		return result;
	if (!exec)
		return CUDA_ERROR_INVALID_VALUE;
	if ((flags & ~INSTANTIATE_FLAGS) || !(~flags & (INSTANTIATE_DEVICE_LAUNCH | INSTANTIATE_AUTO_FREE)))
		return CUDA_ERROR_INVALID_VALUE;
	/* device code would launch it by a handle of the driver's */
	if (flags & INSTANTIATE_DEVICE_LAUNCH)
		return CUDA_ERROR_NOT_SUPPORTED;
	x = vg_object_new(VG_GRAPHEXEC, sizeof *x);
	if (!x)
		return CUDA_ERROR_OUT_OF_MEMORY;
	x->flags = flags;
	result = vg_references_copy(&x->references, graph->references);
	if (!result)
		result = vg_op_graph_instantiate(t, x->object.number, graph->object.number, flags, &driver_result, outcome,
						 &number, &allocates);
	if (!result) {
		*node = node_of(graph, number);
		x->allocates = allocates;
		result = (int)driver_result;
	}
	if (result) {
		vg_references_release(x->references);
		vg_object_end(x);
	} else {
		*exec = x;
	}
	return result;
}

VG_EXPORT CUresult cuGraphInstantiateWithFlags(CUgraphExec *exec, CUgraph graph, unsigned long long flags)
{
	uint32_t outcome;
	CUgraphNode node;

	return flags & INSTANTIATE_UPLOAD ? CUDA_ERROR_INVALID_VALUE : instantiate(exec, graph, flags, &outcome, &node);
}

VG_EXPORT CUresult cuGraphInstantiate(CUgraphExec *exec, CUgraph graph, CUgraphNode *error_node, char *log, size_t size)
{
	uint32_t outcome;
	CUgraphNode node;
	int result = instantiate(exec, graph, 0, &outcome, &node);

	/* who is to blame is told by cuGraphInstantiateWithParams only */
	(void)error_node;
	if (log && size)
		*log = 0;
	return result;
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
	int result = vg_graphexec_enter(&t, exec);

	if (!result)
		result = vg_stream_get(t, handle, per_thread, &s);
	if (result)
		return result;
	/* measured with driver 580: launches of graphs are not captured */
	if (!upload)
		result = vg_capture_break(s);
	if (result)
		return result;
	if (exec->references && !upload) {
		exec->stream = s;
		exec->stream_id = s->id;
	}
	if (upload)
		result = vg_op_graph_upload(t, exec->object.number, s->object.number);
	else if (__builtin_expect(exec->allocates, 0))
		result = vg_op_graph_launch_now(t, exec->object.number, s->object.number);
	else
		result = vg_op_graph_launch(t, exec->object.number, s->object.number);
	if (result)
		return result;
	if (!upload)
		return vg_stream_launched(t, s);
	vg_stream_busy(s);
	return CUDA_SUCCESS;
}

static CUresult instantiate_params(CUgraphExec *exec, CUgraph graph, CUDA_GRAPH_INSTANTIATE_PARAMS *p, bool per_thread)
{
	CUresult result;

	if (!p)
		return CUDA_ERROR_INVALID_VALUE;
	result = instantiate(exec, graph, p->flags & ~INSTANTIATE_UPLOAD, &p->result_out,
			     &p->hErrNode_out);
	if (!result && (p->flags & INSTANTIATE_UPLOAD))
		result = launch(*exec, p->hUploadStream, per_thread, true);
	return result;
}

VG_EXPORT CUresult cuGraphInstantiateWithParams(CUgraphExec *exec, CUgraph graph, CUDA_GRAPH_INSTANTIATE_PARAMS *p)
{
	return instantiate_params(exec, graph, p, false);
}

VG_EXPORT CUresult cuGraphInstantiateWithParams_ptsz(CUgraphExec *exec, CUgraph graph, CUDA_GRAPH_INSTANTIATE_PARAMS *p)
{
	return instantiate_params(exec, graph, p, true);
}

VG_EXPORT CUresult cuGraphExecGetFlags(CUgraphExec exec, unsigned long long *flags)
{
	struct vg_thread *t;
	int result = vg_graphexec_enter(&t, exec);

	if (result)
		return result;
	if (!flags)
		return CUDA_ERROR_INVALID_VALUE;
	*flags = exec->flags & INSTANTIATE_AUTO_FREE;	/* measured with driver 580 */
	return CUDA_SUCCESS;
}

static void release(void *references)
{
	vg_references_release(references);
}

void vg_graphexec_release(struct vg_thread *t, const struct vg_graphexec *x, struct vg_references *references)
{
	struct vg_callback c = { .host = release, .data = references };
	struct vg_stream *s = x->stream;
	uint32_t number;

	if (!references)
		return;
	if (s && s->object.kind == VG_STREAM && s->id == x->stream_id && !atomic_load(&s->capture) &&
	    !vg_callback_new(&c, &number)) {
		if (!vg_op_launch_host_func(t, s->object.number, number)) {
			vg_stream_busy(s);
			return;
		}
		vg_callback_end(number);
	} else if (s) {
		vg_op_ctx_synchronize(t);
	}
	vg_references_release(references);
}

VG_EXPORT CUresult cuGraphExecUpdate_v2(CUgraphExec exec, CUgraph graph, CUgraphExecUpdateResultInfo *info)
{
	uint32_t driver_result = 0, outcome = 0, node = 0, from = 0;
	struct vg_references *references = NULL, *before;
	struct vg_thread *t;
	int result;

	if (info)
		*info = (CUgraphExecUpdateResultInfo){ .result = UPDATE_ERROR };
	result = vg_graphexec_enter(&t, exec);
	if (!result)
		result = vg_graph_enter(&t, graph);
	if (result)
		return result;
	if (!info)
		return CUDA_ERROR_INVALID_VALUE;
	result = vg_references_copy(&references, graph->references);
	if (!result)
		result = vg_op_graph_update(t, exec->object.number, graph->object.number, &driver_result, &outcome, &node,
					    &from);
	if (!result) {
		*info = (CUgraphExecUpdateResultInfo){ outcome, node_of(graph, node), node_of(graph, from) };
		result = (int)driver_result;
	}
	if (result) {
		vg_references_release(references);
		return result;
	}
	before = exec->references;
	exec->references = references;
	vg_graphexec_release(t, exec, before);
	return CUDA_SUCCESS;
}

VG_EXPORT CUresult cuGraphExecUpdate(CUgraphExec exec, CUgraph graph, CUgraphNode *error_node, unsigned int *outcome)
{
	CUgraphExecUpdateResultInfo info = { 0 };
	CUresult result;

	if (!outcome)
		return CUDA_ERROR_INVALID_VALUE;
	result = cuGraphExecUpdate_v2(exec, graph, &info);
	*outcome = info.result;
	if (error_node)
		*error_node = info.errorNode;
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
	int result = vg_graphexec_enter(&t, exec);

	if (result)
		return result;
	vg_graphexec_release(t, exec, exec->references);
	exec->references = NULL;
	result = vg_op_graphexec_destroy(t, exec->object.number);
	if (!result)
		vg_object_end(exec);
	return result;
}
