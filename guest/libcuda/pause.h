/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Waiting for memory to change: spin briefly, then give the CPU away for longer
 * and longer, at most 500 us at a time.
 */
#ifndef VGPU_PAUSE_H
#define VGPU_PAUSE_H

#include <sched.h>
#include <stdint.h>
#include <time.h>

struct vg_pause {
	uint32_t turns;
	uint64_t began_ns;	/* of the sleeping part; 0 while spinning */
};

#define VG_SPIN_TURNS 20000	/* about 0.5 ms of pause instructions */

static inline uint64_t vg_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static inline void vg_pause_sleep(struct vg_pause *p)
{
	uint64_t now = vg_now_ns();
	uint64_t sleep;

	if (!p->began_ns)
		p->began_ns = now;
	sleep = (now - p->began_ns) / 8 + 10000;
	if (sleep > 500000)
		sleep = 500000;
	nanosleep(&(struct timespec){ .tv_nsec = (long)sleep }, NULL);
}

static inline void vg_pause(struct vg_pause *p)
{
	if (p->turns < VG_SPIN_TURNS) {
		p->turns++;
		__builtin_ia32_pause();
		return;
	}
	vg_pause_sleep(p);
}

#endif
