// SPDX-License-Identifier: Apache-2.0
#include "move.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define LOOK_NS	20000
#define LAST	4u	/* moves that are remembered: a signal may come late */

static struct {
	pthread_mutex_t lock;		/* one move at a time */
	struct {
		_Atomic uint64_t start, end;
	} last[LAST];
	_Atomic uint32_t turn;		/* counts; odd while a move is under way */
	struct sigaction before;	/* what handled SIGSEGV */
} moves = { .lock = PTHREAD_MUTEX_INITIALIZER };

/* The move after which this thread has tried its access again. */
static _Thread_local uint32_t tried __attribute__((tls_model("initial-exec")));
static _Thread_local bool passing __attribute__((tls_model("initial-exec")));

static void die_of(const siginfo_t *info)
{
	struct sigaction standard = { .sa_handler = SIG_DFL };

	sigaction(SIGSEGV, &standard, NULL);
	if (info->si_code <= 0) /* somebody sent it; else the access faults again */
		syscall(SYS_tgkill, getpid(), syscall(SYS_gettid), SIGSEGV);
}

static void pass_on(int number, siginfo_t *info, void *context)
{
	/* whoever came before may have taken us for the one before him */
	if (passing || (!(moves.before.sa_flags & SA_SIGINFO) &&
			(moves.before.sa_handler == SIG_DFL || moves.before.sa_handler == SIG_IGN))) {
		die_of(info);
		return;
	}
	passing = true;
	if (moves.before.sa_flags & SA_SIGINFO)
		moves.before.sa_sigaction(number, info, context);
	else
		moves.before.sa_handler(number);
	passing = false;
}

static bool moved(uint64_t address)
{
	for (unsigned int i = 0; i < LAST; i++)
		if (address >= atomic_load(&moves.last[i].start) && address < atomic_load(&moves.last[i].end))
			return true;
	return false;
}

/* A signal may come when its move is over: then the access is tried again, once. */
static void on_fault(int number, siginfo_t *info, void *context)
{
	uint32_t turn = atomic_load_explicit(&moves.turn, memory_order_acquire);
	int error = errno;

	if (info->si_code <= 0 || !moved((uint64_t)(uintptr_t)info->si_addr) || (turn % 2 == 0 && tried == turn)) {
		pass_on(number, info, context);
		return;
	}
	while (turn % 2 && atomic_load_explicit(&moves.turn, memory_order_acquire) == turn)
		nanosleep(&(struct timespec){ .tv_nsec = LOOK_NS }, NULL);
	tried = atomic_load_explicit(&moves.turn, memory_order_acquire);
	errno = error;
}

static void install(void)
{
	struct sigaction now, ours = { .sa_sigaction = on_fault };

	sigaction(SIGSEGV, NULL, &now);
	if ((now.sa_flags & SA_SIGINFO) && now.sa_sigaction == on_fault)
		return;
	moves.before = now;
	ours.sa_flags = SA_SIGINFO | SA_ONSTACK | (now.sa_flags & (SA_NODEFER | SA_RESTART));
	ours.sa_mask = now.sa_mask;
	sigaction(SIGSEGV, &ours, NULL);
}

static bool alone(void)
{
	struct stat tasks;

	return !stat("/proc/self/task", &tasks) && tasks.st_nlink == 3; /* itself, its parent, one thread */
}

bool vg_move(uint64_t address, uint64_t size, void *copy, bool (*replace)(void *data), void *data)
{
	void *at = (void *)(uintptr_t)address;
	bool single, good = true;

	pthread_mutex_lock(&moves.lock);
	single = alone();
	if (!single) {
		unsigned int i = atomic_load(&moves.turn) / 2 % LAST;

		install();
		atomic_store(&moves.last[i].start, address);
		atomic_store(&moves.last[i].end, address + size);
		atomic_fetch_add_explicit(&moves.turn, 1, memory_order_release);
		good = !mprotect(at, size, PROT_READ);
	}
	if (good) {
		vg_copy_pages(copy, at, size);
		good = replace(data);
		if (!good)
			mprotect(at, size, PROT_READ | PROT_WRITE);
	}
	if (!single)
		atomic_fetch_add_explicit(&moves.turn, 1, memory_order_release);
	pthread_mutex_unlock(&moves.lock);
	return good;
}
