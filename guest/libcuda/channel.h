/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A channel: this process's part of the window, mapped once. How it is reached
 * (a device node in a VM, a socket in host-process mode) is behind
 * struct vg_transport.
 */
#ifndef VGPU_CHANNEL_H
#define VGPU_CHANNEL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../include/vgpu_layout.h"

struct vg_transport;

struct vg_transport_info {
	uint32_t channel;
	uint32_t pci_domain, pci_bus, pci_device;
	bool has_pci;
};

/* All return 0 or a negative errno. */
struct vg_transport_ops {
	int (*start)(struct vg_transport *);
	/* a run of count chunks; offset is relative to the arena */
	int (*alloc)(struct vg_transport *, uint32_t count, uint64_t *offset);
	int (*free)(struct vg_transport *, uint64_t offset, uint32_t count);
	int (*ring)(struct vg_transport *);
	/* has the description refreshed some time; never waits */
	int (*look)(struct vg_transport *);
	/*
	 * Sleeps until the number of interrupts differs from *seen, which becomes that
	 * number, or the timeout (at most 1 s). A waiter keeps its own *seen, from 0 on, and
	 * looks at memory after each return: so no waiter takes another's interrupt.
	 */
	int (*wait)(struct vg_transport *, uint32_t *seen, uint32_t timeout_us);
	void *(*map_channel)(struct vg_transport *, void *at, size_t offset, size_t size);
	void *(*map_description)(struct vg_transport *);
	void *(*map_chunks)(struct vg_transport *, void *at, uint64_t offset, size_t size);
	void (*close)(struct vg_transport *);
};

struct vg_transport {
	const struct vg_transport_ops *ops;
	struct vg_transport_info info;
};

/* VGPU_SOCKET if set, else /dev/vgpu0. NULL and *reason (a sentence) if there is neither. */
struct vg_transport *vg_transport_open(const char **reason);
struct vg_transport *vg_transport_open_device(const char *path, const char **reason);
struct vg_transport *vg_transport_open_socket(const char *path, const char **reason);

struct vg_channel {
	struct vg_transport *transport;
	uint8_t *base;			/* VGPU_CHANNEL_SIZE bytes */
	uint8_t *ring;			/* the ring, mapped twice in a row */
	_Atomic uint64_t *head, *tail;
	_Atomic uint64_t head_seen;	/* HEAD when it was last read */
	_Atomic uint32_t *sleeping;
	_Atomic uint32_t *state, *failure, *sticky, *async;
	_Atomic uint32_t *prints, *printed;
	_Atomic uint32_t *called, *call, *call_status, *returned;
	_Atomic uint32_t *fences;
	_Atomic uint64_t replies_used;	/* bit per reply slot */
	_Atomic uint64_t rung_at;	/* head when the doorbell was last rung */
	_Atomic int started;
};

struct vg_channel *vg_channel_open(const char **reason);
const void *vg_channel_description(struct vg_channel *c);
/* Brings the executor up (once, the first caller waits): 0 or a CUresult. */
int vg_channel_start(struct vg_channel *c);
void vg_channel_wake(struct vg_channel *c, uint64_t record);

/* The code that every call answers once executor or context are lost, else 0. */
static inline int vg_channel_lost(const struct vg_channel *c)
{
	uint32_t sticky = atomic_load_explicit(c->sticky, memory_order_relaxed);

	if (__builtin_expect(sticky != 0, 0))
		return (int)sticky;
	if (__builtin_expect(atomic_load_explicit(c->state, memory_order_relaxed) != VGPU_HOST_READY, 0)) {
		uint32_t failure = atomic_load_explicit(c->failure, memory_order_relaxed);

		return failure ? (int)failure : 999;
	}
	return 0;
}

/* Takes and clears the failure of an earlier posted call. */
static inline int vg_channel_async(struct vg_channel *c)
{
	if (__builtin_expect(atomic_load_explicit(c->async, memory_order_relaxed) == 0, 1))
		return 0;
	return (int)atomic_exchange_explicit(c->async, 0, memory_order_acq_rel);
}

#endif
