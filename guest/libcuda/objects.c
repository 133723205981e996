// SPDX-License-Identifier: Apache-2.0
#include "objects.h"

#include <stdlib.h>
#include <string.h>

#define KINDS (VG_KINDS_END - VG_CONTEXT)

/* An ended object keeps its number; the next one of its kind takes both over. */
struct ended {
	struct vg_object object;
	struct ended *next;
};

static struct {
	pthread_mutex_t lock;
	struct ended *ended[KINDS];
	uint32_t highest[KINDS];
	/* by number: the memory that serves it, in use or ended */
	struct vg_object **numbered[KINDS];
	uint32_t capacity[KINDS];
} pool = { .lock = PTHREAD_MUTEX_INITIALIZER };

/* The caller holds pool.lock. */
static bool note(unsigned int k, uint32_t number, struct vg_object *object)
{
	uint32_t capacity = pool.capacity[k] ? pool.capacity[k] : 64;
	struct vg_object **grown;

	while (capacity <= number)
		capacity *= 2;
	if (capacity > pool.capacity[k]) {
		grown = realloc(pool.numbered[k], capacity * sizeof *grown);
		if (!grown)
			return false;
		memset(grown + pool.capacity[k], 0, (capacity - pool.capacity[k]) * sizeof *grown);
		pool.numbered[k] = grown;
		pool.capacity[k] = capacity;
	}
	pool.numbered[k][number] = object;
	return true;
}

static void *clean(struct vg_object *object, size_t size, enum vg_kind kind, uint32_t number)
{
	memset(object, 0, size);
	object->number = number;
	object->kind = kind;
	return object;
}

void *vg_object_new(enum vg_kind kind, size_t size)
{
	unsigned int k = (unsigned int)kind - VG_CONTEXT;
	struct vg_object *object;
	uint32_t number;

	if (size < sizeof(struct ended))
		size = sizeof(struct ended);
	pthread_mutex_lock(&pool.lock);
	if (pool.ended[k]) {
		struct ended *e = pool.ended[k];

		pool.ended[k] = e->next;
		number = e->object.number;
		object = &e->object;
	} else {
		object = malloc(size);
		number = pool.highest[k] + 1;
		if (object && note(k, number, object)) {
			pool.highest[k] = number;
		} else {
			free(object);
			object = NULL;
		}
	}
	pthread_mutex_unlock(&pool.lock);
	return object ? clean(object, size, kind, number) : NULL;
}

void vg_object_end(void *object)
{
	struct ended *e = object;
	unsigned int k = e->object.kind - VG_CONTEXT;

	e->object.kind = 0;
	pthread_mutex_lock(&pool.lock);
	e->next = pool.ended[k];
	pool.ended[k] = e;
	pthread_mutex_unlock(&pool.lock);
}

void *vg_object_find(enum vg_kind kind, uint32_t number)
{
	unsigned int k = (unsigned int)kind - VG_CONTEXT;
	struct vg_object *object = NULL;

	pthread_mutex_lock(&pool.lock);
	if (number < pool.capacity[k])
		object = pool.numbered[k][number];
	if (object && object->kind != (uint32_t)kind)
		object = NULL;
	pthread_mutex_unlock(&pool.lock);
	return object;
}

void *vg_object_numbered(enum vg_kind kind, size_t size, uint32_t number)
{
	unsigned int k = (unsigned int)kind - VG_CONTEXT;
	struct vg_object *object = NULL;

	if (number > VG_NUMBER_MAX)
		return NULL;
	pthread_mutex_lock(&pool.lock);
	if (number < pool.capacity[k])
		object = pool.numbered[k][number];
	if (!object) {
		object = malloc(size);
		if (object && !note(k, number, object)) {
			free(object);
			object = NULL;
		}
	}
	pthread_mutex_unlock(&pool.lock);
	return object ? clean(object, size, kind, number) : NULL;
}
