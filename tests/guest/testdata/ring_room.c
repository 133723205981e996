// SPDX-License-Identifier: Apache-2.0
/* When a record fits into the ring, the ends computed from an outdated TAIL included. */
#include "ring.h"

#include "check.h"

/* HEAD was last read when the executor was there already, or a little or much before. */
static bool room(uint64_t head, uint64_t end)
{
	static const uint64_t since[] = { 0, VGPU_LINE, VGPU_RING_SIZE / 2, VGPU_RING_SIZE, 3 * VGPU_RING_SIZE };
	int fits = 0;

	for (size_t i = 0; i < sizeof(since) / sizeof(since[0]); i++) {
		_Atomic uint64_t word = head;
		struct vg_channel c = { .head = &word, .head_seen = head - since[i] };

		fits += vg_ring_has_room(&c, end);
	}
	CHECK(fits == 0 || fits == sizeof(since) / sizeof(since[0]));
	return fits;
}

int main(void)
{
	const uint64_t ring = VGPU_RING_SIZE, far = UINT64_MAX - 10 * VGPU_LINE + 1;

	CHECK(room(0, VGPU_LINE) && room(0, ring) && !room(0, ring + VGPU_LINE));
	CHECK(room(ring, 2 * ring) && !room(ring, 2 * ring + VGPU_LINE));
	/* others took the place since TAIL was read, and the executor is past it already */
	CHECK(room(2 * VGPU_LINE, VGPU_LINE) && room(5 * ring, ring));
	CHECK(room(far, far + 20 * VGPU_LINE) && !room(far, far + ring + VGPU_LINE));
	return 0;
}
