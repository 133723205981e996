/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Plain records of the ring, consumed without a return to Go, which would cost more than all the rest. driver/burst.go
 * has the same structures and says what they mean.
 */
#ifndef BURST_H
#define BURST_H

#include <stdint.h>

#include "meter.h"

#define BURST_FENCES 64

/* Host memory that the process may name: [begin, end). */
struct vg_extent {
	uint64_t begin, end;
};

enum { BURST_EMPTY, BURST_OTHER, BURST_NOTE, BURST_FAILED, BURST_LONG, BURST_MARK };

/* Addresses are numbers: what Go hands to C costs a check for each pointer in it. */
struct vg_burst {
	uintptr_t ring, tail_word, head_word, fences;
	uint64_t head, published, believed, spin_ns;
	uint32_t context, stream, any_stream, seen;
	uint16_t launch, launch_kernel, fence, copy_in, copy_out, reserved[3];
	uint32_t entry_size, entry_used, entry_parameters;

	uint32_t stop, calls, launches, submitted, noted;
	int32_t result;
	uint32_t failed, fenced, reserved0;
	uint64_t noted_key, noted_bytes, bytes_in, bytes_out;
	struct {
		uint64_t stream;
		uint32_t slot, value;
	} written[BURST_FENCES];
};
_Static_assert(sizeof(struct vg_burst) == 1200, "layout");

/*
 * launch_kernel, write_value, htod and dtoh are the driver's cuLaunchKernel, cuStreamWriteValue32_v2, cuMemcpyHtoDAsync_v2 and
 * cuMemcpyDtoHAsync_v2; the tables are of bytes, host is in order.
 */
void vg_burst(struct vg_burst *b, uintptr_t launch_kernel, uintptr_t write_value, uintptr_t htod, uintptr_t dtoh,
	      const unsigned char *functions, uint32_t function_count, const unsigned char *kernels, uint32_t kernel_count,
	      const unsigned char *streams, uint32_t stream_count, const struct vg_extent *host, uint32_t host_count,
	      struct vg_meter *meter, const struct vg_duration *durations, const uint32_t *woken,
	      const uint32_t *changes);

#endif
