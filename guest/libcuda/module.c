// SPDX-License-Identifier: Apache-2.0
/* Modules and libraries: loading, unloading, global variables. */
#include "module.h"

#include <stdlib.h>
#include <string.h>

#include "calls.h"
#include "capture.h"
#include "enter.h"
#include "gen/ops.h"
#include "image.h"
#include "jit.h"
#include "pause.h"
#include "spaces.h"
#include "texture.h"

/* Taken before any module's own lock. */
static struct {
	pthread_mutex_t lock;
	struct vg_module *first;
} modules = { .lock = PTHREAD_MUTEX_INITIALIZER };

int vg_enter_library(struct vg_thread **t)
{
	int result = vg_process_ready();

	*t = vg_thread_get();
	if (result)
		return result;
	if (!*t)
		return CUDA_ERROR_OUT_OF_MEMORY;
	if ((*t)->in_callback)
		return CUDA_ERROR_NOT_PERMITTED;
	return vg_channel_start(vg_process.channel);
}

static void module_init(struct vg_thread *t, struct vg_module *m)
{
	pthread_mutex_init(&m->lock, NULL);
	if (m->object.kind == VG_MODULE)	/* a library belongs to no context, and its thread may have none */
		m->context = t->current->base;
}

static void module_list(struct vg_module *m)
{
	pthread_mutex_lock(&modules.lock);
	m->next = modules.first;
	if (m->next)
		m->next->previous = m;
	modules.first = m;
	pthread_mutex_unlock(&modules.lock);
}

/* How long a load took, in milliseconds as a float, in the place of the option's value. */
static void store_wall_time(const struct vg_jit *jit, uint64_t began)
{
	float milliseconds = (float)(vg_now_ns() - began) / 1e6f;

	if (jit->wall_time_out)
		memcpy(jit->wall_time_out, &milliseconds, sizeof milliseconds);
}

static int load(struct vg_thread *t, struct vg_module **out, enum vg_kind kind, const void *image, struct vg_jit *jit)
{
	uint64_t began = vg_now_ns();
	uint8_t logs[VGPU_REP_DATA_MAX];
	uint32_t size = sizeof logs, number;
	size_t bytes;
	struct vg_module *m;
	int result;

	vg_jit_keep_time(jit);
	image = vg_image_unwrap(image);
	bytes = vg_image_size(image);
	if (!bytes)
		return CUDA_ERROR_INVALID_IMAGE;
	m = vg_object_new(kind, sizeof *m);
	if (!m)
		return CUDA_ERROR_OUT_OF_MEMORY;
	result = vg_image_send(t, image, bytes, &number);
	if (!result) {
		result = kind == VG_MODULE ? vg_op_module_load(t, m->object.number, number, jit->count, jit->pairs,
							       vg_jit_bytes(jit), logs, &size) :
					     vg_op_library_load(t, m->object.number, number, jit->count, jit->pairs,
								vg_jit_bytes(jit), logs, &size);
		vg_jit_logs(jit, logs, size);
		store_wall_time(jit, began);
	}
	vg_image_drop(t, number);
	if (result) {
		vg_object_end(m);
		return result;
	}
	module_init(t, m);
	module_list(m);
	*out = m;
	return 0;
}

/* Unless told to load eagerly, the driver looks at what a library's file holds when something in it is asked for (measured, 580). */
static int library_unread(struct vg_thread *t, CUlibrary *out, int why)
{
	struct vg_module *m = vg_object_new(VG_LIBRARY, sizeof *m);

	if (!m)
		return CUDA_ERROR_OUT_OF_MEMORY;
	m->unreadable = why;
	module_init(t, m);
	module_list(m);
	*out = m;
	return 0;
}

/* An image of a file must not claim more than the file has. */
static int load_file(struct vg_thread *t, struct vg_module **out, enum vg_kind kind, const char *name, struct vg_jit *jit)
{
	size_t size;
	void *text;
	int result = vg_image_read(name, &text, &size);

	if (result)
		return result;
	result = load(t, out, kind, text, jit);
	free(text);
	if (result == CUDA_ERROR_INVALID_IMAGE && kind == VG_LIBRARY && size && !vg_loads_eagerly())
		result = library_unread(t, out, result);
	return result;
}

