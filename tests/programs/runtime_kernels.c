/* SPDX-License-Identifier: Apache-2.0 */
/* Device queries, kernels and errors through the runtime. */
#include "runtime_test.h"
#include "workload.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool queries(void)
{
	struct device_properties properties;
	int count = 0, value = 0, runtime = 0, driver = 0;
	char address[32] = "";
	size_t available, total;

	DO(cudart.RuntimeGetVersion(&runtime));
	DO(cudart.DriverGetVersion(&driver));
	THAT(runtime >= 12000 && driver >= runtime / 1000 * 1000);
	DO(cudart.GetDeviceCount(&count));
	THAT(count >= 1);
	memset(&properties, 0, sizeof(properties));
	DO(cudart.GetDeviceProperties(&properties, 0));
	THAT(properties.name[0] && properties.warp_size == 32 && properties.total_memory >= 1 << 20);
	DO(cudart.DeviceGetAttribute(&value, cudaDevAttrWarpSize, 0));
	THAT(value == 32);
	DO(cudart.DeviceGetAttribute(&value, cudaDevAttrComputeCapabilityMajor, 0));
	THAT(value >= 8);
	DO(cudart.DeviceGetPCIBusId(address, sizeof(address), 0));
	THAT(strlen(address) >= 7);
	DO(cudart.MemGetInfo(&available, &total));
	THAT(available <= total && total == properties.total_memory);
	DO(cudart.GetDevice(&value));
	THAT(value == 0);
	printf("info device %s, runtime %d, driver %d\n", properties.name, runtime, driver);
	return true;
}

static const struct check device_checks[] = { { "queries", queries } };
const struct check_group device_group = GROUP("device", device_checks);

static bool vector_add_of(int n)
{
	size_t bytes = sizeof(float) * n;
	float *a = malloc(bytes), *b = malloc(bytes), *sum = malloc(bytes);
	void *da, *db, *dsum;

	workload_floats(a, n, 1);
	workload_floats(b, n, 2);
	DO(cudart.Malloc(&da, bytes));
	DO(cudart.Malloc(&db, bytes));
	DO(cudart.Malloc(&dsum, bytes));
	DO(cudart.Memcpy(da, a, bytes, cudaMemcpyHostToDevice));
	DO(cudart.Memcpy(db, b, bytes, cudaMemcpyDefault));
	DO(launch_1d(&host_vector_add, n, NULL, PARAMETERS(&da, &db, &dsum, &n)));
	DO(cudart.GetLastError());
	DO(cudart.Memcpy(sum, dsum, bytes, cudaMemcpyDeviceToHost));
	for (int i = 0; i < n; i++)
		if (sum[i] != a[i] + b[i])
			return check_reason("n = %d: sum[%d] = %g, expected %g", n, i, sum[i], a[i] + b[i]);
	DO(cudart.Free(da));
	DO(cudart.Free(db));
	DO(cudart.Free(dsum));
	free(a);
	free(b);
	free(sum);
	return true;
}

static bool vector_add(void)
{
	static const int sizes[] = { 1, 1000, 1 << 16 };

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		if (!vector_add_of(sizes[i]))
			return false;
	return true;
}

/* As <<<grid, block, shared, stream>>> does it. */
static bool call_configuration(void)
{
	enum { N = 10000 };
	static int values[N];
	struct dim3 grid = { 4, 1, 1 }, block = { 256, 1, 1 };
	int total = 0, expected = 0, n = N;
	void *dvalues, *dtotal;
	cudaStream_t stream;
	size_t shared = 0;

	workload_ints(values, N, 5);
	for (int i = 0; i < N; i++)
		expected += values[i];
	DO(cudart.Malloc(&dvalues, sizeof(values)));
	DO(cudart.Malloc(&dtotal, sizeof(total)));
	DO(cudart.Memcpy(dvalues, values, sizeof(values), cudaMemcpyHostToDevice));
	DO(cudart.Memset(dtotal, 0, sizeof(total)));
	THAT(cudart.PushCallConfiguration(grid, block, 256 * sizeof(int), NULL) == 0);
	DO(cudart.PopCallConfiguration(&grid, &block, &shared, &stream));
	THAT(grid.x == 4 && block.x == 256 && shared == 1024 && !stream);
	DO(cudart.LaunchKernel(&host_reduce_sum, grid, block, PARAMETERS(&dvalues, &dtotal, &n), shared, stream));
	DO(cudart.Memcpy(&total, dtotal, sizeof(total), cudaMemcpyDeviceToHost));
	if (total != expected)
		return check_reason("sum %d, expected %d", total, expected);
	DO(cudart.Free(dvalues));
	DO(cudart.Free(dtotal));
	return true;
}

static bool matrix_product(void)
{
	enum { N = 70 };
	static float a[N * N], b[N * N], c[N * N], expected[N * N];
	struct dim3 grid = { 5, 5, 1 }, block = { 16, 16, 1 };
	void *da, *db, *dc;
	int n = N;

	workload_floats(a, N * N, 6);
	workload_floats(b, N * N, 7);
	workload_product(a, b, expected, N);
	DO(cudart.Malloc(&da, sizeof(a)));
	DO(cudart.Malloc(&db, sizeof(b)));
	DO(cudart.Malloc(&dc, sizeof(c)));
	DO(cudart.Memcpy(da, a, sizeof(a), cudaMemcpyHostToDevice));
	DO(cudart.Memcpy(db, b, sizeof(b), cudaMemcpyHostToDevice));
	DO(cudart.LaunchKernel(&host_matrix_product, grid, block, PARAMETERS(&da, &db, &dc, &n), 0, NULL));
	DO(cudart.DeviceSynchronize());
	DO(cudart.Memcpy(c, dc, sizeof(c), cudaMemcpyDeviceToHost));
	THAT(workload_difference(c, expected, sizeof(float), N * N) == N * N);
	DO(cudart.Free(da));
	DO(cudart.Free(db));
	DO(cudart.Free(dc));
	return true;
}

