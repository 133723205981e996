// SPDX-License-Identifier: Apache-2.0
/* Attributes, names and parameters of functions: known since the look-up, of kernels since their first use. */
#include "calls.h"
#include "enter.h"
#include "gen/ops.h"
#include "module.h"

/* For questions of which the driver takes no function for an argument that is missing, not for a handle (measured). */
static int check_given(const struct vg_function *f)
{
	int result = vg_process_ready();

	if (result)
		return result;
	return f ? vg_function_handle(f) : CUDA_ERROR_INVALID_VALUE;
}

static CUresult get_attribute(int *value, int attribute, struct vg_function *f)
{
	int result = vg_process_ready();

	if (!result && !value)
		result = CUDA_ERROR_INVALID_VALUE;
	if (!result)
		result = vg_function_check(f);
	if (result)
		return result;
	if (attribute < 0 || attribute >= VG_FUNCTION_ATTRIBUTES ||
	    atomic_load(&f->attributes[attribute]) == VG_NO_ATTRIBUTE)
		return CUDA_ERROR_INVALID_VALUE;
	*value = atomic_load(&f->attributes[attribute]);
	return CUDA_SUCCESS;
}

VG_EXPORT CUresult cuFuncGetAttribute(int *value, int attribute, CUfunction function)
{
	return get_attribute(value, attribute, function);
}

VG_EXPORT CUresult cuKernelGetAttribute(int *value, int attribute, CUkernel kernel, CUdevice device)
{
	if (device < 0 || device >= vg_process.device_count)
		return CUDA_ERROR_INVALID_DEVICE;
	return get_attribute(value, attribute, kernel);
}

static CUresult set_attribute(struct vg_thread *t, struct vg_function *f, int attribute, int value)
{
	int result = f->object.kind == VG_KERNEL ?
			     vg_op_kernel_set_attribute(t, f->object.number, attribute, value) :
			     vg_op_function_set_attribute(t, f->object.number, attribute, value);

	if (!result && attribute >= 0 && attribute < VG_FUNCTION_ATTRIBUTES) {
		atomic_store(&f->attributes[attribute], value);
		if (f->function)
			atomic_store(&f->function->attributes[attribute], value);
	}
	return result;
}

VG_EXPORT CUresult cuFuncSetAttribute(CUfunction function, int attribute, int value)
{
	struct vg_thread *t;
	VG_LOAN loan = { 0 };
	int result;

	if (!vg_function_handle(function) && function->object.kind == VG_FUNCTION)
		vg_lend(&loan, function->module->context);
	result = vg_enter(&t);
	if (!result)
		result = vg_function_check(function);
	return result ? result : set_attribute(t, function, attribute, value);
}

VG_EXPORT CUresult cuKernelSetAttribute(int attribute, int value, CUkernel kernel, CUdevice device)
{
	struct vg_thread *t;
	int result = vg_enter_library(&t);

	if (!result)
		result = vg_function_check(kernel);
	if (result)
		return result;
	if (device < 0 || device >= vg_process.device_count)
		return CUDA_ERROR_INVALID_DEVICE;
	return set_attribute(t, kernel, attribute, value);
}

#define CACHE_CONFIGS 4u	/* CUfunc_cache */

/* Posted: what the driver would refuse is refused here, or a later wait would answer for it. */
VG_EXPORT CUresult cuFuncSetCacheConfig(CUfunction function, unsigned int config)
{
	struct vg_thread *t;
	int result = vg_enter(&t);

	if (!result)
		result = vg_function_check(function);
	if (result)
		return result;
	if (config >= CACHE_CONFIGS)
		return CUDA_ERROR_INVALID_VALUE;
	return function->object.kind == VG_KERNEL ? vg_op_kernel_set_cache_config(t, function->object.number, config) :
						    vg_op_function_set_cache_config(t, function->object.number, config);
}

VG_EXPORT CUresult cuKernelSetCacheConfig(CUkernel kernel, unsigned int config, CUdevice device)
{
	struct vg_thread *t;
	int result = vg_enter_library(&t);

	if (!result)
		result = vg_function_check(kernel);
	if (result)
		return result;
	if (config >= CACHE_CONFIGS)
		return CUDA_ERROR_INVALID_VALUE;
	if (device < 0 || device >= vg_process.device_count)
		return CUDA_ERROR_INVALID_DEVICE;
	return vg_op_kernel_set_cache_config(t, kernel->object.number, config);
}

static CUresult parameter(struct vg_function *f, size_t index, size_t *offset, size_t *size)
{
	int result = check_given(f);

	if (!result)
		result = vg_function_check(f);
	if (result)
		return result;
	if (!offset || index >= f->count)
		return CUDA_ERROR_INVALID_VALUE;
	*offset = f->parameters[index].offset;
	if (size)
		*size = f->parameters[index].size;
	return CUDA_SUCCESS;
}

VG_EXPORT CUresult cuFuncGetParamInfo(CUfunction function, size_t index, size_t *offset, size_t *size)
{
	return parameter(function, index, offset, size);
}

VG_EXPORT CUresult cuKernelGetParamInfo(CUkernel kernel, size_t index, size_t *offset, size_t *size)
{
	return parameter(kernel, index, offset, size);
}

static CUresult name_of(const char **name, const struct vg_function *f)
{
	int result = check_given(f);

	if (result)
		return result;
	if (!name)
		return CUDA_ERROR_INVALID_VALUE;
	*name = f->name;
	return CUDA_SUCCESS;
}

VG_EXPORT CUresult cuFuncGetName(const char **name, CUfunction function)
{
	return name_of(name, function);
}

VG_EXPORT CUresult cuKernelGetName(const char **name, CUkernel kernel)
{
	return name_of(name, kernel);
}

VG_EXPORT CUresult cuFuncGetModule(CUmodule *module, CUfunction function)
{
	int result = check_given(function);

	if (result)
		return result;
	if (!module)
		return CUDA_ERROR_INVALID_VALUE;
	if (function->module->object.kind == VG_LIBRARY)
		return cuLibraryGetModule(module, function->module);
	*module = function->module;
	return CUDA_SUCCESS;
}

VG_EXPORT CUresult cuKernelGetLibrary(CUlibrary *library, CUkernel kernel)
{
	int result = vg_process_ready();

	if (!result)
		result = vg_function_handle(kernel);
	if (result)
		return result;
	if (kernel->object.kind != VG_KERNEL)
		return CUDA_ERROR_INVALID_HANDLE;
	if (!library)
		return CUDA_ERROR_INVALID_VALUE;
	*library = kernel->module;
	return CUDA_SUCCESS;
}

/* Functions that a program holds are loaded: looking one up loads it. */
VG_EXPORT CUresult cuFuncIsLoaded(int *state, CUfunction function)
{
	int result = vg_process_ready();

	if (!result)
		result = vg_function_handle(function);
	if (result)
		return result;
	if (!state)
		return CUDA_ERROR_INVALID_VALUE;
	*state = 1;
	return CUDA_SUCCESS;
}

VG_EXPORT CUresult cuFuncLoad(CUfunction function)
{
	struct vg_thread *t;
	int result = vg_enter(&t);

	if (!result)
		result = vg_function_check(function);
	return result || function->object.kind == VG_KERNEL ? result : vg_op_function_load(t, function->object.number);
}
