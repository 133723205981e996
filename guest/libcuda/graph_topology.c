// SPDX-License-Identifier: Apache-2.0
/* Which nodes a graph has, and which waits for which. */
#include <string.h>

#include "calls.h"
#include "gen/ops.h"
#include "graph.h"

#define PAGE_NODES 1024u
#define PAGE_EDGES 256u

/* One page of a list from the first-th element on: its bytes, and the length of the whole. */
typedef int (*fetch_page)(struct vg_thread *t, uint32_t of, uint32_t first, uint64_t *total, void *page, uint32_t *size);

static CUresult list_nodes(struct vg_thread *t, struct vg_graph *g, fetch_page fetch, CUgraphNode *nodes, size_t *count)
{
	uint32_t numbers[PAGE_NODES];
	uint64_t total = 0;
	size_t have = 0;
	int result;

	do {
		uint32_t size = nodes ? sizeof numbers : 0;

		result = fetch(t, g->object.number, (uint32_t)have, &total, numbers, &size);
		if (result)
			return result;
		if (!nodes) {
			*count = total;
			return CUDA_SUCCESS;
		}
		if (!size)
			break;
		for (uint32_t i = 0; i < size / sizeof numbers[0] && have < *count; i++) {
			nodes[have] = vg_node_at(g, numbers[i]);
			if (!nodes[have++])
				return CUDA_ERROR_OUT_OF_MEMORY;
		}
	} while (have < *count && have < total);
	for (size_t i = have; i < *count; i++)
		nodes[i] = NULL;
	*count = have;
	return CUDA_SUCCESS;
}

static CUresult nodes_of(CUgraph graph, fetch_page fetch, CUgraphNode *nodes, size_t *count)
{
	struct vg_thread *t;
	int result = vg_graph_enter(&t, graph);

	if (result)
		return result;
	if (!count)
		return CUDA_ERROR_INVALID_VALUE;
	vg_graphs_lock();
	result = list_nodes(t, graph, fetch, nodes, count);
	vg_graphs_unlock();
	return result;
}

VG_EXPORT CUresult cuGraphGetNodes(CUgraph graph, CUgraphNode *nodes, size_t *count)
{
	return nodes_of(graph, vg_op_graph_nodes, nodes, count);
}

VG_EXPORT CUresult cuGraphGetRootNodes(CUgraph graph, CUgraphNode *nodes, size_t *count)
{
	return nodes_of(graph, vg_op_graph_roots, nodes, count);
}

static int fetch_dependencies(struct vg_thread *t, uint32_t node, uint32_t first, uint64_t *total, void *page,
			      uint32_t *size)
{
	return vg_op_node_edges(t, node, 0, first, total, page, size);
}

static int fetch_dependents(struct vg_thread *t, uint32_t node, uint32_t first, uint64_t *total, void *page,
			    uint32_t *size)
{
	return vg_op_node_edges(t, node, 1, first, total, page, size);
}

/* Where a query of edges puts what it finds; a NULL is not asked for. */
struct edge_lists {
	CUgraphNode *from, *to;
	CUgraphEdgeData *data;
	size_t *count;
};

static int put_edge(struct vg_graph *g, const struct edge_lists *l, size_t i, const struct vg_edge *e)
{
	static const CUgraphEdgeData none;

	if (!l->data && memcmp(&e->data, &none, sizeof none) != 0)
		return CUDA_ERROR_LOSSY_QUERY;
	if (l->data)
		l->data[i] = e->data;
	if (l->from && !(l->from[i] = vg_node_at(g, e->from)))
		return CUDA_ERROR_OUT_OF_MEMORY;
	if (l->to && !(l->to[i] = vg_node_at(g, e->to)))
		return CUDA_ERROR_OUT_OF_MEMORY;
	return 0;
}

static CUresult list_edges(struct vg_thread *t, struct vg_graph *g, uint32_t of, fetch_page fetch,
			   const struct edge_lists *l)
{
	struct vg_edge page[PAGE_EDGES];
	bool counting = !l->from && !l->to;
	uint64_t total = 0;
	size_t have = 0;
	int result;

	do {
		uint32_t size = counting ? 0 : sizeof page;

		result = fetch(t, of, (uint32_t)have, &total, page, &size);
		if (result)
			return result;
		if (counting) {
			*l->count = total;
			return CUDA_SUCCESS;
		}
		if (!size)
			break;
		for (uint32_t i = 0; i < size / sizeof page[0] && have < *l->count; i++) {
			result = put_edge(g, l, have++, &page[i]);
			if (result)
				return result;
		}
	} while (have < *l->count && have < total);
	for (size_t i = have; i < *l->count; i++) {
		if (l->from)
			l->from[i] = NULL;
		if (l->to)
			l->to[i] = NULL;
	}
	*l->count = have;
	return CUDA_SUCCESS;
}

VG_EXPORT CUresult cuGraphGetEdges_v2(CUgraph graph, CUgraphNode *from, CUgraphNode *to, CUgraphEdgeData *data,
				      size_t *count)
{
	struct vg_thread *t;
	int result = vg_graph_enter(&t, graph);

	if (result)
		return result;
	if (!count || !from != !to || (data && !from))
		return CUDA_ERROR_INVALID_VALUE;
	vg_graphs_lock();
	result = list_edges(t, graph, graph->object.number, vg_op_graph_edges,
			    &(struct edge_lists){ from, to, data, count });
	vg_graphs_unlock();
	return result;
}

VG_EXPORT CUresult cuGraphGetEdges(CUgraph graph, CUgraphNode *from, CUgraphNode *to, size_t *count)
{
	return cuGraphGetEdges_v2(graph, from, to, NULL, count);
}

