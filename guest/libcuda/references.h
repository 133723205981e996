/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What graphs keep alive: user objects of the program, and callbacks of host nodes.
 * A graph, an executable graph and a capture each hold a list of references. An
 * object's destructor runs on a thread of its own, with no lock held.
 */
#ifndef VGPU_REFERENCES_H
#define VGPU_REFERENCES_H

#include <stdbool.h>
#include <stdint.h>

struct vg_references;
struct vg_user_object;

/* Adds references to all that from refers to. */
int vg_references_copy(struct vg_references **list, const struct vg_references *from);
/* Gives all back; NULL is an empty list. */
void vg_references_release(struct vg_references *list);

/*
 * The list keeps the callback, which ends with the last list that does. It takes
 * the place of the one of the same node, which becomes a list of its own; node
 * NULL: none is meant. OUT_OF_MEMORY: nothing has changed.
 */
int vg_references_set_callback(struct vg_references **list, const void *node, uint32_t callback,
			       struct vg_references **replaced);

#endif
