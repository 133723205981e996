/* SPDX-License-Identifier: Apache-2.0 */
/* Many threads, many processes, forks, ends, and what the environment asks for. */
#include "child.h"
#include "conformance.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define THREADS 16
#define PROCESSES 8
#define N 512
#define ROUNDS 100
#define MILLISECOND 1000000ull

/* A chain of kernels whose end tells whether each saw the one before. */
static CUresult compute(unsigned int seed, CUstream stream, unsigned int *words)
{
	CUdeviceptr memory;
	CUresult result;
	int n = N;

	for (int i = 0; i < N; i++)
		words[i] = seed + (unsigned int)i;
	if ((result = cu.MemAlloc(&memory, N * 4)) || (result = cu.MemcpyHtoDAsync(memory, words, N * 4, stream)))
		return result;
	for (unsigned int round = 0; round < ROUNDS; round++) {
		unsigned int factor = seed * 2 + 1;

		if ((result = launch_1d(kernels.step, N, stream, PARAMETERS(&memory, &factor, &round, &n))))
			return result;
	}
	if ((result = cu.MemcpyDtoHAsync(words, memory, N * 4, stream)) || (result = cu.StreamSynchronize(stream)))
		return result;
	return cu.MemFree(memory);
}

static bool right(unsigned int seed, const unsigned int *words)
{
	for (int i = 0; i < N; i++) {
		unsigned int expected = seed + (unsigned int)i;

		for (unsigned int round = 0; round < ROUNDS; round++)
			expected = expected * (seed * 2 + 1) + round;
		if (words[i] != expected)
			return false;
	}
	return true;
}

/* ---- threads ---- */

struct worker {
	pthread_t thread;
	unsigned int seed;
	const char *failure;
	CUresult result;
};

static void *run(void *data)
{
	struct worker *w = data;
	unsigned int words[N];
	CUstream stream;

	if ((w->result = cu.CtxSetCurrent(context)) ||
	    (w->result = cu.StreamCreate(&stream, CU_STREAM_NON_BLOCKING)) ||
	    (w->result = compute(w->seed, stream, words)) || (w->result = cu.StreamDestroy(stream)))
		w->failure = "a call failed";
	else if (!right(w->seed, words))
		w->failure = "wrong words";
	return NULL;
}

static bool sixteen_threads(void)
{
	struct worker workers[THREADS] = { 0 };

	USE_DEVICE;
	for (unsigned int i = 0; i < THREADS; i++) {
		workers[i].seed = i + 1;
		THAT(!pthread_create(&workers[i].thread, NULL, run, &workers[i]));
	}
	for (unsigned int i = 0; i < THREADS; i++)
		pthread_join(workers[i].thread, NULL);
	for (unsigned int i = 0; i < THREADS; i++)
		if (workers[i].failure)
			return check_reason("thread %u: %s, result %d", i, workers[i].failure, workers[i].result);
	return true;
}

/* ---- processes ---- */

static int play_worker(int socket)
{
	unsigned int seed, words[N];
	CUstream stream;
	char done = 0;

	if (!hear(socket, &seed, sizeof(seed), NULL) || device_ready() || cu.StreamCreate(&stream, CU_STREAM_NON_BLOCKING))
		return 3;
	for (int turn = 0; turn < 5; turn++)
		if (compute(seed, stream, words) || !right(seed, words))
			return 4;
	return tell(socket, &done, 1, -1) ? 0 : 5;
}

static bool eight_processes(void)
{
	struct child children[PROCESSES];
	unsigned int words[N];
	bool good = true;
	char done;

	USE_DEVICE;
	for (unsigned int i = 0; i < PROCESSES; i++) {
		unsigned int seed = 10 + i;

		if (!child_start(&children[i], "worker"))
			return false;
		THAT(tell(children[i].socket, &seed, sizeof(seed), -1));
	}
	DO(compute(99, NULL, words));
	THAT(right(99, words));
	for (unsigned int i = 0; i < PROCESSES; i++) {
		hear(children[i].socket, &done, 1, NULL);
		good = child_join(&children[i]) && good;
	}
	return good;
}

