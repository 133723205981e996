/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VGPU_SHA256_H
#define VGPU_SHA256_H

#include <stddef.h>
#include <stdint.h>

/* FIPS 180-4; uses the processor's SHA instructions where it has them. */
void vg_sha256(const void *data, size_t size, uint8_t digest[32]);

#endif
