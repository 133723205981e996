/* SPDX-License-Identifier: Apache-2.0 */
/* What this process has mapped: /proc/self/maps. */
#ifndef VGPU_MAPS_H
#define VGPU_MAPS_H

#include <stdbool.h>
#include <stdint.h>

struct vg_mapping {
	uint64_t start, end;
	bool readable, writable, executable, shared, stack;
	unsigned int major, minor;	/* of the file's device */
	unsigned long inode;
};

/*
 * Calls visit for every mapping that has addresses in common with [start, end), in
 * order, until it returns something else than 0, which is returned. 0 at the end;
 * -1 when the file cannot be read. Allocates nothing.
 */
int vg_maps_visit(uint64_t start, uint64_t end, int (*visit)(const struct vg_mapping *, void *), void *data);

#endif
