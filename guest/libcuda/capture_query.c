// SPDX-License-Identifier: Apache-2.0
/* What a program asks about a capture, and what the next node of a capturing stream comes behind. */
#include <stdlib.h>
#include <string.h>

#include "calls.h"
#include "capture.h"
#include "gen/ops.h"
#include "graph.h"
#include "references.h"

#define PAGE_EDGES 256u
#define SET_DEPENDENCIES 1u
enum { STATUS_NONE, STATUS_ACTIVE };

/* What was last returned for a stream, valid until the stream goes on or the capture ends. */
struct vg_dependencies {
	struct vg_dependencies *next;
	struct vg_stream *stream;
	size_t capacity, count;
	CUgraphNode *nodes;
	CUgraphEdgeData *data;
	bool annotated;		/* some data is not 0 */
};

void vg_capture_forget_dependencies(struct vg_capture *c)
{
	while (c->dependencies) {
		struct vg_dependencies *d = c->dependencies;

		c->dependencies = d->next;
		free(d->nodes);
		free(d->data);
		free(d);
	}
}

void vg_capture_keep_callback(struct vg_stream *s, uint32_t callback)
{
	struct vg_capture *c = atomic_load(&s->capture);
	struct vg_references *none;

	if (c)
		vg_references_set_callback(&c->references, NULL, callback, &none);
}

static struct vg_dependencies *dependencies_of(struct vg_capture *c, struct vg_stream *s)
{
	struct vg_dependencies *d = c->dependencies;

	while (d && d->stream != s)
		d = d->next;
	if (d)
		return d;
	d = calloc(1, sizeof *d);
	if (!d)
		return NULL;
	d->stream = s;
	d->next = c->dependencies;
	c->dependencies = d;
	return d;
}

static int make_room(struct vg_dependencies *d, size_t total)
{
	CUgraphNode *nodes;
	CUgraphEdgeData *data;

	if (total <= d->capacity && d->nodes)
		return 0;
	nodes = realloc(d->nodes, (total + 1) * sizeof *nodes);
	if (nodes)
		d->nodes = nodes;
	data = realloc(d->data, (total + 1) * sizeof *data);
	if (data)
		d->data = data;
	if (!nodes || !data)
		return CUDA_ERROR_OUT_OF_MEMORY;
	d->capacity = total;
	return 0;
}

/* The capture's graph gets its handle when it is first asked for. */
static int take_graph(struct vg_capture *c, struct vg_graph *candidate, uint32_t number)
{
	if (!c->graph && number == candidate->object.number)
		c->graph = candidate;
	return c->graph && c->graph->object.number == number ? 0 : VG_ERROR_PROTOCOL;
}

/* The graph lock is held. */
static int fetch(struct vg_thread *t, struct vg_stream *s, struct vg_capture *c, struct vg_graph *candidate,
		 struct vg_dependencies *d)
{
	static const CUgraphEdgeData none;
	struct vg_edge page[PAGE_EDGES];
	uint64_t total = 0;
	int result;

	d->count = 0;
	d->annotated = false;
	do {
		uint32_t size = sizeof page, number = 0;

		result = vg_op_capture_dependencies(t, s->object.number, candidate->object.number, (uint32_t)d->count,
						    &number, &total, page, &size);
		if (!result)
			result = take_graph(c, candidate, number);
		if (!result && total > VG_NUMBER_MAX)
			result = VG_ERROR_PROTOCOL;
		if (!result)
			result = make_room(d, total);
		if (result || !size)
			break;
		for (uint32_t i = 0; i < size / sizeof page[0] && d->count < total; i++) {
			d->nodes[d->count] = vg_node_at(c->graph, page[i].from);
			d->data[d->count] = page[i].data;
			d->annotated |= memcmp(&page[i].data, &none, sizeof none) != 0;
			if (!d->nodes[d->count++])
				return CUDA_ERROR_OUT_OF_MEMORY;
		}
	} while (d->count < total);
	return result;
}

static int look(struct vg_thread *t, struct vg_stream *s, struct vg_capture *c, struct vg_dependencies **out)
{
	struct vg_graph *candidate = c->graph;
	int result = CUDA_ERROR_OUT_OF_MEMORY;

	vg_graphs_lock();
	*out = dependencies_of(c, s);
	if (!candidate)
		candidate = vg_object_new(VG_GRAPH, sizeof *candidate);
	if (*out && candidate)
		result = fetch(t, s, c, candidate, *out);
	if (candidate && candidate != c->graph)
		vg_object_end(candidate);
	vg_graphs_unlock();
	return result;
}

