// SPDX-License-Identifier: Apache-2.0
#include "capture.h"

#include <stdlib.h>

#include "calls.h"
#include "enter.h"
#include "gen/ops.h"
#include "graph.h"
#include "references.h"

enum { MODE_GLOBAL, MODE_THREAD_LOCAL, MODE_RELAXED };
enum { STATUS_NONE, STATUS_ACTIVE, STATUS_INVALIDATED };

#define NON_BLOCKING 1u

#define CUDA_ERROR_STREAM_CAPTURE_MERGE 902
#define CUDA_ERROR_STREAM_CAPTURE_UNJOINED 904
#define CUDA_ERROR_STREAM_CAPTURE_ISOLATION 905
#define CUDA_ERROR_STREAM_CAPTURE_WRONG_THREAD 908

/*
 * Captures are few and small: they are kept for the life of the process, so a stale
 * pointer in an event still says "captured, but over".
 */
static struct {
	pthread_mutex_t lock;
	_Atomic(struct vg_capture *) forbidding;	/* active captures whose mode is not relaxed */
	uint64_t next_id;
} captures = { .lock = PTHREAD_MUTEX_INITIALIZER, .next_id = 1 };

void vg_capture_record(struct vg_event *event, struct vg_stream *s)
{
	atomic_store_explicit(&event->capture, atomic_load(&s->capture), memory_order_release);
}

void vg_capture_release_event(struct vg_event *event)
{
	atomic_store_explicit(&event->capture, NULL, memory_order_release);
}

static bool active(const struct vg_capture *c)
{
	return c && c->origin;
}

/* Stands where the legacy stream's capture would be while a blocking stream of its context is captured. */
static struct vg_capture implicit = { .invalid = true };

/* Needs the context's lock. */
static void mark_legacy(struct vg_context *c)
{
	struct vg_capture *mark = NULL;

	if (!c->legacy)
		return;
	for (struct vg_stream *s = c->streams; s && !mark; s = s->next)
		if (!(s->flags & NON_BLOCKING) && atomic_load(&s->capture))
			mark = &implicit;
	atomic_store_explicit(&c->legacy->capture, mark, memory_order_release);
}

static void join(struct vg_stream *s, struct vg_capture *c)
{
	pthread_mutex_lock(&s->context->lock);
	atomic_store_explicit(&s->capture, c, memory_order_release);
	mark_legacy(s->context);
	pthread_mutex_unlock(&s->context->lock);
}

/* What a capture refuses breaks it (measured, driver 580). */
static int spoil(struct vg_capture *c, int result)
{
	atomic_store(&c->invalid, true);
	return result;
}

int vg_capture_wait(struct vg_stream *s, struct vg_event *event)
{
	struct vg_capture *theirs = atomic_load(&event->capture);
	struct vg_capture *ours = atomic_load(&s->capture);

	if (!theirs)
		return ours ? spoil(ours, CUDA_ERROR_STREAM_CAPTURE_ISOLATION) : 0;
	if (!active(theirs))
		return CUDA_ERROR_INVALID_VALUE;
	if (ours && ours != theirs)
		return spoil(ours, spoil(theirs, CUDA_ERROR_STREAM_CAPTURE_MERGE));
	if (!s->object.number)
		return spoil(theirs, CUDA_ERROR_STREAM_CAPTURE_IMPLICIT);
	if (!ours)
		join(s, theirs);
	return 0;
}

int vg_capture_ask(struct vg_event *event)
{
	struct vg_capture *c = atomic_load_explicit(&event->capture, memory_order_acquire);

	if (__builtin_expect(!c, 1))
		return 0;
	return active(c) ? spoil(c, CUDA_ERROR_CAPTURED_EVENT) : CUDA_ERROR_INVALID_VALUE;
}

unsigned int vg_capture_status(const struct vg_stream *s)
{
	const struct vg_capture *c = atomic_load_explicit(&s->capture, memory_order_acquire);

	if (!c)
		return STATUS_NONE;
	return atomic_load(&c->invalid) ? STATUS_INVALIDATED : STATUS_ACTIVE;
}

int vg_capture_break(struct vg_stream *s)
{
	struct vg_capture *c = atomic_load_explicit(&s->capture, memory_order_acquire);

	if (__builtin_expect(!c, 1))
		return 0;
	return spoil(c, CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED);
}

int vg_capture_break_all(struct vg_context *c)
{
	int result = 0;

	pthread_mutex_lock(&c->lock);
	for (struct vg_stream *s = c->streams; s; s = s->next)
		if (vg_capture_break(s))
			result = CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
	pthread_mutex_unlock(&c->lock);
	return result;
}

