// SPDX-License-Identifier: Apache-2.0
/* Sorted arrays of ranges: allocations are few, look-ups many. */
#include <stdlib.h>
#include <string.h>

#include "spaces.h"

struct set {
	struct vg_range *ranges;
	size_t count, capacity;
};

static struct {
	pthread_rwlock_t lock;
	struct set set, reservations;
	_Atomic size_t registered;	/* ranges of that kind */
} all = { .lock = PTHREAD_RWLOCK_INITIALIZER };

static struct set *set_of(enum vg_range_kind kind)
{
	return kind == VG_RANGE_RESERVED ? &all.reservations : &all.set;
}

/* Index of the first range whose base is above address. */
static size_t above(const struct set *s, uint64_t address)
{
	size_t low = 0, high = s->count;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (s->ranges[middle].base <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

int vg_range_add(const struct vg_range *range)
{
	struct set *s = set_of(range->kind);
	int result = 0;
	size_t i;

	pthread_rwlock_wrlock(&all.lock);
	if (s->count == s->capacity) {
		size_t capacity = s->capacity ? 2 * s->capacity : 64;
		struct vg_range *ranges = realloc(s->ranges, capacity * sizeof *ranges);

		if (!ranges) {
			result = CUDA_ERROR_OUT_OF_MEMORY;
			goto out;
		}
		s->ranges = ranges;
		s->capacity = capacity;
	}
	i = above(s, range->base);
	memmove(&s->ranges[i + 1], &s->ranges[i], (s->count - i) * sizeof *s->ranges);
	s->ranges[i] = *range;
	s->count++;
	if (range->kind == VG_RANGE_REGISTERED)
		atomic_fetch_add_explicit(&all.registered, 1, memory_order_relaxed);
out:
	pthread_rwlock_unlock(&all.lock);
	return result;
}

static bool find(const struct set *s, uint64_t address, struct vg_range *copy)
{
	bool found = false;
	size_t i;

	pthread_rwlock_rdlock(&all.lock);
	i = above(s, address);
	if (i && address - s->ranges[i - 1].base < s->ranges[i - 1].size) {
		*copy = s->ranges[i - 1];
		found = true;
	}
	pthread_rwlock_unlock(&all.lock);
	return found;
}

bool vg_range_find(uint64_t address, struct vg_range *copy)
{
	return find(&all.set, address, copy);
}

bool vg_range_find_overlap(uint64_t address, uint64_t size, struct vg_range *copy)
{
	bool found = false;
	size_t i;

	pthread_rwlock_rdlock(&all.lock);
	i = above(&all.set, address + size - 1);
	if (i && all.set.ranges[i - 1].base + all.set.ranges[i - 1].size > address) {
		*copy = all.set.ranges[i - 1];
		found = true;
	}
	pthread_rwlock_unlock(&all.lock);
	return found;
}

bool vg_reservation_find(uint64_t address, struct vg_range *copy)
{
	return find(&all.reservations, address, copy);
}

bool vg_range_remove(uint64_t base, enum vg_range_kind kind, struct vg_range *copy)
{
	struct set *s = set_of(kind);
	bool found = false;
	size_t i;

	pthread_rwlock_wrlock(&all.lock);
	i = above(s, base);
	if (i && s->ranges[i - 1].base == base && s->ranges[i - 1].kind == kind) {
		*copy = s->ranges[i - 1];
		memmove(&s->ranges[i - 1], &s->ranges[i], (s->count - i) * sizeof *s->ranges);
		s->count--;
		if (kind == VG_RANGE_REGISTERED)
			atomic_fetch_sub_explicit(&all.registered, 1, memory_order_relaxed);
		found = true;
	}
	pthread_rwlock_unlock(&all.lock);
	return found;
}

void vg_range_set_flags(uint64_t base, unsigned int flags)
{
	size_t i;

	pthread_rwlock_wrlock(&all.lock);
	i = above(&all.set, base);
	if (i && all.set.ranges[i - 1].base == base)
		all.set.ranges[i - 1].flags = flags;
	pthread_rwlock_unlock(&all.lock);
}

static bool next(uint64_t address, const struct vg_context *context, const void *owner, struct vg_range *copy)
{
	bool found = false;

	pthread_rwlock_rdlock(&all.lock);
	for (size_t i = 0; i < all.set.count && !found; i++) {
		const struct vg_range *r = &all.set.ranges[i];

		if (r->base < address || (context && r->context != context) || (owner && r->owner != owner))
			continue;
		*copy = *r;
		found = true;
	}
	pthread_rwlock_unlock(&all.lock);
	return found;
}

bool vg_range_next(uint64_t address, const struct vg_context *context, struct vg_range *copy)
{
	return next(address, context, NULL, copy);
}

bool vg_range_next_owned(uint64_t address, const void *owner, struct vg_range *copy)
{
	return next(address, NULL, owner, copy);
}

/* Allocations end where they end, even if the next one begins there; what lies in one mapping or pool may be one. */
static bool goes_on(const struct vg_range *r)
{
	return r->kind == VG_RANGE_MAPPED || r->kind == VG_RANGE_GLOBAL || r->kind == VG_RANGE_POOL;
}

/* Adjacent ranges of some device memory count as one: a program may map it piece by piece. */
static bool covered(uint64_t address, uint64_t size, bool host)
{
	bool inside = false;
	size_t i;

	if (address + size < address)
		return false;
	pthread_rwlock_rdlock(&all.lock);
	i = above(&all.set, address);
	while (i && i <= all.set.count) {
		const struct vg_range *r = &all.set.ranges[i - 1];

		if (vg_range_is_host(r) != host || address < r->base || address - r->base > r->size ||
		    (address - r->base == r->size && size))
			break;
		if (size <= r->size - (address - r->base)) {
			inside = true;
			break;
		}
		if (host || !goes_on(r) || (i < all.set.count && all.set.ranges[i].kind != r->kind))
			break;
		size -= r->size - (address - r->base);
		address = r->base + r->size;
		i++;
	}
	pthread_rwlock_unlock(&all.lock);
	return inside;
}

bool vg_device_range(uint64_t address, uint64_t size)
{
	return covered(address, size, false);
}

bool vg_pinned_range(const void *address, uint64_t size)
{
	uint64_t a = (uint64_t)(uintptr_t)address;

	if (!vg_in_pinned_space(a) && !atomic_load_explicit(&all.registered, memory_order_relaxed))
		return false;
	return covered(a, size, true);
}
