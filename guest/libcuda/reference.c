// SPDX-License-Identifier: Apache-2.0
/* Texture and surface references: variables of modules, which old programs bind to memory. */
#include <stdlib.h>
#include <string.h>

#include "calls.h"
#include "enter.h"
#include "gen/ops.h"
#include "texture.h"

struct vg_reference {
	struct vg_object object;	/* VG_TEXREF or VG_SURFREF */
	const struct vg_module *module;	/* NULL: made by the program */
	const struct vg_context *context;
	char *name;
	void *array, *mipmap;		/* bound last */
	struct vg_reference *next;
};
typedef struct vg_reference *CUtexref;
typedef struct vg_reference *CUsurfref;

static struct {
	pthread_mutex_t lock;
	struct vg_reference *references;
} all = { .lock = PTHREAD_MUTEX_INITIALIZER };

static struct vg_reference *reference_new(struct vg_thread *t, enum vg_kind kind)
{
	struct vg_reference *r = vg_object_new(kind, sizeof *r);

	if (r)
		r->context = t->current;
	return r;
}

/* The lock is held. */
static void reference_list(struct vg_reference *r)
{
	r->next = all.references;
	all.references = r;
}

static void reference_end(struct vg_reference *r)
{
	free(r->name);
	vg_object_end(r);
}

void vg_references_end(const struct vg_module *m, const struct vg_context *c)
{
	pthread_mutex_lock(&all.lock);
	for (struct vg_reference **link = &all.references; *link;) {
		struct vg_reference *r = *link;

		if (m ? r->module != m : r->context != c) {
			link = &r->next;
			continue;
		}
		*link = r->next;
		reference_end(r);
	}
	pthread_mutex_unlock(&all.lock);
}

/* One handle for each variable of a module; the lock is held. */
static int look_up(struct vg_thread *t, struct vg_reference **out, enum vg_kind kind, const struct vg_module *m,
		   const char *name)
{
	uint32_t length = (uint32_t)strlen(name);
	struct vg_reference *r;
	int result;

	for (r = all.references; r; r = r->next) {
		if (r->object.kind == (uint32_t)kind && r->module == m && strcmp(r->name, name) == 0) {
			*out = r;
			return 0;
		}
	}
	r = reference_new(t, kind);
	if (!r)
		return CUDA_ERROR_OUT_OF_MEMORY;
	r->module = m;
	r->name = strdup(name);
	if (!r->name)
		result = CUDA_ERROR_OUT_OF_MEMORY;
	else if (kind == VG_TEXREF)
		result = vg_op_module_texref(t, r->object.number, m->object.number, name, length);
	else
		result = vg_op_module_surfref(t, r->object.number, m->object.number, name, length);
	if (result) {
		reference_end(r);
		return result;
	}
	reference_list(r);
	*out = r;
	return 0;
}

static CUresult of_module(struct vg_reference **out, enum vg_kind kind, CUmodule module, const char *name)
{
	struct vg_thread *t;
	uint32_t number;
	int result = vg_enter(&t);

	if (!result)
		result = vg_number(VG_MODULE, module, &number);
	if (result)
		return result;
	if (!out || !name)
		return CUDA_ERROR_INVALID_VALUE;
	pthread_mutex_lock(&all.lock);
	result = look_up(t, out, kind, module, name);
	pthread_mutex_unlock(&all.lock);
	return result;
}

VG_EXPORT CUresult cuModuleGetTexRef(CUtexref *reference, CUmodule module, const char *name)
{
	return of_module(reference, VG_TEXREF, module, name);
}

VG_EXPORT CUresult cuModuleGetSurfRef(CUsurfref *reference, CUmodule module, const char *name)
{
	return of_module(reference, VG_SURFREF, module, name);
}

VG_EXPORT CUresult cuTexRefCreate(CUtexref *out)
{
	struct vg_reference *r;
	struct vg_thread *t;
	int result = vg_enter(&t);

	if (result)
		return result;
	if (!out)
		return CUDA_ERROR_INVALID_VALUE;
	r = reference_new(t, VG_TEXREF);
	if (!r)
		return CUDA_ERROR_OUT_OF_MEMORY;
	result = vg_op_texref_create(t, r->object.number);
	if (result) {
		reference_end(r);
		return result;
	}
	pthread_mutex_lock(&all.lock);
	reference_list(r);
	pthread_mutex_unlock(&all.lock);
	*out = r;
	return CUDA_SUCCESS;
}

