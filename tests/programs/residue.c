/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a process finds in memory that it was just given: residue fill|search [MIB]
 * fill writes canaries into MIB (default: three quarters of what is free) of device memory in blocks of 1 KiB to 64 MiB, and into
 * pinned memory, and ends without freeing. search allocates the same, and prints how many words are canaries and how many
 * are not zero. Exit status 0; 1 if a canary was found or on a CUDA error (with its code on stderr); 2 without a driver.
 */
#include "own_device.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CANARY 0xca9a41e5u

static struct {
	unsigned long long words, canaries, others;
} device, pinned;

static void look(const uint32_t *at, size_t words, unsigned long long *canaries, unsigned long long *others)
{
	for (size_t i = 0; i < words; i++) {
		if (at[i] == CANARY)
			++*canaries;
		else if (at[i] != 0)
			++*others;
	}
}

static void block(int search, size_t bytes)
{
	CUdeviceptr at;
	uint32_t *copy;

	DO(cu.MemAlloc(&at, bytes));
	device.words += bytes / 4;
	if (!search) {
		DO(cu.MemsetD32(at, CANARY, bytes / 4));
		return;
	}
	copy = malloc(bytes);
	if (!copy)
		exit(2);
	DO(cu.MemcpyDtoH(copy, at, bytes));
	look(copy, bytes / 4, &device.canaries, &device.others);
	free(copy);
}

int main(int argc, char **argv)
{
	static const size_t sizes[] = { 64 << 20, 1 << 10, 4 << 10, 1 << 20, 2 << 20, 96 << 10, 16 << 20, 512 };
	int search = argc > 1 && !strcmp(argv[1], "search");
	size_t left, total, pinned_bytes = 16 << 20;
	void *host;

	if (argc < 2 || (!search && strcmp(argv[1], "fill"))) {
		fprintf(stderr, "usage: residue fill|search [MIB]\n");
		return 2;
	}
	own_device();
	DO(cu.MemGetInfo(&left, &total));
	left = argc > 2 ? (size_t)atol(argv[2]) << 20 : left / 4 * 3;
	DO(cu.MemHostAlloc(&host, pinned_bytes, 0));
	pinned.words = pinned_bytes / 4;
	if (search)
		look(host, pinned_bytes / 4, &pinned.canaries, &pinned.others);
	else
		for (size_t i = 0; i < pinned_bytes / 4; i++)
			((uint32_t *)host)[i] = CANARY;
	for (size_t i = 0; left >= sizes[i % 8]; i++) {
		block(search, sizes[i % 8]);
		left -= sizes[i % 8];
	}
	printf("%s device: words %llu canaries %llu others %llu\n", argv[1], device.words, device.canaries, device.others);
	printf("%s pinned: words %llu canaries %llu others %llu\n", argv[1], pinned.words, pinned.canaries, pinned.others);
	return device.canaries || pinned.canaries;
}
