/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VGPU_VISIBLE_H
#define VGPU_VISIBLE_H

/*
 * How many devices (0 or 1) CUDA_VISIBLE_DEVICES leaves of the one with this
 * UUID; -1 when the list names it twice. list NULL: variable not set. As driver
 * 580 reads it: entries are ordinals (the number at their beginning) or "GPU-" and the
 * beginning of a UUID, the kind of the first one holds for all; reading ends at an
 * entry that names no device.
 */
int vg_visible(const char *list, const unsigned char uuid[16]);

#endif