static CUresult neighbours(CUgraphNode node, bool leaving, CUgraphNode *others, CUgraphEdgeData *data, size_t *count)
{
	struct edge_lists l = { .data = data, .count = count };
	struct vg_thread *t;
	int result = vg_node_enter(&t, node);

	if (result)
		return result;
	if (!count || (data && !others))
		return CUDA_ERROR_INVALID_VALUE;
	if (leaving)
		l.to = others;
	else
		l.from = others;
	vg_graphs_lock();
	result = list_edges(t, node->graph, node->object.number, leaving ? fetch_dependents : fetch_dependencies, &l);
	vg_graphs_unlock();
	return result;
}

VG_EXPORT CUresult cuGraphNodeGetDependencies_v2(CUgraphNode node, CUgraphNode *others, CUgraphEdgeData *data, size_t *count)
{
	return neighbours(node, false, others, data, count);
}

VG_EXPORT CUresult cuGraphNodeGetDependencies(CUgraphNode node, CUgraphNode *others, size_t *count)
{
	return neighbours(node, false, others, NULL, count);
}

VG_EXPORT CUresult cuGraphNodeGetDependentNodes_v2(CUgraphNode node, CUgraphNode *others, CUgraphEdgeData *data,
						   size_t *count)
{
	return neighbours(node, true, others, data, count);
}

VG_EXPORT CUresult cuGraphNodeGetDependentNodes(CUgraphNode node, CUgraphNode *others, size_t *count)
{
	return neighbours(node, true, others, NULL, count);
}

static int number_of(CUgraphNode node, uint32_t *number)
{
	return vg_number(VG_NODE, node, number) ? CUDA_ERROR_INVALID_VALUE : 0;
}

int vg_edges_write(struct vg_edge *edges, const CUgraphNode *from, const CUgraphNode *to, const CUgraphEdgeData *data,
		   size_t count)
{
	for (size_t i = 0; i < count; i++) {
		edges[i] = (struct vg_edge){ 0 };
		if (from && number_of(from[i], &edges[i].from))
			return CUDA_ERROR_INVALID_VALUE;
		if (to && number_of(to[i], &edges[i].to))
			return CUDA_ERROR_INVALID_VALUE;
		if (data)
			edges[i].data = data[i];
	}
	return 0;
}

/* More edges than a record holds go in several; the driver would do all or nothing. */
static CUresult depend(CUgraph graph, bool drop, const CUgraphNode *from, const CUgraphNode *to,
		       const CUgraphEdgeData *data, size_t count)
{
	struct vg_edge edges[VG_EDGES_MAX];
	struct vg_thread *t;
	int result = vg_graph_enter(&t, graph);

	if (!result && count && (!from || !to))
		result = CUDA_ERROR_INVALID_VALUE;
	for (size_t first = 0; first < count && !result; first += VG_EDGES_MAX) {
		size_t n = count - first < VG_EDGES_MAX ? count - first : VG_EDGES_MAX;

		result = vg_edges_write(edges, from + first, to + first, data ? data + first : NULL, n);
		if (!result)
			result = vg_op_graph_depend(t, graph->object.number, drop, edges, (uint32_t)(n * sizeof *edges));
	}
	return result;
}

VG_EXPORT CUresult cuGraphAddDependencies_v2(CUgraph graph, const CUgraphNode *from, const CUgraphNode *to,
					     const CUgraphEdgeData *data, size_t count)
{
	return depend(graph, false, from, to, data, count);
}

VG_EXPORT CUresult cuGraphAddDependencies(CUgraph graph, const CUgraphNode *from, const CUgraphNode *to, size_t count)
{
	return depend(graph, false, from, to, NULL, count);
}

VG_EXPORT CUresult cuGraphRemoveDependencies_v2(CUgraph graph, const CUgraphNode *from, const CUgraphNode *to,
						const CUgraphEdgeData *data, size_t count)
{
	return depend(graph, true, from, to, data, count);
}

VG_EXPORT CUresult cuGraphRemoveDependencies(CUgraph graph, const CUgraphNode *from, const CUgraphNode *to, size_t count)
{
	return depend(graph, true, from, to, NULL, count);
}

VG_EXPORT CUresult cuGraphNodeGetType(CUgraphNode node, unsigned int *type)
{
	struct vg_thread *t;
	int result = vg_node_enter(&t, node);

	if (result)
		return result;
	return type ? vg_op_node_type(t, node->object.number, type) : CUDA_ERROR_INVALID_VALUE;
}

VG_EXPORT CUresult cuGraphNodeFindInClone(CUgraphNode *out, CUgraphNode original, CUgraph clone)
{
	uint32_t number = 0;
	struct vg_thread *t;
	int result = vg_node_enter(&t, original);

	if (!result)
		result = vg_graph_enter(&t, clone);
	if (result)
		return result;
	if (!out)
		return CUDA_ERROR_INVALID_VALUE;
	vg_graphs_lock();
	result = vg_op_node_find_in_clone(t, original->object.number, clone->object.number, &number);
	if (!result && !(*out = vg_node_at(clone, number)))
		result = CUDA_ERROR_OUT_OF_MEMORY;
	vg_graphs_unlock();
	return result;
}

VG_EXPORT CUresult cuGraphDestroyNode(CUgraphNode node)
{
	struct vg_thread *t;
	int result = vg_node_enter(&t, node);

	if (result)
		return result;
	vg_graphs_lock();
	result = vg_op_node_destroy(t, node->object.number);
	if (!result)
		vg_node_end(node);
	vg_graphs_unlock();
	return result;
}
