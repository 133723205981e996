/* SPDX-License-Identifier: Apache-2.0 */
/* Every kernel on several sizes against the CPU, by each way of launching. */
#include "driver_test.h"
#include "workload.h"

#include <stdlib.h>
#include <string.h>

static CUresult upload(CUdeviceptr *address, const void *data, size_t bytes)
{
	CUresult result = cu.MemAlloc(address, bytes);

	return result ? result : cu.MemcpyHtoD(*address, data, bytes);
}

static bool vector_add_of(int n)
{
	size_t bytes = sizeof(float) * n;
	float *a = malloc(bytes), *b = malloc(bytes), *sum = malloc(bytes);
	CUdeviceptr da, db, dsum;

	workload_floats(a, n, 1);
	workload_floats(b, n, 2);
	DO(upload(&da, a, bytes));
	DO(upload(&db, b, bytes));
	DO(cu.MemAlloc(&dsum, bytes));
	DO(launch_1d(kernels.vector_add, n, NULL, PARAMETERS(&da, &db, &dsum, &n)));
	DO(cu.MemcpyDtoH(sum, dsum, bytes));
	for (int i = 0; i < n; i++)
		if (sum[i] != a[i] + b[i])
			return check_reason("n = %d: sum[%d] = %g, expected %g", n, i, sum[i], a[i] + b[i]);
	DO(cu.MemFree(da));
	DO(cu.MemFree(db));
	DO(cu.MemFree(dsum));
	free(a);
	free(b);
	free(sum);
	return true;
}

static bool vector_add(void)
{
	static const int sizes[] = { 1, 31, 1000, 4097, 1 << 17 };

	USE_DEVICE;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		if (!vector_add_of(sizes[i]))
			return false;
	return true;
}

static bool saxpy(void)
{
	enum { N = 10007 };
	static float x[N], y[N], result[N];
	float factor = 3.0f;
	int n = N;
	CUdeviceptr dx, dy;

	USE_DEVICE;
	workload_floats(x, N, 3);
	workload_floats(y, N, 4);
	DO(upload(&dx, x, sizeof(x)));
	DO(upload(&dy, y, sizeof(y)));
	/* fewer threads than elements: the stride loop */
	DO(launch_1d(kernels.saxpy, 1024, NULL, PARAMETERS(&factor, &dx, &dy, &n)));
	DO(cu.MemcpyDtoH(result, dy, sizeof(result)));
	for (int i = 0; i < N; i++)
		if (result[i] != factor * x[i] + y[i])
			return check_reason("y[%d] = %g, expected %g", i, result[i], factor * x[i] + y[i]);
	DO(cu.MemFree(dx));
	DO(cu.MemFree(dy));
	return true;
}

static bool reduction_of(int n)
{
	int *values = malloc(sizeof(int) * n), total = 0, expected = 0;
	CUdeviceptr dvalues, dtotal;

	workload_ints(values, n, 5);
	for (int i = 0; i < n; i++)
		expected += values[i];
	DO(upload(&dvalues, values, sizeof(int) * n));
	DO(upload(&dtotal, &total, sizeof(total)));
	DO(cu.LaunchKernel(kernels.reduce_sum, 8, 1, 1, 256, 1, 1, 256 * sizeof(int), NULL,
			   PARAMETERS(&dvalues, &dtotal, &n), NULL));
	DO(cu.MemcpyDtoH(&total, dtotal, sizeof(total)));
	if (total != expected)
		return check_reason("n = %d: sum %d, expected %d", n, total, expected);
	DO(cu.MemFree(dvalues));
	DO(cu.MemFree(dtotal));
	free(values);
	return true;
}

static bool reduction(void)
{
	static const int sizes[] = { 1, 255, 2048, 100003 };

	USE_DEVICE;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		if (!reduction_of(sizes[i]))
			return false;
	return true;
}

static bool product_of(int n)
{
	size_t count = (size_t)n * n, bytes = sizeof(float) * count;
	float *a = malloc(bytes), *b = malloc(bytes), *c = malloc(bytes), *expected = malloc(bytes);
	unsigned int tiles = (n + 15) / 16;
	CUdeviceptr da, db, dc;
	size_t at;

	workload_floats(a, count, 6);
	workload_floats(b, count, 7);
	workload_product(a, b, expected, n);
	DO(upload(&da, a, bytes));
	DO(upload(&db, b, bytes));
	DO(cu.MemAlloc(&dc, bytes));
	DO(cu.LaunchKernel(kernels.matrix_product, tiles, tiles, 1, 16, 16, 1, 0, NULL,
			   PARAMETERS(&da, &db, &dc, &n), NULL));
	DO(cu.MemcpyDtoH(c, dc, bytes));
	at = workload_difference(c, expected, sizeof(float), count);
	if (at != count)
		return check_reason("n = %d: element %zu is %g, expected %g", n, at, c[at], expected[at]);
	DO(cu.MemFree(da));
	DO(cu.MemFree(db));
	DO(cu.MemFree(dc));
	free(a);
	free(b);
	free(c);
	free(expected);
	return true;
}

