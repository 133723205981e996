// SPDX-License-Identifier: Apache-2.0
#include "callback.h"

#include <signal.h>
#include <stdlib.h>

#include "calls.h"
#include "capture.h"
#include "enter.h"
#include "gen/ops.h"

#define BLOCK	256u	/* entries allocated together, never given back */
#define BLOCKS	4096u
#define WAIT_US	1000000u

struct entry {
	struct vg_callback callback;
	_Atomic bool used;
	_Atomic uint32_t next;	/* on the list of free entries */
};

/* Numbers count from 1. The list's head is a number and, above it, a count that tells equal heads apart. */
static struct {
	_Atomic(struct entry *) blocks[BLOCKS];
	_Atomic uint64_t ended;
	_Atomic uint32_t highest;
} table;

static struct entry *entry_of(uint32_t number)
{
	struct entry *block;

	if (!number || number > BLOCK * BLOCKS)
		return NULL;
	block = atomic_load_explicit(&table.blocks[(number - 1) / BLOCK], memory_order_acquire);
	return block ? &block[(number - 1) % BLOCK] : NULL;
}

static uint32_t take_ended(void)
{
	uint64_t head = atomic_load_explicit(&table.ended, memory_order_acquire), next;

	do {
		if (!(uint32_t)head)
			return 0;
		next = (head & ~0xffffffffull) + (1ull << 32) +
		       atomic_load_explicit(&entry_of((uint32_t)head)->next, memory_order_relaxed);
	} while (!atomic_compare_exchange_weak_explicit(&table.ended, &head, next, memory_order_acquire,
							memory_order_acquire));
	return (uint32_t)head;
}

static uint32_t take_new(void)
{
	uint32_t number = atomic_fetch_add_explicit(&table.highest, 1, memory_order_relaxed) + 1;
	struct entry *block = NULL, *mine;

	if (number > BLOCK * BLOCKS) {
		atomic_fetch_sub_explicit(&table.highest, 1, memory_order_relaxed);
		return 0;
	}
	if (entry_of(number))
		return number;
	mine = calloc(BLOCK, sizeof *mine);
	if (!mine)
		return 0;
	if (!atomic_compare_exchange_strong_explicit(&table.blocks[(number - 1) / BLOCK], &block, mine,
						     memory_order_acq_rel, memory_order_acquire))
		free(mine);
	return number;
}

void vg_callback_end(uint32_t number)
{
	struct entry *e = entry_of(number);
	uint64_t head = atomic_load_explicit(&table.ended, memory_order_relaxed);

	atomic_store_explicit(&e->used, false, memory_order_relaxed);
	do
		atomic_store_explicit(&e->next, (uint32_t)head, memory_order_relaxed);
	while (!atomic_compare_exchange_weak_explicit(&table.ended, &head, (head & ~0xffffffffull) + (1ull << 32) + number,
						      memory_order_release, memory_order_relaxed));
}

bool vg_callback_find(uint32_t number, struct vg_callback *copy)
{
	struct entry *e = entry_of(number);

	if (!e || !atomic_load_explicit(&e->used, memory_order_acquire))
		return false;
	*copy = e->callback;
	return true;
}

static void run(uint32_t number, CUresult status)
{
	struct vg_callback c;

	if (!vg_callback_find(number, &c))
		return;
	if (!c.kept)
		vg_callback_end(number);
	if (c.host)
		c.host(c.data);
	else
		c.stream(c.handle, status, c.data);
}

/* Runs what the executor announces, in order, until the channel is lost. */
static void *serve(void *unused)
{
	struct vg_thread *t = vg_thread_get();
	struct vg_channel *c = vg_process.channel;
	uint32_t seen = 0, returned = atomic_load_explicit(c->returned, memory_order_relaxed);

	if (t)
		t->in_callback = true;
	while (atomic_load_explicit(c->state, memory_order_relaxed) == VGPU_HOST_READY) {
		if (atomic_load_explicit(c->called, memory_order_acquire) == returned) {
			c->transport->ops->wait(c->transport, &seen, WAIT_US);
			continue;
		}
		run(atomic_load_explicit(c->call, memory_order_relaxed),
		    (CUresult)atomic_load_explicit(c->call_status, memory_order_relaxed));
		atomic_store_explicit(c->returned, ++returned, memory_order_release);
	}
	return unused;
}

