/* SPDX-License-Identifier: Apache-2.0 */
#include "nodes.h"

#include <string.h>

void vgCallHost(void *data);	/* callbacks.go */

/* CUDA_MEMCPY3D, made and read by copies.go */
struct vg_node_copy {
	unsigned char bytes[200];
};
struct vg_node_kernel {
	uintptr_t function;
	unsigned int grid[3], block[3], shared;
	void **params, **extra;
	uintptr_t kernel, context;
};
struct vg_node_fill {
	unsigned long long dst;
	size_t pitch;
	unsigned int value, element;
	size_t width, height;
	uintptr_t context;
};
struct vg_node_allocation {
	int type, handles, location, ordinal;
	unsigned char rest[72];
	void *descriptors;
	size_t count, bytes;
	unsigned long long address;
};
struct vg_node_memops {
	uintptr_t context;
	unsigned int count;
	void *operations;
	unsigned int flags;
};
struct vg_node_conditional {
	unsigned long long handle;
	int type;
	unsigned int count;
	uintptr_t *graphs;
	uintptr_t context;
};
/* CUgraphNodeParams */
struct vg_node {
	int type, reserved0[3];
	union {
		long long size[29];
		struct vg_node_kernel kernel;
		struct {
			int flags, reserved;
			uintptr_t context;
			struct vg_node_copy copy;
		} copy;
		struct vg_node_fill fill;
		struct {
			void (*function)(void *);
			uint64_t data;
		} host;
		struct {
			uintptr_t graph;
			int ownership;
		} child;
		uintptr_t event;
		struct vg_node_allocation allocation;
		unsigned long long freed;
		struct vg_node_memops memops;
		struct vg_node_conditional conditional;
	};
	long long reserved1;
};
_Static_assert(sizeof(struct vg_node) == 256 && sizeof(struct vg_node_kernel) == 72 && sizeof(struct vg_node_fill) == 48 &&
	       sizeof(struct vg_node_allocation) == 120 && sizeof(struct vg_node_memops) == 32 &&
	       sizeof(struct vg_node_conditional) == 32, "ABI");

enum { KERNEL, COPY, FILL, HOST, CHILD, EMPTY, EVENT_WAIT, EVENT_RECORD, SIGNAL, WAIT, ALLOCATION, FREE, MEMOPS, CONDITIONAL };

struct vg_after {
	size_t count;
	const uintptr_t *nodes;
	const void *data;
};

void vg_host_to_driver(unsigned char *params, uint64_t caller)
{
	struct vg_node *n = (void *)params;

	n->host.data = caller | (uint32_t)(uintptr_t)n->host.function;
	n->host.function = vgCallHost;
}

void vg_host_to_process(unsigned char *params)
{
	struct vg_node *n = (void *)params;

	n->host.function = (void (*)(void *))(uintptr_t)(uint32_t)n->host.data;
	n->host.data = 0;
}

/* Puts what the pointers of the parameters point to; places has room for all kernel parameters. */
#define POINT(n, bytes, size, offsets, count)                                                    \
	void *places_[(count) + 1], *extra_[] = {(void *)1, (void *)(bytes), (void *)2, &(size), NULL}; \
	vg_point(n, bytes, size, offsets, count, places_, extra_)

static void vg_point(struct vg_node *n, const unsigned char *bytes, size_t size, const unsigned int *offsets, size_t count,
		     void **places, void **extra)
{
	switch (n->type) {
	case KERNEL:
		for (size_t i = 0; i < count; i++)
			places[i] = (void *)(bytes + offsets[i]);
		n->kernel.params = n->kernel.params ? places : NULL;
		n->kernel.extra = n->kernel.extra ? extra : NULL;
		break;
	case ALLOCATION:
		n->allocation.descriptors = size ? (void *)bytes : NULL;
		break;
	case MEMOPS:
		n->memops.operations = size ? (void *)bytes : NULL;
		break;
	}
}

