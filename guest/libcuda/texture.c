// SPDX-License-Identifier: Apache-2.0
/*
 * Texture and surface objects. Kernels take their values, so those are the driver's;
 * kept here is the array that each was made of, whose handle is this process's.
 */
#include "texture.h"

#include <stdlib.h>
#include <string.h>

#include "calls.h"
#include "enter.h"
#include "gen/ops.h"

enum { RESOURCE_ARRAY, RESOURCE_MIPMAP, RESOURCE_LINEAR, RESOURCE_PITCH_2D };

/* CUDA_RESOURCE_DESC */
struct resource {
	uint32_t type;
	union {
		void *handle;		/* array or mipmapped array */
		uint8_t rest[128];
	};
	uint32_t flags;
};
_Static_assert(sizeof(struct resource) == 144, "CUDA_RESOURCE_DESC");

#define VIEW_BYTES	112	/* CUDA_RESOURCE_VIEW_DESC */

/* An object of an array; two contexts may have the same values. */
struct made {
	uint64_t object;
	bool surface;
	const struct vg_context *context;
	void *handle;
	struct made *next;
};

static struct {
	pthread_mutex_t lock;
	struct made *objects;
} all = { .lock = PTHREAD_MUTEX_INITIALIZER };

static bool is_array(const struct resource *r)
{
	return r->type == RESOURCE_ARRAY || r->type == RESOURCE_MIPMAP;
}

/* The handle of an array becomes its number. */
static int translate(struct resource *out, const struct resource *in)
{
	uint32_t number = 0;
	int result = 0;

	*out = *in;
	if (!is_array(in))
		return 0;
	if (!in->handle)
		return CUDA_ERROR_INVALID_VALUE;
	result = vg_number(in->type == RESOURCE_ARRAY ? VG_ARRAY : VG_MIPMAP, in->handle, &number);
	memset(out->rest, 0, sizeof out->rest);
	memcpy(out->rest, &number, sizeof number);
	return result;
}

static int remember(struct vg_thread *t, uint64_t object, bool surface, const struct resource *r)
{
	struct made *m;

	if (!is_array(r))
		return 0;
	m = malloc(sizeof *m);
	if (!m)
		return CUDA_ERROR_OUT_OF_MEMORY;
	*m = (struct made){ object, surface, t->current, r->handle, NULL };
	pthread_mutex_lock(&all.lock);
	m->next = all.objects;
	all.objects = m;
	pthread_mutex_unlock(&all.lock);
	return 0;
}

/* The place that points at the object, or at the end; the lock is held. */
static struct made **find(struct vg_thread *t, uint64_t object, bool surface)
{
	struct made **link = &all.objects;

	while (*link && ((*link)->object != object || (*link)->surface != surface || (*link)->context != t->current))
		link = &(*link)->next;
	return link;
}

static void forget(struct vg_thread *t, uint64_t object, bool surface)
{
	struct made **link, *m;

	pthread_mutex_lock(&all.lock);
	link = find(t, object, surface);
	m = *link;
	if (m)
		*link = m->next;
	pthread_mutex_unlock(&all.lock);
	free(m);
}

void vg_textures_end(const struct vg_context *c)
{
	pthread_mutex_lock(&all.lock);
	for (struct made **link = &all.objects; *link;) {
		struct made *m = *link;

		if (m->context != c) {
			link = &m->next;
			continue;
		}
		*link = m->next;
		free(m);
	}
	pthread_mutex_unlock(&all.lock);
	vg_references_end(NULL, c);
}

VG_EXPORT CUresult cuTexObjectCreate(uint64_t *object, const struct resource *resource, const void *texture,
				     const void *view)
{
	static const uint8_t no_view[VIEW_BYTES];
	struct resource wire;
	struct vg_thread *t;
	int result = vg_enter(&t);

	if (result)
		return result;
	if (!object || !resource || !texture)
		return CUDA_ERROR_INVALID_VALUE;
	result = translate(&wire, resource);
	if (!result)
		result = vg_op_texture_create(t, &wire, texture, view ? view : no_view, view != NULL, object);
	return result ? result : remember(t, *object, false, resource);
}

VG_EXPORT CUresult cuTexObjectDestroy(uint64_t object)
{
	struct vg_thread *t;
	int result = vg_enter(&t);

	if (!result)
		result = vg_op_texture_destroy(t, object);
	if (!result)
		forget(t, object, false);
	return result;
}

VG_EXPORT CUresult cuSurfObjectCreate(uint64_t *object, const struct resource *resource)
{
	struct resource wire;
	struct vg_thread *t;
	int result = vg_enter(&t);

	if (result)
		return result;
	if (!object || !resource)
		return CUDA_ERROR_INVALID_VALUE;
	result = translate(&wire, resource);
	if (!result)
		result = vg_op_surface_create(t, object, &wire);
	return result ? result : remember(t, *object, true, resource);
}

VG_EXPORT CUresult cuSurfObjectDestroy(uint64_t object)
{
	struct vg_thread *t;
	int result = vg_enter(&t);

	if (!result)
		result = vg_op_surface_destroy(t, object);
	if (!result)
		forget(t, object, true);
	return result;
}

/* The driver's answer with this process's handle of the array. */
static CUresult get_resource(struct resource *out, uint64_t object, bool surface)
{
	struct resource r;
	struct vg_thread *t;
	struct made *m;
	int result = vg_enter(&t);

	if (result)
		return result;
	if (!out)
		return CUDA_ERROR_INVALID_VALUE;
	result = surface ? vg_op_surface_resource(t, &r, object) : vg_op_texture_resource(t, &r, object);
	if (result)
		return result;
	pthread_mutex_lock(&all.lock);
	m = *find(t, object, surface);
	if (m && is_array(&r))
		r.handle = m->handle;
	pthread_mutex_unlock(&all.lock);
	*out = r;
	return CUDA_SUCCESS;
}

VG_EXPORT CUresult cuTexObjectGetResourceDesc(struct resource *resource, uint64_t object)
{
	return get_resource(resource, object, false);
}

VG_EXPORT CUresult cuSurfObjectGetResourceDesc(struct resource *resource, uint64_t object)
{
	return get_resource(resource, object, true);
}