static int start_serving(void)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	static _Atomic bool started;
	sigset_t all, before;
	pthread_t thread;

	if (atomic_load_explicit(&started, memory_order_acquire))
		return 0;
	pthread_mutex_lock(&lock);
	if (!atomic_load_explicit(&started, memory_order_relaxed)) {
		/* the program's signals are for the program's threads */
		sigfillset(&all);
		pthread_sigmask(SIG_SETMASK, &all, &before);
		if (!pthread_create(&thread, NULL, serve, NULL)) {
			pthread_detach(thread);
			atomic_store_explicit(&started, true, memory_order_release);
		}
		pthread_sigmask(SIG_SETMASK, &before, NULL);
	}
	pthread_mutex_unlock(&lock);
	return atomic_load_explicit(&started, memory_order_relaxed) ? 0 : CUDA_ERROR_OUT_OF_MEMORY;
}

int vg_callback_new(const struct vg_callback *callback, uint32_t *number)
{
	int result = start_serving();
	struct entry *e;

	if (result)
		return result;
	*number = take_ended();
	if (!*number)
		*number = take_new();
	e = entry_of(*number);
	if (!e)
		return CUDA_ERROR_OUT_OF_MEMORY;
	e->callback = *callback;
	atomic_store_explicit(&e->used, true, memory_order_release);
	return 0;
}

static CUresult launch(CUstream handle, vg_host_function function, void *data, bool per_thread)
{
	struct vg_callback c = { .host = function, .data = data };
	struct vg_stream *s;
	struct vg_thread *t;
	uint32_t number;
	int result = vg_enter(&t);

	if (!result)
		result = vg_stream_get(t, handle, per_thread, &s);
	if (result)
		return result;
	if (!function)
		return CUDA_ERROR_INVALID_VALUE;
	c.kept = vg_capture_status(s) != 0;
	result = vg_callback_new(&c, &number);
	if (result)
		return result;
	result = vg_op_launch_host_func(t, s->object.number, number);
	if (result)
		vg_callback_end(number);
	else if (c.kept)
		vg_capture_keep_callback(s, number);
	else
		vg_stream_busy(s);
	return result;
}

VG_EXPORT CUresult cuLaunchHostFunc(CUstream stream, vg_host_function function, void *data)
{
	return launch(stream, function, data, false);
}

VG_EXPORT CUresult cuLaunchHostFunc_ptsz(CUstream stream, vg_host_function function, void *data)
{
	return launch(stream, function, data, true);
}

static CUresult add(CUstream handle, vg_stream_function function, void *data, unsigned int flags, bool per_thread)
{
	struct vg_callback c = { .stream = function, .data = data, .handle = handle };
	struct vg_stream *s;
	struct vg_thread *t;
	uint32_t number;
	int result = vg_enter(&t);

	if (!result)
		result = vg_stream_get(t, handle, per_thread, &s);
	if (result)
		return result;
	if (!function || flags)
		return CUDA_ERROR_INVALID_VALUE;
	result = vg_capture_break(s);
	if (!result)
		result = vg_callback_new(&c, &number);
	if (result)
		return result;
	result = vg_op_stream_add_callback(t, s->object.number, number);
	if (result)
		vg_callback_end(number);
	else
		vg_stream_busy(s);
	return result;
}

VG_EXPORT CUresult cuStreamAddCallback(CUstream stream, vg_stream_function function, void *data, unsigned int flags)
{
	return add(stream, function, data, flags, false);
}

VG_EXPORT CUresult cuStreamAddCallback_ptsz(CUstream stream, vg_stream_function function, void *data, unsigned int flags)
{
	return add(stream, function, data, flags, true);
}
