/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory and events of other processes of the domain. What a program passes on as a
 * handle is a token that its executor gave: it means something in this domain
 * only, and as long as its maker has the thing.
 */
#ifndef VGPU_IPC_H
#define VGPU_IPC_H

#include "memory.h"

#define VG_TOKEN_SIZE 32u

/* A number that no other process has; 0: there is no entropy. */
uint64_t vg_process_nonce(void);

/* Unmaps imported memory whose range is forgotten already. */
void vg_ipc_end(struct vg_thread *t, const struct vg_range *r);

#endif
