/* SPDX-License-Identifier: Apache-2.0 */
/* Host memory that is registered where the program has it. */
#include "conformance.h"
#include "workload.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE 4096
#define PORTABLE 1
#define DEVICE_MAP 2
#define IO_MEMORY 4
#define READ_ONLY 8

/* Somewhere in the heap, at no particular address, with something else around it. */
static bool heap_memory(void)
{
	enum { N = 30000 };
	unsigned char *block = malloc(N * 4 + 2000);
	unsigned int *words, value = 5;
	unsigned long long n = N;
	CUdeviceptr pointer = 0;

	USE_DEVICE;
	THAT(block);
	memset(block, 0xa5, N * 4 + 2000);
	words = (unsigned int *)(((size_t)block + 515) & ~(size_t)3);
	DO(cu.MemHostRegister(words, N * 4, 0));
	THAT(words[0] == 0xa5a5a5a5 && words[N - 1] == 0xa5a5a5a5);
	DO(cu.MemHostGetDevicePointer(&pointer, words, 0));
	THAT(pointer == (CUdeviceptr)(size_t)words);
	for (int round = 0; round < 3; round++) {
		DO(launch_1d(kernels.fill, N, NULL, PARAMETERS(&words, &value, &n)));
		DO(cu.CtxSynchronize());
		for (unsigned int i = 0; i < N; i++)
			THAT(words[i] == value + i);
		/* the CPU writes, the GPU reads */
		words[7] = 77;
		THAT(block[0] == 0xa5 && ((unsigned char *)(words + N))[0] == 0xa5);
		value += 100;
	}
	DO(cu.MemHostUnregister(words));
	THAT(words[7] == 77 && words[8] == value - 100 + 8 && block[0] == 0xa5);
	memset(block, 1, N * 4 + 2000);
	free(block);
	return true;
}

static bool copies(void)
{
	enum { BYTES = 9 << 20 };
	unsigned char *in = malloc(BYTES), *out = malloc(BYTES);
	CUdeviceptr memory;
	CUstream stream;

	USE_DEVICE;
	THAT(in && out);
	workload_bytes(in, BYTES, 31);
	DO(cu.StreamCreate(&stream, CU_STREAM_NON_BLOCKING));
	DO(cu.MemAlloc(&memory, BYTES));
	DO(cu.MemHostRegister(in, BYTES, PORTABLE));
	DO(cu.MemHostRegister(out, BYTES, PORTABLE | DEVICE_MAP));
	DO(cu.MemcpyHtoDAsync(memory, in, BYTES, stream));
	DO(cu.MemcpyDtoHAsync(out, memory, BYTES, stream));
	DO(cu.StreamSynchronize(stream));
	THAT(!memcmp(in, out, BYTES));
	DO(cu.MemsetD8Async((CUdeviceptr)(size_t)out + 5, 9, 1000, stream));
	DO(cu.MemcpyAsync((CUdeviceptr)(size_t)out + 5000, (CUdeviceptr)(size_t)in, 5000, stream));
	DO(cu.StreamSynchronize(stream));
	THAT(out[4] == in[4] && out[5] == 9 && out[1004] == 9 && out[1005] == in[1005] && !memcmp(out + 5000, in, 5000));
	DO(cu.MemHostUnregister(in));
	DO(cu.MemHostUnregister(out));
	memset(out, 0, BYTES);
	/* as before, with pageable memory */
	DO(cu.MemcpyDtoH(out, memory, BYTES));
	THAT(!memcmp(in, out, BYTES));
	DO(cu.MemFree(memory));
	DO(cu.StreamDestroy(stream));
	free(in);
	free(out);
	return true;
}

/* What the driver says of an address that it does not know is a code or a type. */
static void note_type(const void *address)
{
	int type = -1, result = cu.PointerGetAttribute(&type, CU_POINTER_ATTRIBUTE_MEMORY_TYPE, (CUdeviceptr)(size_t)address);

	if (result)
		check_note("%d", result);
	else
		check_note("type%d", type);
}

