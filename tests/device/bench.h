/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BENCH_H
#define BENCH_H

#include "cuda_driver.h"

extern struct cuda_driver cu;

/* Ends the program with status 1 when a call fails. */
#define DO(call) bench_check(#call, (call))
void bench_check(const char *call, CUresult result);

#define PARAMETERS(...) ((void *[]){ __VA_ARGS__ })

/* Divides every number of repetitions, at least 1: BENCH_DIVIDE, for a GPU in software. */
unsigned int bench_repetitions(unsigned int wanted);

void bench_pinned_copies(CUstream stream);	/* 64 KiB to 256 MiB; GB/s */
void bench_pageable_copies(void);		/* 64 KiB to 1 GiB (64 MiB with BENCH_DIVIDE); GB/s */
void bench_memory(void);			/* allocating and freeing */

#endif
