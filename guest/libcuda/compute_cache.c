// SPDX-License-Identifier: Apache-2.0
/* Files of compiled code. A file comes by rename, and its digest tells whether it is whole. */
#include "compute_cache.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "abi.h"
#include "sha256.h"

#define DEFAULT_SIZE (1ll << 30)
#define LARGEST_SIZE (4ll << 30)
#define ABANDONED_SECONDS 3600	/* what a process that was killed was writing */

struct header {
	char magic[8];
	uint32_t size, reserved;
	uint8_t key[VG_CACHE_KEY];
	uint8_t digest[32];	/* of the data behind */
};

static const char magic[8] = { 'V', 'G', 'P', 'U', 'C', 'O', 'D', '1' };

/* What processes may still store before somebody looks again how much is there. */
static _Atomic long long unlooked;

static long long largest(void)
{
	const char *text = secure_getenv("CUDA_CACHE_MAXSIZE");
	char *end;
	long long size;

	if (!text || !*text)
		return DEFAULT_SIZE;
	errno = 0;
	size = strtoll(text, &end, 10);
	if (errno || *end || size < 0)
		return DEFAULT_SIZE;
	return size < LARGEST_SIZE ? size : LARGEST_SIZE;
}

/* The folder's path, or false if there is to be no cache. A program with more rights than its user has none. */
static bool folder_path(char path[PATH_MAX])
{
	const char *disabled = secure_getenv("CUDA_CACHE_DISABLE"), *base = secure_getenv("CUDA_CACHE_PATH");
	const char *home = secure_getenv("HOME");
	int n;

	if (disabled && strcmp(disabled, "1") == 0)
		return false;
	if (base && *base)
		n = snprintf(path, PATH_MAX, "%s/vgpu", base);
	else if (home && *home)
		n = snprintf(path, PATH_MAX, "%s/.nv/ComputeCache/vgpu", home);
	else
		return false;
	return n > 0 && n < PATH_MAX;
}

/* Makes the folder and those above it, as far as they are missing. */
static void make_folder(char *path)
{
	for (char *p = path + 1; *p; p++) {
		if (*p != '/')
			continue;
		*p = 0;
		mkdir(path, 0700);
		*p = '/';
	}
	mkdir(path, 0700);
}

