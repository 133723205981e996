// SPDX-License-Identifier: Apache-2.0
/* What an array is: the driver's description, asked for once. */
#include "array.h"
#include "calls.h"
#include "enter.h"
#include "gen/ops.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

int vg_array_describe(struct vg_thread *t, CUarray a, struct vg_array_3d *description)
{
	if (!atomic_load_explicit(&a->described, memory_order_acquire)) {
		int result = vg_op_array_descriptor(t, description, a->object.number);

		if (result)
			return result;
		pthread_mutex_lock(&lock);
		/* whoever came first: others may read it already */
		if (!atomic_load_explicit(&a->described, memory_order_relaxed))
			a->description = *description;
		atomic_store_explicit(&a->described, 1, memory_order_release);
		pthread_mutex_unlock(&lock);
	}
	*description = a->description;
	return 0;
}

uint32_t vg_array_element(const struct vg_array_3d *d)
{
	switch (d->format) {
	case 0x01: /* 8-bit integers */
	case 0x08:
		return d->channels;
	case 0x02: /* 16-bit integers, half */
	case 0x09:
	case 0x10:
		return 2 * d->channels;
	case 0x03: /* 32-bit integers, float */
	case 0x0a:
	case 0x20:
		return 4 * d->channels;
	case 0xc0: /* normalised integers, channels by the name */
	case 0xc6:
		return 1;
	case 0xc1:
	case 0xc3:
	case 0xc7:
	case 0xc9:
		return 2;
	case 0xc2:
	case 0xc4:
	case 0xc8:
	case 0xca:
		return 4;
	case 0xc5:
	case 0xcb:
		return 8;
	}
	return 0;
}

static int describe(const void *out, CUarray array, struct vg_array_3d *d)
{
	struct vg_thread *t;
	uint32_t number;
	int result = vg_enter(&t);

	if (!result)
		result = vg_number(VG_ARRAY, array, &number);
	if (result)
		return result;
	return out ? vg_array_describe(t, array, d) : CUDA_ERROR_INVALID_VALUE;
}

VG_EXPORT CUresult cuArray3DGetDescriptor_v2(struct vg_array_3d *out, CUarray array)
{
	struct vg_array_3d d;
	int result = describe(out, array, &d);

	if (!result)
		*out = d;
	return result;
}

VG_EXPORT CUresult cuArrayGetDescriptor_v2(struct vg_array_2d *out, CUarray array)
{
	struct vg_array_3d d;
	int result = describe(out, array, &d);

	if (!result)
		*out = (struct vg_array_2d){ d.width, d.height, d.format, d.channels };
	return result;
}
