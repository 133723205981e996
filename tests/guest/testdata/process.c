// SPDX-License-Identifier: Apache-2.0
/*
 * What a program sees of cuInit, of its device, of fork and of exit. Prints what
 * the test compares with the description it gave.
 */
#include <pthread.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

static void *library;
#define CALL(name, type) ((type)symbol(library, #name))
typedef int (*int_out)(int *);
typedef int (*pointer_out)(void **);
typedef int (*init)(unsigned int);
typedef int (*attribute)(int *, int, int);

static int device_count(void)
{
	int count = -1;

	return CALL(cuDeviceGetCount, int_out)(&count) ? -1 : count;
}

static void before_init(void)
{
	const char *text = "untouched";
	void *context = NULL;
	int number;

	CHECK_EQUAL(CALL(cuDeviceGetCount, int_out)(&number), 3);
	CHECK_EQUAL(CALL(cuCtxGetCurrent, pointer_out)(&context), 3);
	CHECK_EQUAL(CALL(cuCtxSetCurrent, int (*)(void *))(NULL), 3);
	CHECK_EQUAL(CALL(cuCtxSynchronize, int (*)(void))(), 3);
	CHECK_EQUAL(CALL(cuMemAlloc_v2, int (*)(unsigned long long *, size_t))((void *)&context, 16), 3);
	CHECK_EQUAL(CALL(cuModuleGetLoadingMode, int_out)(&number), 3);
	CHECK_EQUAL(CALL(cuPointerGetAttribute, int (*)(void *, int, unsigned long long))(&context, 2, 0), 3);
	CHECK_EQUAL(CALL(cuDriverGetVersion, int_out)(NULL), 1);
	CHECK_EQUAL(CALL(cuDriverGetVersion, int_out)(&number), 0);
	printf("version_before=%d\n", number);
	CHECK_EQUAL(CALL(cuGetErrorName, int (*)(int, const char **))(201, &text), 0);
	CHECK(strcmp(text, "CUDA_ERROR_INVALID_CONTEXT") == 0);
	CHECK_EQUAL(CALL(cuGetErrorString, int (*)(int, const char **))(12345, &text), 1);
	CHECK(!text);
	CHECK_EQUAL(CALL(cuGLInit, int (*)(void))(), 3);
	CHECK_EQUAL(CALL(cuInit, init)(1), 1);
}

/* A child forked before cuInit has a life of its own. */
static void fork_before_init(void)
{
	int status;
	pid_t child = fork();

	if (child == 0) {
		int result = CALL(cuInit, init)(0);

		_exit(result ? result : device_count() == 1 ? 0 : 250);
	}
	waitpid(child, &status, 0);
	printf("child_before=%d\n", WEXITSTATUS(status));
}

static void fork_after_init(void)
{
	int status;
	pid_t child = fork();

	if (child == 0) {
		int number = 0;

		CHECK_EQUAL(CALL(cuDeviceGetCount, int_out)(&number), 3);
		CHECK_EQUAL(CALL(cuInit, init)(0), 3);
		CHECK_EQUAL(CALL(cuDriverGetVersion, int_out)(&number), 0);
		CHECK(number > 0);
		CHECK_EQUAL(CALL(cuCtxSynchronize, int (*)(void))(), 3);
		_exit(77);
	}
	waitpid(child, &status, 0);
	CHECK_EQUAL(WEXITSTATUS(status), 77);
}

static void *thread_inits(void *result)
{
	*(int *)result = CALL(cuInit, init)(0);
	return NULL;
}

static void init_in_threads(void)
{
	pthread_t threads[8];
	int results[8];

	for (int i = 0; i < 8; i++)
		pthread_create(&threads[i], NULL, thread_inits, &results[i]);
	for (int i = 0; i < 8; i++) {
		pthread_join(threads[i], NULL);
		CHECK_EQUAL(results[i], results[0]);
	}
	printf("init=%d\n", results[0]);
	if (results[0]) {
		int number;

		CHECK_EQUAL(CALL(cuDeviceGetCount, int_out)(&number), 3);
		exit(0);
	}
}

