// SPDX-License-Identifier: Apache-2.0
/* Addresses that the driver has chosen on the host: nothing of this process may come to lie there. */
#include <sys/mman.h>

#include "pool.h"
#include "spaces.h"

#define PIECE 0x2000000ull	/* what one look takes, aligned */

static struct {
	pthread_mutex_t lock;
	struct vg_space free;	/* what is not guarded yet */
} guards = {
	.lock = PTHREAD_MUTEX_INITIALIZER,
	.free = { .base = 0, .size = 1ull << 47 },
};

/* The lock is held. */
static bool guard(uint64_t piece)
{
	void *p;

	if (vg_in_device_space(piece) || !vg_space_take_at(&guards.free, piece, PIECE))
		return true;
	p = mmap((void *)(uintptr_t)piece, PIECE, PROT_NONE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);
	if (p == (void *)(uintptr_t)piece)
		return true;
	if (p != MAP_FAILED)
		munmap(p, PIECE);
	vg_space_give(&guards.free, piece, PIECE);
	return false;
}

bool vg_guard_addresses(uint64_t address, uint64_t size)
{
	bool good = true;

	pthread_mutex_lock(&guards.lock);
	for (uint64_t piece = address & ~(PIECE - 1); good && piece < address + size; piece += PIECE)
		good = guard(piece);
	pthread_mutex_unlock(&guards.lock);
	return good;
}
