// SPDX-License-Identifier: Apache-2.0
/* Calls in threads without a current context. */
#include "enter.h"

void vg_lend(struct vg_loan *loan, struct vg_context *c)
{
	struct vg_thread *self = vg_process_ready() ? NULL : vg_thread_get();

	if (!self || self->current || self->in_callback)
		return;
	self->current = c;
	loan->thread = self;
}

void vg_lend_stream(struct vg_loan *loan, CUstream handle)
{
	if (handle && handle != CU_STREAM_LEGACY && handle != CU_STREAM_PER_THREAD && handle->object.kind == VG_STREAM)
		vg_lend(loan, handle->context);
}
