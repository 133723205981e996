/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How fast a kernel reads much device memory, by how it came about and where it lies:
 *
 *   memory_ways [MIB]            a power of two
 *
 * From cuMemAlloc, or created and mapped: where the driver likes, at an address of ours on a boundary of 2 MiB, of 512 MiB
 * (the GPU's largest page), in pieces of 64 MiB, or so that it may be shared as a file descriptor. Read in a stream, and at
 * scattered places where each load waits for the last, which shows what finding a page costs. The ways take turns. Prints
 * one JSON object, for each way and reading GB/s of every round. Exit status 1 when a call fails.
 */
#include "bench_stats.h"
#include "kernels.h"
#include "own_device.h"

#include <stdio.h>
#include <stdlib.h>

#define MIB ((size_t)1 << 20)
#define ROUNDS 7
#define PASSES 8	/* a sample is so many kernels */
#define THREADS 256
#define OURS 0x300000000000ull
#define WALKERS 8	/* threads of a multiprocessor that walk */
#define STEPS 20000
#define FILE_DESCRIPTOR 1	/* CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR */

static size_t size = 4096 * MIB;
static CUfunction reduce_sum, walk;
static CUdeviceptr sum;
static CUstream stream;
static unsigned int processors;

/* Each thread loads 4 bytes at one place after the other; where the next one is depends on what was loaded. */
static const char walk_ptx[] =
	".version 7.0\n.target sm_70\n.address_size 64\n"
	".visible .entry walk(.param .u64 memory, .param .u64 mask, .param .u32 steps, .param .u64 out) {\n"
	"	.reg .pred %more;\n	.reg .b32 %r<6>;\n	.reg .b64 %d<7>;\n"
	"	ld.param.u64 %d1, [memory];\n	ld.param.u64 %d2, [mask];\n	ld.param.u32 %r1, [steps];\n	ld.param.u64 %d6, [out];\n"
	"	mov.u32 %r2, %ctaid.x;\n	mov.u32 %r3, %ntid.x;\n	mov.u32 %r4, %tid.x;\n	mad.lo.u32 %r2, %r2, %r3, %r4;\n"
	"	mul.wide.u32 %d3, %r2, 2654435761;\n"
	"next:	mul.lo.u64 %d3, %d3, 6364136223846793005;\n	add.u64 %d3, %d3, 1442695040888963407;\n"
	"	shr.u64 %d4, %d3, 20;\n	and.b64 %d4, %d4, %d2;\n	add.u64 %d4, %d4, %d1;\n"
	"	ld.global.u32 %r5, [%d4];\n	cvt.u64.u32 %d5, %r5;\n	add.u64 %d3, %d3, %d5;\n"
	"	sub.u32 %r1, %r1, 1;\n	setp.ne.u32 %more, %r1, 0;\n	@%more bra next;\n"
	"	cvt.u32.u64 %r5, %d3;\n	st.global.u32 [%d6], %r5;\n	ret;\n}\n";

static const struct way {
	const char *name;
	size_t alignment;	/* of the address; 0: cuMemAlloc */
	CUdeviceptr address;	/* 0: the driver's choice */
	size_t piece;		/* of physical memory; 0: all in one */
	int shared;
} ways[] = {
	{ "cuMemAlloc", 0, 0, 0, 0 },
	{ "mapped, driver's address", 2 * MIB, 0, 0, 0 },
	{ "mapped, 2 MiB boundary", 2 * MIB, OURS + 2 * MIB, 0, 0 },
	{ "mapped, 512 MiB boundary", 512 * MIB, OURS + ((CUdeviceptr)1 << 40), 0, 0 },
	{ "mapped in 64 MiB pieces", 512 * MIB, OURS + ((CUdeviceptr)2 << 40), 64 * MIB, 0 },
	{ "shared, 2 MiB boundary", 2 * MIB, OURS + ((CUdeviceptr)3 << 40) + 2 * MIB, 0, 1 },
	{ "shared, 512 MiB boundary", 512 * MIB, OURS + ((CUdeviceptr)4 << 40), 0, 1 },
};
#define WAYS (sizeof(ways) / sizeof(ways[0]))

static CUdeviceptr make(const struct way *way)
{
	const CUmemAllocationProp prop = { .type = CU_MEM_ALLOCATION_TYPE_PINNED, .location = { CU_MEM_LOCATION_TYPE_DEVICE, 0 },
					   .handle_types = way->shared ? FILE_DESCRIPTOR : 0 };
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

static double streamed(CUdeviceptr memory)
{
	int words = (int)(size / sizeof(int));
	double begin = stats_now_us();

	for (int i = 0; i < PASSES; i++)
		DO(cu.LaunchKernel(reduce_sum, processors * 8, 1, 1, THREADS, 1, 1, THREADS * sizeof(int), stream, PARAMETERS(&memory, &sum, &words), NULL));
	DO(cu.StreamSynchronize(stream));
	return (double)size * PASSES / (stats_now_us() - begin) / 1000;
}

/* GB/s of the sectors of 32 bytes that are loaded */
static double scattered(CUdeviceptr memory)
{
	size_t mask = (size - 1) & ~(size_t)127;
	unsigned int steps = STEPS;
	double begin = stats_now_us();

	DO(cu.LaunchKernel(walk, processors, 1, 1, WALKERS, 1, 1, 0, stream, PARAMETERS(&memory, &mask, &steps, &sum), NULL));
	DO(cu.StreamSynchronize(stream));
	return 32.0 * steps * processors * WALKERS / (stats_now_us() - begin) / 1000;
}

static const struct reading {
	const char *name;
	double (*speed)(CUdeviceptr memory);
} readings[] = { { "streamed", streamed }, { "scattered", scattered } };
#define READINGS (sizeof(readings) / sizeof(readings[0]))

static void print(size_t reading, double speeds[WAYS][ROUNDS])
{
	printf("  \"%s\": {\n", readings[reading].name);
	for (size_t way = 0; way < WAYS; way++) {
		printf("    \"%s\": [", ways[way].name);
		for (int round = 0; round < ROUNDS; round++)
			printf("%s%.5g", round ? ", " : "", speeds[way][round]);
		printf("]%s\n", way + 1 < WAYS ? "," : "");
	}
	printf("  }%s\n", reading + 1 < READINGS ? "," : "");
}

int main(int argc, char **argv)
{
	double speeds[READINGS][WAYS][ROUNDS];
	CUdeviceptr memory[WAYS];
	CUmodule module, walker;
	CUdevice gpu;
	int count;

	if (argc > 1)
		size = strtoul(argv[1], NULL, 10) * MIB;
	if (!size || size > 8191 * MIB || (size & (size - 1)))
		return 2;
	gpu = own_device();
	DO(cu.DeviceGetAttribute(&count, CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT, gpu));
	processors = (unsigned int)count;
	DO(cu.StreamCreate(&stream, CU_STREAM_NON_BLOCKING));
	DO(cu.ModuleLoadData(&module, kernels_ptx));
	DO(cu.ModuleGetFunction(&reduce_sum, module, "reduce_sum"));
	DO(cu.ModuleLoadData(&walker, walk_ptx));
	DO(cu.ModuleGetFunction(&walk, walker, "walk"));
	DO(cu.MemAlloc(&sum, sizeof(int)));
	for (size_t way = 0; way < WAYS; way++) {
		memory[way] = make(&ways[way]);
		DO(cu.MemsetD8Async(memory[way], 1, size, stream));
		streamed(memory[way]);
	}
	for (int round = 0; round < ROUNDS; round++)
		for (size_t reading = 0; reading < READINGS; reading++)
			for (size_t way = 0; way < WAYS; way++)
				speeds[reading][way][round] = readings[reading].speed(memory[way]);
	printf("{\n");
	for (size_t reading = 0; reading < READINGS; reading++)
		print(reading, speeds[reading]);
	printf("}\n");
	return 0;
}
