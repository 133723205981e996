/* SPDX-License-Identifier: Apache-2.0 */
/* Stands before libc's ioctl, which libcuda calls: lets everything through, and notes what was allocated and freed. */
#include "rm_objects.h"
#include "rm_calls.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

typedef int ioctl_function(int fd, unsigned long request, void *argument);

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* of what follows */
static struct rm_object objects[RM_MOST_OBJECTS];
static size_t count;
static pid_t owner;

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

/* Under the lock. A child after fork has inherited handles that are not its own. */
static void forget_the_parents(void)
{
	if (owner != getpid()) {
		owner = getpid();
		count = 0;
	}
}

static bool is(const struct rm_object *object, int fd, uint32_t client, uint32_t handle)
{
	return object->fd == fd && object->client == client && object->handle == handle;
}

static bool of_class(const struct rm_object *object, uint32_t class)
{
	return class == RM_ANY_CHANNEL ? RM_CLASS_IS_CHANNEL(object->class) : object->class == class;
}

size_t rm_objects(uint32_t class, struct rm_object *found)
{
	size_t matching = 0;

	pthread_mutex_lock(&lock);
	forget_the_parents();
	for (size_t i = 0; i < count; i++)
		if (of_class(&objects[i], class)) {
			if (found)
				found[matching] = objects[i];
			matching++;
		}
	pthread_mutex_unlock(&lock);
	return matching;
}

static bool find(int fd, uint32_t client, uint32_t handle, struct rm_object *found)
{
	bool known = false;

	pthread_mutex_lock(&lock);
	forget_the_parents();
	for (size_t i = 0; i < count && !known; i++) {
		known = is(&objects[i], fd, client, handle);
		if (known)
			*found = objects[i];
	}
	pthread_mutex_unlock(&lock);
	return known;
}

static void note(const struct rm_object *object)
{
	pthread_mutex_lock(&lock);
	forget_the_parents();
	if (count < RM_MOST_OBJECTS)
		objects[count++] = *object;
	pthread_mutex_unlock(&lock);
}

/* An object's end is that of what was allocated under it, and a client's that of everything it has. */
static void drop(int fd, uint32_t client, uint32_t handle)
{
	size_t kept = 0;

	pthread_mutex_lock(&lock);
	forget_the_parents();
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
	if (status)
		return;
	if (object.class == RM_CLASS_CHANNEL_GROUP) {
		/* a size of 0 stands for that of the class */
		bool readable = common->parameters && !(flags & RM_ALLOC_FLAG_SERIALIZED) &&
				(!parameters_size || parameters_size >= sizeof(struct rm_group_parameters));

		if (readable)
			object.engine = ((const struct rm_group_parameters *)(uintptr_t)common->parameters)->engine;
		note(&object);
		rm_group_allocated(&object);
	} else if (object.class == RM_CLASS_SUBDEVICE || (RM_CLASS_IS_CHANNEL(object.class) && find(fd, object.client, object.parent, &group))) {
		note(&object);
	}
}

static void after_control(int fd, const struct rm_control *control)
{
	struct rm_object group;

	if (control->command >> 16 == RM_CLASS_CHANNEL_GROUP && find(fd, control->client, control->object, &group))
		rm_group_controlled(&group, control->command, (const void *)(uintptr_t)control->parameters, control->parameters_size, control->status);
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

		if (!free->status)
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