/* What every call of a forked child answers whose parent had initialised CUDA. */
static void forked(int fd)
{
	unsigned int words[N];
	CUresult results[8];
	CUdeviceptr memory;
	CUcontext current;
	int count, version;

	results[0] = cu.Init(0);
	results[1] = cu.DeviceGetCount(&count);
	results[2] = cu.CtxGetCurrent(&current);
	results[3] = cu.CtxSetCurrent(context);
	results[4] = cu.MemAlloc(&memory, 4096);
	results[5] = cu.CtxSynchronize();
	results[6] = compute(1, NULL, words);
	results[7] = cu.DriverGetVersion(&version);
	_exit(write(fd, results, sizeof(results)) == sizeof(results) ? 0 : 1);
}

static bool fork_after_init(void)
{
	CUresult results[8];
	unsigned int words[N];
	int ends[2], status;
	pid_t pid;

	USE_DEVICE;
	THAT(!pipe(ends));
	pid = fork();
	THAT(pid >= 0);
	if (!pid)
		forked(ends[1]);
	THAT(waitpid(pid, &status, 0) == pid && WIFEXITED(status) && !WEXITSTATUS(status));
	THAT(read(ends[0], results, sizeof(results)) == sizeof(results));
	close(ends[0]);
	close(ends[1]);
	for (int i = 0; i < 7; i++)
		RESULT(CUDA_ERROR_NOT_INITIALIZED, results[i]);
	check_note("%d", results[7]);
	/* the parent notices nothing */
	DO(compute(5, NULL, words));
	THAT(right(5, words));
	return true;
}

/* Forks before it has called CUDA: parent and child both work. */
static int play_forker(int socket)
{
	unsigned int words[N];
	pid_t pid = fork();
	int status = 1;
	char done = 0;

	if (pid < 0 || device_ready() || compute(pid ? 3 : 4, NULL, words) || !right(pid ? 3 : 4, words))
		return 3;
	if (!pid)
		_exit(0);
	if (waitpid(pid, &status, 0) != pid || status)
		return 4;
	return tell(socket, &done, 1, -1) ? 0 : 5;
}

static bool fork_before_init(void)
{
	struct child child;
	char done;

	if (!child_start(&child, "forker"))
		return false;
	hear(child.socket, &done, 1, NULL);
	return child_join(&child);
}

/* Calls from a handler that runs after the driver's own. */
static int leaver_socket;

static void at_exit(void)
{
	CUresult results[6];
	CUdeviceptr memory;
	CUcontext current;
	int count;

	results[0] = cu.Init(0);
	results[1] = cu.DeviceGetCount(&count);
	results[2] = cu.CtxGetCurrent(&current);
	results[3] = cu.MemAlloc(&memory, 4096);
	results[4] = cu.CtxSynchronize();
	results[5] = cu.ModuleUnload(kernels.module);
	tell(leaver_socket, results, sizeof(results), -1);
}

static int play_leaver(int socket)
{
	leaver_socket = socket;
	if (atexit(at_exit) || device_ready())
		return 3;
	exit(0);
}

static bool after_exit(void)
{
	CUresult results[6];
	struct child child;

	if (!child_start(&child, "leaver"))
		return false;
	THAT(hear(child.socket, results, sizeof(results), NULL));
	for (int i = 0; i < 6; i++)
		check_note("%d", results[i]);
	return child_join(&child);
}

/* Killed with work under way: nobody else notices, and the memory is free again. */
static int play_victim(int socket)
{
	unsigned long long bound = 60000 * MILLISECOND;
	volatile unsigned int *gate;
	CUdeviceptr memory;
	char ready = 0;

	if (device_ready() || cu.MemAlloc(&memory, 32 << 20) || cu.MemHostAlloc((void **)&gate, 4096, 0))
		return 3;
	*gate = 0;
	if (cu.LaunchKernel(kernels.wait_for_gate, 1, 1, 1, 1, 1, 1, 0, NULL, PARAMETERS(&gate, &bound), NULL))
		return 4;
	tell(socket, &ready, 1, -1);
	pause();
	return 5;
}

