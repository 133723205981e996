/* SPDX-License-Identifier: Apache-2.0 */
/* Pages of the window's arena: small requests share chunks. */
#ifndef VGPU_PAGES_H
#define VGPU_PAGES_H

#include <stdint.h>

struct vg_thread;

/* size bytes, whole pages, from byte offset *window of the arena on: 0 or OUT_OF_MEMORY. */
int vg_pages_take(struct vg_thread *t, uint64_t size, uint64_t *window);
void vg_pages_give(struct vg_thread *t, uint64_t window, uint64_t size);

#endif
