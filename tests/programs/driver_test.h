/* SPDX-License-Identifier: Apache-2.0 */
/* What the groups of driverapi share: the bound driver, and device 0 with its primary context and the kernels. */
#ifndef DRIVER_TEST_H
#define DRIVER_TEST_H

#include "check.h"
#include "cuda_driver.h"

#define KERNEL_NAMES(X)                                                                                               \
	X(vector_add) X(saxpy) X(reduce_sum) X(matrix_product) X(histogram) X(scale_by_constant) X(fill) X(step)      \
	X(spin) X(wait_for_gate) X(empty) X(write_word)

#define KERNEL_MEMBER(name) CUfunction name;
struct test_kernels {
	CUmodule module;
	KERNEL_NAMES(KERNEL_MEMBER)
};
#undef KERNEL_MEMBER

extern struct cuda_driver cu;
extern struct test_kernels kernels;
extern CUdevice device;
extern CUcontext context;

/* Initialises on the first call, makes the primary context current; the first error is kept and returned again. */
CUresult device_ready(void);

/* One-dimensional launch of `threads` threads in blocks of 128. */
CUresult launch_1d(CUfunction function, size_t threads, CUstream stream, void **parameters);

#define PARAMETERS(...) ((void *[]){ __VA_ARGS__ })
#define USE_DEVICE DO(device_ready())

extern const struct check_group init_group, kernel_group, module_group, memory_group, pinned_group, vmm_group,
	stream_group, thread_group, graph_group, error_group, fault_group, extra_group;

#endif
