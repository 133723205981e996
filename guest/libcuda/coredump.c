// SPDX-License-Identifier: Apache-2.0
/*
 * Settings of GPU core dumps (cuCoredump*). A fault of a kernel leaves nothing to
 * dump here: the state is on the host, which keeps it to itself. So the settings
 * can be read and written, and switching dumps on is refused.
 */
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "calls.h"
#include "enter.h"

enum {
	ENABLE_ON_EXCEPTION = 1,
	TRIGGER_HOST,
	LIGHTWEIGHT,
	ENABLE_USER_TRIGGER,
	FILE_NAME,
	PIPE_NAME,
	GENERATION_FLAGS,
};

#define NAME_SIZE 1024u	/* of a file name or pipe name with its NUL */
#define SKIP_ABORT (1u << 4)
#define LIGHTWEIGHT_FLAGS 0x2fu

/* The process's settings; there are none of a context, which inherits them. */
static struct {
	pthread_mutex_t lock;
	unsigned int flags;
	char file[NAME_SIZE], pipe[NAME_SIZE];	/* "": the default */
} settings = { .lock = PTHREAD_MUTEX_INITIALIZER };

static size_t size_of(int attribute)
{
	switch (attribute) {
	case FILE_NAME:
	case PIPE_NAME:
		return NAME_SIZE;
	case GENERATION_FLAGS:
		return sizeof(unsigned int);
	}
	return sizeof(bool);
}

static bool is_setting(int attribute)
{
	return attribute >= ENABLE_ON_EXCEPTION && attribute <= GENERATION_FLAGS;
}

static void default_name(char name[NAME_SIZE], const char *prefix)
{
	char host[HOST_NAME_MAX + 1] = "";

	gethostname(host, sizeof host - 1);
	snprintf(name, NAME_SIZE, "%s.cuda.%s.%d", prefix, host, (int)getpid());
}

/* Needs the lock. */
static void read_setting(int attribute, void *value)
{
	char name[NAME_SIZE] = "";
	bool flag = false;

	switch (attribute) {
	case FILE_NAME:
		strcpy(name, settings.file);
		if (!*name)
			default_name(name, "core");
		memcpy(value, name, sizeof name);
		return;
	case PIPE_NAME:
		strcpy(name, settings.pipe);
		if (!*name)
			default_name(name, "corepipe");
		memcpy(value, name, sizeof name);
		return;
	case GENERATION_FLAGS:
		memcpy(value, &settings.flags, sizeof settings.flags);
		return;
	case TRIGGER_HOST:
		flag = !(settings.flags & SKIP_ABORT);
		break;
	case LIGHTWEIGHT:
		flag = (settings.flags & LIGHTWEIGHT_FLAGS) == LIGHTWEIGHT_FLAGS;
		break;
	}
	memcpy(value, &flag, sizeof flag);
}

/* Needs the lock. */
static int write_setting(int attribute, const void *value, size_t size)
{
	char *name = attribute == FILE_NAME ? settings.file : settings.pipe;
	unsigned int flags;
	bool flag;

	switch (attribute) {
	case FILE_NAME:
	case PIPE_NAME:
		if (strnlen(value, size) >= NAME_SIZE)
			return CUDA_ERROR_INVALID_VALUE;
		memset(name, 0, NAME_SIZE);
		memcpy(name, value, strnlen(value, size));
		return 0;
	case GENERATION_FLAGS:
		memcpy(&flags, value, sizeof flags);
		if (flags & ~(LIGHTWEIGHT_FLAGS | SKIP_ABORT))
			return CUDA_ERROR_INVALID_VALUE;
		settings.flags = flags;
		return 0;
	}
	memcpy(&flag, value, sizeof flag);
	switch (attribute) {
	case TRIGGER_HOST:
		settings.flags = flag ? settings.flags & ~SKIP_ABORT : settings.flags | SKIP_ABORT;
		return 0;
	case LIGHTWEIGHT:
		settings.flags = flag ? settings.flags | LIGHTWEIGHT_FLAGS : settings.flags & ~LIGHTWEIGHT_FLAGS;
		return 0;
	}
	return flag ? CUDA_ERROR_NOT_SUPPORTED : 0;
}

/* value NULL: only the size is asked for. */
static CUresult get(int attribute, void *value, size_t *size)
{
	if (!is_setting(attribute) || !size)
		return CUDA_ERROR_INVALID_VALUE;
	if (!value) {
		*size = size_of(attribute);
		return CUDA_SUCCESS;
	}
	if (*size < size_of(attribute))
		return CUDA_ERROR_INVALID_VALUE;
	pthread_mutex_lock(&settings.lock);
	read_setting(attribute, value);
	pthread_mutex_unlock(&settings.lock);
	return CUDA_SUCCESS;
}

/* What triggers a dump from outside is the process's, and no context has it. */
static bool of_process_only(int attribute)
{
	return attribute == ENABLE_USER_TRIGGER || attribute == PIPE_NAME;
}

static CUresult set(int attribute, const void *value, size_t *size)
{
	bool name = attribute == FILE_NAME || attribute == PIPE_NAME;
	int result;

	if (!is_setting(attribute) || !size)
		return CUDA_ERROR_INVALID_VALUE;
	if (!value) {
		*size = size_of(attribute);
		return CUDA_SUCCESS;
	}
	if (!*size || (!name && *size < size_of(attribute)))
		return CUDA_ERROR_INVALID_VALUE;
	pthread_mutex_lock(&settings.lock);
	result = write_setting(attribute, value, *size);
	pthread_mutex_unlock(&settings.lock);
	return result;
}

VG_EXPORT CUresult cuCoredumpGetAttribute(int attribute, void *value, size_t *size)
{
	struct vg_thread *t;
	int result = vg_enter(&t);

	if (!result && of_process_only(attribute))
		result = CUDA_ERROR_INVALID_VALUE;
	return result ? result : get(attribute, value, size);
}

VG_EXPORT CUresult cuCoredumpGetAttributeGlobal(int attribute, void *value, size_t *size)
{
	return get(attribute, value, size);
}

VG_EXPORT CUresult cuCoredumpSetAttribute(int attribute, void *value, size_t *size)
{
	struct vg_thread *t;
	int result = vg_enter(&t);

	if (result)
		return result;
	if (of_process_only(attribute))
		return CUDA_ERROR_INVALID_VALUE;
	return set(attribute, value, size);
}

VG_EXPORT CUresult cuCoredumpSetAttributeGlobal(int attribute, void *value, size_t *size)
{
	return set(attribute, value, size);
}
