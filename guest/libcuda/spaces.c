// SPDX-License-Identifier: Apache-2.0
#include "spaces.h"

#include <sys/mman.h>

#include "gen/ops.h"

/*
 * The first places are those that an executor holds from its start. A program may have
 * something there: Go's runtime puts its heap anywhere below 2^46. No place meets
 * another, nor where kernels put programs (0x55...) and what they map by themselves (0x7f...).
 */
static const uint64_t device_places[] = {
	VGPU_DEVICE_BASE, 0x400000000000, 0x480000000000, 0x600000000000, 0x680000000000, 0x700000000000, 0x100000000000,
};
static const uint64_t pinned_places[] = {
	VGPU_PINNED_BASE, 0x500000000000, 0x520000000000, 0x580000000000, 0x5c0000000000, 0x180000000000,
};
#define COUNT(places) (sizeof(places) / sizeof *(places))

struct vg_spaces vg_spaces = { .lock = PTHREAD_MUTEX_INITIALIZER };

/* read by every copy: not on the line of the lock */
struct vg_places vg_places __attribute__((aligned(64)));

uint64_t vg_spaces_take(struct vg_space *space, uint64_t size, uint64_t align)
{
	uint64_t address;

	pthread_mutex_lock(&vg_spaces.lock);
	address = vg_space_take(space, size, align);
	pthread_mutex_unlock(&vg_spaces.lock);
	return address;
}

void vg_spaces_give(struct vg_space *space, uint64_t address, uint64_t size)
{
	pthread_mutex_lock(&vg_spaces.lock);
	vg_space_give(space, address, size);
	pthread_mutex_unlock(&vg_spaces.lock);
}

static bool reserve(uint64_t base, uint64_t size)
{
	void *p = mmap((void *)(uintptr_t)base, size, PROT_NONE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);

	if (p == (void *)(uintptr_t)base)
		return true;
	if (p != MAP_FAILED)
		munmap(p, size);
	return false;
}

static void release(uint64_t *held, uint64_t size)
{
	if (*held)
		munmap((void *)(uintptr_t)*held, size);
	*held = 0;
}

/* Holds the first free place of the list behind the one held, which is given up; false if there is none. */
static bool move_on(uint64_t *held, const uint64_t *places, size_t count, uint64_t size, struct vg_space *space)
{
	size_t next = 0;

	for (size_t i = 0; *held && i < count; i++)
		if (places[i] == *held)
			next = i + 1;
	while (next < count && !reserve(places[next], size))
		next++;
	if (next == count)
		return false;
	release(held, size);
	*held = places[next];
	*space = (struct vg_space){ .base = *held, .size = size };
	return true;
}

static bool move_device(void)
{
	return move_on(&vg_places.device, device_places, COUNT(device_places), VGPU_DEVICE_SIZE, &vg_spaces.device);
}

static bool move_pinned(void)
{
	return move_on(&vg_places.pinned, pinned_places, COUNT(pinned_places), VGPU_PINNED_SIZE, &vg_spaces.pinned);
}

bool vg_spaces_hold(void)
{
	if (move_device() && move_pinned())
		return true;
	vg_spaces_drop();
	return false;
}

void vg_spaces_drop(void)
{
	release(&vg_places.device, VGPU_DEVICE_SIZE);
	release(&vg_places.pinned, VGPU_PINNED_SIZE);
}

int vg_spaces_agree(struct vg_thread *t)
{
	uint32_t taken = 0;
	int result;

	while (vg_places.device != VGPU_DEVICE_BASE || vg_places.pinned != VGPU_PINNED_BASE) {
		result = vg_op_place_ranges(t, vg_places.device, vg_places.pinned, &taken);
		if (result || !taken)
			return result;
		if (((taken & VGPU_TAKEN_DEVICE) && !move_device()) || ((taken & VGPU_TAKEN_PINNED) && !move_pinned())) {
			vg_log("no addresses for device and pinned memory are free both in this process and in its executor");
			return CUDA_ERROR_DEVICE_UNAVAILABLE;
		}
	}
	return 0;
}
