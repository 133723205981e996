/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Managed memory: pinned memory of the window, at one address for processor and GPU. A GPU cannot fault on pages of a
 * VM, so nothing moves: the GPU reaches it over the bus, both may use it at any time, and advice and prefetches are
 * remembered for whoever asks, not followed.
 */
#ifndef VGPU_MANAGED_H
#define VGPU_MANAGED_H

#include "memory.h"

enum vg_place_type { VG_AT_NONE, VG_AT_DEVICE, VG_AT_HOST, VG_AT_HOST_NUMA, VG_AT_HOST_NUMA_CURRENT };

/* CUmemLocation */
struct vg_location {
	unsigned int type;
	int id;
};

#define VG_DEVICE_CPU (-1)

/* A device's ordinal or VG_DEVICE_CPU, as calls without CUmemLocation have it. */
static inline struct vg_location vg_location_of(CUdevice device)
{
	return device == VG_DEVICE_CPU ? (struct vg_location){ VG_AT_HOST, 0 } : (struct vg_location){ VG_AT_DEVICE, device };
}

/* 0, INVALID_DEVICE for a device that is not there, INVALID_VALUE for a type that is none. */
int vg_location_check(struct vg_location location);

/* [address, address + size) is part of one managed allocation: 0, or INVALID_VALUE. */
int vg_managed_check(CUdeviceptr address, size_t size);

/* Remembers where the range was last wanted. */
void vg_managed_prefetched(CUdeviceptr address, struct vg_location location);

#endif
