// SPDX-License-Identifier: Apache-2.0
/*
 * Logs that a program reads (cuLogs*). They work before cuInit and know no
 * context. Iterators are message numbers. Flags are overlooked, as by the driver.
 *
 * Lock order: the lock here is a leaf; callbacks run without it.
 */
#include "error_log.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "abi.h"
#include "calls.h"
#include "process.h"

#define MESSAGES	128u
#define MESSAGE_SIZE	200u		/* the driver keeps 25600 bytes too */
#define CALLBACKS	16u
#define LEVEL_ERROR	0
#define TRUNCATED	"[CUDA][W] older messages are missing\n"

typedef void (*callback)(void *user, int level, char *message, size_t length);

/* What the program knows as CUlogsCallbackHandle. */
struct listener {
	callback call;	/* NULL: free */
	void *user;
};

static struct {
	pthread_mutex_t lock;
	unsigned int next;			/* number of the message to come */
	char text[MESSAGES][MESSAGE_SIZE];	/* by number % MESSAGES, each ends with a newline */
	struct listener listeners[CALLBACKS];
} logs = { .lock = PTHREAD_MUTEX_INITIALIZER };

static void tell(const char *text)
{
	struct listener listeners[CALLBACKS];
	char message[MESSAGE_SIZE];

	pthread_mutex_lock(&logs.lock);
	memcpy(listeners, logs.listeners, sizeof listeners);
	pthread_mutex_unlock(&logs.lock);
	for (unsigned int i = 0; i < CALLBACKS; i++) {
		if (!listeners[i].call)
			continue;
		/* the program may write into it */
		strcpy(message, text);
		listeners[i].call(listeners[i].user, LEVEL_ERROR, message, strlen(message));
	}
}

void vg_error_log(const char *format, ...)
{
	char text[MESSAGE_SIZE];
	va_list arguments;
	int n;

	va_start(arguments, format);
	n = vsnprintf(text, sizeof text - 1, format, arguments);
	va_end(arguments);
	if (n < 0)
		return;
	vg_log("%s", text);
	tell(text);
	strcat(text, "\n");
	pthread_mutex_lock(&logs.lock);
	strcpy(logs.text[logs.next++ % MESSAGES], text);
	pthread_mutex_unlock(&logs.lock);
}

VG_EXPORT CUresult cuLogsRegisterCallback(callback call, void *user, struct listener **out)
{
	int result = CUDA_ERROR_OUT_OF_MEMORY;

	if (!call)
		return CUDA_ERROR_INVALID_VALUE;
	pthread_mutex_lock(&logs.lock);
	for (unsigned int i = 0; i < CALLBACKS && result; i++) {
		struct listener *l = &logs.listeners[i];

		if (l->call)
			continue;
		*l = (struct listener){ .call = call, .user = user };
		if (out)
			*out = l;
		result = 0;
	}
	pthread_mutex_unlock(&logs.lock);
	return result;
}

VG_EXPORT CUresult cuLogsUnregisterCallback(struct listener *l)
{
	int result = CUDA_ERROR_INVALID_VALUE;

	pthread_mutex_lock(&logs.lock);
	for (unsigned int i = 0; i < CALLBACKS; i++) {
		if (l != &logs.listeners[i] || !l->call)
			continue;
		l->call = NULL;
		result = 0;
	}
	pthread_mutex_unlock(&logs.lock);
	return result;
}

VG_EXPORT CUresult cuLogsCurrent(unsigned int *iterator, unsigned int flags)
{
	(void)flags;
	if (!iterator)
		return CUDA_ERROR_INVALID_VALUE;
	pthread_mutex_lock(&logs.lock);
	*iterator = logs.next;
	pthread_mutex_unlock(&logs.lock);
	return CUDA_SUCCESS;
}

/* Needs the lock. The first message from the iterator on that still exists. */
static unsigned int first_message(const unsigned int *iterator, bool *lost)
{
	unsigned int kept = logs.next < MESSAGES ? logs.next : MESSAGES;
	unsigned int wanted = iterator ? logs.next - *iterator : logs.next;

	*lost = wanted > kept;
	return logs.next - (*lost ? kept : wanted);
}

/* Needs the lock. The newest messages that fit, behind a word about those that do not. */
static size_t dump(char *to, size_t room, unsigned int first, bool lost)
{
	size_t used = 0, all = 0;

	for (unsigned int i = first; i != logs.next; i++)
		all += strlen(logs.text[i % MESSAGES]);
	if (lost || all > room) {
		if (room < sizeof TRUNCATED - 1)
			return 0;
		memcpy(to, TRUNCATED, sizeof TRUNCATED - 1);
		used = sizeof TRUNCATED - 1;
	}
	for (; all > room - used; first++)
		all -= strlen(logs.text[first % MESSAGES]);
	if (!all)
		return 0;
	for (; first != logs.next; first++) {
		size_t n = strlen(logs.text[first % MESSAGES]);

		memcpy(to + used, logs.text[first % MESSAGES], n);
		used += n;
	}
	return used;
}

VG_EXPORT CUresult cuLogsDumpToMemory(unsigned int *iterator, char *buffer, size_t *size, unsigned int flags)
{
	unsigned int first;
	int result = 0;
	bool lost;

	(void)flags;
	if (!buffer || !size)
		return CUDA_ERROR_INVALID_VALUE;
	pthread_mutex_lock(&logs.lock);
	first = first_message(iterator, &lost);
	if (first == logs.next) {
		if (*size)
			*buffer = 0;
		*size = 0;
	} else if (!*size) {
		result = CUDA_ERROR_INVALID_VALUE;
	} else {
		*size = dump(buffer, *size - 1, first, lost);
		result = *size ? 0 : CUDA_ERROR_INVALID_VALUE;
		buffer[*size] = 0;
	}
	if (!result && iterator)
		*iterator = logs.next;
	pthread_mutex_unlock(&logs.lock);
	return result;
}

VG_EXPORT CUresult cuLogsDumpToFile(unsigned int *iterator, const char *path, unsigned int flags)
{
	size_t size = MESSAGES * MESSAGE_SIZE;
	char *text;
	FILE *file;
	int result;

	(void)flags;
	if (!path)
		return CUDA_ERROR_INVALID_VALUE;
	text = malloc(size);
	if (!text)
		return CUDA_ERROR_OUT_OF_MEMORY;
	result = cuLogsDumpToMemory(iterator, text, &size, 0);
	file = result ? NULL : fopen(path, "we");
	if (file) {
		if (fwrite(text, 1, size, file) != size)
			result = CUDA_ERROR_INVALID_VALUE;
		if (fclose(file))
			result = CUDA_ERROR_INVALID_VALUE;
	} else {
		result = CUDA_ERROR_INVALID_VALUE;
	}
	free(text);
	return result;
}
