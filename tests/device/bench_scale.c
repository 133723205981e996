/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Several processes on one GPU at once: bench_scale PROCESSES MILLISECONDS
 *
 * Prints a line of JSON for each step and waits for a line on its standard input before the next, so that the caller can
 * look at the processes in between: "ready" (every process has its context), "latency" (launch + wait, microseconds),
 * "throughput" (empty kernels as fast as they go). Every step lasts that many milliseconds.
 */
#include "bench_stats.h"
#include "kernels.h"
#include "own_device.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PROCESSES 64
#define SAMPLES 200000
#define BURST 100

struct result {
	double p50, p99, waits_per_second, launches, seconds, cpu_seconds;
};

/* shared by all processes */
static struct board {
	_Atomic int step;		/* that the children are to begin */
	_Atomic int done[PROCESSES];	/* the last step that each has finished */
	struct result results[PROCESSES];
} *board;

static double samples[SAMPLES];

static void nap(void)
{
	nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
}

static void latency(CUfunction empty, CUstream stream, double duration_us, struct result *r)
{
	double start = stats_now_us(), before, now = start;
	size_t count = 0;

	while (now - start < duration_us && count < SAMPLES) {
		before = now;
		DO(cu.LaunchKernel(empty, 1, 1, 1, 32, 1, 1, 0, stream, NULL, NULL));
		DO(cu.StreamSynchronize(stream));
		now = stats_now_us();
		samples[count++] = now - before;
	}
	r->waits_per_second = count / (now - start) * 1e6;
	r->p50 = stats_median(samples, count);
	r->p99 = samples[(count - 1) * 99 / 100];
}

static void throughput(CUfunction empty, CUstream stream, double duration_us, struct result *r)
{
	double start = stats_now_us(), cpu = stats_cpu_us();
	double launches = 0;

	while (stats_now_us() - start < duration_us) {
		for (int i = 0; i < BURST; i++)
			DO(cu.LaunchKernel(empty, 1, 1, 1, 32, 1, 1, 0, stream, NULL, NULL));
		launches += BURST;
	}
	DO(cu.StreamSynchronize(stream));
	r->seconds = (stats_now_us() - start) / 1e6;
	r->cpu_seconds = (stats_cpu_us() - cpu) / 1e6;
	r->launches = launches;
}

static int child(int me, double duration_us)
{
	CUfunction empty;
	CUmodule module;
	CUstream stream;

	own_device();
	DO(cu.ModuleLoadData(&module, kernels_ptx));
	DO(cu.ModuleGetFunction(&empty, module, "empty"));
	DO(cu.StreamCreate(&stream, CU_STREAM_NON_BLOCKING));
	DO(cu.LaunchKernel(empty, 1, 1, 1, 32, 1, 1, 0, stream, NULL, NULL));
	DO(cu.StreamSynchronize(stream));
	for (int step = 1; step <= 4; step++) {
		atomic_store(&board->done[me], step);
		while (atomic_load(&board->step) < step)
			nap();
		if (step == 1)
			latency(empty, stream, duration_us, &board->results[me]);
		if (step == 2)
			throughput(empty, stream, duration_us, &board->results[me]);
	}
	return 0;
}

/* Waits until every child has come to the step; false when one has died. */
static bool arrived(int processes, int step)
{
	for (int i = 0; i < processes; i++)
		while (atomic_load(&board->done[i]) < step) {
			if (waitpid(-1, NULL, WNOHANG) > 0)
				return false;
			nap();
		}
	return true;
}

static double sum(int processes, size_t member)
{
	double total = 0;

	for (int i = 0; i < processes; i++)
		total += *(double *)((char *)&board->results[i] + member);
	return total;
}

static double middle(int processes, size_t member)
{
	double values[PROCESSES];

	for (int i = 0; i < processes; i++)
		values[i] = *(double *)((char *)&board->results[i] + member);
	return stats_median(values, (size_t)processes);
}

#define SUM(name) sum(processes, offsetof(struct result, name))
#define MIDDLE(name) middle(processes, offsetof(struct result, name))

static void say(int processes, int step)
{
	double rate = 0;

	if (step == 1)
		printf("{\"step\": \"ready\"}\n");
	if (step == 2)
		printf("{\"step\": \"latency\", \"p50_us\": %.4g, \"p99_us\": %.4g, \"waits_per_second\": %.5g}\n", MIDDLE(p50),
		       MIDDLE(p99), SUM(waits_per_second));
	for (int i = 0; i < processes && step == 3; i++)
		rate += board->results[i].launches / board->results[i].seconds;
	if (step == 3)
		printf("{\"step\": \"throughput\", \"launches_per_second\": %.5g, \"launches\": %.9g, \"cpu_seconds\": %.5g}\n", rate,
		       SUM(launches), SUM(cpu_seconds));
	fflush(stdout);
}

int main(int argc, char **argv)
{
	int processes = argc == 3 ? atoi(argv[1]) : 0, status, bad = 0;
	double duration_us = argc == 3 ? atof(argv[2]) * 1000 : 0;

	if (processes < 1 || processes > PROCESSES || duration_us <= 0) {
		fprintf(stderr, "usage: bench_scale PROCESSES MILLISECONDS, at most %d processes\n", PROCESSES);
		return 2;
	}
	board = mmap(NULL, sizeof(*board), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (board == MAP_FAILED)
		return 2;
	for (int i = 0; i < processes; i++)
		if (!fork())
			_exit(child(i, duration_us));
	for (int step = 1; step <= 4; step++) {
		if (!arrived(processes, step)) {
			fprintf(stderr, "a process died\n");
			return 1;
		}
		say(processes, step);
		if (step < 4 && getchar() == EOF)
			return 1;
		atomic_store(&board->step, step);
	}
	while (wait(&status) > 0)
		bad += status != 0;
	return bad != 0;
}
