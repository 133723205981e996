/* SPDX-License-Identifier: Apache-2.0 */
#include "child.h"

#include "check.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHILD_SOCKET 3

bool child_play(int argc, char **argv, int *status)
{
	if (argc != 3 || strcmp(argv[1], "--child"))
		return false;
	alarm(100);
	for (size_t i = 0; i < role_count; i++) {
		if (strcmp(argv[2], roles[i]->name))
			continue;
		*status = roles[i]->play(CHILD_SOCKET);
		return true;
	}
	fprintf(stderr, "no role %s\n", argv[2]);
	*status = 2;
	return true;
}

bool child_start(struct child *child, const char *role)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		return check_reason("socketpair: %s", strerror(errno));
	child->socket = pair[0];
	child->pid = fork();
	if (child->pid < 0)
		return check_reason("fork: %s", strerror(errno));
	if (child->pid == 0) {
		/* dup2 leaves a descriptor that is the right one already closing on exec */
		if (pair[1] == CHILD_SOCKET ? fcntl(CHILD_SOCKET, F_SETFD, 0) < 0 : dup2(pair[1], CHILD_SOCKET) < 0)
			_exit(126);
		execl("/proc/self/exe", "conformance", "--child", role, (char *)NULL);
		_exit(127);
	}
	close(pair[1]);
	return true;
}

bool child_join(struct child *child)
{
	int status;

	close(child->socket);
	if (waitpid(child->pid, &status, 0) != child->pid)
		return check_reason("waiting for a child: %s", strerror(errno));
	if (WIFSIGNALED(status))
		return check_reason("a child died of signal %d", WTERMSIG(status));
	if (WEXITSTATUS(status))
		return check_reason("a child ended with %d", WEXITSTATUS(status));
	return true;
}

void child_kill(struct child *child)
{
	kill(child->pid, SIGKILL);
	close(child->socket);
	waitpid(child->pid, NULL, 0);
}

bool tell(int socket, const void *data, size_t size, int fd)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control;
	struct iovec part = { .iov_base = (void *)data, .iov_len = size };
	struct msghdr header = { .msg_iov = &part, .msg_iovlen = 1 };

	if (fd >= 0) {
		struct cmsghdr *c;

		header.msg_control = &control;
		header.msg_controllen = sizeof(control);
		c = CMSG_FIRSTHDR(&header);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &fd, sizeof(int));
	}
	return sendmsg(socket, &header, MSG_NOSIGNAL) == (ssize_t)size;
}

bool hear(int socket, void *data, size_t size, int *fd)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control;
	struct iovec part = { .iov_base = data, .iov_len = size };
	struct msghdr header = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control,
				 .msg_controllen = sizeof(control) };
	struct cmsghdr *c;

	if (recvmsg(socket, &header, MSG_CMSG_CLOEXEC) != (ssize_t)size)
		return false;
	if (!fd)
		return true;
	c = CMSG_FIRSTHDR(&header);
	if (!c || c->cmsg_type != SCM_RIGHTS)
		return false;
	memcpy(fd, CMSG_DATA(c), sizeof(int));
	return true;
}
