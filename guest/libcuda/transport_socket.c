// SPDX-License-Identifier: Apache-2.0
/* The channel of host-process mode: mediatord's socket, see vgpu_socket.h. */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "../include/vgpu_socket.h"
#include "channel.h"
#include "transport_interrupts.h"

#define OPEN_TIMEOUT_MS 30000
#define OPEN_PAUSE_US	20000

enum { FD_WINDOW, FD_DOORBELL, FD_INTERRUPT, FD_COUNT };

struct socket_transport {
	struct vg_transport base;
	pthread_mutex_t lock;	/* one request at a time */
	int socket;
	uint64_t number; /* of the last request */
	int fds[FD_COUNT];
	struct vg_interrupts interrupts;
	uint64_t channel_offset, arena_offset, description_offset;
};

/* Receives one message; fds are those that came with it, or -1. */
static int socket_receive(int socket, struct vgpu_socket_message *message, int *fds)
{
	union {
		char bytes[CMSG_SPACE(FD_COUNT * sizeof(int))];
		struct cmsghdr align;
	} control;
	struct iovec part = { .iov_base = message, .iov_len = sizeof *message };
	struct msghdr header = {
		.msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control,
	};
	struct cmsghdr *c;
	ssize_t n;

	for (int i = 0; i < FD_COUNT; i++)
		fds[i] = -1;
	do
		n = recvmsg(socket, &header, MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	if (n == 0)
		return -ECONNRESET;
	c = CMSG_FIRSTHDR(&header);
	if (c && c->cmsg_type == SCM_RIGHTS && c->cmsg_len == CMSG_LEN(FD_COUNT * sizeof(int)))
		memcpy(fds, CMSG_DATA(c), FD_COUNT * sizeof(int));
	return n == sizeof *message && message->magic == VGPU_SOCKET_MAGIC ? 0 : -EPROTO;
}

static void close_fds(int *fds)
{
	for (int i = 0; i < FD_COUNT; i++) {
		if (fds[i] >= 0)
			close(fds[i]);
		fds[i] = -1;
	}
}

/* One request, one reply. The reply's file descriptors go to fds unless it is NULL. */
static int socket_exchange(struct socket_transport *s, struct vgpu_socket_message *message, int *fds)
{
	uint32_t type = message->type;
	int received[FD_COUNT], error;
	ssize_t n;

	message->magic = VGPU_SOCKET_MAGIC;
	message->layout_version = VGPU_LAYOUT_VERSION;
	message->number = ++s->number;
	do
		n = send(s->socket, message, sizeof *message, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	for (;;) {
		error = socket_receive(s->socket, message, received);
		if (error || message->number == s->number)
			break;
		close_fds(received); /* an answer that came twice */
	}
	if (!error && message->type != type)
		error = -EPROTO;
	if (!error && message->error)
		error = -abs(message->error);
	if (!error && fds && received[0] < 0)
		error = -EPROTO;
	if (error || !fds)
		close_fds(received);
	else
		memcpy(fds, received, sizeof received);
	return error;
}

static int socket_request(struct vg_transport *t, uint32_t type, uint32_t count, uint64_t *offset)
{
	struct socket_transport *s = (struct socket_transport *)t;
	struct vgpu_socket_message message = { .type = type, .count = count, .offset = offset ? *offset : 0 };
	int error;

	pthread_mutex_lock(&s->lock);
	error = socket_exchange(s, &message, NULL);
	pthread_mutex_unlock(&s->lock);
	if (offset)
		*offset = message.offset;
	return error;
}

static int socket_start(struct vg_transport *t)
{
	return socket_request(t, VGPU_SOCKET_START, 0, NULL);
}

static int socket_alloc(struct vg_transport *t, uint32_t count, uint64_t *offset)
{
	*offset = 0;
	return socket_request(t, VGPU_SOCKET_ALLOC, count, offset);
}

static int socket_free(struct vg_transport *t, uint64_t offset, uint32_t count)
{
	return socket_request(t, VGPU_SOCKET_FREE, count, &offset);
}

static int socket_ring(struct vg_transport *t)
{
	struct socket_transport *s = (struct socket_transport *)t;
	uint64_t one = 1;

	return write(s->fds[FD_DOORBELL], &one, sizeof one) < 0 ? -errno : 0;
}

/* There is no reply, so it needs no turn. */
static int socket_look(struct vg_transport *t)
{
	struct socket_transport *s = (struct socket_transport *)t;
	struct vgpu_socket_message message = {
		.magic = VGPU_SOCKET_MAGIC, .type = VGPU_SOCKET_LOOK, .layout_version = VGPU_LAYOUT_VERSION,
	};

	return send(s->socket, &message, sizeof message, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 ? -errno : 0;
}

static int socket_wait(struct vg_transport *t, uint32_t *seen, uint32_t timeout_us)
{
	struct socket_transport *s = (struct socket_transport *)t;

	return vg_interrupts_wait(&s->interrupts, s->fds[FD_INTERRUPT], seen, timeout_us);
}

static void *socket_map(struct socket_transport *s, void *at, uint64_t offset, size_t size, int protection)
{
	void *p = mmap(at, size, protection, MAP_SHARED | (at ? MAP_FIXED : 0), s->fds[FD_WINDOW], (off_t)offset);

	if (p != MAP_FAILED)
		madvise(p, size, MADV_DONTFORK);
	return p;
}

static void *socket_map_channel(struct vg_transport *t, void *at, size_t offset, size_t size)
{
	struct socket_transport *s = (struct socket_transport *)t;

	return socket_map(s, at, s->channel_offset + offset, size, PROT_READ | PROT_WRITE);
}

static void *socket_map_description(struct vg_transport *t)
{
	struct socket_transport *s = (struct socket_transport *)t;

	return socket_map(s, NULL, s->description_offset, VGPU_DESCRIPTION_SIZE, PROT_READ);
}

static void *socket_map_chunks(struct vg_transport *t, void *at, uint64_t offset, size_t size)
{
	struct socket_transport *s = (struct socket_transport *)t;

	return socket_map(s, at, s->arena_offset + offset, size, PROT_READ | PROT_WRITE);
}

static void socket_close(struct vg_transport *t)
{
	struct socket_transport *s = (struct socket_transport *)t;

	close_fds(s->fds);
	if (s->socket >= 0)
		close(s->socket);
	free(s);
}

static const struct vg_transport_ops socket_ops = {
	.start = socket_start,
	.alloc = socket_alloc,
	.free = socket_free,
	.ring = socket_ring,
	.look = socket_look,
	.wait = socket_wait,
	.map_channel = socket_map_channel,
	.map_description = socket_map_description,
	.map_chunks = socket_map_chunks,
	.close = socket_close,
};

/* Reads where the window keeps its parts. */
static int socket_read_header(struct socket_transport *s, uint32_t channel)
{
	const uint8_t *page = mmap(NULL, 4096, PROT_READ, MAP_SHARED, s->fds[FD_WINDOW], 0);
	uint64_t magic, channels;
	uint32_t version;

	if (page == MAP_FAILED)
		return -errno;
	memcpy(&magic, page + VGPU_HDR_MAGIC, sizeof magic);
	memcpy(&version, page + VGPU_HDR_VERSION, sizeof version);
	memcpy(&channels, page + VGPU_HDR_CHANNELS, sizeof channels);
	memcpy(&s->arena_offset, page + VGPU_HDR_ARENA, sizeof s->arena_offset);
	memcpy(&s->description_offset, page + VGPU_HDR_DESCRIPTION, sizeof s->description_offset);
	munmap((void *)page, 4096);
	s->channel_offset = channels + (uint64_t)channel * VGPU_CHANNEL_SIZE;
	return magic == VGPU_MAGIC && version == VGPU_LAYOUT_VERSION ? 0 : -EPROTO;
}

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Connects and asks for a channel. */
static int socket_open(struct socket_transport *s, const struct sockaddr_un *address, uint32_t *channel)
{
	struct vgpu_socket_message message = { .type = VGPU_SOCKET_OPEN };
	int error;

	s->socket = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (s->socket < 0 || connect(s->socket, (const struct sockaddr *)address, sizeof *address) < 0)
		return -ENOTCONN;
	error = socket_exchange(s, &message, s->fds);
	*channel = message.channel;
	return error;
}

struct vg_transport *vg_transport_open_socket(const char *path, const char **reason)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct socket_transport *s = calloc(1, sizeof *s);
	int64_t end = now_ms() + OPEN_TIMEOUT_MS;
	uint32_t channel = 0;
	int error;

	if (!s || strlen(path) >= sizeof address.sun_path) {
		*reason = s ? "the path in VGPU_SOCKET is too long" : "out of memory";
		free(s);
		return NULL;
	}
	strcpy(address.sun_path, path);
	s->base.ops = &socket_ops;
	pthread_mutex_init(&s->lock, NULL);
	vg_interrupts_init(&s->interrupts);
	for (int i = 0; i < FD_COUNT; i++)
		s->fds[i] = -1;
	/* A mediatord that is started again loses what it had accepted and not yet answered. */
	while ((error = socket_open(s, &address, &channel)) && (error == -ECONNRESET || error == -EPIPE) && now_ms() < end) {
		close(s->socket);
		usleep(OPEN_PAUSE_US);
	}
	if (error) {
		*reason = error == -EBUSY    ? "all channels of this session are in use by other processes" :
			  error == -ENOTCONN ? "connecting to the socket in VGPU_SOCKET failed: is mediatord running?" :
					       "mediatord refused a channel";
		socket_close(&s->base);
		return NULL;
	}
	if (socket_read_header(s, channel)) {
		*reason = "mediatord speaks another version of the window layout: install matching packages";
		socket_close(&s->base);
		return NULL;
	}
	s->base.info.channel = channel;
	return &s->base;
}
