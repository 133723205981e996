/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VGPU_CONTEXT_H
#define VGPU_CONTEXT_H

#include "objects.h"

/* CUcontext 0 and a foreign handle name none: NULL. */
struct vg_context *vg_context_find(CUcontext handle);

/* A context of ours with a fresh number; the executor knows nothing of it yet. NULL: out of memory. */
struct vg_context *vg_context_new(unsigned int flags, unsigned int api_version);

/* The one below becomes current; none at the bottom of the stack. */
void vg_context_pop(struct vg_thread *t);

bool vg_context_flags_valid(unsigned int flags);

#endif
