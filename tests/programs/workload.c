/* SPDX-License-Identifier: Apache-2.0 */
#include "workload.h"

#include <string.h>

static uint32_t next(uint32_t *state)
{
	*state = *state * 1664525u + 1013904223u;
	return *state >> 8;
}

void workload_floats(float *values, size_t count, uint32_t seed)
{
	for (size_t i = 0; i < count; i++)
		values[i] = (float)((int)(next(&seed) % 17) - 8);
}

void workload_ints(int *values, size_t count, uint32_t seed)
{
	for (size_t i = 0; i < count; i++)
		values[i] = (int)(next(&seed) % 2001) - 1000;
}

void workload_bytes(unsigned char *bytes, size_t count, uint32_t seed)
{
	for (size_t i = 0; i < count; i++)
		bytes[i] = (unsigned char)next(&seed);
}

void workload_product(const float *a, const float *b, float *c, int n)
{
	memset(c, 0, sizeof(float) * n * n);
	for (int row = 0; row < n; row++)
		for (int k = 0; k < n; k++)
			for (int column = 0; column < n; column++)
				c[row * n + column] += a[row * n + k] * b[k * n + column];
}

size_t workload_difference(const void *a, const void *b, size_t element, size_t count)
{
	const char *left = a, *right = b;

	for (size_t i = 0; i < count; i++)
		if (memcmp(left + i * element, right + i * element, element))
			return i;
	return count;
}