int vg_capture_implicit(struct vg_stream *legacy)
{
	struct vg_context *c = legacy->context;

	pthread_mutex_lock(&c->lock);
	for (struct vg_stream *s = c->streams; s; s = s->next)
		if (!(s->flags & NON_BLOCKING))
			vg_capture_break(s);
	pthread_mutex_unlock(&c->lock);
	return CUDA_ERROR_STREAM_CAPTURE_IMPLICIT;
}

int vg_capture_break_event(struct vg_event *event)
{
	struct vg_capture *c = atomic_load(&event->capture);

	return active(c) ? spoil(c, CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED) : 0;
}

int vg_capture_forbids(struct vg_thread *t)
{
	int result = 0;

	if (__builtin_expect(!atomic_load_explicit(&captures.forbidding, memory_order_relaxed), 1))
		return 0;
	if (t->capture_mode == MODE_RELAXED)
		return 0;
	pthread_mutex_lock(&captures.lock);
	for (struct vg_capture *c = atomic_load(&captures.forbidding); c; c = c->next)
		if (c->thread == t->number || (t->capture_mode == MODE_GLOBAL && c->mode == MODE_GLOBAL)) {
			atomic_store(&c->invalid, true);
			result = CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
		}
	pthread_mutex_unlock(&captures.lock);
	return result;
}

static void forbid(struct vg_capture *c)
{
	pthread_mutex_lock(&captures.lock);
	c->id = captures.next_id++;
	if (c->mode != MODE_RELAXED) {
		c->next = atomic_load(&captures.forbidding);
		atomic_store(&captures.forbidding, c);
	}
	pthread_mutex_unlock(&captures.lock);
}

static void permit(const struct vg_capture *c)
{
	struct vg_capture *before;

	pthread_mutex_lock(&captures.lock);
	before = atomic_load(&captures.forbidding);
	if (before == c)
		atomic_store(&captures.forbidding, c->next);
	for (; before; before = before->next)
		if (before->next == c)
			before->next = c->next;
	pthread_mutex_unlock(&captures.lock);
}

/* A graph that a capture adds to, and the edges from what its first nodes come behind. */
struct into {
	CUgraph graph;
	struct vg_edge *after;
	size_t count;
};

static CUresult begin(CUstream handle, unsigned int mode, bool per_thread, const struct into *into)
{
	struct vg_capture *c;
	struct vg_stream *s;
	struct vg_thread *t;
	int result = vg_enter(&t);

	if (!result)
		result = vg_stream_get(t, handle, per_thread, &s);
	if (result)
		return result;
	if (mode > MODE_RELAXED)
		return CUDA_ERROR_INVALID_VALUE;
	if (!s->object.number)
		return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
	if (atomic_load(&s->capture))
		return CUDA_ERROR_ILLEGAL_STATE;
	c = calloc(1, sizeof *c);
	if (!c)
		return CUDA_ERROR_OUT_OF_MEMORY;
	if (into)
		result = vg_op_capture_into(t, s->object.number, into->graph->object.number, into->after,
					    (uint32_t)(into->count * sizeof(struct vg_edge)));
	else
		result = vg_op_capture_begin(t, s->object.number, MODE_RELAXED);
	if (result) {
		free(c);
		return result;
	}
	c->graph = into ? into->graph : NULL;
	c->into = into;
	c->thread = t->number;
	c->mode = mode;
	c->origin = s;
	forbid(c);
	join(s, c);
	return CUDA_SUCCESS;
}

VG_EXPORT CUresult cuStreamBeginCapture_v2(CUstream stream, unsigned int mode)
{
	return begin(stream, mode, false, NULL);
}

VG_EXPORT CUresult cuStreamBeginCapture_v2_ptsz(CUstream stream, unsigned int mode)
{
	return begin(stream, mode, true, NULL);
}

static CUresult begin_into(CUstream stream, CUgraph graph, const CUgraphNode *after, const CUgraphEdgeData *data,
			   size_t count, unsigned int mode, bool per_thread)
{
	struct into into = { .graph = graph, .count = count };
	struct vg_thread *t;
	int result = vg_graph_enter(&t, graph);

	if (result)
		return result;
	if ((count && !after) || count > VG_EDGES_MAX)
		return CUDA_ERROR_INVALID_VALUE;
	into.after = malloc((count + 1) * sizeof *into.after);
	if (!into.after)
		return CUDA_ERROR_OUT_OF_MEMORY;
	result = vg_edges_write(into.after, after, NULL, data, count);
	if (!result)
		result = begin(stream, mode, per_thread, &into);
	free(into.after);
	return result;
}

VG_EXPORT CUresult cuStreamBeginCaptureToGraph(CUstream stream, CUgraph graph, const CUgraphNode *after,
					       const CUgraphEdgeData *data, size_t count, unsigned int mode)
{
	return begin_into(stream, graph, after, data, count, mode, false);
}

