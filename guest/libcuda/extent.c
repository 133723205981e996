// SPDX-License-Identifier: Apache-2.0
#include "extent.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "calls.h"
#include "gen/ops.h"
#include "maps.h"
#include "move.h"
#include "pages.h"
#include "ring.h"

struct vg_extent *vg_extents;

/* What mappings of the arena look like. */
static struct {
	unsigned int major, minor;
	unsigned long inode;
} arena;

/* Why memory cannot be moved. */
struct inspection {
	uint64_t at;	/* looked at up to here */
	const char *reason;
};

static int inspect(const struct vg_mapping *m, void *data)
{
	struct inspection *i = data;

	if (m->start > i->at)
		return CUDA_ERROR_INVALID_VALUE;
	i->at = m->end;
	i->reason = m->shared ? "it is shared with other processes (MAP_SHARED)" :
		    m->stack ? "it is a stack" :
		    m->executable ? "it holds code" : NULL;
	if (i->reason)
		return CUDA_ERROR_NOT_SUPPORTED;
	return m->readable && m->writable ? 0 : CUDA_ERROR_INVALID_VALUE;
}

static int check(uint64_t address, uint64_t size)
{
	struct inspection i = { .at = address };
	uint64_t here = (uint64_t)(uintptr_t)__builtin_frame_address(0);
	int result = vg_maps_visit(address, address + size, inspect, &i);

	if (result < 0)
		return CUDA_ERROR_OPERATING_SYSTEM;
	if (!result && i.at < address + size)
		result = CUDA_ERROR_INVALID_VALUE;
	if (!result && here - address < size) {
		i.reason = "it is this thread's stack";
		result = CUDA_ERROR_NOT_SUPPORTED;
	}
	if (i.reason)
		vg_log("host memory at %#llx cannot be registered: %s", (unsigned long long)address, i.reason);
	return result;
}

static int remember(const struct vg_mapping *m, void *unused)
{
	(void)unused;
	arena.major = m->major;
	arena.minor = m->minor;
	arena.inode = m->inode;
	return 1;
}

/* Memory to be put at its new place. */
struct placing {
	struct vg_transport *transport;
	uint64_t address, window, size;
	void *copy;
};

static bool place(void *data)
{
	struct placing *p = data;
	void *at = (void *)(uintptr_t)p->address;

	if (p->transport->ops->map_chunks(p->transport, at, p->window, p->size) != MAP_FAILED)
		return true;
	/* the kernel may have taken the old memory away already */
	if (mmap(at, p->size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == at)
		vg_copy_pages(at, p->copy, p->size);
	return false;
}

static int move_in(struct vg_transport *transport, uint64_t address, uint64_t window, uint64_t size)
{
	struct placing p = { .transport = transport, .address = address, .window = window, .size = size };
	bool moved;

	p.copy = transport->ops->map_chunks(transport, NULL, window, size);
	if (p.copy == MAP_FAILED)
		return CUDA_ERROR_OUT_OF_MEMORY;
	moved = vg_move(address, size, p.copy, place, &p);
	munmap(p.copy, size);
	if (!moved)
		return CUDA_ERROR_NOT_SUPPORTED;
	vg_maps_visit(address, address + size, remember, NULL);
	return 0;
}

static bool place_back(void *data)
{
	struct placing *p = data;

	return mremap(p->copy, p->size, p->size, MREMAP_MAYMOVE | MREMAP_FIXED, (void *)(uintptr_t)p->address) !=
	       MAP_FAILED;
}

/* The part of a range that is still the arena's: the program may have unmapped some. */
struct piece {
	uint64_t start, end;
};

static int find_piece(const struct vg_mapping *m, void *data)
{
	struct piece *p = data;

	if (!m->shared || m->inode != arena.inode || m->major != arena.major || m->minor != arena.minor)
		return 0;
	if (m->start > p->start)
		p->start = m->start;
	if (m->end < p->end)
		p->end = m->end;
	return 1;
}

static int move_out(uint64_t address, uint64_t size)
{
	uint64_t end = address + size, kept = address;	/* copies from here on are not in use */
	uint8_t *copy = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int found = 0, result = 0;

	if (copy == MAP_FAILED)
		return CUDA_ERROR_OUT_OF_MEMORY;
	while (kept < end) {
		struct piece piece = { kept, end };
		struct placing p;

		found = vg_maps_visit(kept, end, find_piece, &piece);
		if (found <= 0)
			break;
		p = (struct placing){ .address = piece.start, .size = piece.end - piece.start,
				      .copy = copy + (piece.start - address) };
		if (!vg_move(p.address, p.size, p.copy, place_back, &p)) {
			result = CUDA_ERROR_OUT_OF_MEMORY;
			break;
		}
		if (piece.start > kept)
			munmap(copy + (kept - address), piece.start - kept);
		kept = piece.end;
	}
	if (kept < end)
		munmap(copy + (kept - address), end - kept);
	return found < 0 ? CUDA_ERROR_OPERATING_SYSTEM : result;
}

/* Pages that nothing registered has yet. The executor may refuse them, so it comes before the program's memory is touched. */
static int begin(struct vg_thread *t, uint64_t start, uint64_t size, struct vg_extent **out)
{
	struct vg_extent *e;
	int result = check(start, size);

	if (result)
		return result;
	e = calloc(1, sizeof *e);
	if (!e)
		return CUDA_ERROR_OUT_OF_MEMORY;
	*e = (struct vg_extent){ .start = start, .size = size };
	result = vg_pages_take(t, size, &e->window);
	if (result) {
		free(e);
		return result;
	}
	result = vg_op_host_pages(t, start, e->window, size);
	if (!result) {
		result = move_in(t->channel->transport, start, e->window, size);
		if (result)
			vg_op_unmap_pinned(t, start);
	}
	if (result) {
		vg_pages_give(t, e->window, size);
		free(e);
		return result;
	}
	*out = e;
	return 0;
}

/* Pages that nothing registered has any more. */
static int end(struct vg_thread *t, struct vg_extent *e)
{
	int result = move_out(e->start, e->size);

	if (result)
		return result;
	if (!vg_channel_lost(t->channel))
		vg_op_unmap_pinned(t, e->start);
	vg_pages_give(t, e->window, e->size);
	free(e);
	return 0;
}

int vg_extents_hold(struct vg_thread *t, uint64_t start, uint64_t last)
{
	struct vg_extent **link = &vg_extents;
	int result = 0;

	for (uint64_t at = start; at < last && !result;) {
		struct vg_extent *e = *link, *fresh;
		uint64_t to = e && e->start < last ? e->start : last;

		if (e && e->start + e->size <= at) {
			link = &e->next;
			continue;
		}
		if (e && e->start <= at) {
			e->users++;
			at = e->start + e->size;
			continue;
		}
		result = begin(t, at, to - at, &fresh);
		if (result) {
			vg_extents_drop(t, start, at);
			break;
		}
		fresh->users = 1;
		fresh->next = e;
		*link = fresh;
		at = to;
	}
	return result;
}

int vg_extents_drop(struct vg_thread *t, uint64_t start, uint64_t last)
{
	struct vg_extent **link = &vg_extents;

	while (*link && (*link)->start < last) {
		struct vg_extent *e = *link;
		int result;

		if (e->start + e->size <= start || e->users > 1) {
			e->users -= e->start + e->size > start;
			link = &e->next;
			continue;
		}
		*link = e->next;
		result = end(t, e);
		if (result) {
			*link = e;
			return result;
		}
	}
	return 0;
}
