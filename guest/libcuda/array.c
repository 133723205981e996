// SPDX-License-Identifier: Apache-2.0
#include "array.h"

#include <string.h>

#include "calls.h"
#include "capture.h"
#include "enter.h"
#include "gen/ops.h"
#include "stream.h"

/* Every array and mipmapped array that lives. */
static struct {
	pthread_mutex_t lock;
	struct vg_array *arrays;
	struct vg_mipmap *mipmaps;
} all = { .lock = PTHREAD_MUTEX_INITIALIZER };

/* Ends the arrays that belong to context c or are parts of something; the lock is held. */
static void end_arrays(const struct vg_context *c, const void *of)
{
	for (struct vg_array **link = &all.arrays; *link;) {
		struct vg_array *a = *link;

		if (a->context != c && (!of || a->of != of)) {
			link = &a->next;
			continue;
		}
		*link = a->next;
		vg_object_end(a);
	}
}

void vg_arrays_end(const struct vg_context *c)
{
	pthread_mutex_lock(&all.lock);
	end_arrays(c, NULL);
	for (struct vg_mipmap **link = &all.mipmaps; *link;) {
		struct vg_mipmap *m = *link;

		if (m->context != c) {
			link = &m->next;
			continue;
		}
		*link = m->next;
		vg_object_end(m);
	}
	pthread_mutex_unlock(&all.lock);
}

static struct vg_array *array_new(struct vg_thread *t, const void *of, uint32_t index)
{
	struct vg_array *a = vg_object_new(VG_ARRAY, sizeof *a);

	if (!a)
		return NULL;
	a->context = t->current;
	a->of = of;
	a->index = index;
	return a;
}

/* The lock is held. */
static void array_list(struct vg_array *a)
{
	a->next = all.arrays;
	all.arrays = a;
}

static int begin(struct vg_thread **t)
{
	int result = vg_enter(t);

	return result ? result : vg_capture_forbids(*t);
}

static CUresult create(CUarray *out, const struct vg_array_3d *d)
{
	struct vg_array *a;
	struct vg_thread *t;
	int result = begin(&t);

	if (result)
		return result;
	if (!out)
		return CUDA_ERROR_INVALID_VALUE;
	a = array_new(t, NULL, 0);
	if (!a)
		return CUDA_ERROR_OUT_OF_MEMORY;
	result = vg_op_array_create(t, a->object.number, d);
	if (result) {
		vg_object_end(a);
		return result;
	}
	pthread_mutex_lock(&all.lock);
	array_list(a);
	pthread_mutex_unlock(&all.lock);
	*out = a;
	return CUDA_SUCCESS;
}

VG_EXPORT CUresult cuArray3DCreate_v2(CUarray *array, const struct vg_array_3d *d)
{
	struct vg_array_3d copy = { 0 };

	if (!d)
		return create(NULL, NULL);
	memcpy(&copy, d, offsetof(struct vg_array_3d, flags) + sizeof copy.flags);
	return create(array, &copy);
}

VG_EXPORT CUresult cuArrayCreate_v2(CUarray *array, const struct vg_array_2d *d)
{
	if (!d)
		return create(NULL, NULL);
	return create(array, &(struct vg_array_3d){ d->width, d->height, 0, d->format, d->channels, 0 });
}

/* What ends must not be in use: as natively, the work of the context is waited for. */
static int wait_unused(struct vg_thread *t, struct vg_context *c)
{
	int result = vg_context_wait(t, c);

	return vg_channel_lost(t->channel) ? result : 0;
}

VG_EXPORT CUresult cuArrayDestroy(CUarray array)
{
	struct vg_thread *t;
	uint32_t number;
	int result = begin(&t);

	if (!result)
		result = vg_number(VG_ARRAY, array, &number);
	if (!result)
		result = wait_unused(t, array->context);
	if (!result)
		result = vg_op_array_destroy(t, number);
	if (result)
		return result;
	pthread_mutex_lock(&all.lock);
	end_arrays(NULL, array);
	for (struct vg_array **link = &all.arrays; *link; link = &(*link)->next) {
		if (*link != array)
			continue;
		*link = array->next;
		vg_object_end(array);
		break;
	}
	pthread_mutex_unlock(&all.lock);
	return CUDA_SUCCESS;
}