static bool killed_process(void)
{
	const struct timespec pause = { 0, 20 * MILLISECOND };
	size_t before, now = 0, total;
	unsigned int words[N];
	struct child child;
	char ready;

	USE_DEVICE;
	DO(compute(2, NULL, words));
	DO(cu.MemGetInfo(&before, &total));
	if (!child_start(&child, "victim"))
		return false;
	THAT(hear(child.socket, &ready, 1, NULL));
	child_kill(&child);
	for (int turn = 0; turn < 250 && now < before; turn++) {
		DO(cu.MemGetInfo(&now, &total));
		nanosleep(&pause, NULL);
	}
	THAT(now >= before);
	DO(compute(7, NULL, words));
	THAT(right(7, words));
	return true;
}

/* ---- the environment ---- */

struct surroundings {
	CUresult init, mode_result, work;
	int count, mode;
};

static int play_surroundings(int socket)
{
	BIND(cuModuleGetLoadingMode, int *);
	struct surroundings s = { 0 };
	unsigned int words[N];

	s.init = cu.Init(0);
	if (!s.init) {
		cu.DeviceGetCount(&s.count);
		s.mode_result = cuModuleGetLoadingMode(&s.mode);
		s.work = device_ready();
		if (!s.work)
			s.work = compute(6, NULL, words);
		if (!s.work && !right(6, words))
			s.work = 12345;
	}
	return tell(socket, &s, sizeof(s), -1) ? 0 : 3;
}

static bool with(const char *name, const char *value, struct surroundings *s)
{
	struct child child;
	bool started;

	setenv(name, value, 1);
	started = child_start(&child, "surroundings");
	unsetenv(name);
	if (!started || !hear(child.socket, s, sizeof(*s), NULL))
		return check_reason("%s=%s: no answer", name, value);
	return child_join(&child);
}

static bool visible_devices(void)
{
	static const char *const lists[] = { "0", "", "-1", "99", "0,0", "0,99", "99,0", " 0", "none", "GPU-", "GPU-none" };
	struct surroundings s;

	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		if (!with("CUDA_VISIBLE_DEVICES", lists[i], &s))
			return false;
		check_note("%d", s.init);
		if (!s.init) {
			check_note("(%d)", s.count);
			RESULT(0, s.work);
		}
	}
	return true;
}

static bool device_order(void)
{
	static const char *const orders[] = { "PCI_BUS_ID", "FASTEST_FIRST", "", "nonsense" };
	struct surroundings s;

	for (size_t i = 0; i < sizeof(orders) / sizeof(orders[0]); i++) {
		if (!with("CUDA_DEVICE_ORDER", orders[i], &s))
			return false;
		check_note("%d", s.init);
		RESULT(0, s.work);
	}
	return true;
}

static bool module_loading(void)
{
	static const char *const modes[] = { "LAZY", "EAGER", "DEFAULT", "", "lazy", "eager", "nonsense" };
	struct surroundings s;

	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		if (!with("CUDA_MODULE_LOADING", modes[i], &s))
			return false;
		RESULT(0, s.mode_result);
		check_note("%d", s.mode);
		RESULT(0, s.work);
	}
	return true;
}

struct blocking {
	CUresult result;
	unsigned int milliseconds;
	CUresult fault, after;
};

/* Launches by itself or in a graph, as make_launch has recorded it. */
static CUresult make_launch(CUfunction function, void **parameters, bool graph, CUstream stream, CUgraphExec *exec)
{
	CUresult result;
	CUgraph made;

	*exec = NULL;
	if (!graph)
		return 0;
	if ((result = cu.StreamBeginCapture(stream, CU_STREAM_CAPTURE_MODE_RELAXED)) ||
	    (result = launch_1d(function, 1, stream, parameters)) || (result = cu.StreamEndCapture(stream, &made)))
		return result;
	return cu.GraphInstantiate(exec, made, 0);
}

