/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The two address ranges that this process and its executor keep for each other,
 * shared by all allocators. Each has a list of places: this process holds the first
 * one that is free in it from cuInit on, and moves on when its executor has
 * something there itself.
 */
#ifndef VGPU_SPACES_H
#define VGPU_SPACES_H

#include "memory.h"

struct vg_spaces {
	pthread_mutex_t lock;
	struct vg_space device, pinned;
};
extern struct vg_spaces vg_spaces;

uint64_t vg_spaces_take(struct vg_space *space, uint64_t size, uint64_t align);
void vg_spaces_give(struct vg_space *space, uint64_t address, uint64_t size);

/* Where the ranges begin; still once the executor serves this process. */
struct vg_places {
	uint64_t device, pinned;
};
extern struct vg_places vg_places;

static inline bool vg_in_device_space(uint64_t address)
{
	return address - vg_places.device < VGPU_DEVICE_SIZE;
}

static inline bool vg_in_pinned_space(uint64_t address)
{
	return address - vg_places.pinned < VGPU_PINNED_SIZE;
}

/* Holds both ranges' addresses without access; false if no place of one is free. */
bool vg_spaces_hold(void);
/* Gives them up, before anything was taken from them. */
void vg_spaces_drop(void);

/* Agrees with the executor, before it is asked for memory: 0 or a CUresult. */
int vg_spaces_agree(struct vg_thread *t);

/* A number for CU_POINTER_ATTRIBUTE_BUFFER_ID. */
uint64_t vg_range_id(void);

#endif
