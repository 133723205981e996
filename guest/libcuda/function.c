// SPDX-License-Identifier: Apache-2.0
/* Functions and kernels: looking them up, and what is known of one. */
#include <stdlib.h>
#include <string.h>

#include "calls.h"
#include "enter.h"
#include "gen/ops.h"
#include "module.h"

/* Info of a function, plugin/api/function.go: attributes, parameter count and bytes, then the parameters. */
static int read_info(struct vg_function *f, const uint8_t *info, uint32_t size)
{
	const uint32_t fixed = VG_FUNCTION_ATTRIBUTES * 4 + 8;
	int32_t value;

	if (size < fixed)
		return VG_ERROR_PROTOCOL;
	for (int i = 0; i < VG_FUNCTION_ATTRIBUTES; i++) {
		memcpy(&value, info + 4 * i, 4);
		atomic_init(&f->attributes[i], value);
	}
	memcpy(&f->count, info + fixed - 8, 4);
	memcpy(&f->bytes, info + fixed - 4, 4);
	if (f->count > (size - fixed) / 8 || f->bytes > VGPU_REC_MAX)
		return VG_ERROR_PROTOCOL;
	free(f->parameters); /* of an answer that made no sense */
	f->parameters = calloc(f->count + 1, sizeof *f->parameters);
	if (!f->parameters)
		return CUDA_ERROR_OUT_OF_MEMORY;
	memcpy(f->parameters, info + fixed, (size_t)f->count * 8);
	for (uint32_t i = 0; i < f->count; i++)
		if (f->parameters[i].size > f->bytes || f->parameters[i].offset > f->bytes - f->parameters[i].size)
			return VG_ERROR_PROTOCOL;
	atomic_store_explicit(&f->known, true, memory_order_release);
	return 0;
}

int vg_function_learn(struct vg_function *f)
{
	uint8_t info[VGPU_REP_DATA_MAX];
	uint32_t size = sizeof info;
	struct vg_thread *t = vg_thread_get();
	int result = 0;

	if (!t)
		return CUDA_ERROR_OUT_OF_MEMORY;
	pthread_mutex_lock(&f->lock);
	if (!atomic_load_explicit(&f->known, memory_order_relaxed)) {
		result = vg_op_kernel_info(t, f->object.number, info, &size);
		if (!result)
			result = read_info(f, info, size);
	}
	pthread_mutex_unlock(&f->lock);
	return result;
}

static uint32_t hash_of(const char *name)
{
	uint32_t hash = 2166136261u;

	for (; *name; name++)
		hash = (hash ^ (uint8_t)*name) * 16777619u;
	return hash;
}

static void function_end(struct vg_function *f)
{
	free(f->name);
	free(f->parameters);
	free(f->first);
	pthread_mutex_destroy(&f->lock);
	vg_object_end(f);
}

static struct vg_function *function_new(enum vg_kind kind, struct vg_module *m, const char *name)
{
	struct vg_function *f = vg_object_new(kind, sizeof *f);

	if (!f)
		return NULL;
	pthread_mutex_init(&f->lock, NULL);
	f->module = m;
	f->context = m->context;
	f->name = strdup(name);
	f->hash = hash_of(name);
	if (f->name)
		return f;
	function_end(f);
	return NULL;
}

static int look_up(struct vg_thread *t, struct vg_module *m, const char *name, struct vg_function **out)
{
	bool library = m->object.kind == VG_LIBRARY;
	uint8_t info[VGPU_REP_DATA_MAX];
	uint32_t size = sizeof info, length = (uint32_t)strlen(name);
	struct vg_function *f = function_new(library ? VG_KERNEL : VG_FUNCTION, m, name);
	int result;

	if (!f)
		return CUDA_ERROR_OUT_OF_MEMORY;
	result = library ? vg_op_library_find(t, f->object.number, m->object.number, name, length) :
			   vg_op_module_function(t, f->object.number, m->object.number, name, length, info, &size);
	if (!result && !library)
		result = read_info(f, info, size);
	if (result) {
		function_end(f);
		return result;
	}
	f->next = m->functions;
	m->functions = f;
	*out = f;
	return 0;
}

/* The function or kernel of that name; one object per name. */
static int find(struct vg_thread *t, struct vg_module *m, const char *name, struct vg_function **out)
{
	uint32_t hash = hash_of(name);
	int result = 0;

	*out = NULL;
	pthread_mutex_lock(&m->lock);
	for (struct vg_function *f = m->functions; f && !*out; f = f->next)
		if (f->hash == hash && strcmp(f->name, name) == 0)
			*out = f;
	if (!*out)
		result = look_up(t, m, name, out);
	pthread_mutex_unlock(&m->lock);
	return result;
}

void vg_functions_end(struct vg_module *m)
{
	while (m->functions) {
		struct vg_function *f = m->functions;

		m->functions = f->next;
		if (f->function)
			function_end(f->function);
		function_end(f);
	}
}

void vg_kernel_functions_end(struct vg_module *library)
{
	pthread_mutex_lock(&library->lock);
	for (struct vg_function *f = library->functions; f; f = f->next) {
		if (f->function)
			function_end(f->function);
		f->function = NULL;
	}
	pthread_mutex_unlock(&library->lock);
}

