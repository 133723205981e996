/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A libcuda.so.1 without a GPU: every call succeeds at once, work is done when it is posted, and kernels do nothing; with
 * a simulation, time passes. As with NVIDIA's, a thread launches nothing without a current context. What the executor costs
 * beside the driver can be measured on it. Launches and fences are written to the file that
 * VGPU_EMPTY_DRIVER_LOG names when cuInit is called, a line each, as are copies of pinned memory. Functions that fill nothing in are added by cudatest.go.
 */
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef uintptr_t handle;

enum { INVALID_VALUE = 1, OUT_OF_MEMORY = 2, INVALID_CONTEXT = 201, LAUNCH_FAILED = 719, REFUSED_GRID = 1313, PRIMARY = 0x10000 };
enum { LAUNCH_NS = 200, WRITE_NS = 100, KERNEL_NS = 7000, WRITES = 1 << 16 };

/* cudatest.go says what it is. */
struct simulation {
	uint64_t now, launches, withdraw_at;
	uintptr_t sequence, budget;
};

static int lines = -1;
static struct simulation *simulation;
static uint64_t busy_until, writes_begun, writes_done;
static struct {
	uint64_t at;
	uint32_t *address, value;
} writes[WRITES];
static __thread handle current __attribute__((tls_model("initial-exec")));

int cuInit(unsigned int flags)
{
	const char *path = getenv("VGPU_EMPTY_DRIVER_LOG");

	if (path && *path)
		lines = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	path = getenv("VGPU_EMPTY_DRIVER_CLOCK");
	if (path && *path)
		simulation = (struct simulation *)strtoull(path, NULL, 10);
	return (void)flags, 0;
}

/* Time passes, and the GPU gets on. */
static void pass(uint64_t ns)
{
	if (!simulation)
		return;
	simulation->now += ns;
	for (; writes_done != writes_begun && writes[writes_done % WRITES].at <= simulation->now; writes_done++)
		__atomic_store_n(writes[writes_done % WRITES].address, writes[writes_done % WRITES].value, __ATOMIC_RELEASE);
}

/* As a mediator does, from another processor. */
static void withdraw(void)
{
	__atomic_add_fetch((uint32_t *)simulation->sequence, 1, __ATOMIC_SEQ_CST);
	__atomic_store_n((uint64_t *)simulation->budget, 0, __ATOMIC_SEQ_CST);
	__atomic_add_fetch((uint32_t *)simulation->sequence, 1, __ATOMIC_SEQ_CST);
}

static void work(unsigned int width)
{
	if (!simulation)
		return;
	if (busy_until < simulation->now)
		busy_until = simulation->now;
	busy_until += (uint64_t)width * KERNEL_NS;
	if (++simulation->launches == simulation->withdraw_at)
		withdraw();
}

static unsigned long long now(void) { return simulation ? simulation->now : 0; }

