// SPDX-License-Identifier: Apache-2.0
#include "kerneltest.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

const char *device = "/dev/vgpu0";

void fail(const char *file, int line, const char *format, ...)
{
	va_list args;
	int err = errno;

	fprintf(stderr, "%s:%d: ", strrchr(file, '/') ? strrchr(file, '/') + 1 : file, line);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fprintf(stderr, " (errno %d, %s)\n", err, strerror(err));
	exit(1);
}

int open_channel(void)
{
	int fd = open(device, O_RDWR | O_CLOEXEC);

	check(fd >= 0);
	return fd;
}

struct vgpu_info info_of(int fd)
{
	struct vgpu_info info;

	memset(&info, 0xff, sizeof(info));
	check(ioctl(fd, VGPU_IOC_INFO, &info) == 0);
	return info;
}

void *map(int fd, size_t size, int prot, uint64_t offset)
{
	return mmap(NULL, size, prot, MAP_SHARED, fd, offset);
}

volatile uint8_t *map_channel(int fd)
{
	void *at = map(fd, VGPU_CHANNEL_SIZE, RW, VGPU_MMAP_CHANNEL);

	check(at != MAP_FAILED);
	return at;
}

uint64_t alloc(int fd, uint32_t count)
{
	struct vgpu_chunks chunks = { .count = count };

	check(ioctl(fd, VGPU_IOC_ALLOC, &chunks) == 0);
	check(chunks.offset % VGPU_CHUNK_SIZE == 0);
	return chunks.offset;
}

int alloc_ioctl(int fd, uint32_t count, uint32_t reserved)
{
	struct vgpu_chunks chunks = { .count = count, .reserved = reserved };

	return ioctl(fd, VGPU_IOC_ALLOC, &chunks);
}

int free_ioctl(int fd, uint64_t offset, uint32_t count)
{
	struct vgpu_chunks chunks = { .count = count, .offset = offset };

	return ioctl(fd, VGPU_IOC_FREE, &chunks);
}

volatile uint32_t *word(volatile uint8_t *channel, unsigned int offset)
{
	return (volatile uint32_t *)(channel + offset);
}

double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

void ask_host(int fd, volatile uint8_t *channel, uint32_t request, uint32_t argument)
{
	double deadline = now() + HOST_SECONDS;

	*word(channel, REQUEST_ARGUMENT) = argument;
	atomic_thread_fence(memory_order_release);
	*word(channel, REQUEST) = request;
	check(ioctl(fd, VGPU_IOC_RING) == 0);
	while (*word(channel, REQUEST)) {
		check(now() < deadline);
		usleep(1000);
	}
}

void await_interrupt(int fd, struct vgpu_wait *wait)
{
	double deadline = now() + HOST_SECONDS;

	wait->timeout_us = 1000000;
	while (ioctl(fd, VGPU_IOC_WAIT, wait) < 0)
		check(errno == ETIMEDOUT && now() < deadline);
}

void start(int fd, volatile uint8_t *channel)
{
	struct vgpu_wait wait = { 0 };

	check(ioctl(fd, VGPU_IOC_START) == 0);
	while (*word(channel, VGPU_CH_STATE) != VGPU_HOST_READY)
		await_interrupt(fd, &wait);
}

static sigjmp_buf jump;

static void on_signal(int number)
{
	siglongjmp(jump, number);
}

int signal_of(volatile uint8_t *at, bool write)
{
	struct sigaction action = { .sa_handler = on_signal };
	int number;

	sigaction(SIGSEGV, &action, NULL);
	sigaction(SIGBUS, &action, NULL);
	number = sigsetjmp(jump, 1);
	if (number == 0) {
		if (write)
			*at = 1;
		else
			(void)*at;
	}
	signal(SIGSEGV, SIG_DFL);
	signal(SIGBUS, SIG_DFL);
	return number;
}

bool is_zero(const volatile uint8_t *at, size_t size)
{
	for (size_t i = 0; i < size; i += 64)
		if (at[i])
			return false;
	return true;
}
