// SPDX-License-Identifier: Apache-2.0
// Kernels that print, and one whose assertion fails. Compiled by ../programs/compile_ptx.py.
extern "C" __device__ int printf(const char *format, ...);
extern "C" __device__ void __assertfail(const char *expression, const char *file, unsigned int line,
					const char *function, size_t size_of_char);

extern "C" __global__ void print_values(int number, float real, const char *text)
{
	printf("values %d %u %lld %.3f %c %x %s %5d|%-5d|\n", number, 4000000000u, 123456789012345ll, real, 'x', 255, text,
	       number, number);
}

extern "C" __global__ void print_threads(int round)
{
	printf("round %d block %d thread %d\n", round, blockIdx.x, threadIdx.x);
}

extern "C" __global__ void print_plainly()
{
	printf("no arguments\n");
}

extern "C" __global__ void assert_small(int limit)
{
	if (threadIdx.x >= limit)
		__assertfail("threadIdx.x < limit", "printing_kernels.cu", 27, "void assert_small(int)", 1);
}
