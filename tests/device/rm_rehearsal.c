/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls the driver's resource manager as libcuda does when it makes a context, on a descriptor that is none of the driver's, and then
 * works: rm_rehearsal WORDS, for timeslice.so before it. Standard input is read to its end between start and end.
 */
#include "rm_calls.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/wait.h>
#include <unistd.h>

#define CLIENT 0xc1d00001
#define DEVICE 0x5c000000
#define HOPPER_CHANNEL 0xc86f
#define COPY_ENGINE 9

static int fd;

static uint32_t alloc(uint32_t parent, uint32_t handle, uint32_t class, void *parameters, uint32_t size)
{
	struct rm_alloc alloc = { .client = CLIENT, .parent = parent, .object = handle, .class = class, .parameters = (uintptr_t)parameters, .parameters_size = size };

	if (ioctl(fd, _IOWR(RM_MAGIC, RM_ESCAPE_ALLOC, struct rm_alloc), &alloc))
		perror("rm_rehearsal: allocating");
	return alloc.object;
}

static uint32_t alloc_with_rights(uint32_t client, uint32_t parent, uint32_t class, void *parameters, uint32_t size)
{
	struct rm_alloc_with_rights alloc = { .client = client, .parent = parent, .class = class, .parameters = (uintptr_t)parameters, .parameters_size = size };

	if (ioctl(fd, _IOWR(RM_MAGIC, RM_ESCAPE_ALLOC, struct rm_alloc_with_rights), &alloc))
		perror("rm_rehearsal: allocating");
	return alloc.object;
}

static uint32_t alloc_elsewhere(uint32_t parent, uint32_t handle, uint32_t class)
{
	struct rm_alloc alloc = { .client = CLIENT, .parent = parent, .object = handle, .class = class };
	struct rm_transfer transfer = { .escape = RM_ESCAPE_ALLOC, .size = sizeof(alloc), .address = (uintptr_t)&alloc };

	if (ioctl(fd, _IOWR(RM_MAGIC, RM_ESCAPE_TRANSFER, struct rm_transfer), &transfer))
		perror("rm_rehearsal: allocating");
	return alloc.object;
}

static void set_slice(uint32_t group, uint64_t microseconds)
{
	struct rm_timeslice slice = { .microseconds = microseconds };
	struct rm_control control = { .client = CLIENT, .object = group, .command = RM_GROUP_SET_TIMESLICE, .parameters = (uintptr_t)&slice, .parameters_size = sizeof(slice) };

	if (ioctl(fd, _IOWR(RM_MAGIC, RM_ESCAPE_CONTROL, struct rm_control), &control))
		perror("rm_rehearsal: setting a slice");
}

static void release(uint32_t handle)
{
	struct rm_free free = { .client = CLIENT, .object = handle };

	if (ioctl(fd, _IOWR(RM_MAGIC, RM_ESCAPE_FREE, struct rm_free), &free))
		perror("rm_rehearsal: freeing");
}

int main(int argc, char **argv)
{
	struct rm_group_parameters kernels = { .engine = RM_ENGINE_GRAPHICS }, copies = { .engine = COPY_ENGINE };
	void (*started)(const char *words), (*ended)(void);
	uint32_t group, gone;
	char byte;

	*(void **)&started = dlsym(RTLD_DEFAULT, "timeslice_started");
	*(void **)&ended = dlsym(RTLD_DEFAULT, "timeslice_ended");
	if (argc != 2 || !started || !ended) {
		fprintf(stderr, "usage: LD_PRELOAD=timeslice.so rm_rehearsal WORDS\n");
		return 2;
	}
	fd = eventfd(0, 0);
	alloc(DEVICE, 0x5c000010, RM_CLASS_SUBDEVICE, NULL, 0);
	group = alloc(DEVICE, 0x5c000011, RM_CLASS_CHANNEL_GROUP, &kernels, sizeof(kernels));
	alloc_with_rights(CLIENT, group, HOPPER_CHANNEL, NULL, 0);
	alloc_elsewhere(group, 0x5c000012, HOPPER_CHANNEL);
	alloc(DEVICE, 0x5c000013, HOPPER_CHANNEL, NULL, 0); /* in no group */
	set_slice(group, 2000);
	alloc_with_rights(CLIENT, DEVICE, RM_CLASS_CHANNEL_GROUP, &copies, sizeof(copies));
	alloc_with_rights(0, DEVICE, RM_CLASS_CHANNEL_GROUP, &copies, sizeof(copies)); /* fails */
	gone = alloc(DEVICE, 0x5c000014, RM_CLASS_CHANNEL_GROUP, &copies, sizeof(copies));
	alloc(gone, 0x5c000015, HOPPER_CHANNEL, NULL, 0);
	release(gone);
	if (!fork()) { /* a child has none of these */
		started("slice=1");
		_exit(0);
	}
	wait(NULL);
	started(argv[1]);
	while (read(STDIN_FILENO, &byte, 1) > 0)
		;
	ended();
	return 0;
}
