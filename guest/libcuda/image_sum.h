/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VGPU_IMAGE_SUM_H
#define VGPU_IMAGE_SUM_H

#include <stddef.h>
#include <stdint.h>

/*
 * What an image is known by: the SHA-256 of the SHA-256s of its pieces of 1 MiB, so that
 * several threads share the work: 100 MB take one of them 0.1 s. 0 or
 * CUDA_ERROR_OUT_OF_MEMORY.
 */
int vg_image_sum(const void *image, size_t size, uint8_t sum[32]);

#endif