VG_EXPORT CUresult cuTexRefDestroy(CUtexref reference)
{
	struct vg_reference **link;
	struct vg_thread *t;
	uint32_t number;
	int result = vg_enter(&t);

	if (!result)
		result = vg_number(VG_TEXREF, reference, &number);
	if (!result)
		result = vg_op_texref_destroy(t, number);
	if (result)
		return result;
	pthread_mutex_lock(&all.lock);
	for (link = &all.references; *link && *link != reference; link = &(*link)->next)
		;
	if (*link)
		*link = reference->next;
	reference_end(reference);
	pthread_mutex_unlock(&all.lock);
	return CUDA_SUCCESS;
}

typedef int bind_to(struct vg_thread *, uint32_t reference, uint32_t to, uint32_t flags);

/* Binds to an array or a mipmapped array, of which the other is then no more. */
static CUresult bind(struct vg_reference *r, enum vg_kind kind, void *to, enum vg_kind to_kind, unsigned int flags,
		     bind_to *call)
{
	struct vg_thread *t;
	uint32_t reference, number;
	int result = vg_enter(&t);

	if (!result)
		result = vg_number(kind, r, &reference);
	if (!result)
		result = vg_number(to_kind, to, &number);
	if (!result)
		result = call(t, reference, number, flags);
	if (result)
		return result;
	r->array = to_kind == VG_ARRAY ? to : NULL;
	r->mipmap = to_kind == VG_MIPMAP ? to : NULL;
	return CUDA_SUCCESS;
}

VG_EXPORT CUresult cuTexRefSetArray(CUtexref reference, CUarray array, unsigned int flags)
{
	return bind(reference, VG_TEXREF, array, VG_ARRAY, flags, vg_op_texref_set_array);
}

VG_EXPORT CUresult cuTexRefSetMipmappedArray(CUtexref reference, CUmipmappedArray mipmap, unsigned int flags)
{
	return bind(reference, VG_TEXREF, mipmap, VG_MIPMAP, flags, vg_op_texref_set_mipmap);
}

VG_EXPORT CUresult cuSurfRefSetArray(CUsurfref reference, CUarray array, unsigned int flags)
{
	return bind(reference, VG_SURFREF, array, VG_ARRAY, flags, vg_op_surfref_set_array);
}

typedef int ask_bound(struct vg_thread *, uint32_t reference);

/* The driver knows whether something is bound, this process what. */
static CUresult bound(struct vg_reference *r, enum vg_kind kind, ask_bound *call)
{
	struct vg_thread *t;
	uint32_t number;
	int result = vg_enter(&t);

	if (!result)
		result = vg_number(kind, r, &number);
	return result ? result : call(t, number);
}

VG_EXPORT CUresult cuTexRefGetArray(CUarray *array, CUtexref reference)
{
	int result = bound(reference, VG_TEXREF, vg_op_texref_has_array);

	if (!result && array)
		*array = reference->array;
	return result || array ? result : CUDA_ERROR_INVALID_VALUE;
}

VG_EXPORT CUresult cuTexRefGetMipmappedArray(CUmipmappedArray *mipmap, CUtexref reference)
{
	int result = bound(reference, VG_TEXREF, vg_op_texref_has_mipmap);

	if (!result && mipmap)
		*mipmap = reference->mipmap;
	return result || mipmap ? result : CUDA_ERROR_INVALID_VALUE;
}

VG_EXPORT CUresult cuSurfRefGetArray(CUarray *array, CUsurfref reference)
{
	int result = bound(reference, VG_SURFREF, vg_op_surfref_has_array);

	if (!result && array)
		*array = reference->array;
	return result || array ? result : CUDA_ERROR_INVALID_VALUE;
}

/* The offset is optional, so this stub is not generated. */
VG_EXPORT CUresult cuTexRefSetAddress_v2(size_t *offset, CUtexref reference, CUdeviceptr address, size_t size)
{
	struct vg_thread *t;
	uint64_t aligned = 0;
	uint32_t number;
	int result = vg_enter(&t);

	if (!result)
		result = vg_number(VG_TEXREF, reference, &number);
	if (!result)
		result = vg_op_texref_set_address(t, &aligned, number, address, size);
	if (!result && offset)
		*offset = aligned;
	return result;
}
