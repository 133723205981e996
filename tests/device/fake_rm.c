/* SPDX-License-Identifier: Apache-2.0 */
/*
 * LD_PRELOAD="timeslice.so fake_rm.so" rm_rehearsal: a resource manager that remembers slices, refuses SET_INTERLEAVE_LEVEL as the driver does
 * without the right to it, and says on stderr what it is asked; of slices if FAKE_RM_SLICES is in the environment, and refuses to set them if that is "refuse"; to a client that is gone it says so if it is "gone", and to all but the last few groups if it is "few". It answers on any descriptor; all but its own calls go to the kernel.
 */
#include "rm_calls.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define FIRST_HANDLE 0x5c000001
#define MOST_HANDLES 64
#define FEW 4
#define REFUSED 0x1b
#define UNKNOWN 0x57

static uint64_t slices[MOST_HANDLES];
static uint32_t handles;

static uint32_t allocated(uint32_t handle)
{
	handles++;
	if (!handle)
		handle = FIRST_HANDLE + handles;
	slices[handle % MOST_HANDLES] = 1024;
	return handle;
}

static uint32_t controlled(const struct rm_control *control)
{
	void *parameters = (void *)(uintptr_t)control->parameters;
	const char *slices_are = getenv("FAKE_RM_SLICES");
	uint64_t *slice = &slices[control->object % MOST_HANDLES];

	if (slices_are && !strcmp(slices_are, "few") && control->object + FEW <= FIRST_HANDLE + handles)
		return RM_STATUS_OBJECT_NOT_FOUND;
	switch (control->command) {
	case RM_GROUP_SET_TIMESLICE:
		if (slices_are && !strcmp(slices_are, "refuse"))
			return REFUSED;
		if (slices_are && !strcmp(slices_are, "gone"))
			return RM_STATUS_INVALID_CLIENT;
		if (slices_are)
			fprintf(stderr, "rm: slice of %x %llu\n", control->object, (unsigned long long)((struct rm_timeslice *)parameters)->microseconds);
		*slice = ((struct rm_timeslice *)parameters)->microseconds;
		return 0;
	case RM_GROUP_GET_TIMESLICE:
		((struct rm_timeslice *)parameters)->microseconds = *slice;
		return 0;
	case RM_GROUP_SET_INTERLEAVE:
		return REFUSED;
	case RM_GROUP_PREEMPT:
		fprintf(stderr, "rm: preempt %x\n", control->object);
		return 0;
	case RM_GROUP_SCHEDULE:
		fprintf(stderr, "rm: schedule %x %d\n", control->object, ((struct rm_schedule *)parameters)->enable);
		return 0;
	case RM_SUBDEVICE_DISABLE_CHANNELS: {
		struct rm_disable_channels *request = parameters;

		fprintf(stderr, "rm: %s", request->disable ? "disable" : "enable");
		for (uint32_t i = 0; i < request->count; i++)
			fprintf(stderr, " %x", request->channels[i]);
		fprintf(stderr, " by %x\n", control->object);
		return 0;
	}
	default:
		return UNKNOWN;
	}
}

static void answer(unsigned int escape, void *argument, size_t size)
{
	if (escape == RM_ESCAPE_ALLOC && size == sizeof(struct rm_alloc)) {
		struct rm_alloc *alloc = argument;

		alloc->status = alloc->client ? 0 : UNKNOWN;
		alloc->object = allocated(alloc->object);
	} else if (escape == RM_ESCAPE_ALLOC && size == sizeof(struct rm_alloc_with_rights)) {
		struct rm_alloc_with_rights *alloc = argument;

		alloc->status = alloc->client ? 0 : UNKNOWN;
		alloc->object = allocated(alloc->object);
	} else if (escape == RM_ESCAPE_CONTROL) {
		struct rm_control *control = argument;

		control->status = controlled(control);
	} else if (escape == RM_ESCAPE_FREE) {
		((struct rm_free *)argument)->status = 0;
		if (getenv("FAKE_RM_SLICES"))
			fprintf(stderr, "rm: free %x\n", ((struct rm_free *)argument)->object);
	} else if (escape == RM_ESCAPE_TRANSFER) {
		struct rm_transfer *transfer = argument;

		answer(transfer->escape, (void *)(uintptr_t)transfer->address, transfer->size);
	}
}

int ioctl(int fd, unsigned long request, ...)
{
	va_list arguments;
	void *argument;

	va_start(arguments, request);
	argument = va_arg(arguments, void *);
	va_end(arguments);
	if (_IOC_TYPE(request) != RM_MAGIC)
		return (int)syscall(SYS_ioctl, fd, request, argument);
	answer(_IOC_NR(request), argument, _IOC_SIZE(request));
	return 0;
}
