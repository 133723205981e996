// SPDX-License-Identifier: Apache-2.0
#include <stdlib.h>

#include "process.h"
#include "stream.h"

_Thread_local struct vg_thread *vg_self;

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t key;
static int key_error;
static _Atomic uint32_t last_number;

static void end(void *value)
{
	struct vg_thread *t = value;

	/* a destructor that runs later may call CUDA again and gets a new record */
	if (!vg_process_ready())
		vg_thread_end(t);
	vg_self = NULL;
	free(t->stack);
	free(t);
}

static void make_key(void)
{
	key_error = pthread_key_create(&key, end);
}

/* Threads exist from cuInit on, so that each of them has the channel. */
struct vg_thread *vg_thread_new(void)
{
	struct vg_thread *t;

	if (vg_process_ready())
		return NULL;
	pthread_once(&once, make_key);
	if (key_error)
		return NULL;
	t = calloc(1, sizeof *t);
	if (!t)
		return NULL;
	if (pthread_setspecific(key, t)) {
		free(t);
		return NULL;
	}
	t->number = atomic_fetch_add_explicit(&last_number, 1, memory_order_relaxed) + 1;
	t->channel = vg_process.channel;
	vg_self = t;
	return t;
}