static bool attributes(void)
{
	char *block = aligned_alloc(PAGE, 8 * PAGE), *memory = block + PAGE + 100;
	unsigned int flags = 99;
	CUdeviceptr base = 0;
	void *host = NULL;
	size_t size = 0;

	USE_DEVICE;
	THAT(block);
	memset(block, 0, 8 * PAGE);
	for (unsigned int given = 0; given < 4; given++) {
		DO(cu.MemHostRegister(memory, 2 * PAGE, given));
		DO(cu.MemHostGetFlags(&flags, memory));
		check_note("%u", flags);
		DO(cu.MemHostUnregister(memory));
	}
	note_type(memory);
	DO(cu.MemHostRegister(memory, 2 * PAGE, 0));
	note_type(memory);
	note_type(memory + 2 * PAGE - 1);
	note_type(memory - 1);
	note_type(memory + 2 * PAGE);
	note_type(block);
	DO(cu.PointerGetAttribute(&host, CU_POINTER_ATTRIBUTE_HOST_POINTER, (CUdeviceptr)(size_t)memory + 50));
	THAT(host == memory + 50);
	check_note("%d", (int)cu.MemGetAddressRange(&base, &size, (CUdeviceptr)(size_t)memory + 50));
	if (base)
		check_note("%d %d", (int)(base - (CUdeviceptr)(size_t)block), (int)size);
	DO(cu.MemHostUnregister(memory));
	free(block);
	return true;
}

