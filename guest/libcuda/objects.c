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
} pool = { .lock = PTHREAD_MUTEX_INITIALIZER };

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
		number = object ? ++pool.highest[k] : 0;
	}
	pthread_mutex_unlock(&pool.lock);
	if (!object)
		return NULL;
	memset(object, 0, size);
	object->number = number;
	object->kind = kind;
	return object;
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
