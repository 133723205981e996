/* SPDX-License-Identifier: Apache-2.0 */
/* The edges of graphs built by hand. */
#include "graph_line.h"

static bool topology(void)
{
	BIND(cuGraphGetRootNodes, CUgraph, CUgraphNode *, size_t *);
	BIND(cuGraphGetEdges, CUgraph, CUgraphNode *, CUgraphNode *, size_t *);
	BIND(cuGraphGetEdges_v2, CUgraph, CUgraphNode *, CUgraphNode *, edge_data *, size_t *);
	BIND(cuGraphNodeGetDependencies, CUgraphNode, CUgraphNode *, size_t *);
	BIND(cuGraphNodeGetDependencies_v2, CUgraphNode, CUgraphNode *, edge_data *, size_t *);
	BIND(cuGraphNodeGetDependentNodes, CUgraphNode, CUgraphNode *, size_t *);
	BIND(cuGraphNodeGetDependentNodes_v2, CUgraphNode, CUgraphNode *, edge_data *, size_t *);
	BIND(cuGraphNodeGetType, CUgraphNode, int *);
	BIND(cuGraphAddDependencies, CUgraph, const CUgraphNode *, const CUgraphNode *, size_t);
	BIND(cuGraphRemoveDependencies_v2, CUgraph, const CUgraphNode *, const CUgraphNode *, const edge_data *, size_t);
	BIND(cuGraphAddEmptyNode, CUgraphNode *, CUgraph, const CUgraphNode *, size_t);
	BIND(cuGraphDestroyNode, CUgraphNode);
	CUgraphNode nodes[8], to[8], join;
	edge_data data[8];
	struct line l;
	size_t count;
	int type = -1;

	if (!line_open(&l))
		return false;
	count = 8;
	DO(cu.GraphGetNodes(l.graph, nodes, &count));
	THAT(count == 3 && nodes[0] == l.set && nodes[1] == l.kernel && nodes[2] == l.transfer && !nodes[3] && !nodes[7]);
	count = 2;
	DO(cu.GraphGetNodes(l.graph, nodes, &count));
	THAT(count == 2);
	DO(cuGraphGetRootNodes(l.graph, NULL, &count));
	THAT(count == 1);
	DO(cuGraphGetRootNodes(l.graph, nodes, &count));
	THAT(nodes[0] == l.set);
	DO(cuGraphNodeGetType(l.kernel, &type));
	THAT(type == NODE_KERNEL);
	DO(cuGraphNodeGetType(l.set, &type));
	THAT(type == NODE_MEMSET);
	DO(cuGraphNodeGetType(l.transfer, &type));
	THAT(type == NODE_MEMCPY);

	DO(cuGraphGetEdges(l.graph, NULL, NULL, &count));
	THAT(count == 2);
	count = 8;
	memset(data, 0xff, sizeof(data));
	DO(cuGraphGetEdges_v2(l.graph, nodes, to, data, &count));
	THAT(count == 2 && nodes[0] == l.set && to[0] == l.kernel && nodes[1] == l.kernel && to[1] == l.transfer);
	THAT(!nodes[2] && !to[7] && !data[0].type && !data[1].from_port);
	DO(cuGraphNodeGetDependencies(l.kernel, NULL, &count));
	THAT(count == 1);
	DO(cuGraphNodeGetDependencies(l.kernel, nodes, &count));
	THAT(nodes[0] == l.set);
	count = 8;
	DO(cuGraphNodeGetDependentNodes_v2(l.kernel, nodes, data, &count));
	THAT(count == 1 && nodes[0] == l.transfer);
	DO(cuGraphNodeGetDependentNodes(l.transfer, NULL, &count));
	THAT(count == 0);
	DO(cuGraphNodeGetDependencies_v2(l.set, NULL, NULL, &count));
	THAT(count == 0);

	/* another way round: set -> join -> transfer beside the kernel */
	DO(cuGraphAddEmptyNode(&join, l.graph, &l.set, 1));
	DO(cuGraphAddDependencies(l.graph, &join, &l.transfer, 1));
	DO(cuGraphNodeGetDependencies(l.transfer, NULL, &count));
	THAT(count == 2);
	CODE(cuGraphAddDependencies(l.graph, &join, &l.transfer, 1));	/* there already */
	CODE(cuGraphAddDependencies(l.graph, &join, &join, 1));
	DO(cuGraphRemoveDependencies_v2(l.graph, &join, &l.transfer, NULL, 1));
	CODE(cuGraphRemoveDependencies_v2(l.graph, &join, &l.transfer, NULL, 1));
	DO(cuGraphDestroyNode(join));
	DO(cuGraphGetEdges(l.graph, NULL, NULL, &count));
	THAT(count == 2);
	DO(cuGraphDestroyNode(l.kernel));
	DO(cuGraphGetEdges(l.graph, NULL, NULL, &count));
	THAT(count == 0);
	count = 8;
	DO(cuGraphGetRootNodes(l.graph, nodes, &count));
	THAT(count == 2);
	return line_close(&l);
}

