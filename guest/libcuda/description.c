// SPDX-License-Identifier: Apache-2.0
#include "description.h"

#include "abi.h"

_Static_assert(sizeof(struct vgpu_description) <= VGPU_DESCRIPTION_SIZE, "the description fits its pages");

const char *vg_description_fault(const struct vgpu_description *d)
{
	if (d->version != VGPU_DESC_VERSION)
		return "the host describes the vGPU in another version: install matching packages";
	if (d->device_count > 1 || d->attribute_max >= VGPU_DESC_ATTRIBUTES)
		return "the host's description of the vGPU is damaged";
	return 0;
}

int vg_description_attribute(const struct vgpu_description *d, int id, int *value)
{
	if (id < 1 || id > (int)d->attribute_max || id >= VGPU_DESC_ATTRIBUTES)
		return CUDA_ERROR_INVALID_VALUE;
	if (d->attributes[id].result)
		return (int)d->attributes[id].result;
	*value = d->attributes[id].value;
	return 0;
}
