/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Nodes of graphs. params are the 256 bytes of a CUgraphNodeParams, whose type says which function f of the driver deals
 * with the node; general: f is the one for all types. What pointers in them lead to is beside them: size bytes, and for a
 * kernel's parameters where each of count begins in these. All return a CUresult unless they say what else.
 */
#ifndef VGPU_CUDA_NODES_H
#define VGPU_CUDA_NODES_H

#include <stddef.h>
#include <stdint.h>

/* Adds a node behind edges nodes, with data for each edge if general. params gets the address of an allocation, bodies a conditional node's graphs. */
int vg_node_add(void *f, int general, uintptr_t *node, uintptr_t graph, const uintptr_t *after, const void *data, size_t edges,
		unsigned char *params, const unsigned char *bytes, size_t size, const unsigned int *offsets, size_t count,
		uintptr_t *bodies);
int vg_node_set(void *f, int general, uintptr_t node, const unsigned char *params, const unsigned char *bytes, size_t size,
		const unsigned int *offsets, size_t count);
int vg_exec_node_set(void *f, int general, uintptr_t exec, uintptr_t node, const unsigned char *params, const unsigned char *bytes,
		     size_t size, const unsigned int *offsets, size_t count);
/* Pointers in params lead to the driver's memory afterwards, valid until the node changes. */
int vg_node_get(void *f, uintptr_t node, unsigned char *params, int type);

/* Makes a host node's callback, a number, what the driver calls for this caller, and back. */
void vg_host_to_driver(unsigned char *params, uint64_t caller);
void vg_host_to_process(unsigned char *params);

/* The CUfunction and the CUkernel of a kernel node, 0 for that which it has not. */
uintptr_t vg_kernel_function(const unsigned char *params);
uintptr_t vg_kernel_kernel(const unsigned char *params);
/* Copies one parameter of a kernel node from whichever form it has; 0 when it is not there. */
int vg_kernel_param(const unsigned char *params, size_t i, size_t offset, size_t size, unsigned char *to);
/* Leaves of the pointers only which form the parameters had. */
void vg_kernel_unpoint(unsigned char *params);
/* Moves the array behind a pointer of the parameters to data; its size in bytes. Without data it stays. */
size_t vg_node_array(unsigned char *params, unsigned char *data);

#endif
