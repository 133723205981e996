// SPDX-License-Identifier: Apache-2.0
/* Allocating managed memory, advice about it, and what was advised. */
#include "managed.h"

#include <stdlib.h>

#include "calls.h"
#include "capture.h"
#include "enter.h"

#define ATTACH_GLOBAL 1u
#define ATTACH_HOST 2u

enum {
	ADVISE_READ_MOSTLY = 1, ADVISE_NOT_READ_MOSTLY, ADVISE_PREFERRED, ADVISE_NOT_PREFERRED, ADVISE_ACCESSED_BY,
	ADVISE_NOT_ACCESSED_BY
};

enum {
	RANGE_READ_MOSTLY = 1, RANGE_PREFERRED, RANGE_ACCESSED_BY, RANGE_LAST_PREFETCH, RANGE_PREFERRED_TYPE,
	RANGE_PREFERRED_ID, RANGE_LAST_PREFETCH_TYPE, RANGE_LAST_PREFETCH_ID
};

#define NO_DEVICE (-2)

/* What was said about an allocation as a whole; advice about a part of it counts for all. */
struct advice {
	bool read_mostly, by_device, by_host;
	struct vg_location preferred, prefetched;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* of all advice; a leaf */

int vg_location_check(struct vg_location location)
{
	switch (location.type) {
	case VG_AT_DEVICE:
		return location.id >= 0 && location.id < vg_process.device_count ? 0 : CUDA_ERROR_INVALID_DEVICE;
	case VG_AT_HOST:
	case VG_AT_HOST_NUMA_CURRENT:
		return 0;
	case VG_AT_HOST_NUMA:
		return location.id >= 0 ? 0 : CUDA_ERROR_INVALID_VALUE;
	}
	return CUDA_ERROR_INVALID_VALUE;
}

static int find(CUdeviceptr address, size_t size, struct vg_range *r)
{
	if (!size || !vg_range_find(address, r) || r->kind != VG_RANGE_MANAGED || size > r->size - (address - r->base))
		return CUDA_ERROR_INVALID_VALUE;
	return 0;
}

int vg_managed_check(CUdeviceptr address, size_t size)
{
	struct vg_range r;

	return find(address, size, &r);
}

void vg_managed_prefetched(CUdeviceptr address, struct vg_location location)
{
	struct vg_range r;

	if (find(address, 1, &r))
		return;
	pthread_mutex_lock(&lock);
	((struct advice *)r.owner)->prefetched = location;
	pthread_mutex_unlock(&lock);
}

void vg_managed_end(struct vg_thread *t, const struct vg_range *r)
{
	if (vg_pinned_end(t, r->base, VG_RANGE_MANAGED))
		free(r->owner);
}

VG_EXPORT CUresult cuMemAllocManaged(CUdeviceptr *address, size_t size, unsigned int flags)
{
	struct vg_range r = { .size = size, .kind = VG_RANGE_MANAGED, .flags = flags };
	struct vg_thread *t;
	int result = vg_enter(&t);

	if (!result)
		result = vg_capture_forbids(t);
	if (result)
		return result;
	if (!address || !size || (flags != ATTACH_GLOBAL && flags != ATTACH_HOST))
		return CUDA_ERROR_INVALID_VALUE;
	r.owner = calloc(1, sizeof(struct advice));
	if (!r.owner)
		return CUDA_ERROR_OUT_OF_MEMORY;
	result = vg_pinned_new(t, &r);
	if (result)
		free(r.owner);
	else
		*address = r.base;
	return result;
}

static void follow(struct advice *a, unsigned int advice, struct vg_location location)
{
	switch (advice) {
	case ADVISE_READ_MOSTLY:
	case ADVISE_NOT_READ_MOSTLY:
		a->read_mostly = advice == ADVISE_READ_MOSTLY;
		break;
	case ADVISE_PREFERRED:
		a->preferred = location;
		break;
	case ADVISE_NOT_PREFERRED:
		a->preferred = (struct vg_location){ VG_AT_NONE, 0 };
		break;
	case ADVISE_ACCESSED_BY:
	case ADVISE_NOT_ACCESSED_BY:
		*(location.type == VG_AT_DEVICE ? &a->by_device : &a->by_host) = advice == ADVISE_ACCESSED_BY;
		break;
	}
}

static CUresult advise(CUdeviceptr address, size_t size, unsigned int advice, struct vg_location location)
{
	/* the others say nothing of a place */
	bool placed = advice == ADVISE_PREFERRED || advice == ADVISE_ACCESSED_BY || advice == ADVISE_NOT_ACCESSED_BY;
	struct vg_range r;
	struct vg_thread *t;
	int result = vg_enter(&t);

	if (result)
		return result;
	if (!size || advice < ADVISE_READ_MOSTLY || advice > ADVISE_NOT_ACCESSED_BY)
		return CUDA_ERROR_INVALID_VALUE;
	result = placed || location.type == VG_AT_DEVICE ? vg_location_check(location) : 0;
	if (!result)
		result = find(address, size, &r);
	if (result)
		return result;
	pthread_mutex_lock(&lock);
	follow(r.owner, advice, location);
	pthread_mutex_unlock(&lock);
	return CUDA_SUCCESS;
}

VG_EXPORT CUresult cuMemAdvise(CUdeviceptr address, size_t size, unsigned int advice, CUdevice device)
{
	return advise(address, size, advice, vg_location_of(device));
}

VG_EXPORT CUresult cuMemAdvise_v2(CUdeviceptr address, size_t size, unsigned int advice, struct vg_location location)
{
	return advise(address, size, advice, location);
}

/* A place as calls without CUmemLocation name it. */
static int ordinal(struct vg_location location)
{
	switch (location.type) {
	case VG_AT_NONE:
		return NO_DEVICE;
	case VG_AT_DEVICE:
		return location.id;
	}
	return VG_DEVICE_CPU;
}

static void list_accessors(const struct advice *a, int *out, size_t count)
{
	size_t n = 0;

	if (a->by_device && n < count)
		out[n++] = 0;
	if (a->by_host && n < count)
		out[n++] = VG_DEVICE_CPU;
	while (n < count)
		out[n++] = NO_DEVICE;
}

static int range_attribute(const struct advice *a, int attribute, int *out, size_t size)
{
	if (attribute == RANGE_ACCESSED_BY) {
		if (!size || size % sizeof(int))
			return CUDA_ERROR_INVALID_VALUE;
		list_accessors(a, out, size / sizeof(int));
		return 0;
	}
	if (size != sizeof(int))
		return CUDA_ERROR_INVALID_VALUE;
	switch (attribute) {
	case RANGE_READ_MOSTLY:
		*out = a->read_mostly;
		return 0;
	case RANGE_PREFERRED:
		*out = ordinal(a->preferred);
		return 0;
	case RANGE_LAST_PREFETCH:
		*out = ordinal(a->prefetched);
		return 0;
	case RANGE_PREFERRED_TYPE:
		*out = (int)a->preferred.type;
		return 0;
	case RANGE_PREFERRED_ID:
		*out = a->preferred.id;
		return 0;
	case RANGE_LAST_PREFETCH_TYPE:
		*out = (int)a->prefetched.type;
		return 0;
	case RANGE_LAST_PREFETCH_ID:
		*out = a->prefetched.id;
		return 0;
	}
	return CUDA_ERROR_INVALID_VALUE;
}

VG_EXPORT CUresult cuMemRangeGetAttributes(void **data, size_t *sizes, int *attributes, size_t count, CUdeviceptr address,
					   size_t size)
{
	struct vg_range r;
	struct vg_thread *t;
	int result = vg_enter(&t);

	if (result)
		return result;
	if (!data || !sizes || !attributes || !count || find(address, size, &r))
		return CUDA_ERROR_INVALID_VALUE;
	pthread_mutex_lock(&lock);
	for (size_t i = 0; i < count && !result; i++)
		result = data[i] ? range_attribute(r.owner, attributes[i], data[i], sizes[i]) : CUDA_ERROR_INVALID_VALUE;
	pthread_mutex_unlock(&lock);
	return result;
}

VG_EXPORT CUresult cuMemRangeGetAttribute(void *data, size_t data_size, int attribute, CUdeviceptr address, size_t size)
{
	return cuMemRangeGetAttributes(&data, &data_size, &attribute, 1, address, size);
}
