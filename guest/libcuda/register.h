/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Host memory that the program registers where it is: moved to pages of the
 * window's arena, which the executor maps at the same address.
 */
#ifndef VGPU_REGISTER_H
#define VGPU_REGISTER_H

#include "memory.h"

/* Takes back what cuMemHostRegister did, when the GPU is done with it: 0, OUT_OF_MEMORY or OPERATING_SYSTEM. */
int vg_register_end(struct vg_thread *t, const struct vg_range *range);

/* Held while memory is moved. */
extern pthread_mutex_t vg_register_lock;

/* A child has none of the arena: it gets copies of what its parent had registered. */
void vg_register_before_fork(void);
void vg_register_after_fork_in_parent(void);
void vg_register_after_fork_in_child(void);

#endif