static CUresult info(CUstream handle, unsigned int *status, unsigned long long *id, CUgraph *graph,
		     const CUgraphNode **nodes, const CUgraphEdgeData **data, size_t *count, bool per_thread)
{
	struct vg_dependencies *d;
	struct vg_capture *c;
	struct vg_stream *s;
	struct vg_thread *t;
	int result = vg_enter(&t);

	if (!result)
		result = vg_stream_find(t, handle, per_thread, &s);
	if (result)
		return result;
	if (!status || (data && !nodes))
		return CUDA_ERROR_INVALID_VALUE;
	c = atomic_load(&s->capture);
	*status = vg_capture_status(s);
	if (*status == STATUS_NONE) {
		if (graph)
			*graph = NULL;
		if (nodes)
			*nodes = NULL;
		if (data)
			*data = NULL;
		if (count)
			*count = 0;
		return CUDA_SUCCESS;
	}
	if (!s->object.number)
		return CUDA_ERROR_STREAM_CAPTURE_IMPLICIT;
	if (id)
		*id = c->id;
	if (*status != STATUS_ACTIVE || (!graph && !nodes && !count))
		return CUDA_SUCCESS;
	result = look(t, s, c, &d);
	if (result)
		return result;
	if (nodes && !data && d->annotated)
		return CUDA_ERROR_LOSSY_QUERY;
	if (graph)
		*graph = c->graph;
	if (nodes)
		*nodes = d->nodes;
	if (data)
		*data = d->data;
	if (count)
		*count = d->count;
	return CUDA_SUCCESS;
}

VG_EXPORT CUresult cuStreamGetCaptureInfo_v2(CUstream stream, unsigned int *status, unsigned long long *id,
					     CUgraph *graph, const CUgraphNode **nodes, size_t *count)
{
	return info(stream, status, id, graph, nodes, NULL, count, false);
}

VG_EXPORT CUresult cuStreamGetCaptureInfo_v2_ptsz(CUstream stream, unsigned int *status, unsigned long long *id,
						  CUgraph *graph, const CUgraphNode **nodes, size_t *count)
{
	return info(stream, status, id, graph, nodes, NULL, count, true);
}

VG_EXPORT CUresult cuStreamGetCaptureInfo_v3(CUstream stream, unsigned int *status, unsigned long long *id,
					     CUgraph *graph, const CUgraphNode **nodes, const CUgraphEdgeData **data,
					     size_t *count)
{
	return info(stream, status, id, graph, nodes, data, count, false);
}

VG_EXPORT CUresult cuStreamGetCaptureInfo_v3_ptsz(CUstream stream, unsigned int *status, unsigned long long *id,
						  CUgraph *graph, const CUgraphNode **nodes, const CUgraphEdgeData **data,
						  size_t *count)
{
	return info(stream, status, id, graph, nodes, data, count, true);
}

static CUresult update(CUstream handle, const CUgraphNode *nodes, const CUgraphEdgeData *data, size_t count,
		       unsigned int flags, bool per_thread)
{
	struct vg_edge *after;
	struct vg_stream *s;
	struct vg_thread *t;
	int result = vg_enter(&t);

	if (!result)
		result = vg_stream_get(t, handle, per_thread, &s);
	if (result)
		return result;
	if (flags & ~SET_DEPENDENCIES)
		return CUDA_ERROR_INVALID_VALUE;
	if (!atomic_load(&s->capture))
		return CUDA_ERROR_ILLEGAL_STATE;
	if ((count && !nodes) || count > VG_EDGES_MAX)
		return CUDA_ERROR_INVALID_VALUE;
	after = malloc((count + 1) * sizeof *after);
	if (!after)
		return CUDA_ERROR_OUT_OF_MEMORY;
	result = vg_edges_write(after, nodes, NULL, data, count);
	if (!result)
		result = vg_op_capture_update(t, s->object.number, flags, after, (uint32_t)(count * sizeof *after));
	free(after);
	return result;
}

VG_EXPORT CUresult cuStreamUpdateCaptureDependencies(CUstream stream, CUgraphNode *nodes, size_t count, unsigned int flags)
{
	return update(stream, nodes, NULL, count, flags, false);
}

VG_EXPORT CUresult cuStreamUpdateCaptureDependencies_ptsz(CUstream stream, CUgraphNode *nodes, size_t count,
							  unsigned int flags)
{
	return update(stream, nodes, NULL, count, flags, true);
}

VG_EXPORT CUresult cuStreamUpdateCaptureDependencies_v2(CUstream stream, CUgraphNode *nodes, const CUgraphEdgeData *data,
							size_t count, unsigned int flags)
{
	return update(stream, nodes, data, count, flags, false);
}

VG_EXPORT CUresult cuStreamUpdateCaptureDependencies_v2_ptsz(CUstream stream, CUgraphNode *nodes,
							     const CUgraphEdgeData *data, size_t count,
							     unsigned int flags)
{
	return update(stream, nodes, data, count, flags, true);
}
