/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stream-ordered memory. Its addresses are the driver's choice; where they might
 * meet addresses of this process, they are taken out of its address space.
 */
#ifndef VGPU_POOL_H
#define VGPU_POOL_H

#include "memory.h"

/* Memory that a graph allocates whenever it is launched: 0 or OUT_OF_MEMORY. Its address stays the graph's. */
int vg_pool_graph_memory(uint64_t address, uint64_t size);

/* Gives r, which is of kind POOL, back at once. */
int vg_pool_free(struct vg_thread *t, const struct vg_range *r);

/* The stream has been waited for: what pools hold beyond their thresholds goes back, as natively. */
void vg_pool_settle(struct vg_thread *t, struct vg_stream *s);
static inline void vg_pool_waited(struct vg_thread *t, struct vg_stream *s)
{
	if (__builtin_expect(atomic_load_explicit(&s->freed, memory_order_relaxed), 0))
		vg_pool_settle(t, s);
}

/*
 * Keeps [address, address + size) free of mappings of this process from now on;
 * false when there are some already.
 */
bool vg_guard_addresses(uint64_t address, uint64_t size);

#endif
