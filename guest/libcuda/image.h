/* SPDX-License-Identifier: Apache-2.0 */
/* Images of device code: how long one is, and its way to the executor. */
#ifndef VGPU_IMAGE_H
#define VGPU_IMAGE_H

#include "objects.h"

/* Bytes of a fatbin, ELF or PTX text known only by its address; 0: none of these. */
size_t vg_image_size(const void *image);

/* Follows the runtime's wrapper (magic 0x466243B1) to the image; other images are returned as they are. */
const void *vg_image_unwrap(const void *image);

/*
 * Makes the image known to the executor under *number, without sending the bytes if
 * the host has them already. vg_image_drop when the load is done,
 * whatever came of it.
 */
int vg_image_send(struct vg_thread *t, const void *image, size_t size, uint32_t *number);
void vg_image_drop(struct vg_thread *t, uint32_t number);

/* A file's bytes, followed by a NUL that size does not count; free() them. FILE_NOT_FOUND, INVALID_VALUE. */
int vg_image_read(const char *name, void **image, size_t *size);

#endif
