/* SPDX-License-Identifier: Apache-2.0 */
/* Options of the compiler and the linker (CUjit_option) and what they return. */
#ifndef VGPU_JIT_H
#define VGPU_JIT_H

#include <stdint.h>

#define VG_JIT_OPTIONS_MAX 64

/*
 * Options travel as (id, value) pairs. What returns something stays here: log
 * buffers, and the places in the program's array of values that sizes and time are
 * stored to.
 */
struct vg_jit {
	uint32_t pairs[2 * VG_JIT_OPTIONS_MAX];
	uint32_t count;
	char *info, *error;
	uint32_t info_size, error_size;
	void **info_size_out, **error_size_out, **wall_time_out;
};

/* 0, or INVALID_VALUE for missing arrays or too many options. */
int vg_jit_read(struct vg_jit *j, unsigned int count, const int *options, void **values);

static inline uint32_t vg_jit_bytes(const struct vg_jit *j)
{
	return j->count * 2 * (uint32_t)sizeof j->pairs[0];
}

/* Takes the option out that asks for the time, for calls that measure it here. */
void vg_jit_keep_time(struct vg_jit *j);

/* Puts text into a log buffer of room bytes, cut and ended by a NUL; none if there is no buffer. */
void vg_jit_log(char *to, uint32_t room, const void *text, uint32_t size);

/* The logs of a load: u32 size of the info log, u32 size of the error log, both texts. */
void vg_jit_logs(const struct vg_jit *j, const uint8_t *logs, uint32_t size);

#endif
