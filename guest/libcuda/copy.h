/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VGPU_COPY_H
#define VGPU_COPY_H

#include "objects.h"

/* What an end of a copy is; no address is an array. */
enum vg_place { VG_PLACE_PAGEABLE, VG_PLACE_PINNED, VG_PLACE_DEVICE, VG_PLACE_ARRAY };
enum vg_place vg_place_of(uint64_t address);

/*
 * One linear copy between any two places on the stream. sync: as the calls
 * without Async order it, the data has arrived at the return wherever the host is involved.
 */
int vg_copy(struct vg_thread *t, uint64_t dst, enum vg_place to, uint64_t src, enum vg_place from, size_t size,
	    struct vg_stream *s, bool sync);

#endif
