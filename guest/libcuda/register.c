// SPDX-License-Identifier: Apache-2.0
#include "register.h"

#include <string.h>
#include <sys/mman.h>

#include "calls.h"
#include "capture.h"
#include "enter.h"
#include "gen/ops.h"
#include "maps.h"
#include "move.h"
#include "pages.h"
#include "spaces.h"
#include "stream.h"

#define FLAG_IO_MEMORY	4u
#define FLAG_READ_ONLY	8u
#define FLAGS		15u
#define PAGE		4096ull

pthread_mutex_t vg_register_lock = PTHREAD_MUTEX_INITIALIZER;

/* What mappings of the arena look like. */
static struct {
	unsigned int major, minor;
	unsigned long inode;
} arena;

static uint64_t first_page(const struct vg_range *r)
{
	return r->base & ~(PAGE - 1);
}

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

static int find_taken(uint64_t address, uint64_t size)
{
	struct vg_range other;

	if (!vg_range_find_overlap(address, size, &other))
		return 0;
	return other.kind == VG_RANGE_REGISTERED ? CUDA_ERROR_HOST_MEMORY_ALREADY_REGISTERED : CUDA_ERROR_INVALID_VALUE;
}

/* The lock is held. The executor may refuse, so it comes before the program's memory is touched. */
static int begin(struct vg_thread *t, struct vg_range *r)
{
	uint64_t address = first_page(r);
	int result = find_taken(address, r->backing);

	if (!result)
		result = check(address, r->backing);
	if (!result)
		result = vg_pages_take(t, r->backing, &r->window);
	if (result)
		return result;
	result = vg_op_host_register(t, address, r->window, r->backing);
	if (!result) {
		result = vg_range_add(r);
		if (!result) {
			result = move_in(t->channel->transport, address, r->window, r->backing);
			if (result)
				vg_range_remove(r->base, VG_RANGE_REGISTERED, r);
		}
		if (result)
			vg_op_unmap_pinned(t, address);
	}
	if (result)
		vg_pages_give(t, r->window, r->backing);
	return result;
}

VG_EXPORT CUresult cuMemHostRegister_v2(void *address, size_t size, unsigned int flags)
{
	struct vg_range r = { .base = (uint64_t)(uintptr_t)address, .size = size, .kind = VG_RANGE_REGISTERED,
			      .flags = flags };
	struct vg_thread *t;
	int result = vg_enter(&t);

	if (!result)
		result = vg_capture_forbids(t);
	if (result)
		return result;
	if (!address || !size || (flags & ~FLAGS) || r.base + size < size || r.base + size > (1ull << 47))
		return CUDA_ERROR_INVALID_VALUE;
	/* no guest process reaches memory of devices on the host */
	if (flags & FLAG_IO_MEMORY)
		return CUDA_ERROR_NOT_PERMITTED;
	if (flags & FLAG_READ_ONLY)
		return CUDA_ERROR_NOT_SUPPORTED;
	r.backing = ((r.base + size + PAGE - 1) & ~(PAGE - 1)) - first_page(&r);
	r.context = t->current->base;
	r.id = vg_range_id();
	pthread_mutex_lock(&vg_register_lock);
	result = begin(t, &r);
	pthread_mutex_unlock(&vg_register_lock);
	return result;
}

VG_EXPORT CUresult cuMemHostRegister(void *address, size_t size, unsigned int flags)
{
	return cuMemHostRegister_v2(address, size, flags);
}

int vg_register_end(struct vg_thread *t, const struct vg_range *range)
{
	struct vg_range r;
	int result;

	pthread_mutex_lock(&vg_register_lock);
	result = move_out(first_page(range), range->backing);
	if (!result && vg_range_remove(range->base, VG_RANGE_REGISTERED, &r)) {
		if (!vg_channel_lost(t->channel))
			vg_op_unmap_pinned(t, first_page(&r));
		vg_pages_give(t, r.window, r.backing);
	}
	pthread_mutex_unlock(&vg_register_lock);
	return result;
}

VG_EXPORT CUresult cuMemHostUnregister(void *address)
{
	struct vg_range r;
	struct vg_thread *t;
	int moved, result = vg_enter(&t);

	if (!result)
		result = vg_capture_forbids(t);
	if (result)
		return result;
	if (!address)
		return CUDA_ERROR_INVALID_VALUE;
	if (!vg_range_find((uint64_t)(uintptr_t)address, &r))
		return CUDA_ERROR_HOST_MEMORY_NOT_REGISTERED;
	if (r.kind != VG_RANGE_REGISTERED || r.base != (uint64_t)(uintptr_t)address)
		return CUDA_ERROR_INVALID_VALUE;
	result = vg_context_wait(t, r.context);
	if (vg_channel_lost(t->channel))
		return result;
	moved = vg_register_end(t, &r);
	return moved ? moved : result;
}
