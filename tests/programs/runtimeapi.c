/* SPDX-License-Identifier: Apache-2.0 */
/* Checks of an unmodified CUDA runtime on device 0: runtimeapi [--cudart=FILE] [GROUP | GROUP.NAME ...] */
#include "fatbin.h"
#include "kernels.h"
#include "runtime_test.h"

#include <stdio.h>
#include <string.h>

struct cuda_runtime cudart;
char host_vector_add, host_reduce_sum, host_matrix_product, host_saxpy, host_step, host_spin, host_wait_for_gate,
	host_scale_by_constant, host_write_word;
float constant_factors[16];
unsigned long long global_counter;

static struct fatbin_wrapper wrapper;

static void **register_kernels(void)
{
	static const struct {
		const char *host;
		const char *name;
	} functions[] = {
		{ &host_vector_add, "vector_add" },
		{ &host_reduce_sum, "reduce_sum" },
		{ &host_matrix_product, "matrix_product" },
		{ &host_saxpy, "saxpy" },
		{ &host_step, "step" },
		{ &host_spin, "spin" },
		{ &host_wait_for_gate, "wait_for_gate" },
		{ &host_scale_by_constant, "scale_by_constant" },
		{ &host_write_word, "write_word" },
	};
	void **handle = cudart.RegisterFatBinary(&wrapper);

	for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++)
		cudart.RegisterFunction(handle, functions[i].host, (char *)functions[i].name, functions[i].name, -1,
					NULL, NULL, NULL, NULL, NULL);
	cudart.RegisterVar(handle, (char *)constant_factors, "constant_factors", "constant_factors", 0,
			   sizeof(constant_factors), 1, 0);
	cudart.RegisterVar(handle, (char *)&global_counter, "global_counter", "global_counter", 0,
			   sizeof(global_counter), 0, 0);
	cudart.RegisterFatBinaryEnd(handle);
	return handle;
}

cudaError_t launch_1d(const void *function, size_t threads, cudaStream_t stream, void **arguments)
{
	struct dim3 grid = { (unsigned int)((threads + 127) / 128), 1, 1 }, block = { 128, 1, 1 };

	return cudart.LaunchKernel(function, grid, block, arguments, 0, stream);
}

int main(int argc, char **argv)
{
	const char *path = NULL;
	void **handle;
	int status;

	if (argc > 1 && !strncmp(argv[1], "--cudart=", 9)) {
		path = argv[1] + 9;
		argv[1] = argv[0];
		argv++;
		argc--;
	}
	if (cuda_runtime_open(&cudart, path))
		return 2;
	if (fatbin_of_ptx(&wrapper, kernels_ptx, 80)) {
		fprintf(stderr, "no memory for the fat binary\n");
		return 2;
	}
	handle = register_kernels();

	const struct check_group groups[] = { device_group, kernel_group,     memory_group, stream_group,
					      graph_group,  hand_graph_group, error_group };
	status = check_run("runtimeapi", groups, sizeof(groups) / sizeof(groups[0]), argc, argv);
	cudart.UnregisterFatBinary(handle);
	return status;
}