static void device(void)
{
	unsigned char uuid[16];
	char text[128];
	int number = -1, major, minor, properties[14];
	size_t bytes;
	void *context, *again;
	attribute get = CALL(cuDeviceGetAttribute, attribute);

	printf("devices=%d\n", device_count());
	CHECK_EQUAL(CALL(cuDeviceGet, int (*)(int *, int))(&number, 0), 0);
	CHECK_EQUAL(number, 0);
	CHECK_EQUAL(CALL(cuDeviceGet, int (*)(int *, int))(&number, 1), 101);
	CHECK_EQUAL(CALL(cuDeviceGet, int (*)(int *, int))(&number, -1), 101);
	CHECK_EQUAL(CALL(cuDeviceGet, int (*)(int *, int))(NULL, 0), 1);
	CHECK_EQUAL(CALL(cuDeviceGetName, int (*)(char *, int, int))(text, sizeof text, 0), 0);
	printf("name=%s\n", text);
	CHECK_EQUAL(CALL(cuDeviceGetName, int (*)(char *, int, int))(text, 5, 0), 0);
	CHECK_EQUAL(strlen(text), 4);
	CHECK_EQUAL(CALL(cuDeviceGetName, int (*)(char *, int, int))(text, 0, 0), 1);
	CHECK_EQUAL(CALL(cuDeviceTotalMem_v2, int (*)(size_t *, int))(&bytes, 0), 0);
	printf("memory=%zu\n", bytes);
	CHECK_EQUAL(CALL(cuDeviceGetUuid_v2, int (*)(void *, int))(uuid, 0), 0);
	printf("uuid=");
	for (int i = 0; i < 16; i++)
		printf("%02x", uuid[i]);
	CHECK_EQUAL(CALL(cuDeviceGetPCIBusId, int (*)(char *, int, int))(text, 5, 0), 1);
	CHECK(strcmp(text, "0001") == 0);
	CHECK_EQUAL(CALL(cuDeviceGetPCIBusId, int (*)(char *, int, int))(text, 13, 0), 0);
	printf("\npci=%s\n", text);
	CHECK_EQUAL(CALL(cuDeviceGetByPCIBusId, int (*)(int *, const char *))(&number, text), 0);
	CHECK_EQUAL(CALL(cuDeviceGetByPCIBusId, int (*)(int *, const char *))(&number, "00000001:1B:02"), 0);
	CHECK_EQUAL(CALL(cuDeviceGetByPCIBusId, int (*)(int *, const char *))(&number, "1b:02.0"), 101);
	CHECK_EQUAL(CALL(cuDeviceGetByPCIBusId, int (*)(int *, const char *))(&number, "banana"), 1);
	CHECK_EQUAL(CALL(cuDeviceComputeCapability, int (*)(int *, int *, int))(&major, &minor, 0), 0);
	printf("capability=%d.%d\n", major, minor);
	CHECK_EQUAL(get(&number, 33, 0), 0);
	printf("bus=%d\n", number);
	CHECK_EQUAL(get(&number, 34, 0), 0);
	printf("device=%d\n", number);
	CHECK_EQUAL(get(&number, 50, 0), 0);
	printf("domain=%d\n", number);
	CHECK_EQUAL(get(&number, 16, 0), 0);
	printf("multiprocessors=%d\n", number);
	CHECK_EQUAL(get(&number, 93, 0), 801);
	CHECK_EQUAL(get(&number, 0, 0), 1);
	CHECK_EQUAL(get(&number, 145, 0), 1);
	CHECK_EQUAL(get(&number, -1, 0), 1);
	CHECK_EQUAL(get(&number, 1, 1), 101);
	CHECK_EQUAL(get(NULL, 1, 0), 1);
	CHECK_EQUAL(CALL(cuDeviceGetProperties, int (*)(int *, int))(properties, 0), 0);
	CHECK(properties[0] == 1024 && properties[3] == 64 && properties[7] == 49152 && properties[13] == 512);
	CHECK_EQUAL(CALL(cuDeviceCanAccessPeer, int (*)(int *, int, int))(&number, 0, 0), 0);
	CHECK_EQUAL(number, 0);
	CHECK_EQUAL(CALL(cuModuleGetLoadingMode, int_out)(&number), 0);
	printf("loading=%d\n", number);
	CHECK_EQUAL(CALL(cuGLInit, int (*)(void))(), 801);
	CHECK_EQUAL(CALL(cuCtxGetCurrent, pointer_out)(&context), 0);
	CHECK(!context);

	/* the runtime's table hands out the primary context before anyone retains it */
	const void **table;
	CHECK_EQUAL(CALL(cuGetExportTable, int (*)(const void ***, const void *))(
			    &table, "\x6b\xd5\xfb\x6c\x5b\xf4\xe7\x4a\x89\x87\xd9\x39\x12\xfd\x9d\xf9"), 0);
	CHECK_EQUAL((uintptr_t)table[0], 13 * 8);
	CHECK_EQUAL(((int (*)(void **, int))table[2])(&context, 0), 0);
	CHECK_EQUAL(((int (*)(void **, int))table[2])(&again, 0), 0);
	CHECK(context && context == again);
	CHECK_EQUAL(((int (*)(void **, int))table[2])(&context, 1), 101);
	CHECK_EQUAL(((int (*)(void))table[3])(), 801);
	unsigned int flags = 99;
	CHECK_EQUAL(CALL(cuDevicePrimaryCtxGetState, int (*)(int, unsigned int *, int *))(0, &flags, &number), 0);
	CHECK(flags == 0 && number == 0);
}

static void at_exit(void)
{
	int number;

	CHECK_EQUAL(CALL(cuDeviceGetCount, int_out)(&number), 4);
	CHECK_EQUAL(CALL(cuInit, init)(0), 4);
	printf("exit=4\n");
	fflush(stdout);
}

int main(void)
{
	atexit(at_exit);	/* before the library's own handler: runs after it */
	library = load("libcuda.so.1");
	before_init();
	fork_before_init();
	init_in_threads();
	device();
	fork_after_init();
	fork_after_init();
	CHECK_EQUAL(device_count(), 1);
	dlclose(library);
	return 0;
}
