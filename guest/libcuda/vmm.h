/* SPDX-License-Identifier: Apache-2.0 */
/* Physical memory behind handles, which mappings keep alive. */
#ifndef VGPU_VMM_H
#define VGPU_VMM_H

#include "memory.h"

#define VG_HANDLE_DESCRIPTOR	1u	/* CUmemAllocationHandleType */
#define VG_HANDLE_FABRIC	8u

struct allocation_prop {
	unsigned int type, handleTypes;
	struct { unsigned int type; int id; } location;
	void *win32;
	unsigned char allocFlags[8];
};
_Static_assert(sizeof(struct allocation_prop) == 32, "CUmemAllocationProp");

struct vg_memory {
	struct vg_object object;
	uint64_t size;
	struct allocation_prop prop;
	unsigned int handles;	/* how often it must be released; 0: only mappings are left */
	unsigned int mappings;
};

/* New memory with one handle; the executor knows nothing of it yet. NULL: out of memory. */
struct vg_memory *vg_memory_new(uint64_t size, const struct allocation_prop *prop);
/* Undoes that. */
void vg_memory_forget(struct vg_memory *m);

/* The memory of a handle that the program may use, NULL: none. */
struct vg_memory *vg_memory_of(CUmemGenericAllocationHandle handle);

/* A mapping has gone; with its memory's last one goes what nobody has a handle of, with the last one in a reservation
 * that the program has freed its addresses. */
void vg_memory_unmapped(struct vg_thread *t, const struct vg_range *mapping);

/* What memory is made in, in bytes. */
uint64_t vg_memory_granularity(void);

#endif
