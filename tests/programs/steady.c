/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A long computation for tests that restart what is beneath it: steady SECONDS [DEPTH]. A sum grows in device memory
 * from round to round while pinned buffers come and go; each round's result is compared. With DEPTH a round is so many
 * kernels, without a rest between rounds: the GPU has nearly always work. Prints "started" after the first round, then
 * "correct after N rounds"; SIGTERM makes it come to that early. Exit status 0, 1 on a CUDA error or a wrong result.
 */
#include "kernels.h"
#include "own_device.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define COUNT	4096
#define BYTES	(COUNT * sizeof(float))
#define PINNED	((size_t)3 << 20) /* more than one chunk */
#define WRAP	(1u << 20)	  /* sums stay exact */

static volatile sig_atomic_t enough;

static void end_early(int signal)
{
	(void)signal;
	enough = 1;
}

/* So many more additions of x to the sum, and what it must be then. */
static void round_of(CUfunction saxpy, CUdeviceptr x, CUdeviceptr sum, unsigned int depth, unsigned int additions)
{
	float factor = 1, *pinned;
	int n = COUNT;

	for (unsigned int i = 0; i < depth; i++)
		DO(cu.LaunchKernel(saxpy, 8, 1, 1, 128, 1, 1, 0, NULL, PARAMETERS(&factor, &x, &sum, &n), NULL));
	DO(cu.MemHostAlloc((void **)&pinned, PINNED, 0));
	memset(pinned, 0x5a, PINNED);
	DO(cu.MemcpyDtoHAsync(pinned, sum, BYTES, NULL));
	DO(cu.CtxSynchronize());
	for (int i = 0; i < COUNT; i++) {
		if (pinned[i] != (float)additions * (i % 7)) {
			printf("FAILED after %u additions: element %d is %g\n", additions, i, pinned[i]);
			exit(1);
		}
	}
	DO(cu.MemFreeHost(pinned));
}

int main(int argc, char **argv)
{
	double seconds = argc > 1 ? atof(argv[1]) : 0, start;
	unsigned int depth = argc > 2 ? (unsigned int)atoi(argv[2]) : 1;
	unsigned int additions = 0, total = 0;
	CUdeviceptr x, sum;
	CUfunction saxpy;
	float host[COUNT];
	CUmodule module;

	signal(SIGTERM, end_early);
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (!(seconds > 0) || depth < 1 || depth > WRAP) {
		fprintf(stderr, "usage: steady SECONDS [DEPTH]\n");
		return 2;
	}
	own_device();
	DO(cu.ModuleLoadData(&module, kernels_ptx));
	DO(cu.ModuleGetFunction(&saxpy, module, "saxpy"));
	for (int i = 0; i < COUNT; i++)
		host[i] = (float)(i % 7);
	DO(cu.MemAlloc(&x, BYTES));
	DO(cu.MemAlloc(&sum, BYTES));
	DO(cu.MemcpyHtoD(x, host, BYTES));
	start = seconds_now();
	do {
		if (additions == 0 || additions + depth > WRAP) {
			DO(cu.MemsetD8(sum, 0, BYTES));
			additions = 0;
		}
		additions += depth;
		round_of(saxpy, x, sum, depth, additions);
		if (!total++)
			printf("started\n");
		if (argc < 3)
			usleep(1000); /* the tests' machines are small */
	} while (!enough && seconds_now() - start < seconds);
	printf("correct after %u rounds\n", total);
	return 0;
}
