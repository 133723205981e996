/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How fast page-locked memory crosses the bus, by where it comes from and how a copy is cut:
 *
 *   pinned_ways [MIB]
 *
 * Memory is the driver's own, or a memfd as a window is, registered, on pages of 4 KiB, of 2 MiB as the kernel makes
 * them, or of 2 MiB that the machine has set aside. A copy goes whole, in pieces one behind the other, or in pieces over
 * several streams that the first one waits for. Prints one JSON object, GB/s by memory, way and direction; null where the
 * machine has no such memory. Exit status 1 when a call fails.
 */
#include "bench_stats.h"
#include "own_device.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define HUGE_PAGE ((size_t)2 << 20)
#define ROUNDS 9
#define STREAMS_MOST 4
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif

static size_t size = (size_t)256 << 20;
static CUstream streams[STREAMS_MOST];
static CUevent begun, done[STREAMS_MOST];
static CUdeviceptr device;

static const struct way {
	const char *name;
	unsigned int mib;	/* of a piece; 0: an equal part for each stream */
	unsigned int streams;
} ways[] = {
	{ "whole", 0, 1 },	      { "64 MiB", 64, 1 },	    { "16 MiB", 16, 1 },	  { "4 MiB", 4, 1 },
	{ "2 streams", 0, 2 },	      { "3 streams", 0, 3 },	    { "2 streams, 32 MiB", 32, 2 }, { "2 streams, 8 MiB", 8, 2 },
	{ "4 streams, 8 MiB", 8, 4 },
};

static void *driver_memory(void)
{
	void *memory;

	DO(cu.MemHostAlloc(&memory, size, CU_MEMHOSTALLOC_PORTABLE | CU_MEMHOSTALLOC_DEVICEMAP));
	return memory;
}

static void *memfd_memory(unsigned int flags, bool collapse)
{
	int fd = memfd_create("pinned_ways", flags | MFD_CLOEXEC);
	char *reserved = mmap(NULL, size + HUGE_PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	char *aligned = (char *)(((uintptr_t)reserved + HUGE_PAGE - 1) & ~(HUGE_PAGE - 1));
	void *memory;

	if (fd < 0 || reserved == MAP_FAILED || ftruncate(fd, (off_t)size))
		return NULL;
	memory = mmap(aligned, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED | MAP_POPULATE, fd, 0);
	close(fd);
	if (memory == MAP_FAILED || (collapse && madvise(memory, size, MADV_COLLAPSE)))
		return NULL;
	return cu.MemHostRegister(memory, size, CU_MEMHOSTALLOC_PORTABLE | CU_MEMHOSTALLOC_DEVICEMAP) ? NULL : memory;
}

static void copy(const struct way *way, char *host, bool to_device)
{
	size_t piece = way->mib ? (size_t)way->mib << 20 : size / way->streams;
	unsigned int next = 0;

	DO(cu.EventRecord(begun, streams[0]));
	for (unsigned int i = 1; i < way->streams; i++)
		DO(cu.StreamWaitEvent(streams[i], begun, 0));
	for (size_t at = 0; at < size; at += piece) {
		CUstream stream = streams[next++ % way->streams];
		size_t bytes = size - at < piece ? size - at : piece;

		if (to_device)
			DO(cu.MemcpyHtoDAsync(device + at, host + at, bytes, stream));
		else
			DO(cu.MemcpyDtoHAsync(host + at, device + at, bytes, stream));
	}
	for (unsigned int i = 1; i < way->streams; i++) {
		DO(cu.EventRecord(done[i], streams[i]));
		DO(cu.StreamWaitEvent(streams[0], done[i], 0));
	}
	DO(cu.StreamSynchronize(streams[0]));
}

static double speed(const struct way *way, char *host, bool to_device)
{
	double samples[ROUNDS];

	copy(way, host, to_device);
	for (int i = 0; i < ROUNDS; i++) {
		double begin = stats_now_us();

		copy(way, host, to_device);
		samples[i] = stats_now_us() - begin;
	}
	return (double)size / stats_median(samples, ROUNDS) / 1000;
}

static void measure(const char *name, void *memory, bool last)
{
	printf("  \"%s\": ", name);
	if (!memory) {
		printf("null%s\n", last ? "" : ",");
		return;
	}
	memset(memory, 1, size);
	printf("{\n");
	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++)
		printf("    \"%s\": {\"h2d\": %.4g, \"d2h\": %.4g}%s\n", ways[i].name, speed(&ways[i], memory, true),
		       speed(&ways[i], memory, false), i + 1 < sizeof(ways) / sizeof(ways[0]) ? "," : "");
	printf("  }%s\n", last ? "" : ",");
	fflush(stdout);
}

int main(int argc, char **argv)
{

	if (argc > 1)
		size = strtoul(argv[1], NULL, 10) << 20;
	if (!size)
		return 2;
	own_device();
	DO(cu.MemAlloc(&device, size));
	DO(cu.EventCreate(&begun, CU_EVENT_DISABLE_TIMING));
	for (int i = 0; i < STREAMS_MOST; i++) {
		DO(cu.StreamCreate(&streams[i], CU_STREAM_NON_BLOCKING));
		DO(cu.EventCreate(&done[i], CU_EVENT_DISABLE_TIMING));
	}
	printf("{\n");
	measure("driver", driver_memory(), false);
	measure("4 KiB", memfd_memory(0, false), false);
	measure("2 MiB", memfd_memory(0, true), false);
	measure("2 MiB set aside", memfd_memory(MFD_HUGETLB, false), true);
	printf("}\n");
	return 0;
}
