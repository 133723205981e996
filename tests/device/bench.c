/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Costs of the driver API, in microseconds where a name does not say otherwise: [BENCH_DIVIDE=n] bench [GROUP...]
 * with groups calls, memory, pinned and pageable, all of them without one, and tails if it is named.
 * The same binary measures natively and virtually. Prints one JSON object; exit status 1 when a call fails.
 */
#include "bench.h"
#include "bench_stats.h"
#include "kernels.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SAMPLES 50000
#define GRAPH_KERNELS 300
#define COMPUTE_MODE 20
#define TAILS_BATCH 2000
#define AWAY_US 2	/* between two looks at the clock: another had the processor */

static double samples[SAMPLES];
static CUfunction empty, spin;

unsigned int bench_repetitions(unsigned int wanted)
{
	const char *divide = getenv("BENCH_DIVIDE");
	unsigned int divisor = divide ? (unsigned int)atoi(divide) : 1;

	wanted /= divisor ? divisor : 1;
	return wanted ? wanted : 1;
}

static void launch(CUfunction function, CUstream stream, void **parameters)
{
	DO(cu.LaunchKernel(function, 1, 1, 1, 32, 1, 1, 0, stream, parameters, NULL));
}

/* From cuInit to the end of the first kernel, as a fresh process pays for it. */
static CUmodule start(void)
{
	double begin = stats_now_us(), initialised, with_context, loaded, again;
	CUmodule module, second;
	CUcontext context;
	CUdevice device;

	DO(cu.Init(0));
	DO(cu.DeviceGet(&device, 0));
	initialised = stats_now_us();
	DO(cu.DevicePrimaryCtxRetain(&context, device));
	DO(cu.CtxSetCurrent(context));
	DO(cu.CtxSynchronize());
	with_context = stats_now_us();
	DO(cu.ModuleLoadData(&module, kernels_ptx));
	loaded = stats_now_us();
	DO(cu.ModuleGetFunction(&empty, module, "empty"));
	launch(empty, NULL, NULL);
	DO(cu.CtxSynchronize());
	stats_number("first_kernel_ms", (stats_now_us() - begin) / 1000);
	stats_number("init_ms", (initialised - begin) / 1000);
	stats_number("context_ms", (with_context - initialised) / 1000);
	stats_number("module_load_ms", (loaded - with_context) / 1000);
	again = stats_now_us();
	DO(cu.ModuleLoadData(&second, kernels_ptx));
	stats_number("module_load_again_ms", (stats_now_us() - again) / 1000);
	DO(cu.ModuleUnload(second));
	return module;
}

static void measure_launch_and_wait(CUstream stream)
{
	unsigned int count = bench_repetitions(SAMPLES);

	for (unsigned int i = 0; i < count; i++) {
		double begin = stats_now_us();

		launch(empty, stream, NULL);
		DO(cu.StreamSynchronize(stream));
		samples[i] = stats_now_us() - begin;
	}
	stats_distribution("launch_and_wait", samples, count);
}

static void measure_throughput(CUstream stream)
{
	unsigned int count = bench_repetitions(20000);
	double begin, cpu, posted, done;

	DO(cu.StreamSynchronize(stream));
	cpu = stats_cpu_us();
	begin = stats_now_us();
	for (unsigned int i = 0; i < count; i++)
		launch(empty, stream, NULL);
	posted = stats_now_us();
	cpu = stats_cpu_us() - cpu;
	DO(cu.StreamSynchronize(stream));
	done = stats_now_us();
	stats_number("launch_call_back_to_back", (posted - begin) / count);
	stats_number("launch_cpu_back_to_back", cpu / count);
	stats_number("launches_per_second", count / (done - begin) * 1e6);
}

