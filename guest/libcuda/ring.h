/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The producer's side of a channel: reserve a record, fill it, commit it; wait
 * for a reply or a fence. Many threads may post at once; nothing here locks,
 * allocates or calls the kernel unless the executor sleeps or the ring is full.
 */
#ifndef VGPU_RING_H
#define VGPU_RING_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "channel.h"
#include "process.h"

#define VG_INVALID_VALUE CUDA_ERROR_INVALID_VALUE
#define VG_ERROR_PROTOCOL CUDA_ERROR_UNKNOWN

struct vg_record {
	uint32_t size;
	uint16_t opcode;
	uint16_t reply;
	uint32_t sequence;
	uint32_t thread;
	uint32_t context;
	uint32_t reserved;
};
_Static_assert(sizeof(struct vg_record) == VGPU_REC_PAYLOAD, "record header");

struct vg_reply {
	_Atomic uint32_t sequence;
	uint32_t result;
	uint32_t length;
	uint32_t reserved;
	uint8_t data[VGPU_REP_DATA_MAX];
};
_Static_assert(sizeof(struct vg_reply) == VGPU_REPLY_SIZE, "reply slot");

/*
 * Whether the ring has room for a record that would end there. HEAD is beyond an
 * end computed from a TAIL that other threads have moved since; then it has. The
 * executor writes HEAD often, so it is read only when what it was last does not do.
 */
static inline bool vg_ring_has_room(struct vg_channel *c, uint64_t end)
{
	uint64_t head = atomic_load_explicit(&c->head_seen, memory_order_acquire);

	if (__builtin_expect((int64_t)(end - head) <= (int64_t)VGPU_RING_SIZE, 1))
		return true;
	head = atomic_load_explicit(c->head, memory_order_acquire);
	atomic_store_explicit(&c->head_seen, head, memory_order_release);
	return (int64_t)(end - head) <= (int64_t)VGPU_RING_SIZE;
}

/* A record is about to be posted: fetches its line, which the executor had last, while the call is looked at. */
static inline void vg_ring_fetch(const struct vg_channel *c)
{
	uint64_t tail = atomic_load_explicit(c->tail, memory_order_relaxed);

	__asm__ volatile("prefetchw %0" : : "m"(c->ring[tail & (VGPU_RING_SIZE - 1)]));
}

/* Waits for room; false when the channel died. */
bool vg_ring_wait_room(struct vg_channel *c, uint64_t end);

/* Number of the context that records of this thread run in. */
uint32_t vg_thread_context(const struct vg_thread *t);

/* Why a record could not be reserved: the channel or context is lost, or the record would be too long. */
static inline int vg_channel_error(const struct vg_thread *t)
{
	int lost = vg_channel_lost(t->channel);

	return lost ? lost : VG_INVALID_VALUE;
}

static inline void *vg_reserve_sized(struct vg_thread *t, uint16_t opcode, uint16_t reply, size_t size)
{
	struct vg_channel *c = t->channel;
	uint64_t lines = (size + VGPU_LINE - 1) & ~(uint64_t)(VGPU_LINE - 1);
	uint64_t tail = atomic_load_explicit(c->tail, memory_order_relaxed);
	struct vg_record *r;

	if (size > VGPU_REC_MAX)
		return NULL;
	do {
		while (!vg_ring_has_room(c, tail + lines)) {
			if (!vg_ring_wait_room(c, tail + lines))
				return NULL;
			tail = atomic_load_explicit(c->tail, memory_order_relaxed);
		}
	} while (!atomic_compare_exchange_weak_explicit(c->tail, &tail, tail + lines, memory_order_relaxed,
							memory_order_relaxed));
	r = (struct vg_record *)(c->ring + (tail & (VGPU_RING_SIZE - 1)));
	r->opcode = opcode;
	r->reply = reply;
	r->sequence = ++t->sequence;
	r->thread = t->number;
	r->context = vg_thread_context(t);
	r->reserved = (uint32_t)size;	/* the commit moves it to size */
	return r;
}

static inline void *vg_reserve(struct vg_thread *t, uint16_t opcode, size_t size)
{
	return vg_reserve_sized(t, opcode, VGPU_NO_REPLY, size);
}

/* Makes the record visible and wakes a sleeping executor. */
static inline void vg_commit(struct vg_thread *t, struct vg_record *r)
{
	struct vg_channel *c = t->channel;
	uint32_t size = r->reserved;

	r->reserved = 0;
	atomic_store_explicit((_Atomic uint32_t *)&r->size, size, memory_order_release);
	atomic_thread_fence(memory_order_seq_cst);
	if (atomic_load_explicit(c->sleeping, memory_order_relaxed))
		vg_channel_wake(c, (uint64_t)((uint8_t *)r - c->ring));
}

/* Replied calls: the slot is taken before the record, so that a full ring never holds one. */
void *vg_reserve_replied(struct vg_thread *t, uint16_t opcode, size_t size);
int vg_commit_await(struct vg_thread *t, struct vg_record *r, struct vg_reply **reply);
void vg_release_reply(struct vg_thread *t, struct vg_reply *reply);
uint32_t vg_reply_bytes(const struct vg_reply *reply, uint32_t offset, void *to, uint32_t room);

#endif
