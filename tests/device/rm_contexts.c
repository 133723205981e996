/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Contexts of a libcuda without a GPU, which allocates groups of channels for them as NVIDIA's does (driver 580.159.04): one that runs kernels, whose slice
 * it sets, and one that copies. cudatest.BuildEmptyDriver takes it in.
 */
#include "rm_calls.h"

#include <sys/eventfd.h>

#define CLIENT 0xc1d00001
#define DEVICE 0x5c000000
#define COPY_ENGINE 9
#define USUAL_US 2048

static int control = -1;

static uint32_t allocate_group(uint32_t engine)
{
	struct rm_group_parameters parameters = { .engine = engine };
	struct rm_alloc alloc = { .client = CLIENT, .parent = DEVICE, .class = RM_CLASS_CHANNEL_GROUP, .parameters = (uintptr_t)&parameters, .parameters_size = sizeof(parameters) };

	return ioctl(control, _IOWR(RM_MAGIC, RM_ESCAPE_ALLOC, struct rm_alloc), &alloc) ? 0 : alloc.object;
}

static void set_usual_slice(uint32_t group)
{
	struct rm_timeslice slice = { .microseconds = USUAL_US };
	struct rm_control request = { .client = CLIENT, .object = group, .command = RM_GROUP_SET_TIMESLICE, .parameters = (uintptr_t)&slice, .parameters_size = sizeof(slice) };

	ioctl(control, _IOWR(RM_MAGIC, RM_ESCAPE_CONTROL, struct rm_control), &request);
}

/* The handle is that of the first group; the next number is the second's. */
int cuCtxCreate_v2(uintptr_t *context, unsigned int flags, int device)
{
	(void)flags, (void)device;
	if (control < 0)
		control = eventfd(0, EFD_CLOEXEC);
	*context = allocate_group(RM_ENGINE_GRAPHICS);
	set_usual_slice((uint32_t)*context);
	allocate_group(COPY_ENGINE);
	return 0;
}

int cuCtxDestroy_v2(uintptr_t context)
{
	for (uint32_t group = (uint32_t)context; group <= context + 1; group++) {
		struct rm_free request = { .client = CLIENT, .object = group };

		ioctl(control, _IOWR(RM_MAGIC, RM_ESCAPE_FREE, struct rm_free), &request);
	}
	return 0;
}