static bool matrix_product(void)
{
	static const int sizes[] = { 1, 16, 33, 96 };

	USE_DEVICE;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		if (!product_of(sizes[i]))
			return false;
	return true;
}

static bool histogram(void)
{
	enum { N = 50021 };
	static unsigned char bytes[N];
	unsigned int expected[256] = { 0 }, bins[256];
	int n = N;
	CUdeviceptr dbytes, dbins;

	USE_DEVICE;
	workload_bytes(bytes, N, 8);
	for (int i = 0; i < N; i++)
		expected[bytes[i]]++;
	DO(upload(&dbytes, bytes, N));
	DO(cu.MemAlloc(&dbins, sizeof(bins)));
	DO(cu.MemsetD32(dbins, 0, 256));
	DO(launch_1d(kernels.histogram, 1024, NULL, PARAMETERS(&dbytes, &dbins, &n)));
	DO(cu.MemcpyDtoH(bins, dbins, sizeof(bins)));
	THAT(!memcmp(bins, expected, sizeof(bins)));
	DO(cu.MemFree(dbytes));
	DO(cu.MemFree(dbins));
	return true;
}

/* Arguments packed by the caller (`extra`), and cuLaunchKernelEx without attributes. */
static bool ways_of_launching(void)
{
	struct {
		CUdeviceptr words;
		unsigned int value;
		unsigned long long n;
	} packed = { 0, 5, 100 };
	size_t size = sizeof(packed);
	void *extra[] = { CU_LAUNCH_PARAM_BUFFER_POINTER, &packed, CU_LAUNCH_PARAM_BUFFER_SIZE, &size,
			  CU_LAUNCH_PARAM_END };
	CUlaunchConfig config = { .grid_x = 2, .grid_y = 1, .grid_z = 1, .block_x = 64, .block_y = 1, .block_z = 1 };
	unsigned int words[100], factor = 3, addend = 1;
	int n = 100;

	USE_DEVICE;
	DO(cu.MemAlloc(&packed.words, sizeof(words)));
	DO(cu.LaunchKernel(kernels.fill, 1, 1, 1, 32, 1, 1, 0, NULL, NULL, extra));
	DO(cu.LaunchKernelEx(&config, kernels.step, PARAMETERS(&packed.words, &factor, &addend, &n), NULL));
	DO(cu.MemcpyDtoH(words, packed.words, sizeof(words)));
	for (unsigned int i = 0; i < 100; i++)
		if (words[i] != (5 + i) * 3 + 1)
			return check_reason("word %u is %u, expected %u", i, words[i], (5 + i) * 3 + 1);
	DO(cu.MemFree(packed.words));
	return true;
}

/* 5000 launches whose order matters. */
static bool many_launches(void)
{
	enum { LAUNCHES = 5000, N = 64 };
	unsigned int words[N], expected[N];
	CUdeviceptr dwords;
	int n = N;

	USE_DEVICE;
	for (int i = 0; i < N; i++)
		words[i] = expected[i] = i;
	DO(upload(&dwords, words, sizeof(words)));
	for (unsigned int launch = 0; launch < LAUNCHES; launch++) {
		unsigned int factor = 2 * launch + 1;

		DO(launch_1d(kernels.step, N, NULL, PARAMETERS(&dwords, &factor, &launch, &n)));
		for (int i = 0; i < N; i++)
			expected[i] = expected[i] * factor + launch;
	}
	DO(cu.MemcpyDtoH(words, dwords, sizeof(words)));
	THAT(!memcmp(words, expected, sizeof(words)));
	DO(cu.MemFree(dwords));
	return true;
}

static const struct check checks[] = {
	{ "vector_add", vector_add },
	{ "saxpy", saxpy },
	{ "reduction", reduction },
	{ "matrix_product", matrix_product },
	{ "histogram", histogram },
	{ "ways_of_launching", ways_of_launching },
	{ "many_launches", many_launches },
};
const struct check_group kernel_group = GROUP("kernels", checks);
