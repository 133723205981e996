// SPDX-License-Identifier: Apache-2.0
/* Adding nodes, changing and asking for their parameters: what all types have in common. */
#include <stdlib.h>
#include <string.h>

#include "callback.h"
#include "calls.h"
#include "gen/ops.h"
#include "graph_wire.h"
#include "pool.h"
#include "references.h"

#define FIRST_EDGES 1024u	/* that go with the node itself */
#define BODIES_MAX 1024u

/* Graphs for the bodies of a conditional node; their numbers become the record's data. */
static int make_bodies(struct vg_node_wire *w, uint32_t before, unsigned int count, CUgraph **out)
{
	CUgraph *bodies;

	if (!count || count > BODIES_MAX)
		return CUDA_ERROR_INVALID_VALUE;
	bodies = calloc(count, sizeof(CUgraph));
	if (!bodies)
		return CUDA_ERROR_OUT_OF_MEMORY;
	*out = bodies;
	for (unsigned int i = 0; i < count; i++) {
		bodies[i] = vg_object_new(VG_GRAPH, sizeof(struct vg_graph));
		if (!bodies[i])
			return CUDA_ERROR_OUT_OF_MEMORY;
		memcpy(w->data + before + 4 * (size_t)i, &bodies[i]->object.number, 4);
	}
	return 0;
}

static void drop_bodies(CUgraph *bodies, unsigned int count)
{
	for (unsigned int i = 0; bodies && i < count && bodies[i]; i++)
		vg_object_end(bodies[i]);
	free(bodies);
}

/*
 * A node does from now on what p says: the list keeps what it refers to, replaced is
 * what the node referred to before.
 */
static int keep(struct vg_references **list, const struct vg_node *n, const CUgraphNodeParams *p,
		const struct vg_node_wire *w, struct vg_references **replaced)
{
	*replaced = NULL;
	switch (p->type) {
	case NODE_HOST:
		return vg_references_set_callback(list, n, w->callback, replaced);
	case NODE_GRAPH:
		return vg_references_copy(list, p->graph.graph->references);
	case NODE_EVENT_RECORD:
		atomic_store_explicit(&p->event->of_graphs, 1, memory_order_release);
	}
	return 0;
}

/* The node is there; the graph lock is held. */
static int added(struct vg_node *n, CUgraphNodeParams *p, const struct vg_node_wire *w, uint64_t address, CUgraph *bodies)
{
	struct vg_references *replaced;
	int result = keep(&n->graph->references, n, p, w, &replaced);

	n->packed = w->packed;
	memcpy(n->unified, w->unified, sizeof n->unified);
	switch (p->type) {
	case NODE_GRAPH:
		if (p->graph.ownership)
			vg_node_hold(n, p->graph.graph);
		break;
	case NODE_MEM_ALLOC:
		p->alloc.dptr = address;
		result = vg_pool_graph_memory(address, p->alloc.bytesize);
		break;
	case NODE_CONDITIONAL:
		n->bodies = bodies;
		p->conditional.phGraph_out = bodies;
		for (unsigned int i = p->conditional.size; i-- > 0;)
			vg_node_hold(n, bodies[i]);
		break;
	}
	return result;
}

static int add(struct vg_thread *t, CUgraphNode *out, struct vg_graph *g, uint32_t edges, CUgraphNodeParams *p,
	       struct vg_node_wire *w, bool general)
{
	uint32_t before = edges * (uint32_t)sizeof(struct vg_edge), number = 0;
	CUgraph *bodies = NULL;
	struct vg_node *n = NULL;
	uint64_t address = 0;
	int result = 0;

	vg_graphs_lock();
	if (p->type == NODE_CONDITIONAL)
		result = make_bodies(w, before, p->conditional.size, &bodies);
	if (!result)
		result = vg_op_node_add(t, g->object.number, edges, general, &w->params, &number, &address, w->data, w->size);
	if (!result && !(n = vg_node_at(g, number)))
		result = CUDA_ERROR_OUT_OF_MEMORY;
	if (n)
		result = added(n, p, w, address, bodies);
	else
		drop_bodies(bodies, p->conditional.size);
	vg_graphs_unlock();
	if (!n && w->callback)
		vg_callback_end(w->callback);
	*out = n;
	return result;
}

/* The dependencies that did not fit into the node's record. */
static int add_rest(struct vg_thread *t, struct vg_graph *g, struct vg_node *n, const CUgraphNode *after,
		    const CUgraphEdgeData *data, size_t count)
{
	struct vg_edge edges[FIRST_EDGES];
	int result = 0;

	for (size_t first = FIRST_EDGES; first < count && !result; first += FIRST_EDGES) {
		size_t some = count - first < FIRST_EDGES ? count - first : FIRST_EDGES;

		result = vg_edges_write(edges, after + first, NULL, data ? data + first : NULL, some);
		for (size_t i = 0; i < some; i++)
			edges[i].to = n->object.number;
		if (!result)
			result = vg_op_graph_depend(t, g->object.number, 0, edges, (uint32_t)(some * sizeof *edges));
	}
	return result;
}

CUresult cuGraphDestroyNode(CUgraphNode node);

