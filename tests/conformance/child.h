/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Other processes for a check: this program once more, which inherits nothing of CUDA.
 * Parent and child speak over a socket pair, so that descriptors can go along.
 */
#ifndef CHILD_H
#define CHILD_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct child {
	pid_t pid;
	int socket;
};

/* What a child does, by its name. play returns its exit status; the driver is bound. */
struct role {
	const char *name;
	int (*play)(int socket);
};
extern const struct role *const roles[];
extern const size_t role_count;

/* Plays the role that the command line names: true, and the exit status, if it names one. */
bool child_play(int argc, char **argv, int *status);

bool child_start(struct child *child, const char *role);
/* Waits for its end; false after a check_reason() unless it ended with 0. */
bool child_join(struct child *child);
/* Kills it. */
void child_kill(struct child *child);

/* Whole messages; a descriptor goes along unless fd is -1 (NULL). False: the other side is gone. */
bool tell(int socket, const void *data, size_t size, int fd);
bool hear(int socket, void *data, size_t size, int *fd);

#endif
