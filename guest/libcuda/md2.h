/* SPDX-License-Identifier: Apache-2.0 */
/* MD2 (RFC 1319) and HMAC-MD2 (RFC 2104). */
#ifndef VGPU_MD2_H
#define VGPU_MD2_H

#include <stddef.h>
#include <stdint.h>

#define VG_MD2_SIZE 16

void vg_md2(const void *data, size_t size, uint8_t digest[VG_MD2_SIZE]);
/* size at most 1024 */
void vg_hmac_md2(const uint8_t key[16], const void *data, size_t size, uint8_t mac[VG_MD2_SIZE]);

#endif
