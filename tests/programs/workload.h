/* SPDX-License-Identifier: Apache-2.0 */
/* Inputs of the kernels and what the CPU makes of them. Small integers in floats: sums are exact in any order. */
#ifndef WORKLOAD_H
#define WORKLOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

void workload_floats(float *values, size_t count, uint32_t seed);	/* -8 .. 8 */
void workload_ints(int *values, size_t count, uint32_t seed);		/* -1000 .. 1000 */
void workload_bytes(unsigned char *bytes, size_t count, uint32_t seed);

/* c = a * b, n x n, row major */
void workload_product(const float *a, const float *b, float *c, int n);

/* Index of the first difference, or count. */
size_t workload_difference(const void *a, const void *b, size_t element, size_t count);

#endif
