// SPDX-License-Identifier: Apache-2.0
/* What stands for graphs and nodes in this process. */
#include <stdlib.h>

#include "graph.h"
#include "references.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

void vg_graphs_lock(void)
{
	pthread_mutex_lock(&lock);
}

void vg_graphs_unlock(void)
{
	pthread_mutex_unlock(&lock);
}

struct vg_node *vg_node_at(struct vg_graph *g, uint32_t number)
{
	struct vg_node *n = vg_object_find(VG_NODE, number);

	if (n)
		return n;
	n = vg_object_numbered(VG_NODE, sizeof *n, number);
	if (!n)
		return NULL;
	n->graph = g;
	n->next = g->nodes;
	if (n->next)
		n->next->previous = n;
	g->nodes = n;
	return n;
}

void vg_node_hold(struct vg_node *n, struct vg_graph *g)
{
	g->holder = n;
	g->sibling = n->inside;
	n->inside = g;
}

void vg_node_empty(struct vg_node *n)
{
	while (n->inside) {
		struct vg_graph *g = n->inside;

		n->inside = g->sibling;
		vg_graph_end(g);
	}
	free(n->bodies);
	n->bodies = NULL;
}

void vg_node_end(struct vg_node *n)
{
	vg_node_empty(n);
	if (n->previous)
		n->previous->next = n->next;
	else
		n->graph->nodes = n->next;
	if (n->next)
		n->next->previous = n->previous;
	free(n->handed);
	n->object.kind = 0;
}

void vg_graph_end(struct vg_graph *g)
{
	while (g->nodes)
		vg_node_end(g->nodes);
	vg_references_release(g->references);
	g->references = NULL;
	vg_object_end(g);
}

int vg_graph_enter(struct vg_thread **t, CUgraph graph)
{
	int result = vg_enter(t);

	if (result)
		return result;
	return graph && graph->object.kind == VG_GRAPH ? 0 : CUDA_ERROR_INVALID_VALUE;
}

int vg_graphexec_enter(struct vg_thread **t, CUgraphExec exec)
{
	int result = vg_enter(t);

	if (result)
		return result;
	return exec && exec->object.kind == VG_GRAPHEXEC ? 0 : CUDA_ERROR_INVALID_VALUE;
}

int vg_node_enter(struct vg_thread **t, CUgraphNode node)
{
	int result = vg_enter(t);

	if (result)
		return result;
	return node && node->object.kind == VG_NODE ? 0 : CUDA_ERROR_INVALID_VALUE;
}
