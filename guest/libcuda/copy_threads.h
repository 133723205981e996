/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Threads that help with copies of pageable memory: one processor moves less than the
 * bus does. They start with the first large copy, take none of the program's
 * signals, and sleep a moment after the last one.
 */
#ifndef VGPU_COPY_THREADS_H
#define VGPU_COPY_THREADS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Pieces that may be posted and not yet done at once. */
#define VG_COPY_PIECES 64u

enum vg_copy_stores {
	VG_COPY_CACHED,		/* what is written is read soon */
	VG_COPY_AROUND_CACHE,
};

/*
 * One thread at a time posts: pieces are numbered from the first one on that begin returns. Wakes as many threads as
 * a copy of that many bytes is worth.
 */
uint64_t vg_copy_threads_begin(size_t bytes);
void vg_copy_threads_post(void *dst, const void *src, size_t size, enum vg_copy_stores stores);
/* Does one piece that nobody has begun; false if there is none. */
bool vg_copy_threads_help(void);
bool vg_copy_threads_done(uint64_t piece);
/* Every piece is done. */
void vg_copy_threads_end(void);

#endif
