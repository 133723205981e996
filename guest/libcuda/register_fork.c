// SPDX-License-Identifier: Apache-2.0
/*
 * fork with registered memory. The child's view of it is a hole, which may be part
 * of its heap: until the hole is filled nothing here touches the heap.
 */
#include <sys/mman.h>

#include "extent.h"
#include "move.h"
#include "register.h"

struct copy {
	uint64_t address, size;
	void *memory;
};

static struct {
	struct copy *copies;	/* mapped, not allocated */
	size_t count;
	uint64_t bytes;		/* of copies */
} forking;

void vg_register_before_fork(void)
{
	size_t count = 0;

	pthread_mutex_lock(&vg_register_lock);
	forking.count = 0;
	for (const struct vg_extent *e = vg_extents; e; e = e->next)
		count++;
	if (!count)
		return;
	forking.bytes = count * sizeof *forking.copies;
	forking.copies = mmap(NULL, forking.bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (forking.copies == MAP_FAILED)
		return;
	for (const struct vg_extent *e = vg_extents; e; e = e->next) {
		struct copy c = { .address = e->start, .size = e->size };

		c.memory = mmap(NULL, c.size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (c.memory == MAP_FAILED)
			continue;
		vg_copy_pages(c.memory, (const void *)(uintptr_t)c.address, c.size);
		forking.copies[forking.count++] = c;
	}
}

static void done(void)
{
	pthread_mutex_unlock(&vg_register_lock);
	if (forking.bytes && forking.copies != MAP_FAILED)
		munmap(forking.copies, forking.bytes);
	forking.bytes = 0;
}

void vg_register_after_fork_in_parent(void)
{
	for (size_t i = 0; i < forking.count; i++)
		munmap(forking.copies[i].memory, forking.copies[i].size);
	done();
}

void vg_register_after_fork_in_child(void)
{
	for (size_t i = 0; i < forking.count; i++) {
		struct copy *c = &forking.copies[i];

		mremap(c->memory, c->size, c->size, MREMAP_MAYMOVE | MREMAP_FIXED, (void *)(uintptr_t)c->address);
	}
	done();
}
