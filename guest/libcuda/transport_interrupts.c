// SPDX-License-Identifier: Apache-2.0
#include "transport_interrupts.h"

#include <errno.h>
#include <poll.h>
#include <time.h>
#include <unistd.h>

#define SECOND 1000000000ll

void vg_interrupts_init(struct vg_interrupts *i)
{
	pthread_condattr_t attributes;

	pthread_mutex_init(&i->lock, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&i->changed, &attributes);
	pthread_condattr_destroy(&attributes);
}

static long long now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * SECOND + now.tv_nsec;
}

/* 0, -ETIMEDOUT at the end, or a negative errno. */
static int read_until(int eventfd, long long end)
{
	struct pollfd p = { .fd = eventfd, .events = POLLIN };
	long long left = end - now_ns();
	struct timespec timeout = { .tv_sec = left / SECOND, .tv_nsec = left % SECOND };
	uint64_t count;
	int n;

	if (left <= 0)
		return -ETIMEDOUT;
	n = ppoll(&p, 1, &timeout, NULL);
	if (n <= 0)
		return n ? -errno : -ETIMEDOUT;
	return read(eventfd, &count, sizeof count) < 0 ? -errno : 0;
}

/* The lock is held but for the read. */
static int watch(struct vg_interrupts *i, int eventfd, long long end)
{
	int error;

	i->watched = true;
	pthread_mutex_unlock(&i->lock);
	error = read_until(eventfd, end);
	pthread_mutex_lock(&i->lock);
	i->watched = false;
	if (!error)
		i->count++;
	/* also when nothing came: somebody else must watch now */
	pthread_cond_broadcast(&i->changed);
	return error;
}

int vg_interrupts_wait(struct vg_interrupts *i, int eventfd, uint32_t *seen, uint32_t timeout_us)
{
	long long end = now_ns() + timeout_us * 1000ll;
	struct timespec until = { .tv_sec = end / SECOND, .tv_nsec = end % SECOND };
	int error = 0;

	pthread_mutex_lock(&i->lock);
	while (i->count == *seen && !error) {
		if (i->watched)
			error = -pthread_cond_timedwait(&i->changed, &i->lock, &until);
		else
			error = watch(i, eventfd, end);
	}
	*seen = i->count;
	pthread_mutex_unlock(&i->lock);
	return error;
}
