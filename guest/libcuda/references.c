// SPDX-License-Identifier: Apache-2.0
#include "references.h"

#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

#include "callback.h"
#include "calls.h"
#include "graph.h"

#define NO_DESTRUCTOR_SYNC 1u
#define USER_OBJECT_MOVE 1u
#define LIVE 0x564755ffu

/* CUuserObject */
struct vg_user_object {
	uint32_t kind;			/* LIVE */
	uint32_t callback;		/* a callback of a graph stands here, not an object of the program */
	uint64_t count;
	vg_host_function destroy;
	void *data;
	struct vg_user_object *next;	/* to be destroyed */
};

struct vg_references {
	struct vg_references *next;
	struct vg_user_object *object;
	const void *node;		/* whose callback it is */
	uint64_t count;
};

/* counts and lists */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void *destroy(void *list)
{
	struct vg_thread *t = vg_thread_get();

	if (t)
		t->in_callback = true;	/* destructors may not call CUDA */
	for (struct vg_user_object *o = list; o;) {
		struct vg_user_object *next = o->next;

		o->destroy(o->data);
		free(o);
		o = next;
	}
	return NULL;
}

/* Callbacks end here and now, destructors run elsewhere. */
static void end(struct vg_user_object *list)
{
	struct vg_user_object *objects = NULL;
	sigset_t all, before;
	pthread_t thread;

	while (list) {
		struct vg_user_object *o = list;

		list = o->next;
		if (o->callback) {
			vg_callback_end(o->callback);
			free(o);
			continue;
		}
		o->next = objects;
		objects = o;
	}
	if (!objects)
		return;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	if (pthread_create(&thread, NULL, destroy, objects))
		vg_log("no thread for the destructors of user objects");
	else
		pthread_detach(thread);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
}

/* Takes count off the object and puts it on the list if that was the last. The lock is held. */
static void let_go(struct vg_user_object *o, uint64_t count, struct vg_user_object **ended)
{
	o->count -= count;
	if (o->count)
		return;
	o->kind = 0;
	o->next = *ended;
	*ended = o;
}

static struct vg_references *entry_of(struct vg_references *list, const struct vg_user_object *o)
{
	while (list && list->object != o)
		list = list->next;
	return list;
}

/* The lock is held. */
static int add(struct vg_references **list, struct vg_user_object *o, const void *node, uint64_t count)
{
	struct vg_references *r = entry_of(*list, o);

	if (!r) {
		r = malloc(sizeof *r);
		if (!r)
			return CUDA_ERROR_OUT_OF_MEMORY;
		*r = (struct vg_references){ .next = *list, .object = o, .node = node };
		*list = r;
	}
	r->count += count;
	return 0;
}

/*
 * Adds the holder's references to those that it has of the object; own: they were the caller's, and INVALID_VALUE when
 * that has not as many. OUT_OF_MEMORY.
 */
static int retain(struct vg_references **list, struct vg_user_object *object, unsigned int count, bool own)
{
	int result;

	pthread_mutex_lock(&lock);
	result = own && object->count < count ? CUDA_ERROR_INVALID_VALUE : add(list, object, NULL, count);
	if (!result && !own)
		object->count += count;
	pthread_mutex_unlock(&lock);
	return result;
}

/* Gives back some; INVALID_VALUE when the list has not as many. */
static int give_back(struct vg_references *list, struct vg_user_object *object, unsigned int count)
{
	struct vg_user_object *ended = NULL;
	struct vg_references *r;

	pthread_mutex_lock(&lock);
	r = entry_of(list, object);
	if (r && r->count >= count) {
		r->count -= count;
		let_go(object, count, &ended);
	} else {
		r = NULL;
	}
	pthread_mutex_unlock(&lock);
	end(ended);
	return r ? 0 : CUDA_ERROR_INVALID_VALUE;
}

int vg_references_copy(struct vg_references **list, const struct vg_references *from)
{
	int result = 0;

	pthread_mutex_lock(&lock);
	for (; from && !result; from = from->next) {
		if (!from->count)
			continue;
		result = add(list, from->object, from->node, from->count);
		if (!result)
			from->object->count += from->count;
	}
	pthread_mutex_unlock(&lock);
	return result;
}

