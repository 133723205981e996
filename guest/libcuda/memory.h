/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory of the guest process: which addresses are what. Device addresses are
 * chosen here, inside a range that both sides keep free, so that most
 * allocations need no round trip and pointers can be checked without one.
 */
#ifndef VGPU_MEMORY_H
#define VGPU_MEMORY_H

#include "objects.h"

/* A range of addresses with a meaning. */
enum vg_range_kind {
	VG_RANGE_DEVICE,	/* cuMemAlloc */
	VG_RANGE_RESERVED,	/* cuMemAddressReserve */
	VG_RANGE_MAPPED,	/* cuMemMap, inside a reserved range */
	VG_RANGE_PINNED,	/* cuMemHostAlloc */
	VG_RANGE_GLOBAL,	/* variable of a module */
	VG_RANGE_REGISTERED,	/* cuMemHostRegister */
	VG_RANGE_POOL,		/* cuMemAllocAsync, at an address of the driver's choice */
	VG_RANGE_IMPORTED,	/* cuIpcOpenMemHandle: another process's memory */
	VG_RANGE_MANAGED,	/* cuMemAllocManaged: pinned memory that programs take for the device's too */
};

struct vg_range {
	uint64_t base, size;		/* as the program asked */
	enum vg_range_kind kind;
	unsigned int flags;		/* PINNED, REGISTERED, MANAGED: as given; MAPPED: access set; POOL: whose;
					 * DEVICE, GLOBAL: copied synchronously; RESERVED: freed */
	uint64_t id;			/* CU_POINTER_ATTRIBUTE_BUFFER_ID, never reused */
	struct vg_context *context;
	void *owner;			/* DEVICE: its block; MAPPED: the memory handle; GLOBAL: module; POOL: the pool;
					 * IMPORTED: its opening; MANAGED: advice; PINNED: who keeps it beyond its context */
	uint64_t backing;		/* bytes really taken from its space */
	uint64_t window;		/* PINNED, MANAGED: arena offset */
};

/* Memory that GPU and process share, at one address. */
static inline bool vg_range_is_host(const struct vg_range *r)
{
	return r->kind == VG_RANGE_PINNED || r->kind == VG_RANGE_REGISTERED || r->kind == VG_RANGE_MANAGED;
}

/* The set of ranges, ordered by base; two sets: RESERVED ones, and all others. */
int vg_range_add(const struct vg_range *range);		/* 0 or OUT_OF_MEMORY */
bool vg_range_find(uint64_t address, struct vg_range *copy);
/* Some range, reservations apart, that has addresses in common with this one. */
bool vg_range_find_overlap(uint64_t address, uint64_t size, struct vg_range *copy);
bool vg_reservation_find(uint64_t address, struct vg_range *copy);
/* Takes out the range that begins at base. */
bool vg_range_remove(uint64_t base, enum vg_range_kind kind, struct vg_range *copy);
/* Changes flags of a range. */
void vg_range_set_flags(uint64_t base, unsigned int flags);
/* The next range of this context from address on, for clearing up. */
bool vg_range_next(uint64_t address, const struct vg_context *context, struct vg_range *copy);
bool vg_range_next_owned(uint64_t address, const void *owner, struct vg_range *copy);

/* [address, address + size) lies inside device memory that kernels and copies may touch. */
bool vg_device_range(uint64_t address, uint64_t size);
/* The same for memory that GPU and process share; it must lie in one allocation. */
bool vg_pinned_range(const void *address, uint64_t size);

/* Address space with holes: first fit. */
struct vg_extent;
struct vg_space {
	uint64_t base, size;
	struct vg_extent *free;
	bool ready;
};
/* An address of size bytes, 0 when there is no room; align is a power of two. */
uint64_t vg_space_take(struct vg_space *s, uint64_t size, uint64_t align);
/* A given place; false when taken. */
bool vg_space_take_at(struct vg_space *s, uint64_t address, uint64_t size);
void vg_space_give(struct vg_space *s, uint64_t address, uint64_t size);
/* Forgets the list of free extents. */
void vg_space_end(struct vg_space *s);

/* Pinned memory: whole chunks at an address valid on both sides. Of r, size, kind, flags and owner are given. */
int vg_pinned_new(struct vg_thread *t, struct vg_range *r);
/* What is pinned there; false when nothing of that kind begins at base. */
bool vg_pinned_end(struct vg_thread *t, uint64_t base, enum vg_range_kind kind);
/* The end of managed memory and of the advice about it. */
void vg_managed_end(struct vg_thread *t, const struct vg_range *r);

/* What freeing address 0 answers, entered being vg_enter's answer: it needs no context (measured, driver 580). */
static inline int vg_free_nothing(int entered)
{
	return entered == CUDA_ERROR_INVALID_CONTEXT ? CUDA_SUCCESS : entered;
}

/* The physical allocation that a DEVICE range is part of: its address and size. */
uint64_t vg_memory_block(const struct vg_range *r, uint64_t *size);

/* Forgets what belonged to a context. */
void vg_memory_end(struct vg_context *c);

#endif
