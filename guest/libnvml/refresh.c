// SPDX-License-Identifier: Apache-2.0
/*
 * While nothing happens in the domain the host stops to look at the GPU for it. What changes all the
 * same, since others use the GPU, it is asked for then.
 */
#include <stdatomic.h>
#include <time.h>

#include "nvml.h"

/* A host that is well answers in a few milliseconds; without one the numbers are its last. */
#define PATIENCE_US	50000
#define FIRST_PAUSE_US	50
#define LONGEST_PAUSE_US 2000

/* What the host's word was when it was waited for in vain: not again. The word of a host that rests is odd. */
static _Atomic uint32_t waited_in_vain;

static int64_t now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000ll + now.tv_nsec / 1000;
}

static void sleep_us(long us)
{
	struct timespec pause = { .tv_nsec = us * 1000 };

	nanosleep(&pause, NULL);
}

void vn_refresh(void)
{
	uint32_t resting, word;
	int64_t end;

	if (!vn_looks(false, &resting) || !(resting & VGPU_LOOKS_RESTING) || resting == waited_in_vain)
		return;
	word = resting;
	if (vn_looks(true, &word)) {
		end = now_us() + PATIENCE_US;
		for (long pause = FIRST_PAUSE_US; word == resting && now_us() < end; pause *= 2) {
			sleep_us(pause < LONGEST_PAUSE_US ? pause : LONGEST_PAUSE_US);
			if (!vn_looks(false, &word))
				return;
		}
	}
	if (word == resting)
		waited_in_vain = resting;
}
