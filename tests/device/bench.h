/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BENCH_H
#define BENCH_H

#include "own_device.h"

/* Divides every number of repetitions, at least 1: BENCH_DIVIDE, for a GPU in software. */
unsigned int bench_repetitions(unsigned int wanted);

void bench_pinned_copies(CUstream stream);	/* 64 KiB to 256 MiB; GB/s */
void bench_pageable_copies(void);		/* 64 KiB to 1 GiB (64 MiB with BENCH_DIVIDE); GB/s */
void bench_memory(void);			/* allocating and freeing */

#endif
