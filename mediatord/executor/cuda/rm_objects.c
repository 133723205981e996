/* SPDX-License-Identifier: Apache-2.0 */
/* Lets everything through, and notes what was allocated and freed. */
#include "rm_objects.h"
#include "rm_calls.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

typedef int ioctl_function(int fd, unsigned long request, void *argument);

static pid_t _Atomic owner; /* who noted the first object; a child after fork finds another's id, and takes no lock */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* of what follows */
static struct rm_object objects[RM_MOST_OBJECTS];
static size_t count, missed;

/* The next ioctl in the order of libraries: libc's. */
static ioctl_function *next_ioctl(void)
{
	static ioctl_function *_Atomic found;
	ioctl_function *function = found;

	if (!function) {
		*(void **)&function = dlsym(RTLD_NEXT, "ioctl");
		found = function;
	}
	return function;
}

static bool ours(void)
{
	pid_t nobody = 0, self = getpid();

	return owner == self || atomic_compare_exchange_strong(&owner, &nobody, self);
}

/* Under the lock, as what is below where it says so; NULL: it is not noted. */
static struct rm_object *find(int fd, uint32_t client, uint32_t handle)
{
	for (size_t i = 0; i < count; i++)
		if (objects[i].fd == fd && objects[i].client == client && objects[i].handle == handle)
			return &objects[i];
	return NULL;
}

static bool of_class(const struct rm_object *object, uint32_t class)
{
	return class == RM_ANY_CHANNEL ? RM_CLASS_IS_CHANNEL(object->class) : object->class == class;
}

size_t rm_objects(uint32_t class, struct rm_object *found)
{
	size_t matching = 0;

	if (!ours())
		return 0;
	pthread_mutex_lock(&lock);
	for (size_t i = 0; i < count; i++)
		if (of_class(&objects[i], class)) {
			if (found)
				found[matching] = objects[i];
			matching++;
		}
	pthread_mutex_unlock(&lock);
	return matching;
}

size_t rm_missed(void)
{
	size_t result;

	if (!ours())
		return 0;
	pthread_mutex_lock(&lock);
	result = missed;
	pthread_mutex_unlock(&lock);
	return result;
}

static bool is_noted(int fd, uint32_t client, uint32_t handle, struct rm_object *copy)
{
	struct rm_object *object;

	pthread_mutex_lock(&lock);
	object = find(fd, client, handle);
	if (object)
		*copy = *object;
	pthread_mutex_unlock(&lock);
	return object;
}

static bool note_if_room(const struct rm_object *object)
{
	struct rm_object *place;

	pthread_mutex_lock(&lock);
	place = find(object->fd, object->client, object->handle); /* of one that has gone unseen */
	if (!place && count < RM_MOST_OBJECTS)
		place = &objects[count++];
	if (place)
		*place = *object;
	pthread_mutex_unlock(&lock);
	return place;
}

/* Objects may go unseen: a driver that takes a process off the GPU closes what it had. */
static void note(const struct rm_object *object)
{
	if (note_if_room(object) || (rm_full() && note_if_room(object)))
		return;
	pthread_mutex_lock(&lock);
	missed++;
	pthread_mutex_unlock(&lock);
}

static void set_slice(const struct rm_object *group, uint64_t microseconds, bool even_if_known)
{
	struct rm_object *object;

	pthread_mutex_lock(&lock);
	object = find(group->fd, group->client, group->handle);
	if (object && (even_if_known || !object->slice_us))
		object->slice_us = microseconds;
	pthread_mutex_unlock(&lock);
}

void rm_note_slice(const struct rm_object *group) { set_slice(group, group->slice_us, false); }

/* An object's end is that of what was allocated under it, and a client's that of everything it has. */
static void drop(int fd, uint32_t client, uint32_t handle)
{
	size_t kept = 0;

	pthread_mutex_lock(&lock);
	for (size_t i = 0; i < count; i++) {
		const struct rm_object *object = &objects[i];

		if (object->fd == fd && object->client == client &&
		    (object->handle == handle || object->parent == handle || client == handle))
			continue;
		objects[kept++] = *object;
	}
	count = kept;
	pthread_mutex_unlock(&lock);
}

void rm_forget(const struct rm_object *object)
{
	if (ours())
		drop(object->fd, object->client, object->handle);
}

