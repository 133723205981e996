/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VGPU_VISIBLE_H
#define VGPU_VISIBLE_H

/*
 * How many devices (0 or 1) CUDA_VISIBLE_DEVICES leaves of the one with this
 * UUID. list NULL: variable not set. The driver reads the list up to the first
 * entry that names no device; with one device only the first entry counts:
 * "0", or "GPU-" and the beginning of the UUID's 8-4-4-4-12 form.
 */
int vg_visible(const char *list, const unsigned char uuid[16]);

#endif