/* What a launch costs the calling thread while the queue is short: bursts of 100 behind nothing. */
static void measure_launch_call(CUstream stream)
{
	unsigned int bursts = bench_repetitions(50), n = 0;

	for (unsigned int burst = 0; burst < bursts; burst++) {
		DO(cu.StreamSynchronize(stream));
		for (int i = 0; i < 100; i++) {
			double begin = stats_now_us();

			launch(empty, stream, NULL);
			samples[n++] = stats_now_us() - begin;
		}
	}
	DO(cu.StreamSynchronize(stream));
	stats_distribution("launch_call", samples, n);
}

static void measure_idle_calls(CUstream stream)
{
	unsigned int count = bench_repetitions(100000);
	CUevent event;
	CUdevice device;
	double begin;
	int value;

	DO(cu.EventCreate(&event, CU_EVENT_DISABLE_TIMING));
	DO(cu.EventRecord(event, stream));
	DO(cu.StreamSynchronize(stream));
	begin = stats_now_us();
	for (unsigned int i = 0; i < count; i++)
		DO(cu.StreamSynchronize(stream));
	stats_number("idle_stream_synchronize", (stats_now_us() - begin) / count);
	begin = stats_now_us();
	for (unsigned int i = 0; i < count; i++)
		DO(cu.StreamQuery(stream));
	stats_number("idle_stream_query", (stats_now_us() - begin) / count);
	begin = stats_now_us();
	for (unsigned int i = 0; i < count; i++)
		DO(cu.EventQuery(event));
	stats_number("event_query", (stats_now_us() - begin) / count);
	begin = stats_now_us();
	for (unsigned int i = 0; i < count; i++)
		DO(cu.CtxGetDevice(&device));
	stats_number("current_device", (stats_now_us() - begin) / count);
	begin = stats_now_us();
	for (unsigned int i = 0; i < count; i++)
		DO(cu.DeviceGetAttribute(&value, COMPUTE_MODE, device));
	stats_number("device_attribute", (stats_now_us() - begin) / count);
	count = bench_repetitions(SAMPLES);
	for (unsigned int i = 0; i < count; i++) {
		begin = stats_now_us();
		DO(cu.EventRecord(event, stream));
		DO(cu.EventSynchronize(event));
		samples[i] = stats_now_us() - begin;
	}
	stats_distribution("event_record_and_wait", samples, count);
	DO(cu.EventDestroy(event));
}

/* A wait for a kernel of so many microseconds: how late the thread learns of its end, and what the wait costs. */
static void measure_long_wait(CUstream stream, unsigned int us, unsigned int count)
{
	unsigned long long nanoseconds = us * 1000ull;
	CUdeviceptr nowhere = 0;
	char name[64];
	double cpu;

	count = bench_repetitions(count);
	cpu = stats_cpu_us();
	for (unsigned int i = 0; i < count; i++) {
		double begin = stats_now_us();

		launch(spin, stream, PARAMETERS(&nanoseconds, &nowhere));
		DO(cu.StreamSynchronize(stream));
		samples[i] = stats_now_us() - begin - us;
	}
	snprintf(name, sizeof(name), "wait_%uus_cpu", us);
	stats_number(name, (stats_cpu_us() - cpu) / count);
	snprintf(name, sizeof(name), "wait_%uus_lateness", us);
	stats_distribution(name, samples, count);
}

static void measure_graph(CUstream stream)
{
	unsigned int count = bench_repetitions(500);
	CUgraph graph;
	CUgraphExec exec;
	double begin, call = 0;

	DO(cu.StreamBeginCapture(stream, CU_STREAM_CAPTURE_MODE_RELAXED));
	for (int i = 0; i < GRAPH_KERNELS; i++)
		launch(empty, stream, NULL);
	DO(cu.StreamEndCapture(stream, &graph));
	begin = stats_now_us();
	DO(cu.GraphInstantiate(&exec, graph, 0));
	stats_number("graph_300_instantiate", stats_now_us() - begin);
	DO(cu.GraphLaunch(exec, stream));
	DO(cu.StreamSynchronize(stream));
	for (unsigned int i = 0; i < count; i++) {
		begin = stats_now_us();
		DO(cu.GraphLaunch(exec, stream));
		call += stats_now_us() - begin;
		DO(cu.StreamSynchronize(stream));
		samples[i] = stats_now_us() - begin;
	}
	stats_number("graph_300_launch_call", call / count);
	stats_distribution("graph_300_launch_and_wait", samples, count);
	DO(cu.GraphExecDestroy(exec));
	DO(cu.GraphDestroy(graph));
}