VG_EXPORT CUresult cuModuleLoadDataEx(CUmodule *module, const void *image, unsigned int count, int *options,
				      void **values)
{
	struct vg_thread *t;
	struct vg_jit jit;
	int result = vg_enter(&t);

	if (result)
		return result;
	if (!module || !image)
		return CUDA_ERROR_INVALID_VALUE;
	result = vg_jit_read(&jit, count, options, values);
	return result ? result : load(t, module, VG_MODULE, image, &jit);
}

VG_EXPORT CUresult cuModuleLoadData(CUmodule *module, const void *image)
{
	return cuModuleLoadDataEx(module, image, 0, NULL, NULL);
}

VG_EXPORT CUresult cuModuleLoadFatBinary(CUmodule *module, const void *image)
{
	return cuModuleLoadDataEx(module, image, 0, NULL, NULL);
}

VG_EXPORT CUresult cuModuleLoad(CUmodule *module, const char *name)
{
	struct vg_thread *t;
	struct vg_jit jit = { 0 };
	int result = vg_enter(&t);

	if (result)
		return result;
	if (!module || !name)
		return CUDA_ERROR_INVALID_VALUE;
	return load_file(t, module, VG_MODULE, name, &jit);
}

/* Library options: 0 host universal table, refused; 1 binary is preserved, a permission we do not need. */
static int check_library_options(unsigned int count, const int *options)
{
	for (unsigned int i = 0; i < count; i++)
		if (!options || options[i] != 1)
			return CUDA_ERROR_NOT_SUPPORTED;
	return 0;
}

/* What both ways to load a library look at first: out, from and the options. */
static int library_arguments(struct vg_thread **t, struct vg_jit *jit, const CUlibrary *out, const void *from,
			     unsigned int jit_count, int *jit_options, void **jit_values, unsigned int count,
			     const int *options)
{
	int result = vg_enter_library(t);

	if (result)
		return result;
	if (!out || !from)
		return CUDA_ERROR_INVALID_VALUE;
	result = check_library_options(count, options);
	return result ? result : vg_jit_read(jit, jit_count, jit_options, jit_values);
}

VG_EXPORT CUresult cuLibraryLoadData(CUlibrary *library, const void *image, int *jit_options, void **jit_values,
				     unsigned int jit_count, int *options, void **values, unsigned int count)
{
	struct vg_thread *t;
	struct vg_jit jit;
	int result = library_arguments(&t, &jit, library, image, jit_count, jit_options, jit_values, count, options);

	(void)values;
	return result ? result : load(t, library, VG_LIBRARY, image, &jit);
}

VG_EXPORT CUresult cuLibraryLoadFromFile(CUlibrary *library, const char *name, int *jit_options, void **jit_values,
					 unsigned int jit_count, int *options, void **values, unsigned int count)
{
	struct vg_thread *t;
	struct vg_jit jit;
	int result = library_arguments(&t, &jit, library, name, jit_count, jit_options, jit_values, count, options);

	(void)values;
	return result ? result : load_file(t, library, VG_LIBRARY, name, &jit);
}

static void forget_globals(struct vg_module *m)
{
	struct vg_range r;
	uint64_t from = 0;

	while (vg_range_next_owned(from, m, &r)) {
		from = r.base + 1;
		vg_range_remove(r.base, VG_RANGE_GLOBAL, &r);
	}
}

/* modules.lock is held. */
static void module_end(struct vg_module *m)
{
	if (m->previous)
		m->previous->next = m->next;
	else
		modules.first = m->next;
	if (m->next)
		m->next->previous = m->previous;
	forget_globals(m);
	vg_references_end(m, NULL);
	vg_functions_end(m);
	pthread_mutex_destroy(&m->lock);
	vg_object_end(m);
}

void vg_modules_end(const struct vg_context *c)
{
	struct vg_module *next;

	pthread_mutex_lock(&modules.lock);
	for (struct vg_module *m = modules.first; m; m = next) {
		next = m->next;
		if (m->object.kind == VG_LIBRARY)
			vg_kernel_functions_end(m);
		else if (m->context == c) {
			if (m->library)
				m->library->module = NULL;
			module_end(m);
		}
	}
	pthread_mutex_unlock(&modules.lock);
}

