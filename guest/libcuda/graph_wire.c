// SPDX-License-Identifier: Apache-2.0
#include "graph_wire.h"

#include <stdlib.h>
#include <string.h>

#include "callback.h"
#include "context.h"
#include "copy.h"
#include "memory.h"
#include "params.h"

CUresult cuKernelGetFunction(CUfunction *function, CUkernel kernel);

/* One half of CUDA_MEMCPY3D: both have the same members. */
struct copy_end {
	size_t x, y, z, level;
	unsigned int type;
	const void *host;
	CUdeviceptr device;
	struct vg_object *array;
	void *reserved;
	size_t pitch, height;
};
_Static_assert(sizeof(struct copy_end) == offsetof(CUDA_MEMCPY3D, dstXInBytes) &&
		       2 * sizeof(struct copy_end) == offsetof(CUDA_MEMCPY3D, WidthInBytes), "halves of CUDA_MEMCPY3D");

/* A number in the place of a handle. */
static void put(void *place, uint64_t number)
{
	memcpy(place, &number, sizeof number);
}

static uint32_t number_in(const void *place)
{
	uint64_t number;

	memcpy(&number, place, sizeof number);
	return (uint32_t)number;
}

static int put_context(CUcontext *place)
{
	if (!*place)
		return 0;
	if (!vg_context_valid(*place))
		return CUDA_ERROR_INVALID_CONTEXT;
	put(place, (*place)->object.number);
	return 0;
}

static void take_context(CUcontext *place)
{
	uint32_t number = number_in(place);

	*place = number == vg_primary()->object.number ? vg_primary() : vg_object_find(VG_CONTEXT, number);
}

/* Room for size bytes of data behind what comes before; zeroed. */
static int make_room(struct vg_node_wire *w, uint32_t before, size_t size)
{
	if (size > VGPU_REC_MAX)
		return CUDA_ERROR_INVALID_VALUE;
	w->size = before + (uint32_t)size;
	w->data = calloc(1, w->size + 1);
	return w->data ? 0 : CUDA_ERROR_OUT_OF_MEMORY;
}

/*
 * Parameters as one buffer are not even read for a kernel that takes none; and for a buffer that is too long a node
 * does not answer 701, as a launch does (measured, driver 580).
 */
static int check_params(const struct vg_function *f, void **params, void **extra)
{
	int result;

	if (extra && !params && !f->bytes)
		return 0;
	result = vg_params_check(f, params, extra);
	return result == CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES ? CUDA_ERROR_INVALID_VALUE : result;
}

static int encode_kernel(struct vg_node_wire *w, uint32_t before)
{
	CUDA_KERNEL_NODE_PARAMS *k = &w->params.kernel;
	struct vg_function *f = k->func ? k->func : k->kern;
	void **params = k->kernelParams, **extra = k->extra;
	int result;

	if (!f)
		return CUDA_ERROR_INVALID_HANDLE;
	result = vg_function_check(f);
	if (!result && k->kern)
		result = k->kern->object.kind == VG_KERNEL ? 0 : CUDA_ERROR_INVALID_HANDLE;
	if (!result)
		result = check_params(f, params, extra);
	if (!result)
		result = make_room(w, before, f->bytes);
	if (result)
		return result;
	vg_params_pack(f, w->data + before, params, extra);
	if (k->func)
		put(&k->func, k->func->object.number | (uint64_t)(vg_function_kind(k->func) + 1) << 32);
	if (k->kern)
		put(&k->kern, k->kern->object.number);
	put(&k->kernelParams, params != NULL);
	put(&k->extra, extra != NULL);
	w->packed = extra != NULL;
	return put_context(&k->ctx);
}

