/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How long the hardware lets this process's work have the GPU while other processes have some too. libcuda lets a process's groups of channels
 * have slices of 2048 us for kernels and leaves the kernel module's 1024 us to those that copy (driver 580.159.04); a process may set
 * other ones for its own groups, and needs no right for it.
 */
#ifndef SLICES_H
#define SLICES_H

#include <stdint.h>

/* What came of it: of how many groups, how many kept what they had, how many are not known, and the first refusal: errno, or else the driver's status. */
struct vg_sliced {
	uint32_t groups, refused, missed, status;
	int error;
};

/* For all groups that there are, and from now on for each that is allocated; 0: back to what each of them had. Takes a call of the driver for each group, two at first. */
struct vg_sliced vg_set_slice(uint64_t microseconds);

#endif
