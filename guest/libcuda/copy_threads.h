/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Threads that help with copies of pageable memory: one processor moves less than the
 * bus does. They start with the first copy of 1 MiB, or of several pieces shortly behind another one, take
 * none of the program's signals, and sleep a moment after the last one. Copies of one piece are no work for them: to start
 * or wake them takes far longer.
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

/* Copies here and now. */
void vg_copy_bytes(void *dst, const void *src, size_t size, enum vg_copy_stores stores);

/*
 * One thread at a time posts: pieces are numbered from the first one on that begin returns. Wakes as many threads as
 * a copy of that many bytes is worth.
 */
uint64_t vg_copy_threads_begin(size_t bytes);
void vg_copy_threads_post(void *dst, const void *src, size_t size, enum vg_copy_stores stores);
/* Does one piece that nobody has begun; false if there is none. */
bool vg_copy_threads_help(void);
bool vg_copy_threads_done(uint64_t piece);
/* Every piece is done, or a copy of one piece is: what comes shortly behind either is worth to wake threads. Any thread may say so. */
void vg_copy_threads_end(void);

#endif