static int encode_copy_end(struct copy_end *e, const CUDA_MEMCPY3D *c, bool *unified)
{
	uint64_t address = e->type == CU_MEMORYTYPE_HOST ? (uint64_t)(uintptr_t)e->host : e->device;
	size_t pitch = e->pitch ? e->pitch : c->WidthInBytes + e->x, slice;
	enum vg_place place;
	uint32_t number;
	uint64_t span;

	if (e->type == CU_MEMORYTYPE_ARRAY) {
		if (vg_number(VG_ARRAY, e->array, &number))
			return CUDA_ERROR_INVALID_VALUE;
		put(&e->array, number);
		return 0;
	}
	if (e->type != CU_MEMORYTYPE_HOST && e->type != CU_MEMORYTYPE_DEVICE && e->type != CU_MEMORYTYPE_UNIFIED)
		return CUDA_ERROR_INVALID_VALUE;
	place = vg_place_of(address);
	if (place == VG_PLACE_PAGEABLE)
		return e->type == CU_MEMORYTYPE_DEVICE || !address ? CUDA_ERROR_INVALID_VALUE : CUDA_ERROR_NOT_SUPPORTED;
	*unified = e->type == CU_MEMORYTYPE_UNIFIED;
	if (*unified) {
		e->type = place == VG_PLACE_PINNED ? CU_MEMORYTYPE_HOST : CU_MEMORYTYPE_DEVICE;
		e->host = (const void *)(uintptr_t)address;
	}
	if (!c->WidthInBytes || !c->Height || !c->Depth)
		return 0;
	slice = pitch * (e->height ? e->height : c->Height + e->y);
	address += e->z * slice + e->y * pitch + e->x;
	span = (c->Depth - 1) * slice + (c->Height - 1) * pitch + c->WidthInBytes;
	if (place == VG_PLACE_PINNED ? vg_pinned_range((const void *)(uintptr_t)address, span) : vg_device_range(address, span))
		return 0;
	return CUDA_ERROR_INVALID_VALUE;
}

static int encode_copy(struct vg_node_wire *w)
{
	CUDA_MEMCPY3D *c = &w->params.memcpy.copyParams;
	struct copy_end ends[2];
	int result = 0;

	memcpy(ends, c, sizeof ends);
	for (int i = 0; i < 2 && !result; i++)
		result = encode_copy_end(&ends[i], c, &w->unified[i]);
	memcpy(c, ends, sizeof ends);
	return result ? result : put_context(&w->params.memcpy.copyCtx);
}

static int encode_fill(struct vg_node_wire *w)
{
	CUDA_MEMSET_NODE_PARAMS *m = &w->params.memset;
	size_t span;

	if (m->elementSize && m->elementSize <= 4 && m->width && m->height) {
		if (m->width > SIZE_MAX / m->elementSize)
			return CUDA_ERROR_INVALID_VALUE;
		span = (m->height - 1) * m->pitch + m->width * m->elementSize;
		if (!vg_device_range(m->dst, span) && !vg_pinned_range((const void *)(uintptr_t)m->dst, span))
			return CUDA_ERROR_INVALID_VALUE;
	}
	return put_context(&m->ctx);
}

static int encode_host(struct vg_node_wire *w)
{
	CUDA_HOST_NODE_PARAMS *h = &w->params.host;
	struct vg_callback c = { .host = h->fn, .data = h->userData, .kept = true };
	int result;

	if (!h->fn)
		return CUDA_ERROR_INVALID_VALUE;
	result = vg_callback_new(&c, &w->callback);
	put(&h->fn, w->callback);
	h->userData = NULL;
	return result;
}

/* An array that the parameters lead to becomes the data. */
static int encode_array(struct vg_node_wire *w, uint32_t before, const void *array, size_t count, size_t size)
{
	int result;

	if ((count && !array) || count > VGPU_REC_MAX)
		return CUDA_ERROR_INVALID_VALUE;
	result = make_room(w, before, count * size);
	if (!result && count)
		memcpy(w->data + before, array, count * size);
	return result;
}

static int encode_event(struct vg_node_wire *w)
{
	uint32_t number;

	if (vg_number(VG_EVENT, w->params.event, &number))
		return CUDA_ERROR_INVALID_VALUE;
	put(&w->params.event, number);
	return 0;
}

