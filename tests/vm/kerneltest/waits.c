// SPDX-License-Identifier: Apache-2.0
/* Doorbell, interrupt, and the end of a process that waits. */
#include "kerneltest.h"

#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/time.h>
#include <unistd.h>

static void case_start(void)
{
	int fd = open_channel();
	volatile uint8_t *channel = map_channel(fd);

	check(*word(channel, VGPU_CH_STATE) == VGPU_HOST_FREE);
	start(fd, channel);
	check(ioctl(fd, VGPU_IOC_START) == 0);
}

static void on_alarm(int number)
{
	(void)number;
}

static void case_wait(void)
{
	int fd = open_channel();
	volatile uint8_t *channel = map_channel(fd);
	struct sigaction action = { .sa_handler = on_alarm };
	/* again and again, since the first may come before the wait */
	struct itimerval timer = { .it_value.tv_usec = 50000, .it_interval.tv_usec = 50000 }, no_timer = { 0 };
	struct vgpu_wait wait = { 0 };
	double began, took, quickest = 1;

	/* learn the count; it may have any value at first */
	wait.seen = -1;
	check(ioctl(fd, VGPU_IOC_WAIT, &wait) == 0);

	began = now();
	wait.timeout_us = 100000;
	refused(ioctl(fd, VGPU_IOC_WAIT, &wait), ETIMEDOUT);
	check(now() - began >= 0.1);
	wait.timeout_us = 0;
	for (int i = 0; i < 10; i++) {
		began = now();
		refused(ioctl(fd, VGPU_IOC_WAIT, &wait), ETIMEDOUT);
		took = now() - began;
		quickest = took < quickest ? took : quickest;
	}
	check(quickest < 0.1);
	wait.timeout_us = 1000001;
	refused(ioctl(fd, VGPU_IOC_WAIT, &wait), EINVAL);
	refused(ioctl(fd, VGPU_IOC_WAIT, NULL), EFAULT);

	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &timer, NULL);
	wait.timeout_us = 1000000;
	refused(ioctl(fd, VGPU_IOC_WAIT, &wait), EINTR);
	setitimer(ITIMER_REAL, &no_timer, NULL);

	/* the doorbell reaches the host, the interrupt comes back */
	for (int i = 0; i < 100; i++) {
		uint32_t seen = wait.seen;

		*word(channel, REQUEST) = REQUEST_INTERRUPT;
		check(ioctl(fd, VGPU_IOC_RING) == 0);
		await_interrupt(fd, &wait);
		check(wait.seen != seen);
		check(*word(channel, REQUEST) == 0);
	}
}

/* The host looks when it is asked to. What closed before has rung the same doorbell. */
static void case_look(void)
{
	int fd = open_channel();
	volatile uint8_t *description = map(fd, VGPU_DESCRIPTION_SIZE, PROT_READ, VGPU_MMAP_DESCRIPTION);

	check(description != MAP_FAILED);
	for (int i = 0; i < 20; i++) {
		double deadline = now() + HOST_SECONDS;
		uint32_t looks = *word(description, VGPU_DESC_LOOKS);

		check(ioctl(fd, VGPU_IOC_LOOK) == 0);
		while (*word(description, VGPU_DESC_LOOKS) == looks) {
			check(now() < deadline);
			usleep(1000);
		}
	}
}

/* Ends by SIGKILL from outside, holding a channel and three chunks. */
static void case_hold(void)
{
	int fd;

	prctl(PR_SET_NAME, "holder");
	fd = open_channel();
	alloc(fd, 3);
	start(fd, map_channel(fd));
	printf("holding channel %u\n", info_of(fd).channel);
	fflush(stdout);
	for (;;)
		pause();
}

const struct test_case wait_cases[] = {
	{ "start", case_start },
	{ "wait", case_wait },
	{ "look", case_look },
	{ "hold", case_hold },
	{ NULL, NULL },
};
