// SPDX-License-Identifier: Apache-2.0
#include "pages.h"

#include <stdlib.h>

#include "memory.h"
#include "channel.h"

#define SMALL	(VGPU_CHUNK_SIZE / 2)	/* up to here requests share a chunk */
#define PAGE	4096ull

struct shared_chunk {
	uint64_t window;
	struct vg_space space;	/* [PAGE, PAGE + chunk): 0 means none */
	uint64_t used;
	struct shared_chunk *next;
};

static struct {
	pthread_mutex_t lock;
	struct shared_chunk *chunks;
} pages = { .lock = PTHREAD_MUTEX_INITIALIZER };

static uint32_t chunks(uint64_t size)
{
	return (uint32_t)((size + VGPU_CHUNK_SIZE - 1) / VGPU_CHUNK_SIZE);
}

static int take_chunks(struct vg_transport *t, uint64_t size, uint64_t *window)
{
	if (size <= (uint64_t)UINT32_MAX * VGPU_CHUNK_SIZE && !t->ops->alloc(t, chunks(size), window))
		return 0;
	vg_log("no %llu MiB of pinned memory left in the window; give the domain a larger window=",
	       (unsigned long long)(size >> 20));
	return CUDA_ERROR_OUT_OF_MEMORY;
}

/* The lock is held. */
static int take_small(struct vg_transport *t, uint64_t size, uint64_t *window)
{
	struct shared_chunk *c;
	uint64_t at;

	for (c = pages.chunks; c; c = c->next) {
		at = vg_space_take(&c->space, size, PAGE);
		if (at)
			goto found;
	}
	c = calloc(1, sizeof *c);
	if (!c)
		return CUDA_ERROR_OUT_OF_MEMORY;
	c->space = (struct vg_space){ .base = PAGE, .size = VGPU_CHUNK_SIZE };
	at = vg_space_take(&c->space, size, PAGE);
	if (!at || take_chunks(t, VGPU_CHUNK_SIZE, &c->window)) {
		vg_space_end(&c->space);
		free(c);
		return CUDA_ERROR_OUT_OF_MEMORY;
	}
	c->next = pages.chunks;
	pages.chunks = c;
found:
	c->used += size;
	*window = c->window + at - PAGE;
	return 0;
}

/* One empty chunk is kept for the next request. The lock is held. */
static void trim(struct vg_transport *t)
{
	bool kept = false;

	for (struct shared_chunk **link = &pages.chunks; *link;) {
		struct shared_chunk *c = *link;

		if (c->used || !kept) {
			kept = kept || !c->used;
			link = &c->next;
			continue;
		}
		*link = c->next;
		t->ops->free(t, c->window, 1);
		vg_space_end(&c->space);
		free(c);
	}
}

/* The lock is held. */
static void give_small(struct vg_transport *t, uint64_t window, uint64_t size)
{
	struct shared_chunk *c = pages.chunks;

	while (window - c->window >= VGPU_CHUNK_SIZE)
		c = c->next;
	vg_space_give(&c->space, window - c->window + PAGE, size);
	c->used -= size;
	if (!c->used)
		trim(t);
}

int vg_pages_take(struct vg_thread *t, uint64_t size, uint64_t *window)
{
	int result;

	if (size > SMALL)
		return take_chunks(t->channel->transport, size, window);
	pthread_mutex_lock(&pages.lock);
	result = take_small(t->channel->transport, size, window);
	pthread_mutex_unlock(&pages.lock);
	return result;
}

void vg_pages_give(struct vg_thread *t, uint64_t window, uint64_t size)
{
	if (size > SMALL) {
		t->channel->transport->ops->free(t->channel->transport, window, chunks(size));
		return;
	}
	pthread_mutex_lock(&pages.lock);
	give_small(t->channel->transport, window, size);
	pthread_mutex_unlock(&pages.lock);
}
