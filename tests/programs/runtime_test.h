/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the groups of runtimeapi share. Kernels are registered as nvcc's host code does it: a fat binary, and a host
 * address that stands for each kernel and variable.
 */
#ifndef RUNTIME_TEST_H
#define RUNTIME_TEST_H

#include "check.h"
#include "cuda_runtime.h"

extern struct cuda_runtime cudart;

/* The host's stand-ins; only their addresses count. */
extern char host_vector_add, host_reduce_sum, host_matrix_product, host_saxpy, host_step, host_spin, host_wait_for_gate,
	host_scale_by_constant, host_write_word;
extern float constant_factors[16];
extern unsigned long long global_counter;

#define PARAMETERS(...) ((void *[]){ __VA_ARGS__ })

/* One-dimensional launch of `threads` threads in blocks of 128. */
cudaError_t launch_1d(const void *function, size_t threads, cudaStream_t stream, void **arguments);

extern const struct check_group device_group, kernel_group, memory_group, stream_group, graph_group, hand_graph_group,
	error_group;

#endif
