/* SPDX-License-Identifier: Apache-2.0 */
/* Events of whole contexts, ordinary and green ones. */
#ifndef VGPU_CONTEXT_EVENT_H
#define VGPU_CONTEXT_EVENT_H

#include "objects.h"

/* Whether event and context may meet: 0, 400 for no event, 900 while a stream of the context is being captured. */
int vg_context_event_ready(struct vg_context *c, CUevent event);

/* The event now stands for a context's work; only the executor knows when that is done. */
void vg_context_event_recorded(CUevent event);

/* All streams of the context have something to wait for. */
void vg_context_busy(struct vg_context *c);

#endif