static void after_alloc(int fd, const void *argument, size_t size)
{
	const struct rm_alloc *common = argument;
	struct rm_object object = { .fd = fd, .client = common->client, .parent = common->parent, .handle = common->object, .class = common->class }, group;
	uint32_t status, flags = 0, parameters_size;

	if (size == sizeof(struct rm_alloc)) {
		status = common->status;
		parameters_size = common->parameters_size;
	} else if (size == sizeof(struct rm_alloc_with_rights)) {
		const struct rm_alloc_with_rights *wide = argument;

		status = wide->status;
		flags = wide->flags;
		parameters_size = wide->parameters_size;
	} else {
		return;
	}
	if (status || !rm_notes(RM_CLASS_IS_CHANNEL(object.class) ? RM_ANY_CHANNEL : object.class) || !ours())
		return;
	if (object.class == RM_CLASS_CHANNEL_GROUP) {
		/* a size of 0 stands for that of the class */
		bool readable = common->parameters && !(flags & RM_ALLOC_FLAG_SERIALIZED) &&
				(!parameters_size || parameters_size >= sizeof(struct rm_group_parameters));

		if (readable)
			object.engine = ((const struct rm_group_parameters *)(uintptr_t)common->parameters)->engine;
		note(&object);
		rm_group_allocated(&object);
	} else if (!RM_CLASS_IS_CHANNEL(object.class) || is_noted(fd, object.client, object.parent, &group)) {
		note(&object);
	}
}

static void after_control(int fd, const struct rm_control *control)
{
	const void *parameters = (const void *)(uintptr_t)control->parameters;
	struct rm_object group;

	if (control->command >> 16 != RM_CLASS_CHANNEL_GROUP || !ours() || !is_noted(fd, control->client, control->object, &group))
		return;
	if (control->command == RM_GROUP_SET_TIMESLICE && !control->status && parameters && control->parameters_size == sizeof(struct rm_timeslice)) {
		group.slice_us = ((const struct rm_timeslice *)parameters)->microseconds;
		set_slice(&group, group.slice_us, true);
	}
	rm_group_controlled(&group, control->command, parameters, control->parameters_size, control->status);
}

static void after(int fd, unsigned int escape, const void *argument, size_t size)
{
	if (escape == RM_ESCAPE_TRANSFER && size == sizeof(struct rm_transfer)) {
		const struct rm_transfer *transfer = argument;

		escape = transfer->escape;
		size = transfer->size;
		argument = (const void *)(uintptr_t)transfer->address;
	}
	if (!argument)
		return;
	if (escape == RM_ESCAPE_ALLOC && size >= sizeof(struct rm_alloc)) {
		after_alloc(fd, argument, size);
	} else if (escape == RM_ESCAPE_CONTROL && size == sizeof(struct rm_control)) {
		after_control(fd, argument);
	} else if (escape == RM_ESCAPE_FREE && size == sizeof(struct rm_free)) {
		const struct rm_free *free = argument;

		if (!free->status && ours())
			drop(fd, free->client, free->object);
	}
}

int ioctl(int fd, unsigned long request, ...)
{
	va_list arguments;
	void *argument;
	int result, error;

	va_start(arguments, request);
	argument = va_arg(arguments, void *);
	va_end(arguments);
	result = next_ioctl()(fd, request, argument);
	if (result || _IOC_TYPE(request) != RM_MAGIC || !argument)
		return result;
	error = errno;
	after(fd, _IOC_NR(request), argument, _IOC_SIZE(request));
	errno = error;
	return result;
}

static double now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1e6 + now.tv_nsec * 1e-3;
}

struct rm_answer rm_ask(const struct rm_object *object, uint32_t command, void *parameters, uint32_t size)
{
	struct rm_control control = { .client = object->client, .object = object->handle, .command = command,
				      .parameters = (uintptr_t)parameters, .parameters_size = size };
	struct rm_answer answer = { 0 };
	double begin = now_us();

	answer.result = next_ioctl()(object->fd, _IOWR(RM_MAGIC, RM_ESCAPE_CONTROL, struct rm_control), &control);
	answer.error = answer.result ? errno : 0;
	answer.status = control.status;
	answer.microseconds = now_us() - begin;
	return answer;
}