typedef int get_part(struct vg_thread *, uint32_t, uint32_t, uint32_t);

/* One handle for each level or plane, however often it is asked for. */
static CUresult part(struct vg_thread *t, CUarray *out, const void *of, uint32_t number, uint32_t index, get_part *get)
{
	struct vg_array *a;
	int result = 0;

	pthread_mutex_lock(&all.lock);
	for (a = all.arrays; a && (a->of != of || a->index != index); a = a->next)
		;
	if (!a) {
		a = array_new(t, of, index);
		result = a ? get(t, a->object.number, number, index) : CUDA_ERROR_OUT_OF_MEMORY;
		if (!result)
			array_list(a);
		else if (a)
			vg_object_end(a);
	}
	pthread_mutex_unlock(&all.lock);
	if (!result)
		*out = a;
	return result;
}

VG_EXPORT CUresult cuArrayGetPlane(CUarray *plane, CUarray array, unsigned int index)
{
	struct vg_thread *t;
	uint32_t number;
	int result = vg_enter(&t);

	if (!result)
		result = vg_number(VG_ARRAY, array, &number);
	if (result)
		return result;
	return plane ? part(t, plane, array, number, index, vg_op_array_plane) : CUDA_ERROR_INVALID_VALUE;
}

VG_EXPORT CUresult cuMipmappedArrayCreate(CUmipmappedArray *out, const struct vg_array_3d *d, unsigned int levels)
{
	struct vg_array_3d copy = { 0 };
	struct vg_mipmap *m;
	struct vg_thread *t;
	int result = begin(&t);

	if (result)
		return result;
	if (!out || !d)
		return CUDA_ERROR_INVALID_VALUE;
	memcpy(&copy, d, offsetof(struct vg_array_3d, flags) + sizeof copy.flags);
	m = vg_object_new(VG_MIPMAP, sizeof *m);
	if (!m)
		return CUDA_ERROR_OUT_OF_MEMORY;
	m->context = t->current;
	result = vg_op_mipmap_create(t, m->object.number, &copy, levels);
	if (result) {
		vg_object_end(m);
		return result;
	}
	pthread_mutex_lock(&all.lock);
	m->next = all.mipmaps;
	all.mipmaps = m;
	pthread_mutex_unlock(&all.lock);
	*out = m;
	return CUDA_SUCCESS;
}

VG_EXPORT CUresult cuMipmappedArrayGetLevel(CUarray *level, CUmipmappedArray mipmap, unsigned int index)
{
	struct vg_thread *t;
	uint32_t number;
	int result = vg_enter(&t);

	if (!result)
		result = vg_number(VG_MIPMAP, mipmap, &number);
	if (result)
		return result;
	return level ? part(t, level, mipmap, number, index, vg_op_mipmap_level) : CUDA_ERROR_INVALID_VALUE;
}

VG_EXPORT CUresult cuMipmappedArrayDestroy(CUmipmappedArray mipmap)
{
	struct vg_thread *t;
	uint32_t number;
	int result = begin(&t);

	if (!result)
		result = vg_number(VG_MIPMAP, mipmap, &number);
	if (!result)
		result = wait_unused(t, mipmap->context);
	if (!result)
		result = vg_op_mipmap_destroy(t, number);
	if (result)
		return result;
	pthread_mutex_lock(&all.lock);
	end_arrays(NULL, mipmap);
	for (struct vg_mipmap **link = &all.mipmaps; *link; link = &(*link)->next) {
		if (*link != mipmap)
			continue;
		*link = mipmap->next;
		vg_object_end(mipmap);
		break;
	}
	pthread_mutex_unlock(&all.lock);
	return CUDA_SUCCESS;
}