VG_EXPORT CUresult cuStreamBeginCaptureToGraph_ptsz(CUstream stream, CUgraph graph, const CUgraphNode *after,
						    const CUgraphEdgeData *data, size_t count, unsigned int mode)
{
	return begin_into(stream, graph, after, data, count, mode, true);
}

static void leave(struct vg_context *context, const struct vg_capture *c)
{
	pthread_mutex_lock(&context->lock);
	for (struct vg_stream *s = context->streams; s; s = s->next)
		if (atomic_load(&s->capture) == c)
			atomic_store_explicit(&s->capture, NULL, memory_order_release);
	mark_legacy(context);
	pthread_mutex_unlock(&context->lock);
}

/* The graph's references are those that it had and those of what was captured. */
static void keep(struct vg_capture *c, struct vg_graph *g)
{
	if (g)
		vg_references_copy(&g->references, c->references);
	vg_references_release(c->references);
	c->references = NULL;
}

static void over(struct vg_capture *c, struct vg_graph *g)
{
	permit(c);
	c->origin = NULL;
	c->graph = NULL;
	keep(c, g);
	vg_capture_forget_dependencies(c);
}

void vg_capture_abandon(struct vg_stream *s)
{
	struct vg_capture *c = atomic_load(&s->capture);

	if (!c || c->origin != s)
		return;
	atomic_store(&c->invalid, true);
	leave(s->context, c);
	over(c, NULL);
}

/* Takes the capture's graph from the executor; NULL when there is none. The graph lock is held. */
static CUresult take(struct vg_thread *t, struct vg_stream *s, struct vg_capture *c, struct vg_graph **out)
{
	struct vg_graph *g = c->graph ? c->graph : vg_object_new(VG_GRAPH, sizeof *g);
	int result;

	*out = NULL;
	if (!g)
		return CUDA_ERROR_OUT_OF_MEMORY;
	result = vg_op_capture_end(t, s->object.number, g->object.number);
	if (atomic_load(&c->invalid) && (!result || result == CUDA_ERROR_STREAM_CAPTURE_UNJOINED)) {
		if (!result)
			vg_op_graph_destroy(t, g->object.number);
		result = CUDA_ERROR_STREAM_CAPTURE_INVALIDATED;
	}
	if (!result)
		*out = g;
	else
		vg_graph_end(g);
	return result;
}

static CUresult finish(struct vg_thread *t, struct vg_stream *s, struct vg_capture *c, struct vg_graph **out)
{
	CUresult result;

	vg_graphs_lock();
	result = take(t, s, c, out);
	vg_graphs_unlock();
	leave(s->context, c);
	over(c, *out);
	return result;
}

static void drop(struct vg_thread *t, struct vg_graph *g)
{
	vg_graphs_lock();
	vg_op_graph_destroy(t, g->object.number);
	vg_graph_end(g);
	vg_graphs_unlock();
}

/* Another thread's attempt ends the capture as well, without a graph; so does one that wants no graph (measured, driver 580). */
static CUresult end(CUstream handle, CUgraph *out, bool per_thread)
{
	struct vg_graph *g, *given;
	struct vg_capture *c;
	struct vg_stream *s;
	struct vg_thread *t;
	int result = vg_enter(&t);

	if (!result)
		result = vg_stream_find(t, handle, per_thread, &s);
	if (result)
		return result;
	c = atomic_load(&s->capture);
	if (!c)
		return CUDA_ERROR_ILLEGAL_STATE;
	if (c->origin != s)
		return spoil(c, CUDA_ERROR_STREAM_CAPTURE_UNMATCHED);
	if (c->mode != MODE_RELAXED && c->thread != t->number) {
		result = spoil(c, CUDA_ERROR_STREAM_CAPTURE_WRONG_THREAD);
		(void)finish(t, s, c, &g);
		return result;
	}
	given = c->graph;
	result = finish(t, s, c, &g);
	if (out)
		*out = g;
	else if (g && !given)
		drop(t, g);
	return result;
}

VG_EXPORT CUresult cuStreamEndCapture(CUstream stream, CUgraph *graph)
{
	return end(stream, graph, false);
}

VG_EXPORT CUresult cuStreamEndCapture_ptsz(CUstream stream, CUgraph *graph)
{
	return end(stream, graph, true);
}

VG_EXPORT CUresult cuThreadExchangeStreamCaptureMode(unsigned int *mode)
{
	struct vg_thread *t = vg_thread_get();
	int result = vg_process_ready();
	unsigned int previous;

	if (result)
		return result;
	if (!t || !mode)	/* any mode is kept, and given back later (measured, driver 580) */
		return CUDA_ERROR_INVALID_VALUE;
	previous = t->capture_mode;
	t->capture_mode = *mode;
	*mode = previous;
	return CUDA_SUCCESS;
}