static bool symbols(void)
{
	enum { N = 100 };
	float factors[16], in[N], out[N];
	unsigned long long count = 0;
	void *din, *dout, *address = NULL;
	int n = N;

	for (int i = 0; i < 16; i++)
		factors[i] = (float)(2 * i + 1);
	for (int i = 0; i < N; i++)
		in[i] = (float)i;
	DO(cudart.MemcpyToSymbol(constant_factors, factors, sizeof(factors), 0, cudaMemcpyHostToDevice));
	DO(cudart.MemcpyToSymbol(&global_counter, &count, sizeof(count), 0, cudaMemcpyHostToDevice));
	DO(cudart.GetSymbolAddress(&address, &global_counter));
	THAT(address);
	DO(cudart.Malloc(&din, sizeof(in)));
	DO(cudart.Malloc(&dout, sizeof(out)));
	DO(cudart.Memcpy(din, in, sizeof(in), cudaMemcpyHostToDevice));
	DO(launch_1d(&host_scale_by_constant, N, NULL, PARAMETERS(&din, &dout, &n)));
	DO(cudart.Memcpy(out, dout, sizeof(out), cudaMemcpyDeviceToHost));
	for (int i = 0; i < N; i++)
		THAT(out[i] == in[i] * factors[i % 16]);
	DO(cudart.MemcpyFromSymbol(&count, &global_counter, sizeof(count), 0, cudaMemcpyDeviceToHost));
	THAT(count == N);
	DO(cudart.Free(din));
	DO(cudart.Free(dout));
	return true;
}

static bool function_attributes(void)
{
	struct function_attributes attributes;
	int small = 0, large = 0;

	memset(&attributes, 0, sizeof(attributes));
	DO(cudart.FuncGetAttributes(&attributes, &host_matrix_product));
	THAT(attributes.shared_bytes >= 2048 && attributes.max_threads_per_block == 1024);
	check_note("shared %zu, PTX %d, binary %d", attributes.shared_bytes, attributes.ptx_version,
		   attributes.binary_version);
	DO(cudart.OccupancyMaxActiveBlocks(&small, &host_vector_add, 128, 0));
	DO(cudart.OccupancyMaxActiveBlocks(&large, &host_vector_add, 1024, 0));
	THAT(large >= 1 && small >= large);
	DO(cudart.FuncSetAttribute(&host_reduce_sum, 8, 65536));
	return true;
}

static const struct check kernel_checks[] = {
	{ "vector_add", vector_add },
	{ "call_configuration", call_configuration },
	{ "matrix_product", matrix_product },
	{ "symbols", symbols },
	{ "function_attributes", function_attributes },
};
const struct check_group kernel_group = GROUP("kernels", kernel_checks);

static bool wrong_arguments(void)
{
	struct dim3 one = { 1, 1, 1 }, none = { 0, 1, 1 }, many = { 2048, 1, 1 };
	void *address = NULL, *word;
	unsigned int value = 1;
	cudaError_t error;
	int ordinal;

	DO(cudart.Malloc(&word, 4));
	RESULT(cudaErrorInvalidDevice, cudart.SetDevice(1000));
	DO(cudart.SetDevice(0));
	RESULT(cudaErrorMemoryAllocation, cudart.Malloc(&address, 1ull << 46));
	RESULT(cudaErrorMemoryAllocation, cudart.GetLastError());
	DO(cudart.GetLastError());
	RESULT(cudaErrorInvalidValue, cudart.Free(&ordinal));
	DO(cudart.Free(NULL));
	/* which of two codes it is depends on the runtime's release */
	error = cudart.LaunchKernel(&host_write_word, none, one, PARAMETERS(&word, &value), 0, NULL);
	THAT(error == cudaErrorInvalidConfiguration || error == cudaErrorInvalidValue);
	RESULT(error, cudart.PeekAtLastError());
	check_note("empty grid %d", error);
	error = cudart.LaunchKernel(&host_write_word, one, many, PARAMETERS(&word, &value), 0, NULL);
	THAT(error == cudaErrorInvalidConfiguration || error == cudaErrorInvalidValue);
	check_note("large block %d", error);
	cudart.GetLastError();
	DO(launch_1d(&host_write_word, 1, NULL, PARAMETERS(&word, &value)));
	DO(cudart.DeviceSynchronize());
	DO(cudart.Free(word));
	return true;
}

/* Resetting frees everything; the next call starts a new context. */
static bool device_reset(void)
{
	size_t before, after, total;
	void *address;

	cudart.GetLastError();
	DO(cudart.DeviceReset());
	DO(cudart.MemGetInfo(&before, &total));
	DO(cudart.Malloc(&address, 32 << 20));
	DO(cudart.DeviceReset());
	DO(cudart.MemGetInfo(&after, &total));
	THAT(after == before);
	return vector_add_of(300);
}

static const struct check error_checks[] = {
	{ "wrong_arguments", wrong_arguments },
	{ "device_reset", device_reset },
};
const struct check_group error_group = GROUP("errors", error_checks);