static int encode_graph(struct vg_node_wire *w)
{
	uint32_t number;

	if (vg_number(VG_GRAPH, w->params.graph.graph, &number))
		return CUDA_ERROR_INVALID_VALUE;
	put(&w->params.graph.graph, number);
	return 0;
}

int vg_node_encode(const CUgraphNodeParams *p, uint32_t before, struct vg_node_wire *w)
{
	int result = 0;

	*w = (struct vg_node_wire){ .params = *p };
	switch (p->type) {
	case NODE_KERNEL:
		result = encode_kernel(w, before);
		break;
	case NODE_MEMCPY:
		result = encode_copy(w);
		break;
	case NODE_MEMSET:
		result = encode_fill(w);
		break;
	case NODE_HOST:
		result = encode_host(w);
		break;
	case NODE_GRAPH:
		result = encode_graph(w);
		break;
	case NODE_WAIT_EVENT:
	case NODE_EVENT_RECORD:
		result = encode_event(w);
		break;
	case NODE_MEM_ALLOC:
		result = encode_array(w, before, p->alloc.accessDescs, p->alloc.accessDescCount, sizeof(CUmemAccessDesc));
		w->params.alloc.accessDescs = NULL;
		break;
	case NODE_BATCH_MEM_OP:
		result = encode_array(w, before, p->memOp.paramArray, p->memOp.count, MEMOP_SIZE);
		w->params.memOp.paramArray = NULL;
		if (!result)
			result = put_context(&w->params.memOp.ctx);
		break;
	case NODE_CONDITIONAL:
		/* numbers for the bodies come later */
		result = make_room(w, before, p->conditional.size * (size_t)4);
		w->params.conditional.phGraph_out = NULL;
		if (!result)
			result = put_context(&w->params.conditional.ctx);
		break;
	case NODE_EMPTY:
	case NODE_MEM_FREE:
		break;
	case NODE_EXT_SEMAS_SIGNAL:
	case NODE_EXT_SEMAS_WAIT:
		result = CUDA_ERROR_NOT_SUPPORTED;
		break;
	default:
		result = CUDA_ERROR_INVALID_VALUE;
	}
	if (!result && !w->data)
		result = make_room(w, before, 0);
	if (result) {
		if (w->callback)
			vg_callback_end(w->callback);
		vg_node_wire_end(w);
	}
	return result;
}

void vg_node_wire_end(struct vg_node_wire *w)
{
	free(w->data);
	w->data = NULL;
}

/* Memory of the node's that keeps size bytes. */
static void *hand(struct vg_node *n, size_t size)
{
	void *grown = realloc(n->handed, size ? size : 1);

	if (grown)
		n->handed = grown;
	return grown;
}

/* A program that launched a kernel need not have its function yet. */
static int take_function(CUfunction *place)
{
	uint64_t word;
	struct vg_function *f;

	memcpy(&word, place, sizeof word);
	*place = NULL;
	switch (word >> 32) {
	case 1:
		*place = vg_object_find(VG_FUNCTION, (uint32_t)word);
		return 0;
	case 2:
		f = vg_object_find(VG_KERNEL, (uint32_t)word);
		return f ? cuKernelGetFunction(place, f) : 0;
	}
	return 0;
}

static int decode_params(struct vg_node *n, CUDA_KERNEL_NODE_PARAMS *k, const struct vg_function *f, const uint8_t *data,
			 size_t size)
{
	struct packed {
		void *extra[5];
		size_t size;
	} *p;
	void **params;

	if (size != f->bytes)
		return VG_ERROR_PROTOCOL;
	k->kernelParams = k->extra = NULL;
	if (n->packed) {
		p = hand(n, sizeof *p + size);
		if (!p)
			return CUDA_ERROR_OUT_OF_MEMORY;
		*p = (struct packed){ { VG_EXTRA_POINTER, p + 1, VG_EXTRA_SIZE, &p->size, VG_EXTRA_END }, size };
		memcpy(p + 1, data, size);
		k->extra = p->extra;
		return 0;
	}
	params = hand(n, (f->count + 1) * sizeof *params + size);
	if (!params)
		return CUDA_ERROR_OUT_OF_MEMORY;
	memcpy(params + f->count + 1, data, size);
	for (uint32_t i = 0; i < f->count; i++)
		params[i] = (uint8_t *)(params + f->count + 1) + f->parameters[i].offset;
	params[f->count] = NULL;
	k->kernelParams = params;
	return 0;
}

