// SPDX-License-Identifier: Apache-2.0
/* Many processes at once, killed at any moment. */
#include "kerneltest.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define STRESS_PROCESSES 4
#define STRESS_SECONDS 2

struct chunk_run {
	int fd;
	uint64_t offset;
	uint32_t count;
};

static void *free_soon(void *arg)
{
	struct chunk_run *run = arg;

	usleep(rand() % 300);
	check(free_ioctl(run->fd, run->offset, run->count) == 0);
	return NULL;
}

/* Takes chunks, which must be empty, and touches them while they are freed. */
static void stress_chunks(int fd)
{
	struct vgpu_chunks chunks = { .count = 1 + rand() % 3 };
	struct chunk_run run = { .fd = fd };
	volatile uint8_t *memory;
	pthread_t freer;
	size_t size;

	if (ioctl(fd, VGPU_IOC_ALLOC, &chunks) < 0) {
		check(errno == ENOMEM);
		return;
	}
	size = chunks.count * VGPU_CHUNK_SIZE;
	memory = map(fd, size, RW, VGPU_MMAP_ARENA + chunks.offset);
	check(memory != MAP_FAILED);
	for (size_t i = 0; i < size; i += 16 * PAGE) {
		check(memory[i] == 0);
		memory[i] = 0xee;
	}
	run.offset = chunks.offset;
	run.count = chunks.count;
	check(pthread_create(&freer, NULL, free_soon, &run) == 0);
	while (signal_of(memory + rand() % size, false) == 0)
		;
	check(pthread_join(freer, NULL) == 0);
	for (size_t i = 0; i < size; i += 16 * PAGE)
		check(signal_of(memory + i, true) == SIGBUS);
	munmap((void *)memory, size);
}

static void stress_process(unsigned int seed)
{
	srand(seed);
	for (;;) {
		int fd = open(device, O_RDWR | O_CLOEXEC);
		volatile uint8_t *channel;

		if (fd < 0) {
			check(errno == EBUSY);
			continue;
		}
		channel = map_channel(fd);
		check(channel[VGPU_CH_RING] == 0);
		channel[VGPU_CH_RING] = 0xee;
		if (rand() % 2)
			check(ioctl(fd, VGPU_IOC_START) == 0);
		for (int i = rand() % 4; i > 0; i--)
			stress_chunks(fd);
		if (rand() % 2)
			alloc(fd, 1);
		munmap((void *)channel, VGPU_CHANNEL_SIZE);
		close(fd);
	}
}

static void case_stress(void)
{
	pid_t children[STRESS_PROCESSES] = { 0 };
	double end = now() + STRESS_SECONDS;
	int kills = 0, status;

	while (now() < end || kills <= STRESS_PROCESSES) {
		int i = rand() % STRESS_PROCESSES;

		if (children[i]) {
			check(kill(children[i], SIGKILL) == 0);
			check(waitpid(children[i], &status, 0) == children[i]);
			check(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
			kills++;
		}
		children[i] = fork();
		check(children[i] >= 0);
		if (children[i] == 0)
			stress_process(kills);
		usleep(rand() % 50000);
	}
	for (int i = 0; i < STRESS_PROCESSES; i++)
		if (children[i])
			kill(children[i], SIGKILL);
	while (waitpid(-1, &status, 0) > 0)
		check(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	printf("%d processes\n", kills);
}

const struct test_case stress_cases[] = {
	{ "stress", case_stress },
	{ NULL, NULL },
};
