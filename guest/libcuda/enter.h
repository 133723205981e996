/* SPDX-License-Identifier: Apache-2.0 */
/* What a call does first. */
#ifndef VGPU_ENTER_H
#define VGPU_ENTER_H

#include "objects.h"
#include "ring.h"

/* What a call answers once the executor or the context is lost; the first one tells why, if the kernel has said it. */
int vg_lost(struct vg_thread *t, int result);

/*
 * For calls that work in the current context: 0 and the thread, or 3 before
 * cuInit, 4 at exit, 201 without a current context, 800 in a callback, 709 when the
 * context has ended, or the sticky code of a lost context.
 */
static inline int vg_enter(struct vg_thread **t)
{
	struct vg_thread *self;
	int result = vg_process_ready();

	if (__builtin_expect(result != 0, 0))
		return result;
	self = vg_thread_get();
	if (__builtin_expect(!self, 0))
		return CUDA_ERROR_OUT_OF_MEMORY;
	if (__builtin_expect(!self->current, 0))
		return self->in_callback ? CUDA_ERROR_NOT_PERMITTED : CUDA_ERROR_INVALID_CONTEXT;
	if (__builtin_expect(!atomic_load_explicit(&self->current->retained, memory_order_relaxed), 0))
		return CUDA_ERROR_CONTEXT_IS_DESTROYED;
	*t = self;
	result = vg_channel_lost(self->channel);
	return __builtin_expect(result != 0, 0) ? vg_lost(self, result) : 0;
}

/*
 * A context that is current for one call only, in a thread that has none: the driver takes a stream's, an event's or a
 * function's own. VG_LOAN declares one that ends with its scope.
 */
struct vg_loan {
	struct vg_thread *thread;	/* NULL: nothing is lent */
};
#define VG_LOAN __attribute__((cleanup(vg_loan_end))) struct vg_loan

static inline void vg_loan_end(struct vg_loan *loan)
{
	if (__builtin_expect(loan->thread != NULL, 0))
		loan->thread->current = NULL;
}

/* Lends c to the calling thread if it has no context and may have one. */
void vg_lend(struct vg_loan *loan, struct vg_context *c);

/* Lends the context of a stream that a program has made; the other handles mean a stream of the current context. */
void vg_lend_stream(struct vg_loan *loan, CUstream handle);

/* As vg_enter, in the stream's context if the thread has none. */
static inline int vg_enter_stream(struct vg_thread **t, CUstream handle, struct vg_loan *loan)
{
	if (__builtin_expect(!vg_self || !vg_self->current, 0))
		vg_lend_stream(loan, handle);
	return vg_enter(t);
}

/* For calls that are answered here and know no context: 0, 3 before cuInit, 4 at exit, or 800 in a callback. */
static inline int vg_enter_local(void)
{
	struct vg_thread *self = vg_thread_get();
	int result = vg_process_ready();

	return result || !self || !self->in_callback ? result : CUDA_ERROR_NOT_PERMITTED;
}

/*
 * For calls that need the executor but no context (libraries): as vg_enter, without
 * 201 and 709. Starts the executor if it is not there yet.
 */
int vg_enter_library(struct vg_thread **t);

#endif
