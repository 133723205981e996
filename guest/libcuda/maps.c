// SPDX-License-Identifier: Apache-2.0
#include "maps.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static bool parse(const char *line, struct vg_mapping *m)
{
	unsigned long start, end;
	char permissions[8];
	int name = 0;

	if (sscanf(line, "%lx-%lx %7s %*x %x:%x %lu %n", &start, &end, permissions, &m->major, &m->minor, &m->inode,
		   &name) < 6)
		return false;
	m->start = start;
	m->end = end;
	m->readable = permissions[0] == 'r';
	m->writable = permissions[1] == 'w';
	m->executable = permissions[2] == 'x';
	m->shared = permissions[3] == 's';
	m->stack = name && !strncmp(line + name, "[stack]", 7);
	return true;
}

/* 0, what visit returned, or -1; *done behind the range. */
static int visit_line(const char *line, uint64_t start, uint64_t end, bool *done,
		      int (*visit)(const struct vg_mapping *, void *), void *data)
{
	struct vg_mapping m;

	if (!parse(line, &m))
		return -1;
	*done = m.start >= end;
	return *done || m.end <= start ? 0 : visit(&m, data);
}

int vg_maps_visit(uint64_t start, uint64_t end, int (*visit)(const struct vg_mapping *, void *), void *data)
{
	int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC), result = 0;
	char buffer[8192];	/* a line is at most a path and 80 bytes */
	size_t have = 0;
	bool done = false;

	if (fd < 0)
		return -1;
	while (!done && !result) {
		ssize_t n = read(fd, buffer + have, sizeof buffer - 1 - have);
		char *line = buffer, *newline;

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			result = n ? -1 : 0;
			break;
		}
		have += (size_t)n;
		buffer[have] = 0;
		while (!done && !result && (newline = strchr(line, '\n'))) {
			*newline = 0;
			result = visit_line(line, start, end, &done, visit, data);
			line = newline + 1;
		}
		have -= (size_t)(line - buffer);
		memmove(buffer, line, have);
		if (have == sizeof buffer - 1)
			result = -1;
	}
	close(fd);
	return result;
}