CUresult vg_node_add(CUgraphNode *out, CUgraph graph, const CUgraphNode *after, const CUgraphEdgeData *data, size_t count,
		     CUgraphNodeParams *p, bool general)
{
	uint32_t first = (uint32_t)(count < FIRST_EDGES ? count : FIRST_EDGES);
	struct vg_node_wire w;
	struct vg_node *n;
	struct vg_thread *t;
	int result = vg_graph_enter(&t, graph);

	if (result)
		return result;
	if (!out || (count && !after))
		return CUDA_ERROR_INVALID_VALUE;
	/* measured with driver 580: a fill is the current context's unless it names one */
	if (p->type == NODE_MEMSET && !p->memset.ctx)
		p->memset.ctx = t->current;
	result = vg_node_encode(p, first * (uint32_t)sizeof(struct vg_edge), &w);
	if (result)
		return result;
	result = vg_edges_write((struct vg_edge *)w.data, after, NULL, data, first);
	if (!result)
		result = add(t, &n, graph, first, p, &w, general);
	else if (w.callback)
		vg_callback_end(w.callback);
	vg_node_wire_end(&w);
	if (!result && count > first) {
		result = add_rest(t, graph, n, after, data, count);
		if (result)
			cuGraphDestroyNode(n);
	}
	if (!result)
		*out = n;
	return result;
}

CUresult vg_node_set(CUgraphNode node, const CUgraphNodeParams *p, bool general)
{
	struct vg_references *replaced = NULL;
	struct vg_node_wire w;
	struct vg_thread *t;
	int result = vg_node_enter(&t, node);

	if (!result)
		result = vg_node_encode(p, 0, &w);
	if (result)
		return result;
	vg_graphs_lock();
	result = vg_op_node_set(t, node->object.number, general, &w.params, w.data, w.size);
	if (!result) {
		if (p->type == NODE_GRAPH)
			vg_node_empty(node);
		node->packed = w.packed;
		memcpy(node->unified, w.unified, sizeof node->unified);
		result = keep(&node->graph->references, node, p, &w, &replaced);
	} else if (w.callback) {
		vg_callback_end(w.callback);
	}
	vg_graphs_unlock();
	vg_references_release(replaced);
	vg_node_wire_end(&w);
	return result;
}

CUresult vg_graphexec_node_set(CUgraphExec exec, CUgraphNode node, const CUgraphNodeParams *p, bool general)
{
	struct vg_references *replaced = NULL;
	struct vg_node_wire w;
	struct vg_thread *t;
	int result = vg_graphexec_enter(&t, exec);

	if (!result)
		result = vg_node_enter(&t, node);
	if (!result)
		result = vg_node_encode(p, 0, &w);
	if (result)
		return result;
	result = vg_op_exec_node_set(t, exec->object.number, node->object.number, general, &w.params, w.data, w.size);
	if (!result)
		result = keep(&exec->references, node, p, &w, &replaced);
	else if (w.callback)
		vg_callback_end(w.callback);
	vg_graphexec_release(t, exec, replaced);
	vg_node_wire_end(&w);
	return result;
}

CUresult vg_node_get(CUgraphNode node, unsigned int type, CUgraphNodeParams *p)
{
	uint8_t page[VGPU_REP_DATA_MAX], *data = NULL;
	uint64_t total = 0;
	size_t have = 0;
	struct vg_thread *t;
	int result = vg_node_enter(&t, node);

	if (result)
		return result;
	do {
		uint32_t size = sizeof page;

		result = vg_op_node_get(t, node->object.number, type, (uint32_t)have, p, &total, page, &size);
		if (!result && (total > VGPU_REC_MAX || size > total - have || (!size && have < total)))
			result = VG_ERROR_PROTOCOL;
		if (!result && !data && !(data = malloc(total + 1)))
			result = CUDA_ERROR_OUT_OF_MEMORY;
		if (result)
			break;
		memcpy(data + have, page, size);
		have += size;
	} while (have < total);
	if (!result)
		result = vg_node_decode(node, p, data, have);
	free(data);
	return result;
}

VG_EXPORT CUresult cuGraphAddNode_v2(CUgraphNode *out, CUgraph graph, const CUgraphNode *after, const CUgraphEdgeData *data,
				     size_t count, CUgraphNodeParams *p)
{
	return p ? vg_node_add(out, graph, after, data, count, p, true) : CUDA_ERROR_INVALID_VALUE;
}

VG_EXPORT CUresult cuGraphAddNode(CUgraphNode *out, CUgraph graph, const CUgraphNode *after, size_t count,
				  CUgraphNodeParams *p)
{
	return p ? vg_node_add(out, graph, after, NULL, count, p, true) : CUDA_ERROR_INVALID_VALUE;
}

VG_EXPORT CUresult cuGraphNodeSetParams(CUgraphNode node, CUgraphNodeParams *p)
{
	return p ? vg_node_set(node, p, true) : CUDA_ERROR_INVALID_VALUE;
}

VG_EXPORT CUresult cuGraphExecNodeSetParams(CUgraphExec exec, CUgraphNode node, CUgraphNodeParams *p)
{
	return p ? vg_graphexec_node_set(exec, node, p, true) : CUDA_ERROR_INVALID_VALUE;
}

VG_EXPORT CUresult cuGraphNodeSetEnabled(CUgraphExec exec, CUgraphNode node, unsigned int enabled)
{
	struct vg_thread *t;
	int result = vg_graphexec_enter(&t, exec);

	if (!result)
		result = vg_node_enter(&t, node);
	return result ? result : vg_op_node_set_enabled(t, exec->object.number, node->object.number, enabled);
}

VG_EXPORT CUresult cuGraphNodeGetEnabled(CUgraphExec exec, CUgraphNode node, unsigned int *enabled)
{
	struct vg_thread *t;
	int result = vg_graphexec_enter(&t, exec);

	if (!result)
		result = vg_node_enter(&t, node);
	if (result)
		return result;
	return enabled ? vg_op_node_get_enabled(t, exec->object.number, node->object.number, enabled) :
			 CUDA_ERROR_INVALID_VALUE;
}
