// SPDX-License-Identifier: Apache-2.0
#include "channel.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "abi.h"
#include "process.h"
#include "spaces.h"

#define START_TIMEOUT_MS 30000

/* The channel followed by a second view of its ring: a record never wraps. */
static uint8_t *map_whole(struct vg_transport *t)
{
	uint8_t *base = mmap(NULL, VGPU_CHANNEL_SIZE + VGPU_RING_SIZE, PROT_NONE,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (base == MAP_FAILED)
		return NULL;
	if (t->ops->map_channel(t, base, 0, VGPU_CHANNEL_SIZE) == MAP_FAILED ||
	    t->ops->map_channel(t, base + VGPU_CHANNEL_SIZE, VGPU_CH_RING, VGPU_RING_SIZE) == MAP_FAILED) {
		munmap(base, VGPU_CHANNEL_SIZE + VGPU_RING_SIZE);
		return NULL;
	}
	return base;
}

_Static_assert(VGPU_CH_RING + VGPU_RING_SIZE == VGPU_CHANNEL_SIZE, "the ring ends the channel");

struct vg_channel *vg_channel_open(const char **reason)
{
	struct vg_transport *t = vg_transport_open(reason);
	struct vg_channel *c;

	if (!t)
		return NULL;
	c = calloc(1, sizeof *c);
	if (!c || !(c->base = map_whole(t))) {
		*reason = "mapping the channel failed";
		goto fail;
	}
	if (!vg_spaces_hold()) {
		*reason = "no place for device and pinned memory is free among this process's addresses";
		munmap(c->base, VGPU_CHANNEL_SIZE + VGPU_RING_SIZE);
		goto fail;
	}
	c->transport = t;
	c->ring = c->base + VGPU_CH_RING;
	c->head = (_Atomic uint64_t *)(c->base + VGPU_CH_HEAD);
	c->tail = (_Atomic uint64_t *)(c->base + VGPU_CH_TAIL);
	c->sleeping = (_Atomic uint32_t *)(c->base + VGPU_CH_SLEEPING);
	c->state = (_Atomic uint32_t *)(c->base + VGPU_CH_STATE);
	c->failure = (_Atomic uint32_t *)(c->base + VGPU_CH_FAILURE);
	c->sticky = (_Atomic uint32_t *)(c->base + VGPU_CH_STICKY);
	c->async = (_Atomic uint32_t *)(c->base + VGPU_CH_ASYNC);
	c->prints = (_Atomic uint32_t *)(c->base + VGPU_CH_PRINTS);
	c->printed = (_Atomic uint32_t *)(c->base + VGPU_CH_PRINTED);
	c->called = (_Atomic uint32_t *)(c->base + VGPU_CH_CALLED);
	c->call = (_Atomic uint32_t *)(c->base + VGPU_CH_CALL);
	c->call_status = (_Atomic uint32_t *)(c->base + VGPU_CH_CALL_STATUS);
	c->returned = (_Atomic uint32_t *)(c->base + VGPU_CH_RETURNED);
	c->fences = (_Atomic uint32_t *)(c->base + VGPU_CH_FENCES);
	atomic_init(&c->rung_at, UINT64_MAX);
	return c;
fail:
	free(c);
	t->ops->close(t);
	return NULL;
}

const void *vg_channel_description(struct vg_channel *c)
{
	const void *p = c->transport->ops->map_description(c->transport);

	return p == MAP_FAILED ? NULL : p;
}

static int await_executor(struct vg_channel *c)
{
	struct timespec now, end;
	uint32_t seen = 0;

	clock_gettime(CLOCK_MONOTONIC, &end);
	end.tv_sec += START_TIMEOUT_MS / 1000;
	do {
		uint32_t state = atomic_load_explicit(c->state, memory_order_acquire);

		if (state == VGPU_HOST_READY)
			return 0;
		if (state == VGPU_HOST_FAILED) {
			char message[VGPU_CH_MESSAGE_SIZE];

			memcpy(message, c->base + VGPU_CH_MESSAGE, sizeof message);
			message[sizeof message - 1] = 0;
			vg_log("the host could not start an executor: %s", message);
			return vg_channel_lost(c);
		}
		c->transport->ops->wait(c->transport, &seen, 10000);
		clock_gettime(CLOCK_MONOTONIC, &now);
	} while (now.tv_sec < end.tv_sec);
	vg_log("the host did not start an executor within %d s: is mediatord running?", START_TIMEOUT_MS / 1000);
	return CUDA_ERROR_DEVICE_UNAVAILABLE;
}

int vg_channel_start(struct vg_channel *c)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	struct vg_thread *t;
	int result = 0;

	if (atomic_load_explicit(&c->started, memory_order_acquire))
		return vg_channel_lost(c);
	t = vg_thread_get();
	if (!t)
		return CUDA_ERROR_OUT_OF_MEMORY;
	pthread_mutex_lock(&lock);
	if (!atomic_load_explicit(&c->started, memory_order_relaxed)) {
		result = c->transport->ops->start(c->transport) ? CUDA_ERROR_DEVICE_UNAVAILABLE : await_executor(c);
		if (!result)
			result = vg_spaces_agree(t);
		if (!result)
			atomic_store_explicit(&c->started, 1, memory_order_release);
	}
	pthread_mutex_unlock(&lock);
	return result;
}

/*
 * The executor sleeps. One doorbell is enough until it has consumed something,
 * except for the record at its head: it may have looked at that before the commit.
 */
void vg_channel_wake(struct vg_channel *c, uint64_t record)
{
	uint64_t head = atomic_load_explicit(c->head, memory_order_acquire);

	if (atomic_exchange_explicit(&c->rung_at, head, memory_order_acq_rel) != head ||
	    (head & (VGPU_RING_SIZE - 1)) == record)
		c->transport->ops->ring(c->transport);
}
