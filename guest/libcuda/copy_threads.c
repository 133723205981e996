// SPDX-License-Identifier: Apache-2.0
#include "copy_threads.h"

#include <emmintrin.h>
#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "pause.h"

#define MOST_THREADS	3u		/* with more, an H200's host copies some sizes faster and others slower */
#define STACK		0x40000u
#define WORTH_WAKING	0x100000u	/* bytes; waking a thread takes as long as copying some 100 KiB */
#define CALL_AGAIN	16u		/* pieces */
#define STAY_AWAKE_NS	200000u		/* after the last piece: who copies once copies again */

struct piece {
	void *dst;
	const void *src;
	size_t size;
	enum vg_copy_stores stores;
	_Atomic uint64_t done;	/* number of the last piece here that is done, plus 1 */
};

static struct {
	_Alignas(64) _Atomic uint64_t posted;
	_Alignas(64) _Atomic uint64_t claimed;
	_Alignas(64) _Atomic uint32_t calls;	/* what sleeping threads wait on */
	_Atomic uint32_t sleeping;
	unsigned int threads;
	bool started, worth;	/* that others help with this copy */
	_Atomic uint64_t ended_at;
	struct piece pieces[VG_COPY_PIECES];
} work;

/* size bytes past the cache; dst is aligned to 16 bytes, size a multiple of 64. */
static void stream(void *dst, const void *src, size_t size)
{
	__m128i *to = dst;
	const __m128i *from = src;

	for (; size; size -= 64, to += 4, from += 4) {
		__m128i a = _mm_loadu_si128(from), b = _mm_loadu_si128(from + 1);
		__m128i c = _mm_loadu_si128(from + 2), d = _mm_loadu_si128(from + 3);

		_mm_stream_si128(to, a);
		_mm_stream_si128(to + 1, b);
		_mm_stream_si128(to + 2, c);
		_mm_stream_si128(to + 3, d);
	}
	_mm_sfence();
}

void vg_copy_bytes(void *dst, const void *src, size_t size, enum vg_copy_stores stores)
{
	size_t before = -(uintptr_t)dst & 63, whole;

	if (stores == VG_COPY_CACHED || size < 4096) {
		memcpy(dst, src, size);
		return;
	}
	whole = (size - before) & ~(size_t)63;
	memcpy(dst, src, before);
	stream((char *)dst + before, (const char *)src + before, whole);
	memcpy((char *)dst + before + whole, (const char *)src + before + whole, size - before - whole);
}

bool vg_copy_threads_help(void)
{
	uint64_t number = atomic_load_explicit(&work.claimed, memory_order_relaxed);
	struct piece *p;

	do
		if (number == atomic_load_explicit(&work.posted, memory_order_acquire))
			return false;
	while (!atomic_compare_exchange_weak_explicit(&work.claimed, &number, number + 1, memory_order_relaxed,
						      memory_order_relaxed));
	p = &work.pieces[number % VG_COPY_PIECES];
	vg_copy_bytes(p->dst, p->src, p->size, p->stores);
	atomic_store_explicit(&p->done, number + 1, memory_order_release);
	return true;
}

static void sleep_until_called(void)
{
	uint32_t calls = atomic_load(&work.calls);

	atomic_fetch_add(&work.sleeping, 1);
	if (atomic_load(&work.claimed) == atomic_load(&work.posted))
		syscall(SYS_futex, &work.calls, FUTEX_WAIT_PRIVATE, calls, NULL, NULL, 0);
	atomic_fetch_sub(&work.sleeping, 1);
}

static void *serve(void *unused)
{
	uint64_t until = 0;

	for (;;) {
		bool helped = false;

		for (unsigned int turn = 0; turn < 64; turn++) {
			helped |= vg_copy_threads_help();
			__builtin_ia32_pause();
		}
		if (helped || !until)
			until = vg_now_ns() + STAY_AWAKE_NS;
		if (vg_now_ns() < until)
			continue;
		sleep_until_called();
		until = 0;
	}
	return unused;
}

/* Half of the processors at most: the executor needs some too. */
static unsigned int wanted_threads(void)
{
	unsigned int processors = 1;
	cpu_set_t set;

	if (!sched_getaffinity(0, sizeof set, &set))
		processors = (unsigned int)CPU_COUNT(&set);
	if (processors < 4)
		return 0;
	return processors / 2 - 1 < MOST_THREADS ? processors / 2 - 1 : MOST_THREADS;
}

/* Fewer threads than wanted, even none, only make copies slower. */
static void start(void)
{
	unsigned int wanted = wanted_threads();
	sigset_t quiet, before;
	pthread_attr_t attributes;
	pthread_t thread;

	work.started = true;
	if (!wanted || pthread_attr_init(&attributes))
		return;
	pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attributes, STACK);
	/* the program's signals are for its threads, but memory that is being moved is waited for in a handler */
	sigfillset(&quiet);
	sigdelset(&quiet, SIGSEGV);
	sigdelset(&quiet, SIGBUS);
	pthread_sigmask(SIG_SETMASK, &quiet, &before);
	while (work.threads < wanted && !pthread_create(&thread, &attributes, serve, NULL))
		work.threads++;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attributes);
}

static void call(void)
{
	if (!work.worth || !atomic_load(&work.sleeping))
		return;
	atomic_fetch_add(&work.calls, 1);
	syscall(SYS_futex, &work.calls, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
}

uint64_t vg_copy_threads_begin(size_t bytes)
{
	work.worth = bytes >= WORTH_WAKING || vg_now_ns() - atomic_load_explicit(&work.ended_at, memory_order_relaxed) < STAY_AWAKE_NS;
	if (!work.started && work.worth)
		start();
	call();
	return atomic_load_explicit(&work.posted, memory_order_relaxed);
}

void vg_copy_threads_post(void *dst, const void *src, size_t size, enum vg_copy_stores stores)
{
	uint64_t number = atomic_load_explicit(&work.posted, memory_order_relaxed);
	struct piece *p = &work.pieces[number % VG_COPY_PIECES];

	p->dst = dst;
	p->src = src;
	p->size = size;
	p->stores = stores;
	atomic_store_explicit(&work.posted, number + 1, memory_order_release);
	/* one may have gone to sleep while it was called */
	if (number % CALL_AGAIN == 0)
		call();
}

bool vg_copy_threads_done(uint64_t piece)
{
	return atomic_load_explicit(&work.pieces[piece % VG_COPY_PIECES].done, memory_order_acquire) > piece;
}

void vg_copy_threads_end(void)
{
	atomic_store_explicit(&work.ended_at, vg_now_ns(), memory_order_relaxed);
}