static CUresult do_launch(CUgraphExec exec, CUfunction function, void **parameters, CUstream stream)
{
	return exec ? cu.GraphLaunch(exec, stream) :
		      cu.LaunchKernel(function, 1, 1, 1, 1, 1, 1, 0, stream, parameters, NULL);
}

/* The parent says whether it is about graphs. */
static int play_blocking(int socket)
{
	unsigned long long nanoseconds = 200 * MILLISECOND;
	CUdeviceptr nowhere = 0, bad = 0x10;
	struct timespec start, end;
	struct blocking b = { 0 };
	unsigned int value = 1;
	void **spin = PARAMETERS(&nanoseconds, &nowhere), **fault = PARAMETERS(&bad, &value);
	CUgraphExec spinning, faulting;
	CUstream stream;
	bool graph;

	if (!hear(socket, &graph, sizeof(graph), NULL) || device_ready() ||
	    cu.StreamCreate(&stream, CU_STREAM_NON_BLOCKING) ||
	    make_launch(kernels.spin, spin, graph, stream, &spinning) ||
	    make_launch(kernels.write_word, fault, graph, stream, &faulting) ||
	    launch_1d(kernels.empty, 1, stream, NULL) || cu.CtxSynchronize())
		return 3;
	clock_gettime(CLOCK_MONOTONIC, &start);
	b.result = do_launch(spinning, kernels.spin, spin, stream);
	clock_gettime(CLOCK_MONOTONIC, &end);
	b.milliseconds = (unsigned int)((end.tv_sec - start.tv_sec) * 1000 + (end.tv_nsec - start.tv_nsec) / 1000000);
	b.fault = do_launch(faulting, kernels.write_word, fault, stream);
	b.after = cu.CtxSynchronize();
	return tell(socket, &b, sizeof(b), -1) ? 0 : 4;
}

static bool blocking(bool graph)
{
	static const char *const values[] = { "1", "0", "" };
	struct blocking b;
	struct child child;
	bool started;

	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		setenv("CUDA_LAUNCH_BLOCKING", values[i], 1);
		started = child_start(&child, "blocking");
		unsetenv("CUDA_LAUNCH_BLOCKING");
		if (!started || !tell(child.socket, &graph, sizeof(graph), -1) ||
		    !hear(child.socket, &b, sizeof(b), NULL))
			return check_reason("no answer");
		if (!child_join(&child))
			return false;
		RESULT(0, b.result);
		check_note("%s %d %d", b.milliseconds >= 150 ? "waits" : "returns", b.fault, b.after);
		/* the first value asks for it, the others do not */
		THAT(i ? !b.fault : b.milliseconds >= 150 && b.fault == b.after);
	}
	return true;
}

static bool launch_blocking(void)
{
	return blocking(false);
}

static bool graph_launch_blocking(void)
{
	return blocking(true);
}

const struct role worker_role = { "worker", play_worker };
const struct role forker_role = { "forker", play_forker };
const struct role leaver_role = { "leaver", play_leaver };
const struct role victim_role = { "victim", play_victim };
const struct role surroundings_role = { "surroundings", play_surroundings };
const struct role blocking_role = { "blocking", play_blocking };

static const struct check checks[] = {
	{ "sixteen_threads", sixteen_threads },
	{ "eight_processes", eight_processes },
	{ "fork_after_init", fork_after_init },
	{ "fork_before_init", fork_before_init },
	{ "after_exit", after_exit },
	{ "killed_process", killed_process },
	{ "visible_devices", visible_devices },
	{ "device_order", device_order },
	{ "module_loading", module_loading },
	{ "launch_blocking", launch_blocking },
	{ "graph_launch_blocking", graph_launch_blocking },
};
const struct check_group process_family = GROUP("processes", checks);
