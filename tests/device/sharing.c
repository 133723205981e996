/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tenants of one GPU. A kernel is a number of rounds of one thread, so that its length is the GPU's time and not the clock's:
 *
 *   sharing calibrate                                  rounds that take a microsecond
 *   sharing step RATE KERNELS US PERIOD_US SECONDS     every PERIOD_US so many kernels of US, and waits for them
 *   sharing hog RATE US DEPTH SECONDS                  always has DEPTH kernels of US posted
 *   sharing cost SECONDS                               launch + wait, then launches as fast as they go; again for each further line
 *   sharing endless RATE                               one kernel that takes ten minutes
 *
 * RATE is what calibrate printed. Each but calibrate prints "ready" when it has run a kernel, waits for a line on its standard input, and prints one line of
 * JSON at its end. Exit status 1 when a call fails. With timeslice.so before it the line says what is asked of its channel groups.
 */
#include "bench_stats.h"
#include "own_device.h"

#include <dlfcn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MOST_STEPS 200000
#define MOST_DEPTH 64

static const char work_ptx[] =
	".version 7.0\n"
	".target sm_52\n"
	".address_size 64\n"
	".visible .entry work(.param .u64 rounds, .param .u64 out)\n"
	"{\n"
	"	.reg .pred %p<2>;\n"
	"	.reg .b64 %rd<8>;\n"
	"	ld.param.u64 %rd1, [rounds];\n"
	"	ld.param.u64 %rd2, [out];\n"
	"	cvta.to.global.u64 %rd4, %rd2;\n"
	"	mov.u64 %rd3, 1;\n"
	"LOOP:\n"
	"	mul.lo.s64 %rd5, %rd3, 6364136223846793005;\n"
	"	add.s64 %rd3, %rd5, 1442695040888963407;\n"
	"	add.s64 %rd1, %rd1, -1;\n"
	"	setp.ne.s64 %p1, %rd1, 0;\n"
	"	@%p1 bra LOOP;\n"
	"	st.global.u64 [%rd4], %rd3;\n"
	"	ret;\n"
	"}\n";

static CUfunction work;
static CUstream stream;
static CUdeviceptr out;

/* of timeslice.c, where it is there */
static struct {
	void (*started)(const char *words);
	void (*step)(bool begins);
	void (*ended)(void);
} timeslice;

static void find_timeslice(void)
{
	*(void **)&timeslice.started = dlsym(RTLD_DEFAULT, "timeslice_started");
	*(void **)&timeslice.step = dlsym(RTLD_DEFAULT, "timeslice_step");
	*(void **)&timeslice.ended = dlsym(RTLD_DEFAULT, "timeslice_ended");
}

static void start(void)
{
	CUmodule module;

	find_timeslice();
	own_device();
	DO(cu.ModuleLoadData(&module, work_ptx));
	DO(cu.ModuleGetFunction(&work, module, "work"));
	DO(cu.StreamCreate(&stream, CU_STREAM_NON_BLOCKING));
	DO(cu.MemAlloc(&out, 4096));
}

static void launch(unsigned long long rounds)
{
	DO(cu.LaunchKernel(work, 1, 1, 1, 1, 1, 1, 0, stream, PARAMETERS(&rounds, &out), NULL));
}

static double timed(unsigned long long rounds)
{
	double begin = stats_now_us();

	launch(rounds);
	DO(cu.StreamSynchronize(stream));
	return stats_now_us() - begin;
}

static void calibrate(void)
{
	unsigned long long rounds = 1024;
	double samples[9], base;

	timed(1);
	while (timed(rounds) < 5000)
		rounds *= 2;
	for (int i = 0; i < 9; i++)
		samples[i] = timed(1);
	base = stats_median(samples, 9);
	for (int i = 0; i < 9; i++)
		samples[i] = timed(rounds);
	printf("{\"rate\": %.6f}\n", rounds / (stats_median(samples, 9) - base));
}

static unsigned long long rounds_of(double rate, double us)
{
	double rounds = rate * us;

	return rounds < 1 ? 1 : (unsigned long long)rounds;
}

/* Says that the GPU has been used and waits for the others. */
static double await_start(unsigned long long rounds)
{
	char line[256];

	timed(rounds);
	printf("ready\n");
	fflush(stdout);
	if (!fgets(line, sizeof(line), stdin))
		exit(1);
	if (timeslice.started)
		timeslice.started(line);
	return stats_now_us();
}

