/* SPDX-License-Identifier: Apache-2.0 */
#include "bench.h"
#include "bench_stats.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define LARGEST_PINNED ((size_t)256 << 20)
#define LARGEST_PAGEABLE ((size_t)1 << 30)
#define ROUNDS 200
#define SMALL_COPIES 20000

static double samples[ROUNDS];

static unsigned int rounds_of(size_t bytes)
{
	return bench_repetitions(bytes <= 1 << 20 ? ROUNDS : bytes <= 16 << 20 ? 40 : 6);
}

static void report(const char *kind, size_t bytes, unsigned int rounds)
{
	char name[64];

	snprintf(name, sizeof(name), "%s_%zuKiB_GBps", kind, bytes >> 10);
	stats_number(name, bytes / stats_median(samples, rounds) / 1000);
}

static void measure_pinned(void *host, CUdeviceptr address, size_t bytes, CUstream stream)
{
	unsigned int rounds = rounds_of(bytes);

	for (unsigned int i = 0; i < rounds; i++) {
		double begin = stats_now_us();

		DO(cu.MemcpyHtoDAsync(address, host, bytes, stream));
		DO(cu.StreamSynchronize(stream));
		samples[i] = stats_now_us() - begin;
	}
	report("pinned_h2d", bytes, rounds);
	for (unsigned int i = 0; i < rounds; i++) {
		double begin = stats_now_us();

		DO(cu.MemcpyDtoHAsync(host, address, bytes, stream));
		DO(cu.StreamSynchronize(stream));
		samples[i] = stats_now_us() - begin;
	}
	report("pinned_d2h", bytes, rounds);
}

static void measure_pageable(void *host, CUdeviceptr address, size_t bytes)
{
	unsigned int rounds = rounds_of(bytes);

	for (unsigned int i = 0; i < rounds; i++) {
		double begin = stats_now_us();

		DO(cu.MemcpyHtoD(address, host, bytes));
		samples[i] = stats_now_us() - begin;
	}
	report("pageable_h2d", bytes, rounds);
	for (unsigned int i = 0; i < rounds; i++) {
		double begin = stats_now_us();

		DO(cu.MemcpyDtoH(host, address, bytes));
		samples[i] = stats_now_us() - begin;
	}
	report("pageable_d2h", bytes, rounds);
}

/* Into memory that the program has not touched: most of the time goes into page faults. */
static void measure_fresh(CUdeviceptr address, size_t bytes)
{
	unsigned int rounds = bench_repetitions(5);

	for (unsigned int i = 0; i < rounds; i++) {
		void *host = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		double begin = stats_now_us();

		if (host == MAP_FAILED)
			exit(1);
		DO(cu.MemcpyDtoH(host, address, bytes));
		samples[i] = stats_now_us() - begin;
		munmap(host, bytes);
	}
	report("untouched_d2h", bytes, rounds);
}

static void measure_small(CUdeviceptr address, CUstream stream)
{
	static double small[SMALL_COPIES];
	unsigned int rounds = bench_repetitions(SMALL_COPIES), word = 0;

	for (unsigned int i = 0; i < rounds; i++) {
		double begin = stats_now_us();

		DO(cu.MemcpyDtoHAsync(&word, address, sizeof(word), stream));
		DO(cu.StreamSynchronize(stream));
		small[i] = stats_now_us() - begin;
		if (!i)
			stats_number("pageable_d2h_4_bytes_first", small[i]);
	}
	stats_distribution("pageable_d2h_4_bytes", small, rounds);
	for (unsigned int i = 0; i < rounds; i++) {
		double begin = stats_now_us();

		DO(cu.MemcpyHtoDAsync(address, &word, sizeof(word), stream));
		small[i] = stats_now_us() - begin;
		DO(cu.StreamSynchronize(stream));
	}
	stats_distribution("pageable_h2d_4_bytes_call", small, rounds);
}

void bench_pinned_copies(CUstream stream)
{
	CUdeviceptr address;
	double begin;
	void *pinned;

	DO(cu.MemAlloc(&address, LARGEST_PINNED));
	begin = stats_now_us();
	DO(cu.MemHostAlloc(&pinned, LARGEST_PINNED, 0));
	stats_number("pinned_alloc_256MiB_ms", (stats_now_us() - begin) / 1000);
	memset(pinned, 1, LARGEST_PINNED);
	measure_small(address, stream);
	for (size_t bytes = 64 << 10; bytes <= LARGEST_PINNED; bytes *= 4)
		measure_pinned(pinned, address, bytes, stream);
	begin = stats_now_us();
	DO(cu.MemFreeHost(pinned));
	stats_number("pinned_free_256MiB_ms", (stats_now_us() - begin) / 1000);
	DO(cu.MemFree(address));
}

void bench_pageable_copies(void)
{
	size_t largest = bench_repetitions(2) > 1 ? LARGEST_PAGEABLE : LARGEST_PAGEABLE / 16;
	void *pageable = malloc(largest);
	CUdeviceptr address;

	if (!pageable)
		exit(1);
	memset(pageable, 1, largest);
	DO(cu.MemAlloc(&address, largest));
	for (size_t bytes = 64 << 10; bytes <= largest; bytes *= 4)
		measure_pageable(pageable, address, bytes);
	free(pageable);
	for (size_t bytes = 4 << 20; bytes <= largest; bytes *= 16)
		measure_fresh(address, bytes);
	DO(cu.MemFree(address));
}

void bench_memory(void)
{
	static double frees[ROUNDS], pairs[ROUNDS];
	unsigned int rounds = bench_repetitions(ROUNDS);
	static const size_t sizes[] = { 1 << 20, 64 << 20 };
	char name[64];

	for (size_t s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++) {
		for (unsigned int i = 0; i < rounds; i++) {
			CUdeviceptr address;
			double begin = stats_now_us(), middle;

			DO(cu.MemAlloc(&address, sizes[s]));
			middle = stats_now_us();
			DO(cu.MemFree(address));
			samples[i] = middle - begin;
			frees[i] = stats_now_us() - middle;
			pairs[i] = samples[i] + frees[i];
		}
		snprintf(name, sizeof(name), "alloc_%zuMiB", sizes[s] >> 20);
		stats_distribution(name, samples, rounds);
		snprintf(name, sizeof(name), "free_%zuMiB", sizes[s] >> 20);
		stats_distribution(name, frees, rounds);
		snprintf(name, sizeof(name), "alloc_and_free_%zuMiB", sizes[s] >> 20);
		stats_distribution(name, pairs, rounds);
	}
}
