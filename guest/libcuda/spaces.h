/* SPDX-License-Identifier: Apache-2.0 */
/* The two address ranges agreed with the executor, shared by all allocators. */
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

/* A number for CU_POINTER_ATTRIBUTE_BUFFER_ID. */
uint64_t vg_range_id(void);

#endif
