/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What this process has allocated of the driver's resource manager, as seen on the way of its ioctls. Handles mean something only in the
 * process that allocated them: a child after fork has none and notes none. All functions may be called on any thread; none allocates memory.
 *
 * The ioctl of rm_objects.c stands before libc's for libraries that are loaded later, such as libcuda: as that of a program, whose dynamic
 * symbol table must have it, or of a library that is preloaded.
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
	uint64_t slice_us; /* of a channel group: what the program has set; 0: nothing, or that is not known */
};

#define RM_MOST_OBJECTS 1024
#define RM_ANY_CHANNEL 0x6f

/* Puts those of one class, or RM_ANY_CHANNEL, into found, which has room for RM_MOST_OBJECTS or is NULL; how many there are. */
size_t rm_objects(uint32_t class, struct rm_object *found);

/* How many objects were not noted because there were RM_MOST_OBJECTS. */
size_t rm_missed(void);

/* Notes a group's slice_us, unless the program has set one meanwhile. */
void rm_note_slice(const struct rm_object *group);

/* Forgets an object that has gone on a way that was not seen, such as its descriptor's close. */
void rm_forget(const struct rm_object *object);

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

/* Who links this defines these. Which classes are noted, RM_ANY_CHANNEL among them for channels in groups that are: */
bool rm_notes(uint32_t class);
/* There is no room for another object: true if some have been forgotten since. Called on the thread that has allocated it. */
bool rm_full(void);
/* Called where these happen, after the driver has answered, on the thread that asked: */
void rm_group_allocated(const struct rm_object *group);
void rm_group_controlled(const struct rm_object *group, uint32_t command, const void *parameters, uint32_t size, uint32_t status);

#endif
