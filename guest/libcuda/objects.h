/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Handles. A handle that a program holds is the address of one of these; the
 * executor knows it by its number. Numbers are chosen here, so creating costs
 * no round trip.
 */
#ifndef VGPU_OBJECTS_H
#define VGPU_OBJECTS_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "abi.h"
#include "process.h"

enum vg_kind {
	VG_CONTEXT = 0x56470001,
	VG_STREAM,
	VG_EVENT,
	VG_MODULE,
	VG_FUNCTION,
	VG_LIBRARY,
	VG_KERNEL,
	VG_GRAPH,
	VG_GRAPHEXEC,
	VG_MEMORY,
	VG_NODE,
	VG_LINKER,
	VG_ARRAY,
	VG_MIPMAP,
	VG_TEXREF,
	VG_SURFREF,
	VG_POOL,
	VG_DESC,
	VG_GREEN,
	VG_KINDS_END
};

/* a stream whose green context has ended */
#define VG_STREAM_ORPHAN 0x5647ff01u

/* first member of every object; kind is overwritten when the object ends */
struct vg_object {
	uint32_t kind;
	uint32_t number;
};

/*
 * A zeroed object of size bytes with a free number from 1 on; NULL: out of
 * memory. An ended object's memory is only reused for objects of its kind, so
 * that a stale handle is recognised. Thread safe.
 */
void *vg_object_new(enum vg_kind kind, size_t size);
void vg_object_end(void *object);

/* The object of a number, NULL: there is none. */
void *vg_object_find(enum vg_kind kind, uint32_t number);

/*
 * For kinds whose numbers the executor chooses: a zeroed object in the memory
 * that always serves this number, at most VG_NUMBER_MAX. Such an object ends by
 * kind = 0, the executor gives its number out again.
 */
void *vg_object_numbered(enum vg_kind kind, size_t size, uint32_t number);
#define VG_NUMBER_MAX (1u << 20)

/* The number of a handle, CUDA_ERROR_INVALID_HANDLE when it is none of that kind. */
static inline int vg_number(enum vg_kind kind, const void *handle, uint32_t *number)
{
	const struct vg_object *object = handle;

	if (!object || object->kind != (uint32_t)kind)
		return CUDA_ERROR_INVALID_HANDLE;
	*number = object->number;
	return 0;
}

/*
 * Lock order: context.lock, then stream.lock, then ranges, then numbers. The
 * ring takes no lock.
 */
struct vg_context {
	struct vg_object object;	/* number 1: the primary context */
	pthread_mutex_t lock;		/* streams, retained */
	unsigned int flags;
	unsigned int api_version;	/* 3020 */
	uint64_t id;			/* never reused */
	_Atomic unsigned int retained;	/* primary: 0 = inactive */
	_Atomic uint32_t generation;	/* +1 at every reset, for caches keyed by context */
	struct vg_stream *streams;	/* all but legacy */
	struct vg_stream *legacy;
	unsigned int usage;		/* cuCtxAttach's count */
	struct vg_context *base;	/* whose memory and modules it uses: itself, or of a green context the primary one */
	struct vg_green *green;		/* this is that green context */
	struct vg_context *greens;	/* of the primary context: all green ones; of these: the next */
};

/* Streams that take part in one capture point here; freed when the last one lets go. */
struct vg_capture {
	uint64_t id;
	struct vg_capture *next;	/* of those that forbid calls, while it is active */
	uint32_t thread;	/* that began it */
	unsigned int mode;	/* 0 global, 1 thread local, 2 relaxed */
	struct vg_stream *origin;	/* NULL: the capture has ended */
	_Atomic bool invalid;		/* broken by a call that cannot be captured */
	struct vg_graph *graph;		/* that it makes, once the program has seen it */
	bool into;			/* the program gave the graph */
	struct vg_references *references;	/* what its graph will keep */
	struct vg_dependencies *dependencies;	/* what cuStreamGetCaptureInfo returned */
};

#define VG_WORK_NONE 0u
#define VG_WORK_SOME 1u

struct vg_stream {
	struct vg_object object;	/* number 0: the legacy stream of the current context */
	pthread_mutex_t lock;		/* fence posting */
	struct vg_context *context;
	struct vg_stream *next, *previous;	/* context's list */
	unsigned int flags;		/* 1: non-blocking */
	int priority;
	unsigned int policy;		/* CUsynchronizationPolicy, 0: as the context has it */
	uint64_t id;
	bool per_thread;
	uint32_t slot;			/* fence word */
	uint32_t fence;			/* last value posted */
	_Atomic uint64_t work;		/* posted since that fence: VG_WORK_NONE, VG_WORK_SOME, or the mark of an event
					 * that was recorded behind all of it */
	_Atomic uint32_t freed;		/* stream-ordered memory freed since the last wait */
	_Atomic(struct vg_capture *) capture;
};

/* The stream a handle means for this thread; creates the per-thread stream at its first use. */
int vg_stream_find(struct vg_thread *t, CUstream handle, bool per_thread, struct vg_stream **stream);

/* What work for a stream of a broken capture answers: 901, or 906 for the legacy stream beside captured ones. */
int vg_stream_broken(struct vg_stream *s);

/* The same for work to be put on it. */
static inline int vg_stream_get(struct vg_thread *t, CUstream handle, bool per_thread, struct vg_stream **stream)
{
	int result = vg_stream_find(t, handle, per_thread, stream);
	struct vg_capture *c;

	if (result)
		return result;
	c = atomic_load_explicit(&(*stream)->capture, memory_order_acquire);
	return c && atomic_load_explicit(&c->invalid, memory_order_relaxed) ? vg_stream_broken(*stream) : 0;
}

/* What is on a blocking stream is the legacy stream's work too. */
static inline void vg_stream_legacy_busy(struct vg_stream *s)
{
	if (!(s->flags & 1) && s->object.number)
		atomic_store_explicit(&s->context->legacy->work, VG_WORK_SOME, memory_order_release);
}

/* Tells that work was posted; call it after the post. */
static inline void vg_stream_busy(struct vg_stream *s)
{
	if (atomic_load_explicit(&s->capture, memory_order_relaxed))
		return;
	atomic_store_explicit(&s->work, VG_WORK_SOME, memory_order_release);
	vg_stream_legacy_busy(s);
}

struct vg_event {
	struct vg_object object;
	struct vg_context *context;
	unsigned int flags;		/* 1 blocking sync, 2 no timing, 4 IPC */
	_Atomic uint64_t mark;		/* fence word << 32 | value that the last record posts; word 0: none was
					 * free, or other processes record too */
	_Atomic uint64_t stream;	/* id of the stream of the last record, 0: none yet */
	_Atomic(struct vg_stream *) covers;	/* whose work the mark may stand for */
	_Atomic int recorded;
	_Atomic int asked;		/* the last record posted no fence: the executor is asked */
	_Atomic int of_graphs;		/* nodes of graphs record it, of which no fence tells */
	_Atomic(struct vg_capture *) capture;	/* recorded in a capture, not in the stream */
};

/* Contexts: implemented in context.c. */
struct vg_context *vg_primary(void);	/* stable for the process, active or not */
bool vg_context_valid(const struct vg_context *c);

/* what runs when a context ends; data in registration order (context local storage) */
void vg_context_on_end(void (*run)(struct vg_context *));

#endif
