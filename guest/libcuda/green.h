/* SPDX-License-Identifier: Apache-2.0 */
/* Green contexts: contexts on a part of the device. Memory and modules are the primary context's. */
#ifndef VGPU_GREEN_H
#define VGPU_GREEN_H

#include "objects.h"

struct vg_green {
	struct vg_object object;
	struct vg_context *context;	/* what it is as a context */
};

/* The primary context ends, and all green ones with it. */
void vg_greens_end(struct vg_context *primary);

#endif