#define AFTER uintptr_t *, uintptr_t, const uintptr_t *, size_t
static int vg_add_one(void *f, uintptr_t *node, uintptr_t graph, const struct vg_after *a, struct vg_node *n)
{
	switch (n->type) {
	case KERNEL:
		return ((int (*)(AFTER, const void *))f)(node, graph, a->nodes, a->count, &n->kernel);
	case COPY:
		return ((int (*)(AFTER, const void *, uintptr_t))f)(node, graph, a->nodes, a->count, &n->copy.copy, n->copy.context);
	case FILL:
		return ((int (*)(AFTER, const void *, uintptr_t))f)(node, graph, a->nodes, a->count, &n->fill, n->fill.context);
	case HOST:
		return ((int (*)(AFTER, const void *))f)(node, graph, a->nodes, a->count, &n->host);
	case CHILD:
		return ((int (*)(AFTER, uintptr_t))f)(node, graph, a->nodes, a->count, n->child.graph);
	case EMPTY:
		return ((int (*)(AFTER))f)(node, graph, a->nodes, a->count);
	case EVENT_WAIT:
	case EVENT_RECORD:
		return ((int (*)(AFTER, uintptr_t))f)(node, graph, a->nodes, a->count, n->event);
	case ALLOCATION:
		return ((int (*)(AFTER, void *))f)(node, graph, a->nodes, a->count, &n->allocation);
	case FREE:
		return ((int (*)(AFTER, unsigned long long))f)(node, graph, a->nodes, a->count, n->freed);
	default:
		return ((int (*)(AFTER, const void *))f)(node, graph, a->nodes, a->count, &n->memops);
	}
}

int vg_node_add(void *f, int general, uintptr_t *node, uintptr_t graph, const uintptr_t *after, const void *data, size_t edges,
		       unsigned char *params, const unsigned char *bytes, size_t size, const unsigned int *offsets, size_t count,
		       uintptr_t *bodies)
{
	struct vg_after a = {edges, edges ? after : NULL, edges ? data : NULL};
	struct vg_node n;
	int result;

	memcpy(&n, params, sizeof(n));
	POINT(&n, bytes, size, offsets, count);
	if (!general)
		result = vg_add_one(f, node, graph, &a, &n);
	else
		result = ((int (*)(uintptr_t *, uintptr_t, const uintptr_t *, const void *, size_t, struct vg_node *))f)(
			node, graph, a.nodes, a.data, a.count, &n);
	if (result)
		return result;
	if (n.type == ALLOCATION)
		((struct vg_node *)(void *)params)->allocation.address = n.allocation.address;
	if (n.type == CONDITIONAL)
		memcpy(bodies, n.conditional.graphs, n.conditional.count * sizeof(*bodies));
	return 0;
}

static int vg_set_one(void *f, uintptr_t node, struct vg_node *n)
{
	switch (n->type) {
	case KERNEL:
		return ((int (*)(uintptr_t, const void *))f)(node, &n->kernel);
	case COPY:
		return ((int (*)(uintptr_t, const void *))f)(node, &n->copy.copy);
	case FILL:
		return ((int (*)(uintptr_t, const void *))f)(node, &n->fill);
	case HOST:
		return ((int (*)(uintptr_t, const void *))f)(node, &n->host);
	case EVENT_WAIT:
	case EVENT_RECORD:
		return ((int (*)(uintptr_t, uintptr_t))f)(node, n->event);
	default:
		return ((int (*)(uintptr_t, const void *))f)(node, &n->memops);
	}
}

int vg_node_set(void *f, int general, uintptr_t node, const unsigned char *params, const unsigned char *bytes, size_t size,
		       const unsigned int *offsets, size_t count)
{
	struct vg_node n;

	memcpy(&n, params, sizeof(n));
	POINT(&n, bytes, size, offsets, count);
	return general ? ((int (*)(uintptr_t, struct vg_node *))f)(node, &n) : vg_set_one(f, node, &n);
}

