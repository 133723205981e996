/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VGPU_CONTEXT_H
#define VGPU_CONTEXT_H

#include "objects.h"

/* CUcontext 0 and a foreign handle name none: NULL. */
struct vg_context *vg_context_find(CUcontext handle);

#endif
