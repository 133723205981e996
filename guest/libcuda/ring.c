// SPDX-License-Identifier: Apache-2.0
#include "ring.h"

#include "objects.h"
#include "pause.h"

uint32_t vg_thread_context(const struct vg_thread *t)
{
	return t->current ? t->current->object.number : 0;
}

/*
 * A full ring is work for long enough that sleeping costs nothing, and leaves the processor, or the other half of its
 * core, to the executor.
 */
#define FULL_SLEEP_NS 10000u

bool vg_ring_wait_room(struct vg_channel *c, uint64_t end)
{
	struct vg_pause pause = { .sleep_ns = FULL_SLEEP_NS };
	bool room;

	while (!(room = vg_ring_has_room(c, end)) && !vg_channel_lost(c))
		vg_pause(&pause);
	vg_pause_end(&pause);
	return room;
}

static struct vg_reply *reply_slot(struct vg_channel *c, unsigned int i)
{
	return (struct vg_reply *)(c->base + VGPU_CH_REPLIES + (size_t)i * VGPU_REPLY_SIZE);
}

/* One of the 64 reply slots; waits while other threads hold them all. */
static int take_slot(struct vg_channel *c)
{
	uint64_t used = atomic_load_explicit(&c->replies_used, memory_order_relaxed);
	struct vg_pause pause = { 0 };

	for (;;) {
		while (~used == 0) {
			if (vg_channel_lost(c)) {
				vg_pause_end(&pause);
				return -1;
			}
			vg_pause(&pause);
			used = atomic_load_explicit(&c->replies_used, memory_order_relaxed);
		}
		int slot = __builtin_ctzll(~used);

		if (atomic_compare_exchange_weak_explicit(&c->replies_used, &used, used | 1ULL << slot,
							  memory_order_acquire, memory_order_relaxed)) {
			vg_pause_end(&pause);
			return slot;
		}
	}
}

static void give_slot(struct vg_channel *c, unsigned int slot)
{
	atomic_fetch_and_explicit(&c->replies_used, ~(1ULL << slot), memory_order_release);
}

_Static_assert(VGPU_REPLY_COUNT == 64, "one bit per reply slot");

void *vg_reserve_replied(struct vg_thread *t, uint16_t opcode, size_t size)
{
	int slot = take_slot(t->channel);
	void *r;

	if (slot < 0)
		return NULL;
	r = vg_reserve_sized(t, opcode, (uint16_t)slot, size);
	if (!r)
		give_slot(t->channel, (unsigned int)slot);
	else
		/* never equal to the sequence about to be awaited */
		atomic_store_explicit(&reply_slot(t->channel, (unsigned int)slot)->sequence, t->sequence - 1,
				      memory_order_relaxed);
	return r;
}

int vg_commit_await(struct vg_thread *t, struct vg_record *r, struct vg_reply **reply)
{
	struct vg_channel *c = t->channel;
	unsigned int slot = r->reply;
	uint32_t sequence = r->sequence;
	struct vg_reply *p = reply_slot(c, slot);
	struct vg_pause pause = { 0 };

	vg_commit(t, r);
	while (atomic_load_explicit(&p->sequence, memory_order_acquire) != sequence) {
		/* a fault ends the context, not the executor: it still answers */
		if (atomic_load_explicit(c->state, memory_order_relaxed) != VGPU_HOST_READY) {
			vg_pause_end(&pause);
			*reply = NULL;
			return vg_channel_lost(c); /* the slot stays taken: its writer may still be alive */
		}
		vg_pause(&pause);
	}
	vg_pause_end(&pause);
	*reply = p;
	return (int)p->result;
}

void vg_release_reply(struct vg_thread *t, struct vg_reply *reply)
{
	give_slot(t->channel, (unsigned int)(((uint8_t *)reply - t->channel->base - VGPU_CH_REPLIES) / VGPU_REPLY_SIZE));
}

uint32_t vg_reply_bytes(const struct vg_reply *reply, uint32_t offset, void *to, uint32_t room)
{
	uint32_t length = reply->length;

	if (length > VGPU_REP_DATA_MAX)
		length = VGPU_REP_DATA_MAX;
	length = length > offset ? length - offset : 0;
	if (length > room)
		length = room;
	if (to && length)
		memcpy(to, reply->data + offset, length);
	return length;
}
