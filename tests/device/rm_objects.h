/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What this process has allocated of the driver's resource manager, as seen on the way of its ioctls: channel groups, the channels in
 * them, and subdevices. Handles mean something only in the process that allocated them; a child after fork starts with none.
 */
#ifndef RM_OBJECTS_H
#define RM_OBJECTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct rm_object {
	int fd; /* that it was allocated through, and can be controlled through */
	uint32_t client, parent, handle, class;
	uint32_t engine; /* of a channel group; 0 when that is not known */
};

#define RM_MOST_OBJECTS 1024
#define RM_ANY_CHANNEL 0x6f

/* Puts those of one class, or RM_ANY_CHANNEL, into found, which has room for RM_MOST_OBJECTS or is NULL; how many there are. */
size_t rm_objects(uint32_t class, struct rm_object *found);

/* What came of a control: the ioctl's result and errno, and the driver's status. Controls that are asked for so are not noticed below. */
struct rm_answer {
	int result, error;
	uint32_t status;
	double microseconds;
};
struct rm_answer rm_ask(const struct rm_object *object, uint32_t command, void *parameters, uint32_t size);
static inline bool rm_done(struct rm_answer answer)
{
	return !answer.result && !answer.status;
}

/* Called where these happen, after the driver has answered; the library that links this one defines them. */
void rm_group_allocated(const struct rm_object *group);
void rm_group_controlled(const struct rm_object *group, uint32_t command, const void *parameters, uint32_t size, uint32_t status);

#endif
