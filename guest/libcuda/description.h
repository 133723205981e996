/* SPDX-License-Identifier: Apache-2.0 */
/* The host's description of the vGPU, read-only shared memory. */
#ifndef VGPU_DESCRIPTION_H
#define VGPU_DESCRIPTION_H

#include "../include/vgpu_layout.h"

/* NULL, or the sentence that says why this library cannot work with it. */
const char *vg_description_fault(const struct vgpu_description *d);

/* attributes[id], id in 1..attribute_max; 1 (INVALID_VALUE) for any other. */
int vg_description_attribute(const struct vgpu_description *d, int id, int *value);

/* A field that the host refreshes while we read it. */
#define VG_LIVE(field) __atomic_load_n(&(field), __ATOMIC_RELAXED)

#endif
