// SPDX-License-Identifier: Apache-2.0
/* cuGetProcAddress: argument 1 is the list of what libcudart 13.0 asks for. */
#include <string.h>

#include "check.h"

typedef int (*lookup_v1)(const char *, void **, int, unsigned long long);
typedef int (*lookup_v2)(const char *, void **, int, unsigned long long, int *);

#define UNTOUCHED ((void *)0x5555)
static void *library;
static lookup_v1 look_up_v1;
static lookup_v2 look_up;

/* exported by this program: must not take the library's place in its own answers */
__attribute__((visibility("default"))) int cuInit(unsigned int flags);
int cuInit(unsigned int flags)
{
	(void)flags;
	return 12345;
}

static void expect(const char *name, int version, unsigned long long flags, const char *want)
{
	void *got = UNTOUCHED, *wanted = want ? symbol(library, want) : NULL;
	int status = -1;

	CHECK_EQUAL(look_up(name, &got, version, flags, &status), 0);
	if (got != wanted) {
		fprintf(stderr, "%s %d %llu is not %s\n", name, version, flags, want ? want : "NULL");
		exit(1);
	}
	CHECK_EQUAL(status == 0, want != NULL);
	got = UNTOUCHED;
	CHECK_EQUAL(look_up_v1(name, &got, version, flags), want ? 0 : 500);
	CHECK(got == (want ? wanted : UNTOUCHED));
}

static int status_of(const char *name, int version, unsigned long long flags)
{
	void *function = UNTOUCHED;
	int status = -1;

	CHECK_EQUAL(look_up(name, &function, version, flags, &status), 0);
	CHECK((function == NULL) == (status != 0));
	return status;
}

static int resolve_list(const char *path)
{
	FILE *list = fopen(path, "r");
	char line[256], name[128];
	int rows = 0, version, flags;

	CHECK(list);
	while (fgets(line, sizeof line, list)) {
		if (sscanf(line, "%127s v%d f%d", name, &version, &flags) != 3)
			continue;
		if (status_of(name, version, (unsigned long long)flags)) {
			fprintf(stderr, "no answer to %s", line);
			exit(1);
		}
		rows++;
	}
	fclose(list);
	return rows;
}

int main(int count, char **arguments)
{
	void *function = UNTOUCHED;
	int status = -1;

	CHECK_EQUAL(count, 2);
	library = load("libcuda.so.1");
	look_up = (lookup_v2)symbol(library, "cuGetProcAddress_v2");
	look_up_v1 = (lookup_v1)symbol(library, "cuGetProcAddress");

	CHECK_EQUAL(resolve_list(arguments[1]), 439);

	/* newest variant that is not newer than the version asked for */
	expect("cuCtxCreate", 2000, 0, "cuCtxCreate");
	expect("cuCtxCreate", 3020, 0, "cuCtxCreate_v2");
	expect("cuCtxCreate", 11039, 0, "cuCtxCreate_v2");
	expect("cuCtxCreate", 11040, 0, "cuCtxCreate_v3");
	expect("cuCtxCreate", 13000, 0, "cuCtxCreate_v4");
	expect("cuCtxCreate", -1, 0, "cuCtxCreate_v4");	/* as the driver has it */
	expect("cuGetProcAddress", 11030, 0, "cuGetProcAddress");
	expect("cuGetProcAddress", 12000, 0, "cuGetProcAddress_v2");
	expect("cuInit", 2000, 0, "cuInit");
	expect("cuDeviceGetUuid", 9020, 0, "cuDeviceGetUuid");
	expect("cuDeviceGetUuid", 11040, 0, "cuDeviceGetUuid_v2");

	/* 0 and 1: legacy stream; 2 and 3: per-thread variants where they exist */
	expect("cuLaunchKernel", 13000, 0, "cuLaunchKernel");
	expect("cuLaunchKernel", 13000, 1, "cuLaunchKernel");
	expect("cuLaunchKernel", 13000, 2, "cuLaunchKernel_ptsz");
	expect("cuLaunchKernel", 13000, 3, "cuLaunchKernel_ptsz");
	expect("cuMemcpyHtoD", 13000, 2, "cuMemcpyHtoD_v2_ptds");
	expect("cuStreamGetCaptureInfo", 12030, 2, "cuStreamGetCaptureInfo_v3_ptsz");
	expect("cuMemAlloc", 13000, 2, "cuMemAlloc_v2");
	expect("cuLaunchKernel", 6050, 2, NULL);
	expect("cuInit", 2000, 2, "cuInit");

	/* unknown: 1; not in that version: 2 */
	CHECK_EQUAL(status_of("", 0, 0), 1);
	CHECK_EQUAL(status_of("cuCtxCreate_v2", 13000, 0), 1);
	CHECK_EQUAL(status_of("cuNoSuchThing", 13000, 0), 1);
	CHECK_EQUAL(status_of("cuLaunchKernelEx", 11050, 0), 2);
	CHECK_EQUAL(status_of("cuLaunchKernel", 6050, 2), 2);
	CHECK_EQUAL(status_of("cuEGLApiInit", 13000, 0), 1);
	CHECK_EQUAL(look_up("cuNoSuchThing", &function, 13000, 0, NULL), 0);
	CHECK(!function);

	/* bad arguments leave everything as it was */
	function = UNTOUCHED;
	CHECK_EQUAL(look_up("cuInit", &function, 13000, 4, &status), 1);
	CHECK_EQUAL(look_up_v1("cuInit", &function, 13000, 4), 1);
	CHECK_EQUAL(look_up("cuInit", &function, 13001, 0, &status), 1);	/* newer than the driver */
	CHECK_EQUAL(look_up_v1("cuInit", &function, 99000, 0), 1);
	CHECK(function == UNTOUCHED && status == -1);
	CHECK_EQUAL(look_up(NULL, &function, 13000, 0, &status), 1);
	CHECK_EQUAL(look_up("cuInit", NULL, 13000, 0, &status), 1);
	return 0;
}
