// SPDX-License-Identifier: Apache-2.0
/*
 * The first launch calls, of CUDA 2: block shape, shared memory and parameters are set on
 * the function one by one, then the function is launched.
 */
#include <stdlib.h>
#include <string.h>

#include "calls.h"
#include "description.h"
#include "enter.h"
#include "module.h"

#define PARAMETERS_MAX	4096

/* CUdevice_attribute */
enum { MAX_THREADS = 1, MAX_BLOCK_X, MAX_SHARED_OPTIN = 97 };

#define EXTRA_END	((void *)0)
#define EXTRA_POINTER	((void *)1)
#define EXTRA_SIZE	((void *)2)

/* What has been set on a function so far. */
struct vg_first_launch {
	int x, y, z;
	unsigned int shared;
	unsigned int size;
	uint8_t parameters[PARAMETERS_MAX];
};

CUresult cuLaunchKernel(CUfunction f, unsigned int gx, unsigned int gy, unsigned int gz, unsigned int bx,
			unsigned int by, unsigned int bz, unsigned int shared, CUstream stream, void **params,
			void **extra);

/* The calls are as thread safe as the driver's: one thread at a time sets a function up. */
static int settings(CUfunction f, struct vg_first_launch **out)
{
	struct vg_thread *t;
	int result = vg_enter(&t);

	if (!result)
		result = vg_function_check(f);
	if (result)
		return result;
	if (!f->first) {
		f->first = calloc(1, sizeof *f->first);
		if (!f->first)
			return CUDA_ERROR_OUT_OF_MEMORY;
		f->first->x = f->first->y = f->first->z = 1;
	}
	*out = f->first;
	return 0;
}

/* Whether a value is at most that of a device attribute. */
static bool within(long long value, int attribute)
{
	int most = 0;

	return !vg_description_attribute(vg_process.description, attribute, &most) && value <= most;
}

VG_EXPORT CUresult cuFuncSetBlockShape(CUfunction f, int x, int y, int z)
{
	struct vg_first_launch *l;
	int result = settings(f, &l);

	if (result)
		return result;
	if (x <= 0 || y <= 0 || z <= 0 || !within(x, MAX_BLOCK_X) || !within(y, MAX_BLOCK_X + 1) || !within(z, MAX_BLOCK_X + 2) ||
	    !within((long long)x * y * z, MAX_THREADS))
		return CUDA_ERROR_INVALID_VALUE;
	l->x = x;
	l->y = y;
	l->z = z;
	return CUDA_SUCCESS;
}

VG_EXPORT CUresult cuFuncSetSharedSize(CUfunction f, unsigned int bytes)
{
	struct vg_first_launch *l;
	int result = settings(f, &l);

	if (!result && !within(bytes, MAX_SHARED_OPTIN))
		result = CUDA_ERROR_INVALID_VALUE;
	if (!result)
		l->shared = bytes;
	return result;
}

VG_EXPORT CUresult cuParamSetSize(CUfunction f, unsigned int bytes)
{
	struct vg_first_launch *l;
	int result = settings(f, &l);

	if (result)
		return result;
	if (bytes > PARAMETERS_MAX)
		return CUDA_ERROR_INVALID_VALUE;
	l->size = bytes;
	return CUDA_SUCCESS;
}

VG_EXPORT CUresult cuParamSetv(CUfunction f, int offset, void *value, unsigned int bytes)
{
	struct vg_first_launch *l;
	int result = settings(f, &l);

	if (result)
		return result;
	if (offset < 0 || (unsigned int)offset > PARAMETERS_MAX || bytes > PARAMETERS_MAX - (unsigned int)offset ||
	    (bytes && !value))
		return CUDA_ERROR_INVALID_VALUE;
	if (bytes)
		memcpy(l->parameters + offset, value, bytes);
	return CUDA_SUCCESS;
}

VG_EXPORT CUresult cuParamSeti(CUfunction f, int offset, unsigned int value)
{
	return cuParamSetv(f, offset, &value, sizeof value);
}

VG_EXPORT CUresult cuParamSetf(CUfunction f, int offset, float value)
{
	return cuParamSetv(f, offset, &value, sizeof value);
}

VG_EXPORT CUresult cuLaunchGridAsync(CUfunction f, int width, int height, CUstream stream)
{
	struct vg_first_launch *l;
	int result = settings(f, &l);

	if (result)
		return result;
	if (width <= 0 || height <= 0)
		return CUDA_ERROR_INVALID_VALUE;

	/* parameters that nobody set are 0 */
	size_t size = l->size < f->bytes && f->bytes <= PARAMETERS_MAX ? f->bytes : l->size;
	void *extra[] = { EXTRA_POINTER, l->parameters, EXTRA_SIZE, &size, EXTRA_END };

	return cuLaunchKernel(f, (unsigned int)width, (unsigned int)height, 1, (unsigned int)l->x, (unsigned int)l->y,
			      (unsigned int)l->z, l->shared, stream, NULL, extra);
}

VG_EXPORT CUresult cuLaunchGrid(CUfunction f, int width, int height)
{
	return cuLaunchGridAsync(f, width, height, NULL);
}

VG_EXPORT CUresult cuLaunch(CUfunction f)
{
	return cuLaunchGrid(f, 1, 1);
}
