/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How fast a kernel reads much device memory, by how it came about and where it lies:
 *
 *   memory_ways [MIB]
 *
 * From cuMemAlloc, or created and mapped: where the driver likes, at an address of ours on a boundary of 2 MiB, of 512 MiB
 * (the GPU's largest page), or in pieces of 64 MiB. The ways take turns. Prints one JSON object, for each way GB/s of every
 * round. Exit status 1 when a call fails.
 */
#include "bench.h"
#include "bench_stats.h"
#include "kernels.h"

#include <stdio.h>
#include <stdlib.h>

#define MIB ((size_t)1 << 20)
#define ROUNDS 7
#define PASSES 8	/* a sample is so many kernels */
#define THREADS 256
#define OURS 0x300000000000ull

struct cuda_driver cu;
static size_t size = 4096 * MIB;
static CUfunction reduce_sum;
static CUdeviceptr sum;
static CUstream stream;
static unsigned int blocks;

void bench_check(const char *call, CUresult result)
{
	if (result) {
		fprintf(stderr, "%s: result %d\n", call, result);
		exit(1);
	}
}

unsigned int bench_repetitions(unsigned int wanted)
{
	return wanted;
}

static const struct way {
	const char *name;
	size_t alignment;	/* of the address; 0: cuMemAlloc */
	CUdeviceptr address;	/* 0: the driver's choice */
	size_t piece;		/* of physical memory; 0: all in one */
} ways[] = {
	{ "cuMemAlloc", 0, 0, 0 },
	{ "mapped, driver's address", 2 * MIB, 0, 0 },
	{ "mapped, 2 MiB boundary", 2 * MIB, OURS + 2 * MIB, 0 },
	{ "mapped, 512 MiB boundary", 512 * MIB, OURS + ((CUdeviceptr)1 << 40), 0 },
	{ "mapped in 64 MiB pieces", 512 * MIB, OURS + ((CUdeviceptr)2 << 40), 64 * MIB },
};
#define WAYS (sizeof(ways) / sizeof(ways[0]))

static CUdeviceptr make(const struct way *way)
{
	const CUmemAllocationProp prop = { .type = CU_MEM_ALLOCATION_TYPE_PINNED, .location = { CU_MEM_LOCATION_TYPE_DEVICE, 0 } };
	const CUmemAccessDesc access = { .location = prop.location, .flags = CU_MEM_ACCESS_FLAGS_PROT_READWRITE };
	size_t piece = way->piece ? way->piece : size;
	CUdeviceptr address;

	if (!way->alignment) {
		DO(cu.MemAlloc(&address, size));
		return address;
	}
	DO(cu.MemAddressReserve(&address, size, way->alignment, way->address, 0));
	if (way->address && address != way->address)
		fprintf(stderr, "%s: at %#llx\n", way->name, (unsigned long long)address);
	for (size_t at = 0; at < size; at += piece) {
		size_t bytes = size - at < piece ? size - at : piece;
		CUmemGenericAllocationHandle handle;

		DO(cu.MemCreate(&handle, bytes, &prop, 0));
		DO(cu.MemMap(address + at, bytes, 0, handle, 0));
		DO(cu.MemRelease(handle));
	}
	DO(cu.MemSetAccess(address, size, &access, 1));
	return address;
}

static double speed(CUdeviceptr memory)
{
	int words = (int)(size / sizeof(int));
	double begin = stats_now_us();

	for (int i = 0; i < PASSES; i++)
		DO(cu.LaunchKernel(reduce_sum, blocks, 1, 1, THREADS, 1, 1, THREADS * sizeof(int), stream, PARAMETERS(&memory, &sum, &words), NULL));
	DO(cu.StreamSynchronize(stream));
	return (double)size * PASSES / (stats_now_us() - begin) / 1000;
}

int main(int argc, char **argv)
{
	double speeds[WAYS][ROUNDS];
	CUdeviceptr memory[WAYS];
	CUcontext context;
	CUmodule module;
	CUdevice gpu;
	int processors;

	if (argc > 1)
		size = strtoul(argv[1], NULL, 10) * MIB;
	if (!size || size > 8191 * MIB || size % (2 * MIB) || cuda_driver_open(&cu))
		return 2;
	DO(cu.Init(0));
	DO(cu.DeviceGet(&gpu, 0));
	DO(cu.DeviceGetAttribute(&processors, CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT, gpu));
	blocks = (unsigned int)processors * 8;
	DO(cu.DevicePrimaryCtxRetain(&context, gpu));
	DO(cu.CtxSetCurrent(context));
	DO(cu.StreamCreate(&stream, CU_STREAM_NON_BLOCKING));
	DO(cu.ModuleLoadData(&module, kernels_ptx));
	DO(cu.ModuleGetFunction(&reduce_sum, module, "reduce_sum"));
	DO(cu.MemAlloc(&sum, sizeof(int)));
	for (size_t way = 0; way < WAYS; way++) {
		memory[way] = make(&ways[way]);
		DO(cu.MemsetD8Async(memory[way], 1, size, stream));
		speed(memory[way]);
	}
	for (int round = 0; round < ROUNDS; round++)
		for (size_t way = 0; way < WAYS; way++)
			speeds[way][round] = speed(memory[way]);
	printf("{\n");
	for (size_t way = 0; way < WAYS; way++) {
		printf("  \"%s\": [", ways[way].name);
		for (int round = 0; round < ROUNDS; round++)
			printf("%s%.5g", round ? ", " : "", speeds[way][round]);
		printf("]%s\n", way + 1 < WAYS ? "," : "");
	}
	printf("}\n");
	return 0;
}