static void measure_calls(CUmodule module)
{
	CUstream stream;

	DO(cu.ModuleGetFunction(&spin, module, "spin"));
	DO(cu.StreamCreate(&stream, CU_STREAM_NON_BLOCKING));
	for (int i = 0; i < 100; i++)
		launch(empty, stream, NULL);
	DO(cu.StreamSynchronize(stream));
	measure_launch_and_wait(stream);
	measure_launch_call(stream);
	measure_throughput(stream);
	measure_idle_calls(stream);
	measure_long_wait(stream, 200, 500);
	measure_long_wait(stream, 1000, 200);
	measure_long_wait(stream, 4000, 100);
	measure_graph(stream);
}

/* The calls whose tails two processors have a part in, and how often this one is away. */
static void measure_tails(void)
{
	unsigned int batches = bench_repetitions(50), small = bench_repetitions(20000), away = 0;
	double begin, before, now;
	unsigned int word;
	CUdeviceptr address;
	CUstream stream;

	DO(cu.StreamCreate(&stream, CU_STREAM_NON_BLOCKING));
	DO(cu.MemAlloc(&address, sizeof(word)));
	for (int i = 0; i < 100; i++)
		launch(empty, stream, NULL);
	DO(cu.StreamSynchronize(stream));
	measure_launch_and_wait(stream);
	for (unsigned int i = 0; i < batches; i++) {
		begin = stats_now_us();
		for (int k = 0; k < TAILS_BATCH; k++)
			launch(empty, stream, NULL);
		DO(cu.StreamSynchronize(stream));
		samples[i] = (stats_now_us() - begin) / TAILS_BATCH;
	}
	stats_distribution("launch_in_batches", samples, batches);
	DO(cu.MemcpyDtoHAsync(&word, address, sizeof(word), stream));
	for (unsigned int i = 0; i < small; i++) {
		begin = stats_now_us();
		DO(cu.MemcpyDtoHAsync(&word, address, sizeof(word), stream));
		DO(cu.StreamSynchronize(stream));
		samples[i] = stats_now_us() - begin;
	}
	stats_distribution("pageable_d2h_4_bytes", samples, small);
	begin = before = stats_now_us();
	do {
		now = stats_now_us();
		away += now - before > AWAY_US;
		before = now;
	} while (now - begin < 100000);
	stats_number("away_per_second", away / (now - begin) * 1e6);
	DO(cu.MemFree(address));
	DO(cu.StreamDestroy(stream));
}

static bool named(const char *group, int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		if (!strcmp(group, argv[i]))
			return true;
	return false;
}

static bool chosen(const char *group, int argc, char **argv)
{
	return argc < 2 || named(group, argc, argv);
}

int main(int argc, char **argv)
{
	CUmodule module;
	CUstream stream;

	if (cuda_driver_open(&cu))
		return 2;
	stats_open();
	module = start();
	if (chosen("calls", argc, argv))
		measure_calls(module);
	if (named("tails", argc, argv))
		measure_tails();
	if (chosen("memory", argc, argv))
		bench_memory();
	DO(cu.StreamCreate(&stream, CU_STREAM_NON_BLOCKING));
	if (chosen("pinned", argc, argv))
		bench_pinned_copies(stream);
	if (chosen("pageable", argc, argv))
		bench_pageable_copies();
	stats_close();
	return 0;
}
