/* SPDX-License-Identifier: Apache-2.0 */
/* Parameters of nodes on their way to the executor and back: numbers stand for handles. */
#ifndef VGPU_GRAPH_WIRE_H
#define VGPU_GRAPH_WIRE_H

#include "graph.h"

struct vg_node_wire {
	CUgraphNodeParams params;
	uint8_t *data;		/* room for before bytes, then what the parameters point to */
	uint32_t size;		/* of all of it */
	uint32_t callback;	/* made for a host node, 0: none */
	bool packed;
	bool unified[2];
};

/*
 * Translates what the program gave. What the driver would refuse for reasons that
 * only this process knows is refused with its code: handles that are none, memory
 * that is not the process's. Pageable memory in a copy is NOT_SUPPORTED: the GPU
 * reads and writes it at every launch, and cannot reach it.
 */
int vg_node_encode(const CUgraphNodeParams *p, uint32_t before, struct vg_node_wire *w);
/* Frees what the translation took; the callback stays. */
void vg_node_wire_end(struct vg_node_wire *w);

/*
 * Translates what the executor told of node n; data (size bytes) is what the
 * parameters point to. Memory that p leads to is the node's, until it is asked again.
 */
int vg_node_decode(struct vg_node *n, CUgraphNodeParams *p, const uint8_t *data, size_t size);

#endif