VG_EXPORT CUresult cuModuleGetFunction(CUfunction *function, CUmodule module, const char *name)
{
	struct vg_thread *t;
	int result = vg_enter(&t);

	if (result)
		return result;
	if (!module || module->object.kind != VG_MODULE)
		return CUDA_ERROR_INVALID_HANDLE;
	if (!function || !name || !*name)
		return CUDA_ERROR_INVALID_VALUE;
	return find(t, module, name, function);
}

VG_EXPORT CUresult cuLibraryGetKernel(CUkernel *kernel, CUlibrary library, const char *name)
{
	struct vg_thread *t;
	int result = vg_enter_library(&t);

	if (result)
		return result;
	result = vg_library_check(library);
	if (result)
		return result;
	if (!kernel || !name)
		return CUDA_ERROR_INVALID_VALUE;
	return find(t, library, name, kernel);
}

VG_EXPORT CUresult cuKernelGetFunction(CUfunction *function, CUkernel kernel)
{
	uint8_t info[VGPU_REP_DATA_MAX];
	uint32_t size = sizeof info;
	struct vg_function *f;
	struct vg_thread *t;
	int result = vg_enter(&t);

	if (result)
		return result;
	if (!kernel || kernel->object.kind != VG_KERNEL)
		return CUDA_ERROR_INVALID_HANDLE;
	if (!function)
		return CUDA_ERROR_INVALID_VALUE;
	pthread_mutex_lock(&kernel->lock);
	f = kernel->function;
	if (!f) {
		f = function_new(VG_FUNCTION, kernel->module, kernel->name);
		result = f ? vg_op_kernel_function(t, f->object.number, kernel->object.number, info, &size) :
			     CUDA_ERROR_OUT_OF_MEMORY;
		if (!result)
			result = read_info(f, info, size);
		if (!result)
			kernel->function = f;
		else if (f)
			function_end(f);
	}
	pthread_mutex_unlock(&kernel->lock);
	if (!result)
		*function = f;
	return result;
}

/* Names of all functions of a module or kernels of a library, NUL separated; free() them. */
static int names_of(struct vg_thread *t, struct vg_module *m, char **names, size_t *size)
{
	uint32_t count = 0;
	int result;

	*names = NULL;
	*size = 0;
	for (;;) {
		uint8_t part[VGPU_REP_DATA_MAX];
		uint32_t got = sizeof part;
		char *grown;

		result = m->object.kind == VG_LIBRARY ? vg_op_library_names(t, m->object.number, count, part, &got) :
							vg_op_module_names(t, m->object.number, count, part, &got);
		if (result || !got)
			break;
		grown = realloc(*names, *size + got);
		if (!grown) {
			result = CUDA_ERROR_OUT_OF_MEMORY;
			break;
		}
		*names = grown;
		memcpy(*names + *size, part, got);
		*size += got;
		for (uint32_t i = 0; i < got; i++)
			count += part[i] == 0;
	}
	/* the last name must end */
	if (!result && *size && (*names)[*size - 1])
		result = VG_ERROR_PROTOCOL;
	if (result) {
		free(*names);
		*names = NULL;
	}
	return result;
}

static CUresult enumerate(struct vg_thread *t, struct vg_function **out, unsigned int room, struct vg_module *m)
{
	unsigned int n = 0;
	size_t size;
	char *names;
	int result = names_of(t, m, &names, &size);

	for (const char *p = names; !result && p < names + size && n < room; p += strlen(p) + 1)
		result = find(t, m, p, &out[n++]);
	free(names);
	return result;
}

VG_EXPORT CUresult cuModuleEnumerateFunctions(CUfunction *functions, unsigned int count, CUmodule module)
{
	struct vg_thread *t;
	int result = vg_enter(&t);

	if (result)
		return result;
	if (!module || module->object.kind != VG_MODULE)
		return CUDA_ERROR_INVALID_HANDLE;
	return functions ? enumerate(t, functions, count, module) : CUDA_ERROR_INVALID_VALUE;
}

VG_EXPORT CUresult cuLibraryGetKernelCount(unsigned int *count, CUlibrary library)
{
	struct vg_thread *t;
	int result = vg_enter_library(&t);

	if (result)
		return result;
	if (!count)
		return CUDA_ERROR_INVALID_VALUE;
	result = vg_library_check(library);
	if (result && vg_library_unreadable(library)) {
		*count = 0;
		return CUDA_SUCCESS;
	}
	return result ? result : vg_op_library_kernel_count(t, count, library->object.number);
}

VG_EXPORT CUresult cuLibraryEnumerateKernels(CUkernel *kernels, unsigned int count, CUlibrary library)
{
	struct vg_thread *t;
	int result = vg_enter_library(&t);

	if (result)
		return result;
	result = vg_library_check(library);
	if (result)
		return vg_library_unreadable(library) ? CUDA_SUCCESS : result;
	return kernels ? enumerate(t, kernels, count, library) : CUDA_ERROR_INVALID_VALUE;
}