void vg_references_release(struct vg_references *list)
{
	struct vg_user_object *ended = NULL;

	if (!list)
		return;
	pthread_mutex_lock(&lock);
	while (list) {
		struct vg_references *r = list;

		list = r->next;
		if (r->count)
			let_go(r->object, r->count, &ended);
		free(r);
	}
	pthread_mutex_unlock(&lock);
	end(ended);
}

int vg_references_set_callback(struct vg_references **list, const void *node, uint32_t callback,
			       struct vg_references **replaced)
{
	struct vg_user_object *o = calloc(1, sizeof *o);
	struct vg_references **link = list;
	int result;

	*replaced = NULL;
	if (!o)
		return CUDA_ERROR_OUT_OF_MEMORY;
	o->callback = callback;
	o->count = 1;
	pthread_mutex_lock(&lock);
	result = add(list, o, node, 1);
	if (!result)
		link = &(*list)->next;
	while (node && *link && (*link)->node != node)
		link = &(*link)->next;
	if (!result && node && *link) {
		*replaced = *link;
		*link = (*link)->next;
		(*replaced)->next = NULL;
	}
	pthread_mutex_unlock(&lock);
	if (result)
		free(o);
	return result;
}

static int check(const struct vg_user_object *object, unsigned int count)
{
	int result = vg_process_ready();

	if (result)
		return result;
	return object && object->kind == LIVE && count && count <= INT_MAX ? 0 : CUDA_ERROR_INVALID_VALUE;
}

VG_EXPORT CUresult cuUserObjectCreate(struct vg_user_object **out, void *data, vg_host_function destructor,
				      unsigned int count, unsigned int flags)
{
	struct vg_user_object *o;
	int result = vg_process_ready();

	if (result)
		return result;
	if (!out || !destructor || !count || count > INT_MAX || flags != NO_DESTRUCTOR_SYNC)
		return CUDA_ERROR_INVALID_VALUE;
	o = calloc(1, sizeof *o);
	if (!o)
		return CUDA_ERROR_OUT_OF_MEMORY;
	*o = (struct vg_user_object){ .kind = LIVE, .count = count, .destroy = destructor, .data = data };
	*out = o;
	return CUDA_SUCCESS;
}

VG_EXPORT CUresult cuUserObjectRetain(struct vg_user_object *object, unsigned int count)
{
	int result = check(object, count);

	if (result)
		return result;
	pthread_mutex_lock(&lock);
	object->count += count;
	pthread_mutex_unlock(&lock);
	return CUDA_SUCCESS;
}

VG_EXPORT CUresult cuUserObjectRelease(struct vg_user_object *object, unsigned int count)
{
	struct vg_user_object *ended = NULL;
	int result = check(object, count);

	if (result)
		return result;
	pthread_mutex_lock(&lock);
	if (object->count < count)
		result = CUDA_ERROR_INVALID_VALUE;
	else
		let_go(object, count, &ended);
	pthread_mutex_unlock(&lock);
	end(ended);
	return result;
}

VG_EXPORT CUresult cuGraphRetainUserObject(CUgraph graph, struct vg_user_object *object, unsigned int count,
					   unsigned int flags)
{
	struct vg_thread *t;
	int result = vg_graph_enter(&t, graph);

	if (!result)
		result = check(object, count);
	if (result)
		return result;
	if (flags & ~USER_OBJECT_MOVE)
		return CUDA_ERROR_INVALID_VALUE;
	return retain(&graph->references, object, count, flags & USER_OBJECT_MOVE);
}

VG_EXPORT CUresult cuGraphReleaseUserObject(CUgraph graph, struct vg_user_object *object, unsigned int count)
{
	struct vg_thread *t;
	int result = vg_graph_enter(&t, graph);

	if (!result)
		result = check(object, count);
	return result ? result : give_back(graph->references, object, count);
}