/* Edges with their data in the second version of the calls, without in the first. */
static bool both_versions(void)
{
	BIND(cuGraphAddDependencies_v2, CUgraph, const CUgraphNode *, const CUgraphNode *, const edge_data *, size_t);
	BIND(cuGraphRemoveDependencies, CUgraph, const CUgraphNode *, const CUgraphNode *, size_t);
	BIND(cuGraphAddEmptyNode, CUgraphNode *, CUgraph, const CUgraphNode *, size_t);
	BIND(cuGraphGetEdges_v2, CUgraph, CUgraphNode *, CUgraphNode *, edge_data *, size_t *);
	CUgraphNode nodes[3], from[4], to[4];
	edge_data plain[2] = { { 0 } }, data[4], strange = { .type = 9 };
	CUgraph graph;
	size_t count;

	USE_DEVICE;
	DO(cu.GraphCreate(&graph, 0));
	for (int i = 0; i < 3; i++)
		DO(cuGraphAddEmptyNode(&nodes[i], graph, NULL, 0));
	/* 0 -> 1 -> 2 */
	DO(cuGraphAddDependencies_v2(graph, nodes, nodes + 1, plain, 2));
	count = 4;
	DO(cuGraphGetEdges_v2(graph, from, to, data, &count));
	THAT(count == 2 && from[0] == nodes[0] && to[0] == nodes[1] && from[1] == nodes[1] && to[1] == nodes[2]);
	THAT(!data[0].type && !data[1].type);
	NOTE(cuGraphAddDependencies_v2(graph, &nodes[2], &nodes[0], NULL, 1));	/* a circle */
	NOTE(cuGraphRemoveDependencies(graph, &nodes[2], &nodes[0], 1));
	NOTE(cuGraphAddDependencies_v2(graph, &nodes[0], &nodes[2], &strange, 1));
	DO(cuGraphRemoveDependencies(graph, nodes, nodes + 1, 2));
	DO(cuGraphGetEdges_v2(graph, NULL, NULL, NULL, &count));
	check_note("%zu", count);
	CODE(cuGraphRemoveDependencies(graph, nodes, nodes + 1, 1));
	NOTE(cuGraphRemoveDependencies(graph, NULL, NULL, 0));
	CODE(cuGraphRemoveDependencies(graph, NULL, nodes, 1));
	CODE(cuGraphAddDependencies_v2(graph, nodes, NULL, NULL, 1));
	CODE(cuGraphAddDependencies_v2(NULL, nodes, nodes + 1, NULL, 1));
	DO(cu.GraphDestroy(graph));
	return true;
}

/* More dependencies than one record of the wire holds. */
static bool wide_join(void)
{
	enum { WIDE = 5000 };
	BIND(cuGraphAddEmptyNode, CUgraphNode *, CUgraph, const CUgraphNode *, size_t);
	BIND(cuGraphNodeGetDependencies, CUgraphNode, CUgraphNode *, size_t *);
	BIND(cuGraphGetEdges, CUgraph, CUgraphNode *, CUgraphNode *, size_t *);
	static CUgraphNode nodes[WIDE], seen[WIDE];
	CUgraphNode join;
	CUgraph graph;
	size_t count;

	USE_DEVICE;
	DO(cu.GraphCreate(&graph, 0));
	for (int i = 0; i < WIDE; i++)
		DO(cuGraphAddEmptyNode(&nodes[i], graph, NULL, 0));
	DO(cuGraphAddEmptyNode(&join, graph, nodes, WIDE));
	DO(cuGraphNodeGetDependencies(join, NULL, &count));
	THAT(count == WIDE);
	DO(cuGraphNodeGetDependencies(join, seen, &count));
	THAT(count == WIDE && seen[0] == nodes[0] && seen[WIDE - 1] == nodes[WIDE - 1] && seen[3333] == nodes[3333]);
	DO(cuGraphGetEdges(graph, NULL, NULL, &count));
	THAT(count == WIDE);
	DO(cu.GraphDestroy(graph));
	return true;
}

static const struct check checks[] = {
	{ "topology", topology },
	{ "both_versions", both_versions },
	{ "wide_join", wide_join },
};
const struct check_group graph_edge_family = GROUP("graph_edges", checks);
