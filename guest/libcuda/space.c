// SPDX-License-Identifier: Apache-2.0
/* First-fit address space: an ordered list of free extents. The caller locks. */
#include <stdlib.h>

#include "memory.h"

struct vg_extent {
	uint64_t base, size;
	struct vg_extent *next;
};

static bool space_init(struct vg_space *s)
{
	if (s->ready)
		return true;
	s->free = malloc(sizeof *s->free);
	if (!s->free)
		return false;
	*s->free = (struct vg_extent){ .base = s->base, .size = s->size };
	s->ready = true;
	return true;
}

/* Cuts [address, address + size) out of an extent that contains it. */
static bool cut(struct vg_extent **link, uint64_t address, uint64_t size)
{
	struct vg_extent *e = *link;
	uint64_t before = address - e->base;
	uint64_t after = e->size - before - size;

	if (!before && !after) {
		*link = e->next;
		free(e);
		return true;
	}
	if (before && after) {
		struct vg_extent *tail = malloc(sizeof *tail);

		if (!tail)
			return false;
		*tail = (struct vg_extent){ .base = address + size, .size = after, .next = e->next };
		e->size = before;
		e->next = tail;
		return true;
	}
	if (before) {
		e->size = before;
	} else {
		e->base = address + size;
		e->size = after;
	}
	return true;
}

uint64_t vg_space_take(struct vg_space *s, uint64_t size, uint64_t align)
{
	if (!size || !space_init(s))
		return 0;
	for (struct vg_extent **link = &s->free; *link; link = &(*link)->next) {
		struct vg_extent *e = *link;
		uint64_t address = (e->base + align - 1) & ~(align - 1);

		if (address - e->base <= e->size && size <= e->size - (address - e->base))
			return cut(link, address, size) ? address : 0;
	}
	return 0;
}

bool vg_space_take_at(struct vg_space *s, uint64_t address, uint64_t size)
{
	if (!size || !space_init(s))
		return false;
	for (struct vg_extent **link = &s->free; *link; link = &(*link)->next) {
		struct vg_extent *e = *link;

		if (address >= e->base && address - e->base < e->size && size <= e->size - (address - e->base))
			return cut(link, address, size);
	}
	return false;
}

void vg_space_give(struct vg_space *s, uint64_t address, uint64_t size)
{
	struct vg_extent **link = &s->free, *previous = NULL, *e;

	while (*link && (*link)->base < address) {
		previous = *link;
		link = &previous->next;
	}
	e = *link;
	if (previous && previous->base + previous->size == address) {
		previous->size += size;
		if (e && address + size == e->base) {
			previous->size += e->size;
			previous->next = e->next;
			free(e);
		}
		return;
	}
	if (e && address + size == e->base) {
		e->base = address;
		e->size += size;
		return;
	}
	e = malloc(sizeof *e);
	if (!e)
		return; /* the addresses stay unused; nothing else is lost */
	*e = (struct vg_extent){ .base = address, .size = size, .next = *link };
	*link = e;
}

void vg_space_end(struct vg_space *s)
{
	while (s->free) {
		struct vg_extent *e = s->free;

		s->free = e->next;
		free(e);
	}
	s->ready = false;
}
