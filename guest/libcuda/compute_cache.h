/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Code that a compiler made in this user's processes before, one file for each: in vgpu/ below CUDA_CACHE_PATH or
 * ~/.nv/ComputeCache. CUDA_CACHE_DISABLE=1 and CUDA_CACHE_MAXSIZE (bytes, 1 GiB if not set, 4 GiB at most) mean what they mean to the
 * driver. What was not used for longest goes first; processes that store at once may go beyond by a sixteenth each. Any
 * thread may call; nothing is locked.
 */
#ifndef VGPU_COMPUTE_CACHE_H
#define VGPU_COMPUTE_CACHE_H

#include <stdint.h>

#define VG_CACHE_KEY 32	/* bytes: a digest of all that the code depends on */

/* 0 and the data, for free(); CUDA_ERROR_NOT_FOUND without such a file, or if it is not whole, or not this user's alone to write. */
int vg_cache_find(const uint8_t key[VG_CACHE_KEY], void **data, uint32_t *size);

/* 0, also when it is there already; CUDA_ERROR_NOT_PERMITTED if there is no cache or it cannot be written. */
int vg_cache_store(const uint8_t key[VG_CACHE_KEY], const void *data, uint32_t size);

#endif
