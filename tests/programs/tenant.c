/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A program that holds device memory and waits to be asked, for tests of parking: tenant MIB [KEPT]. It fills its memory, and KEPT MiB of
 * stream-ordered memory, which only leaves the GPU with the context; it captures a graph that changes one word of the former, and
 * prints "holds". Then, for each line on standard input:
 *   touch  launches the graph, waits for it, compares that word and some others, and prints "touched in MILLISECONDS", without the comparison
 *   try    does the same, but prints "answered RESULT" if the wait for the graph fails, and goes on
 *   check  compares all of both, an event and pinned memory, and prints "right"
 *   end    ends all that it has, the context last, and prints "ended"
 * At the end of the input it ends. Exit status 0, 1 on a CUDA error or a wrong byte.
 */
#include "kernels.h"
#include "own_device.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SEED	0x5eed0001u
#define PIECE	((size_t)4 << 20) /* bytes that are compared at once */
#define SAMPLES 61

/* Word i of the memory; word 0 is the graph's. */
static unsigned int word_of(size_t i, unsigned int touched)
{
	return i ? SEED + (unsigned int)i : touched;
}

static void compare(const unsigned int *words, size_t first, size_t count, unsigned int touched)
{
	for (size_t i = 0; i < count; i++) {
		if (words[i] == word_of(first + i, touched))
			continue;
		printf("FAILED word %zu is %#x, should be %#x\n", first + i, words[i], word_of(first + i, touched));
		exit(1);
	}
}

static void compare_some(CUdeviceptr memory, size_t bytes, unsigned int touched)
{
	size_t words = bytes / 4;
	unsigned int word;

	for (size_t i = 0; i <= SAMPLES; i++) {
		size_t at = (words - 1) / SAMPLES * i;

		DO(cu.MemcpyDtoH(&word, memory + at * 4, 4));
		compare(&word, at, 1, touched);
	}
}

static void compare_all(CUdeviceptr memory, size_t bytes, unsigned int touched, unsigned int *buffer)
{
	for (size_t at = 0; at < bytes; at += PIECE) {
		size_t size = bytes - at < PIECE ? bytes - at : PIECE;

		DO(cu.MemcpyDtoH(buffer, memory + at, size));
		compare(buffer, at / 4, size / 4, touched);
	}
}

int main(int argc, char **argv)
{
	size_t bytes = argc > 1 ? (size_t)atoll(argv[1]) << 20 : 0;
	size_t kept_bytes = argc > 2 ? (size_t)atoll(argv[2]) << 20 : 0;
	unsigned long long kept_count = kept_bytes / 4;
	unsigned long long count = bytes / 4;
	unsigned int value = SEED, touched = 0, *pinned;
	int one = 1, n = 1;
	CUdeviceptr memory, kept = 0;
	CUfunction fill, step;
	CUmodule module;
	CUdevice device;
	CUstream stream;
	CUgraph graph;
	CUgraphExec exec;
	CUevent event;
	char line[64];

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (!bytes) {
		fprintf(stderr, "usage: tenant MIB [KEPT]\n");
		return 2;
	}
	device = own_device();
	DO(cu.MemAlloc(&memory, bytes));
	DO(cu.MemHostAlloc((void **)&pinned, PIECE, 0));
	DO(cu.ModuleLoadData(&module, kernels_ptx));
	DO(cu.ModuleGetFunction(&fill, module, "fill"));
	DO(cu.ModuleGetFunction(&step, module, "step"));
	DO(cu.StreamCreate(&stream, 1));
	DO(cu.EventCreate(&event, 0));
	DO(cu.LaunchKernel(fill, 256, 1, 1, 256, 1, 1, 0, stream, PARAMETERS(&memory, &value, &count), NULL));
	DO(cu.MemsetD32Async(memory, touched, 1, stream));
	if (kept_bytes) {
		DO(cu.MemAllocAsync(&kept, kept_bytes, stream));
		DO(cu.LaunchKernel(fill, 256, 1, 1, 256, 1, 1, 0, stream, PARAMETERS(&kept, &value, &kept_count), NULL));
		DO(cu.MemsetD32Async(kept, touched, 1, stream));
	}
	DO(cu.StreamBeginCapture(stream, 2));
	DO(cu.LaunchKernel(step, 1, 1, 1, 32, 1, 1, 0, stream, PARAMETERS(&memory, &one, &one, &n), NULL));
	DO(cu.StreamEndCapture(stream, &graph));
	DO(cu.GraphInstantiate(&exec, graph, 0));
	DO(cu.EventRecord(event, stream));
	DO(cu.StreamSynchronize(stream));
	memset(pinned, 0x5a, PIECE);
	printf("holds %zu MiB\n", bytes >> 20);
	while (fgets(line, sizeof(line), stdin)) {
		if (!strcmp(line, "touch\n") || !strcmp(line, "try\n")) {
			double start = seconds_now(), took;
			int result = cu.GraphLaunch(exec, stream);

			if (!result)
				result = cu.StreamSynchronize(stream);
			if (result && line[1] == 'r') {
				printf("answered %d\n", result);
				continue;
			}
			DO(result);
			took = (seconds_now() - start) * 1e3;
			compare_some(memory, bytes, ++touched);
			printf("touched in %.3f\n", took);
		} else if (!strcmp(line, "check\n")) {
			DO(cu.EventQuery(event));
			for (size_t i = 0; i < PIECE / 4; i++) {
				if (pinned[i] != 0x5a5a5a5a) {
					printf("FAILED pinned memory has changed\n");
					return 1;
				}
			}
			compare_all(memory, bytes, touched, pinned);
			compare_all(kept, kept_bytes, 0, pinned);
			memset(pinned, 0x5a, PIECE);
			printf("right\n");
		} else if (!strcmp(line, "end\n")) {
			DO(cu.GraphExecDestroy(exec));
			DO(cu.GraphDestroy(graph));
			DO(cu.EventDestroy(event));
			if (kept_bytes)
				DO(cu.MemFreeAsync(kept, stream));
			DO(cu.StreamDestroy(stream));
			DO(cu.ModuleUnload(module));
			DO(cu.MemFree(memory));
			DO(cu.MemFreeHost(pinned));
			DO(cu.DevicePrimaryCtxRelease(device));
			printf("ended\n");
			return 0;
		}
	}
	return 0;
}
