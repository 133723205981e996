/* SPDX-License-Identifier: Apache-2.0 */
/* Texture and surface objects, texture and surface references. */
#ifndef VGPU_TEXTURE_H
#define VGPU_TEXTURE_H

#include "array.h"
#include "module.h"

/* A context ends, and with it what was made in it. */
void vg_textures_end(const struct vg_context *c);

/* A reference belongs to a module, or to a context when a program made it. */
void vg_references_end(const struct vg_module *m, const struct vg_context *c);

#endif