VG_EXPORT CUresult cuModuleUnload(CUmodule module)
{
	struct vg_thread *t;
	int result = vg_enter(&t);

	if (result)
		return result;
	if (!module || module->object.kind != VG_MODULE)
		return CUDA_ERROR_INVALID_HANDLE;
	if (module->library)	/* and ends with it */
		return CUDA_ERROR_NOT_PERMITTED;
	result = vg_capture_forbids(t);
	if (!result)
		result = vg_op_module_unload(t, module->object.number);
	if (result)
		return result;
	pthread_mutex_lock(&modules.lock);
	module_end(module);
	pthread_mutex_unlock(&modules.lock);
	return CUDA_SUCCESS;
}

VG_EXPORT CUresult cuLibraryUnload(CUlibrary library)
{
	struct vg_thread *t;
	int result = vg_enter_library(&t);

	if (result)
		return result;
	if (!library || library->object.kind != VG_LIBRARY)
		return CUDA_ERROR_INVALID_HANDLE;
	result = vg_capture_forbids(t);
	if (!result && !library->unreadable)
		result = vg_op_library_unload(t, library->object.number);
	if (result)
		return result;
	pthread_mutex_lock(&modules.lock);
	if (library->module)
		module_end(library->module);
	module_end(library);
	pthread_mutex_unlock(&modules.lock);
	return CUDA_SUCCESS;
}

VG_EXPORT CUresult cuLibraryGetModule(CUmodule *module, CUlibrary library)
{
	struct vg_module *fresh = NULL;
	struct vg_thread *t;
	int result = vg_enter(&t);

	if (result)
		return result;
	result = vg_library_check(library);
	if (result)
		return result;
	if (!module)
		return CUDA_ERROR_INVALID_VALUE;
	pthread_mutex_lock(&library->lock);
	if (!library->module) {
		struct vg_module *m = vg_object_new(VG_MODULE, sizeof *m);

		result = m ? vg_op_library_module(t, m->object.number, library->object.number) :
			     CUDA_ERROR_OUT_OF_MEMORY;
		if (!result) {
			module_init(t, m);
			m->library = library;
			library->module = fresh = m;
		} else if (m) {
			vg_object_end(m);
		}
	}
	*module = library->module;
	pthread_mutex_unlock(&library->lock);
	if (fresh)
		module_list(fresh);
	return result;
}

/* Global variables are device memory that copies may name. */
static int give_global(struct vg_thread *t, struct vg_module *m, CUdeviceptr *address, size_t *size, uint64_t base,
		       uint64_t bytes)
{
	struct vg_range known, r = { .base = base, .size = bytes, .kind = VG_RANGE_GLOBAL, .owner = m };
	int result = 0;

	r.context = t->current->base;
	r.id = vg_range_id();
	if (bytes && !vg_range_find(base, &known))
		result = vg_range_add(&r);
	if (result)
		return result;
	if (address)
		*address = base;
	if (size)
		*size = bytes;
	return CUDA_SUCCESS;
}

VG_EXPORT CUresult cuModuleGetGlobal_v2(CUdeviceptr *address, size_t *size, CUmodule module, const char *name)
{
	struct vg_thread *t;
	uint64_t base = 0, bytes = 0;
	int result = vg_enter(&t);

	if (result)
		return result;
	if (!module || module->object.kind != VG_MODULE)
		return CUDA_ERROR_INVALID_HANDLE;
	if (!name || (!address && !size))
		return CUDA_ERROR_INVALID_VALUE;
	result = vg_op_module_global(t, module->object.number, &base, &bytes, name, (uint32_t)strlen(name));
	return result ? result : give_global(t, module, address, size, base, bytes);
}

VG_EXPORT CUresult cuLibraryGetGlobal(CUdeviceptr *address, size_t *size, CUlibrary library, const char *name)
{
	struct vg_thread *t;
	uint64_t base = 0, bytes = 0;
	int result = vg_enter(&t);

	if (result)
		return result;
	result = vg_library_check(library);
	if (result)
		return result;
	if (!name || (!address && !size))
		return CUDA_ERROR_INVALID_VALUE;
	result = vg_op_library_global(t, library->object.number, &base, &bytes, name, (uint32_t)strlen(name));
	return result ? result : give_global(t, library, address, size, base, bytes);
}
