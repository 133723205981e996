/* SPDX-License-Identifier: Apache-2.0 */
/* Kernel parameters in the two forms that programs give them. Inline: launches pack straight into their record. */
#ifndef VGPU_PARAMS_H
#define VGPU_PARAMS_H

#include <string.h>

#include "module.h"

#define VG_EXTRA_END		((void *)0)
#define VG_EXTRA_POINTER	((void *)1)
#define VG_EXTRA_SIZE		((void *)2)

/* The other form of parameters: {1, buffer, 2, &size, 0}. */
static inline int vg_params_read_extra(void **extra, const void **buffer, size_t *size)
{
	*buffer = NULL;
	*size = 0;
	for (; *extra != VG_EXTRA_END; extra += 2) {
		if (*extra == VG_EXTRA_POINTER)
			*buffer = extra[1];
		else if (*extra == VG_EXTRA_SIZE)
			*size = *(const size_t *)extra[1];
		else
			return CUDA_ERROR_INVALID_VALUE;
	}
	return 0;
}

/*
 * What may be launched, before anything is packed: 0, 1, or 701 for a buffer longer than the kernel's parameters
 * (measured, driver 580). A buffer may be shorter, as NCCL's is, whose kernels take 4 KiB and read what their first words announce.
 */
static inline int vg_params_check(const struct vg_function *f, void **params, void **extra)
{
	const void *buffer;
	size_t size;
	int result;

	if (params && extra)
		return CUDA_ERROR_INVALID_VALUE;
	if (!extra)
		return f->count && !params ? CUDA_ERROR_INVALID_VALUE : 0;
	result = vg_params_read_extra(extra, &buffer, &size);
	if (result)
		return result;
	if (f->bytes && (!buffer || !size))
		return CUDA_ERROR_INVALID_VALUE;
	return size > f->bytes ? CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES : 0;
}

/* Fills f->bytes of packed parameters from either form, which was checked; what a buffer lacks is zero. */
static inline void vg_params_pack(const struct vg_function *f, uint8_t *to, void **params, void **extra)
{
	const void *buffer;
	size_t size;

	if (!f->bytes)
		return;
	if (params) {
		for (uint32_t i = 0; i < f->count; i++)
			memcpy(to + f->parameters[i].offset, params[i], f->parameters[i].size);
		return;
	}
	vg_params_read_extra(extra, &buffer, &size);
	if (size > f->bytes)
		size = f->bytes;
	memcpy(to, buffer, size);
	memset(to + size, 0, f->bytes - size);
}

#endif