static int vg_set_exec(void *f, uintptr_t exec, uintptr_t node, struct vg_node *n)
{
	switch (n->type) {
	case KERNEL:
		return ((int (*)(uintptr_t, uintptr_t, const void *))f)(exec, node, &n->kernel);
	case COPY:
		return ((int (*)(uintptr_t, uintptr_t, const void *, uintptr_t))f)(exec, node, &n->copy.copy, n->copy.context);
	case FILL:
		return ((int (*)(uintptr_t, uintptr_t, const void *, uintptr_t))f)(exec, node, &n->fill, n->fill.context);
	case HOST:
		return ((int (*)(uintptr_t, uintptr_t, const void *))f)(exec, node, &n->host);
	case CHILD:
		return ((int (*)(uintptr_t, uintptr_t, uintptr_t))f)(exec, node, n->child.graph);
	case EVENT_WAIT:
	case EVENT_RECORD:
		return ((int (*)(uintptr_t, uintptr_t, uintptr_t))f)(exec, node, n->event);
	default:
		return ((int (*)(uintptr_t, uintptr_t, const void *))f)(exec, node, &n->memops);
	}
}

int vg_exec_node_set(void *f, int general, uintptr_t exec, uintptr_t node, const unsigned char *params, const unsigned char *bytes,
			    size_t size, const unsigned int *offsets, size_t count)
{
	struct vg_node n;

	memcpy(&n, params, sizeof(n));
	POINT(&n, bytes, size, offsets, count);
	return general ? ((int (*)(uintptr_t, uintptr_t, struct vg_node *))f)(exec, node, &n) : vg_set_exec(f, exec, node, &n);
}

int vg_node_get(void *f, uintptr_t node, unsigned char *params, int type)
{
	struct vg_node n = {.type = type};
	void *place = type == COPY ? (void *)&n.copy.copy : (void *)n.size;
	int result = ((int (*)(uintptr_t, void *))f)(node, place);

	memcpy(params, &n, sizeof(n));
	return result;
}

int vg_kernel_param(const unsigned char *params, size_t i, size_t offset, size_t size, unsigned char *to)
{
	const struct vg_node_kernel *k = &((const struct vg_node *)(const void *)params)->kernel;
	const unsigned char *buffer = NULL;
	size_t have = 0;

	if (k->params) {
		memcpy(to + offset, k->params[i], size);
		return 1;
	}
	for (void **e = k->extra; e && *e; e += 2) {
		if (*e == (void *)1)
			buffer = e[1];
		else if (*e == (void *)2)
			have = *(const size_t *)e[1];
		else
			return 0;
	}
	if (!buffer || offset > have || size > have - offset)
		return 0;
	memcpy(to + offset, buffer + offset, size);
	return 1;
}

uintptr_t vg_kernel_function(const unsigned char *params)
{
	return ((const struct vg_node *)(const void *)params)->kernel.function;
}

uintptr_t vg_kernel_kernel(const unsigned char *params)
{
	return ((const struct vg_node *)(const void *)params)->kernel.kernel;
}

void vg_kernel_unpoint(unsigned char *params)
{
	struct vg_node_kernel *k = &((struct vg_node *)(void *)params)->kernel;

	k->extra = k->extra && !k->params ? (void *)1 : NULL;
	k->params = k->params ? (void *)1 : NULL;
}

size_t vg_node_array(unsigned char *params, unsigned char *data)
{
	struct vg_node *n = (void *)params;
	void **pointer = n->type == MEMOPS ? &n->memops.operations : &n->allocation.descriptors;
	size_t size = n->type == MEMOPS ? n->memops.count * (size_t)48 : n->allocation.count * (size_t)12;

	if (!*pointer)
		return 0;
	if (data) {
		memcpy(data, *pointer, size);
		*pointer = NULL;
	}
	return size;
}
