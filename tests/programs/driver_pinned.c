/* SPDX-License-Identifier: Apache-2.0 */
/* Pinned host memory: kernels dereference the host's pointer. */
#include "driver_test.h"
#include "workload.h"

#include <string.h>

static bool kernel_reads_and_writes(void)
{
	enum { N = 5000 };
	float *a, *b, *sum;
	CUdeviceptr da;
	int n = N;

	USE_DEVICE;
	DO(cu.MemHostAlloc((void **)&a, sizeof(float) * N, CU_MEMHOSTALLOC_PORTABLE | CU_MEMHOSTALLOC_DEVICEMAP));
	DO(cu.MemHostAlloc((void **)&b, sizeof(float) * N, 0));
	DO(cu.MemAllocHost((void **)&sum, sizeof(float) * N));
	workload_floats(a, N, 21);
	workload_floats(b, N, 22);
	memset(sum, 0, sizeof(float) * N);
	DO(cu.MemHostGetDevicePointer(&da, a, 0));
	THAT(da == (CUdeviceptr)(uintptr_t)a);
	DO(launch_1d(kernels.vector_add, N, NULL, PARAMETERS(&a, &b, &sum, &n)));
	DO(cu.CtxSynchronize());
	for (int i = 0; i < N; i++)
		if (sum[i] != a[i] + b[i])
			return check_reason("sum[%d] = %g, expected %g", i, sum[i], a[i] + b[i]);

	/* the CPU writes again, the GPU sees it */
	for (int i = 0; i < N; i++)
		a[i] = (float)i;
	DO(launch_1d(kernels.vector_add, N, NULL, PARAMETERS(&a, &b, &sum, &n)));
	DO(cu.CtxSynchronize());
	THAT(sum[N - 1] == a[N - 1] + b[N - 1]);
	DO(cu.MemFreeHost(a));
	DO(cu.MemFreeHost(b));
	DO(cu.MemFreeHost(sum));
	return true;
}

static bool attributes(void)
{
	unsigned int flags = 0;
	CUdeviceptr device_pointer = 0;
	void *host, *host_pointer = NULL;
	int type = 0;

	USE_DEVICE;
	DO(cu.MemHostAlloc(&host, 10000, CU_MEMHOSTALLOC_PORTABLE));
	DO(cu.MemHostGetFlags(&flags, host));
	THAT((flags & CU_MEMHOSTALLOC_PORTABLE) == CU_MEMHOSTALLOC_PORTABLE);
	DO(cu.PointerGetAttribute(&type, CU_POINTER_ATTRIBUTE_MEMORY_TYPE, (CUdeviceptr)(uintptr_t)host + 50));
	THAT(type == CU_MEMORYTYPE_HOST);
	DO(cu.PointerGetAttribute(&device_pointer, CU_POINTER_ATTRIBUTE_DEVICE_POINTER,
				  (CUdeviceptr)(uintptr_t)host + 50));
	THAT(device_pointer == (CUdeviceptr)(uintptr_t)host + 50);
	DO(cu.PointerGetAttribute(&host_pointer, CU_POINTER_ATTRIBUTE_HOST_POINTER,
				  (CUdeviceptr)(uintptr_t)host + 50));
	THAT(host_pointer == (char *)host + 50);
	DO(cu.MemFreeHost(host));
	RESULT(CUDA_ERROR_INVALID_VALUE, cu.MemFreeHost(host));
	return true;
}

static bool async_copies(void)
{
	enum { BYTES = 6 << 20 };
	unsigned char *in, *out;
	CUdeviceptr address;
	CUstream stream;

	USE_DEVICE;
	DO(cu.StreamCreate(&stream, CU_STREAM_NON_BLOCKING));
	DO(cu.MemHostAlloc((void **)&in, BYTES, 0));
	DO(cu.MemHostAlloc((void **)&out, BYTES, 0));
	DO(cu.MemAlloc(&address, BYTES));
	workload_bytes(in, BYTES, 23);
	memset(out, 0, BYTES);
	DO(cu.MemcpyHtoDAsync(address, in, BYTES, stream));
	DO(cu.MemcpyDtoHAsync(out, address, BYTES, stream));
	DO(cu.StreamSynchronize(stream));
	THAT(!memcmp(in, out, BYTES));
	memset(out, 0, BYTES);
	/* parts, unaligned, either direction given by the pointers */
	DO(cu.MemcpyAsync(address + 1, (CUdeviceptr)(uintptr_t)in + 3, 1000, stream));
	DO(cu.MemcpyAsync((CUdeviceptr)(uintptr_t)out + 7, address + 1, 1000, stream));
	DO(cu.StreamSynchronize(stream));
	THAT(!memcmp(in + 3, out + 7, 1000) && out[6] == 0 && out[1007] == 0);
	DO(cu.MemFreeHost(in));
	DO(cu.MemFreeHost(out));
	DO(cu.MemFree(address));
	DO(cu.StreamDestroy(stream));
	return true;
}

static bool many_blocks(void)
{
	enum { BLOCKS = 40 };
	unsigned char *blocks[BLOCKS];

	USE_DEVICE;
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < BLOCKS; i++) {
			DO(cu.MemHostAlloc((void **)&blocks[i], 4096 * (i + 1), 0));
			memset(blocks[i], i, 4096 * (i + 1));
		}
		for (int i = 0; i < BLOCKS; i++) {
			THAT(blocks[i][0] == i && blocks[i][4096 * (i + 1) - 1] == i);
			DO(cu.MemFreeHost(blocks[i]));
		}
	}
	return true;
}

static const struct check checks[] = {
	{ "kernel_reads_and_writes", kernel_reads_and_writes },
	{ "attributes", attributes },
	{ "async_copies", async_copies },
	{ "many_blocks", many_blocks },
};
const struct check_group pinned_group = GROUP("pinned", checks);