/* A descriptor of the folder, or -1. */
static int open_folder(bool make)
{
	char path[PATH_MAX];

	if (!folder_path(path))
		return -1;
	if (make)
		make_folder(path);
	return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static void name_of(const uint8_t key[VG_CACHE_KEY], char name[2 * VG_CACHE_KEY + 1])
{
	for (int i = 0; i < VG_CACHE_KEY; i++)
		snprintf(name + 2 * i, 3, "%02x", key[i]);
}

static bool read_all(int fd, void *to, size_t size)
{
	for (char *p = to; size;) {
		ssize_t n = read(fd, p, size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		p += n;
		size -= (size_t)n;
	}
	return true;
}

static bool write_all(int fd, const void *from, size_t size)
{
	for (const char *p = from; size;) {
		ssize_t n = write(fd, p, size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		p += n;
		size -= (size_t)n;
	}
	return true;
}

/* The data of an open file, NULL if it is not what was stored under this key. */
static void *contents(int fd, const uint8_t key[VG_CACHE_KEY], uint32_t *size)
{
	struct header h;
	struct stat s;
	uint8_t digest[32];
	void *data;

	if (fstat(fd, &s) || !S_ISREG(s.st_mode) || s.st_uid != geteuid() || s.st_mode & (S_IWGRP | S_IWOTH))
		return NULL;
	if (!read_all(fd, &h, sizeof h) || memcmp(h.magic, magic, sizeof magic) || memcmp(h.key, key, sizeof h.key) ||
	    s.st_size != (off_t)(sizeof h + h.size))
		return NULL;
	data = malloc(h.size ? h.size : 1);
	if (data && read_all(fd, data, h.size)) {
		vg_sha256(data, h.size, digest);
		if (memcmp(digest, h.digest, sizeof digest) == 0) {
			*size = h.size;
			return data;
		}
	}
	free(data);
	return NULL;
}

int vg_cache_find(const uint8_t key[VG_CACHE_KEY], void **data, uint32_t *size)
{
	char name[2 * VG_CACHE_KEY + 1];
	int folder = open_folder(false), fd;

	*data = NULL;
	if (folder < 0)
		return CUDA_ERROR_NOT_FOUND;
	name_of(key, name);
	fd = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	close(folder);
	if (fd < 0)
		return CUDA_ERROR_NOT_FOUND;
	*data = contents(fd, key, size);
	if (*data)
		futimens(fd, NULL);	/* used just now */
	close(fd);
	return *data ? 0 : CUDA_ERROR_NOT_FOUND;
}

struct entry {
	char name[2 * VG_CACHE_KEY + 1];
	struct timespec used;
	long long size;
};

static int by_use(const void *a, const void *b)
{
	const struct timespec *x = &((const struct entry *)a)->used, *y = &((const struct entry *)b)->used;

	if (x->tv_sec != y->tv_sec)
		return x->tv_sec < y->tv_sec ? -1 : 1;
	return x->tv_nsec < y->tv_nsec ? -1 : x->tv_nsec > y->tv_nsec;
}

/* Notes a file of the folder; removes one that nobody writes any more. */
static void look(int folder, const char *name, struct entry **all, size_t *count, size_t *room)
{
	struct timespec now;
	struct stat s;

	if (fstatat(folder, name, &s, AT_SYMLINK_NOFOLLOW) || !S_ISREG(s.st_mode))
		return;
	if (strncmp(name, "new-", 4) == 0) {
		clock_gettime(CLOCK_REALTIME, &now);
		if (now.tv_sec - s.st_mtim.tv_sec > ABANDONED_SECONDS)
			unlinkat(folder, name, 0);
		return;
	}
	if (strlen(name) != 2 * VG_CACHE_KEY)
		return;
	if (*count == *room) {
		size_t more = *room ? 2 * *room : 64;
		struct entry *grown = realloc(*all, more * sizeof **all);

		if (!grown)
			return;
		*all = grown;
		*room = more;
	}
	memcpy((*all)[*count].name, name, 2 * VG_CACHE_KEY + 1);
	(*all)[*count].used = s.st_mtim;
	(*all)[*count].size = s.st_size;
	++*count;
}

/* Leaves as much in the folder as is allowed beside `size` bytes more. */
static void make_room(int folder, long long size, long long limit)
{
	int again = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *listing = again < 0 ? NULL : fdopendir(again);
	struct entry *all = NULL;
	size_t count = 0, room = 0;
	long long held = size;
	struct dirent *d;

	if (!listing) {
		if (again >= 0)
			close(again);
		return;
	}
	while ((d = readdir(listing)))
		look(folder, d->d_name, &all, &count, &room);
	for (size_t i = 0; i < count; i++)
		held += all[i].size;
	if (held > limit)
		qsort(all, count, sizeof *all, by_use);
	for (size_t i = 0; i < count && held > limit; i++) {
		if (unlinkat(folder, all[i].name, 0) == 0)
			held -= all[i].size;
	}
	free(all);
	closedir(listing);
}

int vg_cache_store(const uint8_t key[VG_CACHE_KEY], const void *data, uint32_t size)
{
	struct header h = { .size = size };
	long long whole = (long long)sizeof h + size, limit = largest();
	char name[2 * VG_CACHE_KEY + 1], new[32];
	unsigned long long number = 0;
	int folder, fd;
	bool written;

	folder = whole > limit ? -1 : open_folder(true);
	if (folder < 0)
		return CUDA_ERROR_NOT_PERMITTED;
	if (atomic_fetch_sub(&unlooked, whole) < whole) {
		make_room(folder, whole, limit);
		atomic_store(&unlooked, limit / 16);
	}
	name_of(key, name);
	memcpy(h.magic, magic, sizeof magic);
	memcpy(h.key, key, sizeof h.key);
	vg_sha256(data, size, h.digest);
	/* by chance: containers that share a home have the same process ids */
	written = getrandom(&number, sizeof number, GRND_NONBLOCK) == sizeof number;
	snprintf(new, sizeof new, "new-%016llx", number);
	fd = !written ? -1 : openat(folder, new, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	written = fd >= 0 && write_all(fd, &h, sizeof h) && write_all(fd, data, size);
	if (written)
		written = renameat(folder, new, folder, name) == 0;
	if (fd >= 0) {
		close(fd);
		if (!written)
			unlinkat(folder, new, 0);
	}
	close(folder);
	return written ? 0 : CUDA_ERROR_NOT_PERMITTED;
}
