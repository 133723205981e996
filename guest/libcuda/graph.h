/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Graphs. The executor has them; here is what stands for them: a graph, the nodes
 * that the program has seen of it, and the graphs inside nodes, which end with
 * the node. Nodes have the numbers that the executor gave them; it gives a number
 * out again when it has seen the node's end. So all that makes or ends nodes runs
 * under one lock, which is taken before any other and held over replies.
 */
#ifndef VGPU_GRAPH_H
#define VGPU_GRAPH_H

#include "abi_graph.h"
#include "enter.h"

struct vg_references;

struct vg_graph {
	struct vg_object object;
	struct vg_node *nodes;
	struct vg_node *holder;		/* this graph is inside of it; NULL: the program's own */
	struct vg_graph *sibling;	/* inside the same node */
	struct vg_references *references;
};

struct vg_graphexec {
	struct vg_object object;
	unsigned long long flags;
	struct vg_references *references;
	/* where it was launched last, noted if it has references; 0: nowhere */
	struct vg_stream *stream;
	uint64_t stream_id;
	bool allocates;		/* memory, when it runs */
};

struct vg_node {
	struct vg_object object;
	struct vg_graph *graph;
	struct vg_node *next, *previous;	/* of the graph */
	struct vg_graph *inside;		/* child graph or bodies */
	CUgraph *bodies;			/* the same as the program got them */
	void *handed;				/* memory behind parameters that the program asked for */
	bool packed;				/* kernel parameters were last set as extra */
	bool unified[2];			/* source and destination were set as unified addresses */
};

void vg_graphs_lock(void);
void vg_graphs_unlock(void);

/* The node of a number that the executor gave for g; NULL: out of memory. The lock is held. */
struct vg_node *vg_node_at(struct vg_graph *g, uint32_t number);
/* Ends a node and the graphs inside it, the graphs inside it, or a graph and its nodes. The lock is held. */
void vg_node_end(struct vg_node *n);
void vg_node_empty(struct vg_node *n);
void vg_graph_end(struct vg_graph *g);
/* Puts g inside n. The lock is held. */
void vg_node_hold(struct vg_node *n, struct vg_graph *g);

/* Gives references back as soon as the last launch is done, which may use what they refer to. */
void vg_graphexec_release(struct vg_thread *t, const struct vg_graphexec *x, struct vg_references *references);

/* As vg_enter, and INVALID_VALUE for what is no such handle. */
int vg_graph_enter(struct vg_thread **t, CUgraph graph);
int vg_graphexec_enter(struct vg_thread **t, CUgraphExec exec);
int vg_node_enter(struct vg_thread **t, CUgraphNode node);

/*
 * Adds a node; general: as cuGraphAddNode. p is as the program gave it, what the
 * call returns in it is filled in.
 */
CUresult vg_node_add(CUgraphNode *out, CUgraph graph, const CUgraphNode *after, const CUgraphEdgeData *data, size_t count,
		     CUgraphNodeParams *p, bool general);
CUresult vg_node_set(CUgraphNode node, const CUgraphNodeParams *p, bool general);
CUresult vg_graphexec_node_set(CUgraphExec exec, CUgraphNode node, const CUgraphNodeParams *p, bool general);
/* Parameters of a node of this type; pointers in p lead to memory of the node's. */
CUresult vg_node_get(CUgraphNode node, unsigned int type, CUgraphNodeParams *p);

/*
 * Edges as they travel: u32 from, u32 to, CUgraphEdgeData. Writes count of them;
 * from or to NULL: none. INVALID_VALUE for what is no node.
 */
struct vg_edge {
	uint32_t from, to;
	CUgraphEdgeData data;
};
_Static_assert(sizeof(struct vg_edge) == 16, "edge");
int vg_edges_write(struct vg_edge *edges, const CUgraphNode *from, const CUgraphNode *to, const CUgraphEdgeData *data,
		   size_t count);
#define VG_EDGES_MAX 2048u	/* in one record */

#endif
