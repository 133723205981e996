/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keeps the GPU busy for tests that kill, gate or measure: spin SECONDS [MILLISECONDS_PER_KERNEL [MIB]]
 * Without the second argument one kernel runs the whole time; the third is device memory to hold meanwhile. Prints "started" once the GPU computes, then
 * "finished" with the number of kernels. SIGTERM ends it early, after one more kernel. Exit status 0, 1 on a CUDA error (with its code on stderr).
 */
#include "kernels.h"
#include "own_device.h"

#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

static volatile sig_atomic_t told_to_end;

static void on_sigterm(int signal)
{
	(void)signal;
	told_to_end = 1;
}

int main(int argc, char **argv)
{
	double seconds = argc > 1 ? atof(argv[1]) : 0;
	double milliseconds = argc > 2 ? atof(argv[2]) : seconds * 1000;
	unsigned long long duration = (unsigned long long)(milliseconds * 1e6);
	size_t held = argc > 3 ? (size_t)atoi(argv[3]) << 20 : 0;
	CUdeviceptr nowhere = 0, memory;
	CUfunction kernel;
	CUmodule module;
	double start;
	unsigned int count = 0;
	bool last = false;

	signal(SIGTERM, on_sigterm);
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (!(seconds > 0) || !(milliseconds > 0)) {
		fprintf(stderr, "usage: spin SECONDS [MILLISECONDS_PER_KERNEL [MIB]]\n");
		return 2;
	}
	own_device();
	if (held)
		DO(cu.MemAlloc(&memory, held));
	DO(cu.ModuleLoadData(&module, kernels_ptx));
	DO(cu.ModuleGetFunction(&kernel, module, "spin"));
	start = seconds_now();
	for (;;) {
		DO(cu.LaunchKernel(kernel, 1, 1, 1, 32, 1, 1, 0, NULL, PARAMETERS(&duration, &nowhere), NULL));
		if (!count++)
			printf("started\n");
		DO(cu.CtxSynchronize());
		if (last || seconds_now() - start >= seconds)
			break;
		last = told_to_end;
	}
	printf("finished %u kernels\n", count);
	return 0;
}
