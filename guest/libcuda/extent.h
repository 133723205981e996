/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pages of registered memory: moved to the window's arena as long as anything that
 * lies in them is registered. Neighbours in one page share an extent.
 */
#ifndef VGPU_EXTENT_H
#define VGPU_EXTENT_H

#include <stdint.h>

struct vg_thread;

struct vg_extent {
	uint64_t start, size;	/* whole pages */
	uint64_t window;	/* offset in the arena */
	unsigned int users;	/* registrations that lie in it, if only in part */
	struct vg_extent *next;
};

/* In order of address. Here and below vg_register_lock is held. */
extern struct vg_extent *vg_extents;

/*
 * The pages [start, last) are moved as far as they are not yet: 0, or why that
 * cannot be (INVALID_VALUE, NOT_SUPPORTED, OUT_OF_MEMORY, OPERATING_SYSTEM).
 */
int vg_extents_hold(struct vg_thread *t, uint64_t start, uint64_t last);

/* Undoes it once: 0, OUT_OF_MEMORY or OPERATING_SYSTEM. */
int vg_extents_drop(struct vg_thread *t, uint64_t start, uint64_t last);

#endif
