/* SPDX-License-Identifier: Apache-2.0 */
#include "slices.h"
#include "rm_calls.h"
#include "rm_objects.h"

#include <errno.h>
#include <pthread.h>

/* Held over the calls: who wants another slice and who allocates a group come one after the other. Before the lock of rm_objects.c. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static uint64_t wanted_us; /* 0: what each group had */
static struct rm_object groups[RM_MOST_OBJECTS]; /* a copy to go through */
static unsigned int vain; /* calls of rm_full since the last that found some */

bool rm_notes(uint32_t class) { return class == RM_CLASS_CHANNEL_GROUP; }

/* It has ended on a way that was not seen. */
static bool is_gone(struct rm_answer answer)
{
	if (answer.result)
		return answer.error == EBADF || answer.error == ENOTTY;
	return answer.status == RM_STATUS_INVALID_CLIENT || answer.status == RM_STATUS_INVALID_OBJECT_HANDLE || answer.status == RM_STATUS_OBJECT_NOT_FOUND;
}

/* Under the lock. */
static struct rm_answer set(struct rm_object *group)
{
	struct rm_timeslice slice = { 0 };

	if (!group->slice_us && wanted_us) {
		struct rm_answer answer = rm_ask(group, RM_GROUP_GET_TIMESLICE, &slice, sizeof(slice));

		if (!rm_done(answer))
			return answer;
		group->slice_us = slice.microseconds;
		rm_note_slice(group);
	}
	slice.microseconds = wanted_us ? wanted_us : group->slice_us;
	if (!slice.microseconds) /* never set, so nothing to go back from */
		return (struct rm_answer){ 0 };
	return rm_ask(group, RM_GROUP_SET_TIMESLICE, &slice, sizeof(slice));
}

struct vg_sliced vg_set_slice(uint64_t microseconds)
{
	struct vg_sliced sliced = { 0 };
	size_t count;

	pthread_mutex_lock(&lock);
	wanted_us = microseconds;
	count = rm_objects(RM_CLASS_CHANNEL_GROUP, groups);
	for (size_t i = 0; i < count; i++) {
		struct rm_answer answer = set(&groups[i]);

		if (!rm_done(answer) && is_gone(answer)) {
			rm_forget(&groups[i]);
			continue;
		}
		sliced.groups++;
		if (!rm_done(answer) && !sliced.refused++) {
			sliced.error = answer.error;
			sliced.status = answer.status;
		}
	}
	sliced.missed = (uint32_t)rm_missed();
	pthread_mutex_unlock(&lock);
	return sliced;
}

#define VAIN_CALLS 64 /* it asks the driver about all groups */

bool rm_full(void)
{
	bool forgotten = false;
	size_t count;

	pthread_mutex_lock(&lock);
	if (vain++ % VAIN_CALLS == 0) {
		count = rm_objects(RM_CLASS_CHANNEL_GROUP, groups);
		for (size_t i = 0; i < count; i++) {
			struct rm_timeslice slice = { 0 };
			struct rm_answer answer = rm_ask(&groups[i], RM_GROUP_GET_TIMESLICE, &slice, sizeof(slice));

			if (!rm_done(answer) && is_gone(answer)) {
				rm_forget(&groups[i]);
				forgotten = true;
			}
		}
	}
	if (forgotten)
		vain = 0;
	pthread_mutex_unlock(&lock);
	return forgotten;
}

/* A group that is new, or of which libcuda has just set the slice itself. A refusal shows when the slice changes next. */
static void set_one(const struct rm_object *group)
{
	struct rm_object copy = *group;

	pthread_mutex_lock(&lock);
	if (wanted_us)
		set(&copy);
	pthread_mutex_unlock(&lock);
}

void rm_group_allocated(const struct rm_object *group) { set_one(group); }

void rm_group_controlled(const struct rm_object *group, uint32_t command, const void *parameters, uint32_t size, uint32_t status)
{
	(void)parameters, (void)size;
	if (command == RM_GROUP_SET_TIMESLICE && !status)
		set_one(group);
}