static int decode_kernel(struct vg_node *n, CUDA_KERNEL_NODE_PARAMS *k, const uint8_t *data, size_t size)
{
	int result = take_function(&k->func);

	k->kern = vg_object_find(VG_KERNEL, number_in(&k->kern));
	take_context(&k->ctx);
	if (result)
		return result;
	if (!k->func && !k->kern)
		return CUDA_ERROR_NOT_FOUND;
	result = vg_function_check(k->func ? k->func : k->kern);
	return result ? result : decode_params(n, k, k->func ? k->func : k->kern, data, size);
}

static void decode_copy(const struct vg_node *n, CUDA_MEMCPY_NODE_PARAMS *m)
{
	struct copy_end ends[2];

	memcpy(ends, &m->copyParams, sizeof ends);
	for (int i = 0; i < 2; i++) {
		struct copy_end *e = &ends[i];

		if (e->type == CU_MEMORYTYPE_ARRAY)
			e->array = vg_object_find(VG_ARRAY, number_in(&e->array));
		if (!n->unified[i])
			continue;
		if (e->type == CU_MEMORYTYPE_HOST)
			e->device = (CUdeviceptr)(uintptr_t)e->host;
		e->host = NULL;
		e->type = CU_MEMORYTYPE_UNIFIED;
	}
	memcpy(&m->copyParams, ends, sizeof ends);
	take_context(&m->copyCtx);
}

static void decode_host(CUDA_HOST_NODE_PARAMS *h)
{
	struct vg_callback c;
	uint32_t number = number_in(&h->fn);

	*h = (CUDA_HOST_NODE_PARAMS){ 0 };
	if (vg_callback_find(number, &c))
		*h = (CUDA_HOST_NODE_PARAMS){ c.host, c.data };
}

static int decode_array(struct vg_node *n, void **place, const uint8_t *data, size_t size)
{
	*place = NULL;
	if (!size)
		return 0;
	*place = hand(n, size);
	if (!*place)
		return CUDA_ERROR_OUT_OF_MEMORY;
	memcpy(*place, data, size);
	return 0;
}

int vg_node_decode(struct vg_node *n, CUgraphNodeParams *p, const uint8_t *data, size_t size)
{
	void *array;
	int result = 0;

	switch (p->type) {
	case NODE_KERNEL:
		return decode_kernel(n, &p->kernel, data, size);
	case NODE_MEMCPY:
		decode_copy(n, &p->memcpy);
		break;
	case NODE_MEMSET:
		take_context(&p->memset.ctx);
		break;
	case NODE_HOST:
		decode_host(&p->host);
		break;
	case NODE_WAIT_EVENT:
	case NODE_EVENT_RECORD:
		p->event = vg_object_find(VG_EVENT, number_in(&p->event));
		break;
	case NODE_MEM_ALLOC:
		if (size != p->alloc.accessDescCount * sizeof(CUmemAccessDesc))
			return VG_ERROR_PROTOCOL;
		result = decode_array(n, &array, data, size);
		p->alloc.accessDescs = array;
		break;
	case NODE_BATCH_MEM_OP:
		if (size != p->memOp.count * (size_t)MEMOP_SIZE)
			return VG_ERROR_PROTOCOL;
		result = decode_array(n, &p->memOp.paramArray, data, size);
		take_context(&p->memOp.ctx);
		break;
	}
	return result;
}