int cuDriverGetVersion(int *version) { return *version = 13000, 0; }
int cuDeviceGet(int *device, int ordinal) { return *device = ordinal, 0; }
int cuDeviceGetByPCIBusId(int *device, const char *address) { return *device = 0, (void)address, 0; }
int cuDeviceGetAttribute(int *value, int attribute, int device) { return *value = 1024, (void)attribute, (void)device, 0; }
int cuDeviceGetDefaultMemPool(handle *pool, int device) { return *pool = 0x600, (void)device, 0; }
int cuDevicePrimaryCtxRetain(handle *context, int device) { return *context = PRIMARY, (void)device, 0; }
/* NVIDIA's driver follows the pointer that it is given: a context that is none ends the process. */
int cuCtxSetCurrent(handle context)
{
	if (context && context != PRIMARY)
		abort();
	return current = context, 0;
}
int cuCtxSynchronize(void) { return current ? 0 : INVALID_CONTEXT; }
int cuStreamCreateWithPriority(handle *stream, unsigned int flags, int priority)
{
	static handle last = 0x10000;

	return *stream = last += 0x100, (void)flags, (void)priority, 0;
}
int cuStreamQuery(handle stream) { return pass(0), (void)stream, 0; }
int cuStreamIsCapturing(handle stream, int *status) { return *status = 0, (void)stream, 0; }
int cuStreamWriteValue32_v2(handle stream, uint64_t address, uint32_t value, unsigned int flags)
{
	if (!current)
		return INVALID_CONTEXT;
	pass(WRITE_NS);
	if (simulation && writes_begun - writes_done < WRITES) {
		writes[writes_begun % WRITES].at = busy_until;
		writes[writes_begun % WRITES].address = (uint32_t *)address;
		writes[writes_begun++ % WRITES].value = value;
		pass(0);
	} else {
		__atomic_store_n((uint32_t *)address, value, __ATOMIC_RELEASE);
	}
	if (lines >= 0)
		dprintf(lines, "%llu: write %zx at %zu in a page: %u, %u\n", now(), stream, (size_t)address % 4096 / 4, value, flags);
	return 0;
}
/* Moves nothing. Copies of REFUSED_GRID bytes are refused, of one more end the context. */
static int copied(const char *way, uint64_t device, uintptr_t host, size_t size, handle stream)
{
	if (!current)
		return INVALID_CONTEXT;
	if (lines >= 0)
		dprintf(lines, "%llu: copy %s %llx, %zx in a chunk: %zu %zx\n", now(), way, (unsigned long long)device,
			(size_t)host % (2 << 20), size, stream);
	return size == REFUSED_GRID ? INVALID_VALUE : size == REFUSED_GRID + 1 ? LAUNCH_FAILED : 0;
}
int cuMemcpyHtoDAsync_v2(uint64_t dst, const void *src, size_t size, handle stream) { return copied("in", dst, (uintptr_t)src, size, stream); }
int cuMemcpyDtoHAsync_v2(void *dst, uint64_t src, size_t size, handle stream) { return copied("out", src, (uintptr_t)dst, size, stream); }
int cuMemHostGetDevicePointer_v2(uint64_t *device, void *host, unsigned int flags) { return *device = (uintptr_t)host, (void)flags, 0; }
int cuMemAddressReserve(uint64_t *address, size_t size, size_t alignment, uint64_t hint, uint64_t flags)
{
	return *address = hint, (void)size, (void)alignment, (void)flags, 0;
}
int cuMemGetAllocationGranularity(size_t *bytes, const void *properties, int option)
{
	return *bytes = 2 << 20, (void)properties, (void)option, 0;
}
int cuMemGetInfo_v2(size_t *free, size_t *total) { return *free = *total = (size_t)64 << 30, 0; }
int cuModuleLoadDataEx(handle *module, const void *image, unsigned int count, int *options, void **values)
{
	return *module = 0x200, (void)image, (void)count, (void)options, (void)values, 0;
}
int cuModuleGetFunction(handle *function, handle module, const char *name) { return *function = 0x300, (void)module, (void)name, 0; }
int cuFuncGetAttribute(int *value, int attribute, handle function) { return *value = 1024, (void)attribute, (void)function, 0; }
int cuFuncGetParamInfo(handle function, size_t index, size_t *offset, size_t *size)
{
	return (void)function, (void)index, (void)offset, (void)size, INVALID_VALUE;
}
int cuKernelGetParamInfo(handle kernel, size_t index, size_t *offset, size_t *size) { return cuFuncGetParamInfo(kernel, index, offset, size); }

/* Reads what the driver reads: all parameters. A grid of REFUSED_GRID by 1 is refused, one by 2 ends the context, one by 3 has memory
 * every third time. */
int cuLaunchKernel(handle function, unsigned int gx, unsigned int gy, unsigned int gz, unsigned int bx, unsigned int by, unsigned int bz,
		   unsigned int shared, handle stream, void **parameters, void **extra)
{
	static volatile unsigned char packed[1 << 16]; /* the longest record */
	static int hungry;
	size_t size = extra ? *(size_t *)extra[3] : 0;

	if (!current)
		return INVALID_CONTEXT;
	pass(LAUNCH_NS);
	if (size)
		memcpy((void *)packed, extra[1], size);
	if (lines >= 0) {
		unsigned int sum = 0;

		for (size_t i = 0; i < size; i++)
			sum = sum * 31 + packed[i];
		dprintf(lines, "%llu: launch %zx %u %u %u %u %u %u %u %zx %p %zu %u\n", now(), function, gx, gy, gz, bx, by, bz, shared, stream,
			(void *)parameters, size, sum);
	}
	if (gx == REFUSED_GRID) {
		if (gy != 3)
			return gy == 1 ? INVALID_VALUE : LAUNCH_FAILED;
		hungry = (hungry + 1) % 3;
		if (hungry)
			return OUT_OF_MEMORY;
	}
	work(gx);
	return 0;
}
