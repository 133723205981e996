/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Plain records of the ring, consumed without a return to Go, which would cost more than all the rest. driver/burst.go
 * has the same structures and says what they mean.
 */
#ifndef BURST_H
#define BURST_H

#include <stdint.h>

#define BURST_FENCES 64
#define NO_STREAM UINT32_MAX

enum { BURST_EMPTY, BURST_OTHER, BURST_NOTE, BURST_FAILED, BURST_LONG };

struct vg_burst {
	unsigned char *ring;
	uint64_t *tail_word, *head_word;
	uint32_t *fences;
	uint64_t head, published, spin_ns;
	uint32_t context, stream, any_stream, seen;
	uint16_t launch, launch_kernel, fence, reserved0;
	uint32_t entry_size, entry_used;

	uint32_t stop, calls, launches, noted;
	int32_t result;
	uint32_t failed, fenced, reserved1;
	struct {
		uint64_t stream;
		uint32_t slot, value;
	} written[BURST_FENCES];
};
_Static_assert(sizeof(struct vg_burst) == 1144, "layout");

/* Functions of the driver. */
struct vg_burst_calls {
	void *launch_kernel, *write_value;
};

void vg_burst(struct vg_burst *b, struct vg_burst_calls calls, const void *functions, uint32_t function_count,
	      const void *kernels, uint32_t kernel_count, const void *streams, uint32_t stream_count,
	      const uint32_t *woken, const uint32_t *changes);

#endif