static bool errors(void)
{
	char *block = aligned_alloc(PAGE, 16 * PAGE), *readable;
	CUdeviceptr pointer;
	unsigned int flags;
	void *pinned;

	USE_DEVICE;
	THAT(block);
	CODE(cu.MemHostRegister(NULL, PAGE, 0));
	CODE(cu.MemHostRegister(block, 0, 0));
	CODE(cu.MemHostRegister(block, PAGE, 16));
	DO(cu.MemHostRegister(block + 4 * PAGE, 4 * PAGE, 0));
	CODE(cu.MemHostRegister(block + 4 * PAGE, 4 * PAGE, 0));
	CODE(cu.MemHostRegister(block + 3 * PAGE, 2 * PAGE, 0));
	CODE(cu.MemHostRegister(block + 5 * PAGE, PAGE, 0));
	CODE(cu.MemHostRegister(block, 16 * PAGE, 0));
	CODE(cu.MemHostUnregister(block));
	CODE(cu.MemHostUnregister(block + 5 * PAGE));
	CODE(cu.MemHostUnregister(NULL));
	CODE(cu.MemFreeHost(block + 4 * PAGE));
	CODE(cu.MemHostGetDevicePointer(&pointer, block, 0));
	CODE(cu.MemHostGetFlags(&flags, block));
	DO(cu.MemHostUnregister(block + 4 * PAGE));
	CODE(cu.MemHostUnregister(block + 4 * PAGE));

	DO(cu.MemHostAlloc(&pinned, 4 * PAGE, 0));
	CODE(cu.MemHostRegister(pinned, PAGE, 0));
	CODE(cu.MemHostUnregister(pinned));
	DO(cu.MemFreeHost(pinned));

	readable = mmap(NULL, 4 * PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	THAT(readable != MAP_FAILED);
	CODE(cu.MemHostRegister(readable, PAGE, 0));
	munmap(readable + 2 * PAGE, PAGE);
	mprotect(readable, 2 * PAGE, PROT_READ | PROT_WRITE);
	CODE(cu.MemHostRegister(readable, 3 * PAGE, 0));
	CODE(cu.MemHostRegister(readable + 2 * PAGE, PAGE, 0));
	munmap(readable, 4 * PAGE);
	free(block);
	return true;
}

/* Copies that leave registered memory, and memory of others in the same page. */
static bool edges(void)
{
	char *block = aligned_alloc(PAGE, 8 * PAGE), *memory = block + PAGE + 1000;
	CUdeviceptr device_memory;

	USE_DEVICE;
	THAT(block);
	memset(block, 3, 8 * PAGE);
	DO(cu.MemAlloc(&device_memory, 8 * PAGE));
	DO(cu.MemHostRegister(memory, 1000, 0));
	NOTE(cu.MemcpyHtoD(device_memory, memory - 500, 400));
	NOTE(cu.MemcpyHtoD(device_memory, memory - 500, 1000));
	NOTE(cu.MemcpyHtoD(device_memory, memory + 500, 1000));
	NOTE(cu.MemcpyHtoD(device_memory, memory + 500, 2 * PAGE));
	NOTE(cu.MemcpyHtoD(device_memory, block, 3 * PAGE));
	/* a neighbour in the same page */
	NOTE(cu.MemHostRegister(memory + 1500, 100, 0));
	NOTE(cu.MemHostUnregister(memory + 1500));
	DO(cu.MemHostUnregister(memory));
	DO(cu.MemcpyHtoD(device_memory, block, 3 * PAGE));
	DO(cu.MemFree(device_memory));
	free(block);
	return true;
}

/* What natively works and a vGPU refuses, or the other way round, differs from run to run of the suite. */
static bool not_carried(void)
{
	char *shared = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	char *own = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char stack[100];
	int result;

	USE_DEVICE;
	THAT(shared != MAP_FAILED && own != MAP_FAILED);
	result = cu.MemHostRegister(shared, PAGE, 0);
	printf("info registered.shared_memory %d\n", result);
	if (!result)
		DO(cu.MemHostUnregister(shared));
	result = cu.MemHostRegister(stack, sizeof(stack), 0);
	printf("info registered.stack %d\n", result);
	if (!result)
		DO(cu.MemHostUnregister(stack));
	result = cu.MemHostRegister(own, PAGE, READ_ONLY);
	printf("info registered.read_only %d\n", result);
	if (!result)
		DO(cu.MemHostUnregister(own));
	result = cu.MemHostRegister(own, PAGE, IO_MEMORY);
	printf("info registered.io_memory %d\n", result);
	if (!result)
		DO(cu.MemHostUnregister(own));
	munmap(shared, PAGE);
	munmap(own, PAGE);
	return true;
}

/* Threads that go on writing lose nothing while their memory is registered and unregistered. */
static atomic_int stop;

static void *write_on(void *data)
{
	volatile unsigned int *word = data;
	unsigned int n = 0;

	while (!atomic_load(&stop)) {
		if (*word != n)
			return NULL;
		*word = ++n;
	}
	return data;
}

static bool while_others_write(void)
{
	enum { THREADS = 4, SPREAD = 20000 };
	char *block = malloc(THREADS * SPREAD * 4);
	pthread_t threads[THREADS];
	void *good;

	USE_DEVICE;
	THAT(block);
	memset(block, 0, THREADS * SPREAD * 4);
	atomic_store(&stop, 0);
	for (int i = 0; i < THREADS; i++)
		THAT(!pthread_create(&threads[i], NULL, write_on, block + i * SPREAD));
	for (int i = 0; i < 100; i++) {
		DO(cu.MemHostRegister(block, THREADS * SPREAD, 0));
		DO(cu.MemHostUnregister(block));
	}
	atomic_store(&stop, 1);
	for (int i = 0; i < THREADS; i++) {
		pthread_join(threads[i], &good);
		THAT(good);
	}
	free(block);
	return true;
}

/* A child has the memory as it was, and a copy of its own. */
static bool in_a_child(void)
{
	enum { BYTES = 300000 };
	unsigned char *block = malloc(BYTES);
	int status = -1;
	pid_t child;

	USE_DEVICE;
	THAT(block);
	workload_bytes(block, BYTES, 32);
	DO(cu.MemHostRegister(block, BYTES, 0));
	block[0] = 1;
	fflush(stdout);
	child = fork();
	THAT(child >= 0);
	if (!child) {
		unsigned char *expected = malloc(BYTES);

		workload_bytes(expected, BYTES, 32);
		expected[0] = 1;
		status = memcmp(block, expected, BYTES) ? 1 : 0;
		memset(block, 0, BYTES);
		_exit(status);
	}
	THAT(waitpid(child, &status, 0) == child);
	check_note("%d", status);
	THAT(block[0] == 1);
	memset(block, 2, BYTES);
	DO(cu.MemHostUnregister(block));
	THAT(block[BYTES - 1] == 2);
	free(block);
	return true;
}

static bool many(void)
{
	enum { COUNT = 100 };
	char *blocks[COUNT];

	USE_DEVICE;
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < COUNT; i++) {
			blocks[i] = aligned_alloc(PAGE, (size_t)(i % 7 + 1) * PAGE);
			THAT(blocks[i]);
			memset(blocks[i], i, PAGE);
			DO(cu.MemHostRegister(blocks[i], 100 + 4000 * (size_t)(i % 7), 0));
		}
		for (int i = COUNT; i-- > 0;) {
			THAT(blocks[i][0] == i && blocks[i][PAGE - 1] == i);
			DO(cu.MemHostUnregister(blocks[i]));
			free(blocks[i]);
		}
	}
	return true;
}

/* Unmapped before it is unregistered, as careless programs do. */
static bool unmapped_first(void)
{
	char *block = mmap(NULL, 64 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	USE_DEVICE;
	THAT(block != MAP_FAILED);
	memset(block, 1, 64 * PAGE);
	DO(cu.MemHostRegister(block, 64 * PAGE, 0));
	munmap(block + 16 * PAGE, 16 * PAGE);
	NOTE(cu.MemHostUnregister(block));
	THAT(block[0] == 1 && block[64 * PAGE - 1] == 1);
	munmap(block, 64 * PAGE);
	return true;
}

static const struct check checks[] = {
	{ "heap_memory", heap_memory },
	{ "copies", copies },
	{ "attributes", attributes },
	{ "errors", errors },
	{ "edges", edges },
	{ "not_carried", not_carried },
	{ "while_others_write", while_others_write },
	{ "in_a_child", in_a_child },
	{ "many", many },
	{ "unmapped_first", unmapped_first },
};
const struct check_group registered_family = GROUP("registered", checks);
