/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Waiting for memory to change: spin while that pays, then give the CPU away.
 * Only as many threads spin at once as there are other CPUs for those they wait for.
 */
#ifndef VGPU_PAUSE_H
#define VGPU_PAUSE_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

struct vg_pause {
	uint32_t turns;
	bool spinning;		/* counted among the spinning threads */
	uint64_t until_ns;	/* end of spinning, 0: not yet begun */
	uint64_t sleep_ns;
};

static inline uint64_t vg_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/*
 * One turn of spinning, at most limit_ns in all; false when it is time to sleep
 * instead. VGPU_SPIN_US in the environment lowers every limit. vg_pause_end
 * follows when the wait is over.
 */
bool vg_pause_spin(struct vg_pause *p, uint32_t limit_ns);
void vg_pause_end(struct vg_pause *p);

/* A turn of a wait that nobody ends by an interrupt: spins, then sleeps 10 us to 500 us. */
void vg_pause(struct vg_pause *p);

#endif
