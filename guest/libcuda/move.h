/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Putting other memory in the place of some that the program uses, with the same
 * content. Other threads may go on using it: readers see old or new memory, which
 * are alike; who writes while it is copied waits, in a handler of SIGSEGV, which
 * stays installed from the first move of a process with several threads on and
 * passes on what is not its own. A system call of another thread that writes
 * there meanwhile fails with EFAULT.
 */
#ifndef VGPU_MOVE_H
#define VGPU_MOVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* memcpy may be a sanitizer's, which does not let whole pages of a heap be copied. */
static inline void vg_copy_pages(void *to, const void *from, size_t size)
{
	__asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(size) : : "memory");
}

/*
 * Copies the size bytes at address to copy, then calls replace, which maps
 * something with that content at address in one step. Between the two nothing of
 * the heap is written, as it may lie there. Whole pages; not the caller's stack.
 * false: address could not be protected, or replace returned false.
 */
bool vg_move(uint64_t address, uint64_t size, void *copy, bool (*replace)(void *data), void *data);

#endif