static void step(double rate, int kernels, double us, double period, double seconds)
{
	static double begins[MOST_STEPS], latencies[MOST_STEPS];
	unsigned long long rounds = rounds_of(rate, us);
	double first = await_start(rounds), due = first;
	int count = 0;

	while (due - first < seconds * 1e6 && count < MOST_STEPS) {
		double now = stats_now_us(), begin;

		if (due > now) {
			double at = due * 1e3;
			struct timespec until = { .tv_sec = (time_t)(at / 1e9) };

			until.tv_nsec = (long)(at - (double)until.tv_sec * 1e9);
			clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
		} else {
			due = now;
		}
		begin = stats_now_us();
		if (timeslice.step)
			timeslice.step(true);
		for (int i = 0; i < kernels; i++)
			launch(rounds);
		DO(cu.StreamSynchronize(stream));
		begins[count] = begin - first;
		latencies[count++] = stats_now_us() - begin;
		if (timeslice.step)
			timeslice.step(false);
		due += period;
	}
	if (timeslice.ended)
		timeslice.ended();
	printf("{\"first_us\": %.0f, \"begins_us\": [", first);
	for (int i = 0; i < count; i++)
		printf("%s%.0f", i ? ", " : "", begins[i]);
	printf("], \"latencies_us\": [");
	for (int i = 0; i < count; i++)
		printf("%s%.1f", i ? ", " : "", latencies[i]);
	printf("]}\n");
}

static void hog(double rate, double us, unsigned int depth, double seconds)
{
	unsigned long long rounds = rounds_of(rate, us), count = 0;
	CUevent events[MOST_DEPTH];
	double first;

	if (depth < 1 || depth > MOST_DEPTH)
		exit(2);
	for (unsigned int i = 0; i < depth; i++)
		DO(cu.EventCreate(&events[i], CU_EVENT_DISABLE_TIMING));
	first = await_start(rounds);
	for (; stats_now_us() - first < seconds * 1e6; count++) {
		if (count >= depth)
			DO(cu.EventSynchronize(events[count % depth]));
		launch(rounds);
		DO(cu.EventRecord(events[count % depth], stream));
	}
	/* those that were still posted at the end do not count */
	printf("{\"kernels\": %llu, \"seconds\": %.6f, \"work_us\": %.1f}\n", count - (count < depth ? count : depth),
	       (stats_now_us() - first) / 1e6, (double)(count - (count < depth ? count : depth)) * us);
	fflush(stdout);
	if (timeslice.ended)
		timeslice.ended();
	DO(cu.StreamSynchronize(stream));
}

/* Once for each line of standard input: it takes turns with others that measure. */
static void cost(double seconds)
{
	static double samples[MOST_STEPS];
	double first = await_start(1);
	char line[256];

	do {
		unsigned long long launches = 0;
		double now = first, begin;
		int count = 0;

		while (now - first < seconds * 5e5 && count < MOST_STEPS) {
			begin = now;
			launch(1);
			DO(cu.StreamSynchronize(stream));
			now = stats_now_us();
			samples[count++] = now - begin;
		}
		begin = stats_now_us();
		for (now = begin; now - begin < seconds * 5e5; now = stats_now_us()) {
			for (int i = 0; i < 1000; i++)
				launch(1);
			DO(cu.StreamSynchronize(stream));
			launches += 1000;
		}
		stats_open();
		stats_distribution("launch_and_wait_us", samples, (size_t)count);
		stats_number("launches_per_second", (double)launches / (now - begin) * 1e6);
		stats_close();
		fflush(stdout);
	} while (fgets(line, sizeof(line), stdin) && (first = stats_now_us()) > 0);
}

static int usage(void)
{
	fprintf(stderr, "usage: sharing calibrate | step RATE KERNELS US PERIOD_US SECONDS | hog RATE US DEPTH SECONDS | cost SECONDS | endless RATE\n");
	return 2;
}

int main(int argc, char **argv)
{
	const char *role = argc > 1 ? argv[1] : "";

	start();
	if (!strcmp(role, "calibrate") && argc == 2) {
		calibrate();
	} else if (!strcmp(role, "step") && argc == 7) {
		step(atof(argv[2]), atoi(argv[3]), atof(argv[4]), atof(argv[5]), atof(argv[6]));
	} else if (!strcmp(role, "hog") && argc == 6) {
		hog(atof(argv[2]), atof(argv[3]), (unsigned int)atoi(argv[4]), atof(argv[5]));
	} else if (!strcmp(role, "cost") && argc == 3) {
		cost(atof(argv[2]));
	} else if (!strcmp(role, "endless") && argc == 3) {
		await_start(1);
		timed(rounds_of(atof(argv[2]), 600e6));
	} else {
		return usage();
	}
	return 0;
}
