/* SPDX-License-Identifier: Apache-2.0 */
/* The primary context's life, calls about whole contexts, and first versions of context calls that still do their work. */
#include "conformance.h"

#include <string.h>

/* A context of its own for a check that ends it: the primary one is retained by the suite. */
static bool life(void)
{
	BIND(cuDevicePrimaryCtxRelease, CUdevice);
	CUcontext first, second, current;
	unsigned int flags;
	int active = -1;

	USE_DEVICE;
	DO(cu.DevicePrimaryCtxRetain(&first, device));
	THAT(first == context);
	/* three uses: the suite's, that one, and one that the first version of the call gives back */
	DO(cu.DevicePrimaryCtxRetain(&second, device));
	THAT(second == first);
	DO(cuDevicePrimaryCtxRelease(device));
	DO(cu.DevicePrimaryCtxRelease(device));
	DO(cu.DevicePrimaryCtxGetState(device, &flags, &active));
	THAT(active == 1);
	DO(cu.CtxGetCurrent(&current));
	THAT(current == context);
	CODE(cuDevicePrimaryCtxRelease(77));
	return true;
}

static bool first_calls(void)
{
	BIND(cuCtxCreate_v2, CUcontext *, unsigned int, CUdevice);
	BIND(cuCtxDestroy, CUcontext);
	BIND(cuCtxPushCurrent, CUcontext);
	BIND(cuCtxPopCurrent, CUcontext *);
	BIND(cuDevicePrimaryCtxSetFlags, CUdevice, unsigned int);
	unsigned int before, flags;
	CUcontext made, popped;
	int active;

	USE_DEVICE;
	DO(cuCtxCreate_v2(&made, 0, device));
	/* the first versions want a context of the first cuCtxCreate; what they answer others is theirs to say */
	NOTE(cuCtxPopCurrent(&popped));
	DO(cu.CtxSetCurrent(context));
	NOTE(cuCtxPushCurrent(made));
	DO(cu.CtxSetCurrent(context));
	CODE(cuCtxPushCurrent(NULL));
	NOTE(cuCtxDestroy(made));
	CODE(cuCtxDestroy(NULL));
	DO(cu.CtxSetCurrent(context));
	DO(cu.DevicePrimaryCtxGetState(device, &before, &active));
	NOTE(cuDevicePrimaryCtxSetFlags(device, before & 7));
	DO(cu.DevicePrimaryCtxGetState(device, &flags, &active));
	THAT(flags == before);
	CODE(cuDevicePrimaryCtxSetFlags(device, 0x100));
	CODE(cuDevicePrimaryCtxSetFlags(77, 0));
	return true;
}

/* Calls about a context that need not be the current one. */
static bool named_contexts(void)
{
	BIND(cuCtxCreate_v2, CUcontext *, unsigned int, CUdevice);
	BIND(cuCtxDestroy_v2, CUcontext);
	BIND(cuCtxGetDevice_v2, CUdevice *, CUcontext);
	BIND(cuCtxSynchronize_v2, CUcontext);
	unsigned int factor = 3, addend = 1, word = 0;
	CUcontext made;
	CUdeviceptr memory;
	CUdevice found = 99;
	int n = 1;

	USE_DEVICE;
	DO(cuCtxCreate_v2(&made, 0, device));
	DO(cu.CtxSetCurrent(context));
	DO(cuCtxGetDevice_v2(&found, made));
	THAT(found == device);
	DO(cuCtxGetDevice_v2(&found, NULL));
	THAT(found == device);
	DO(cu.MemAlloc(&memory, 4));
	DO(cu.MemsetD32(memory, 5, 1));
	DO(launch_1d(kernels.step, 1, NULL, PARAMETERS(&memory, &factor, &addend, &n)));
	DO(cu.CtxSetCurrent(made));
	DO(cuCtxSynchronize_v2(context));
	DO(cuCtxSynchronize_v2(NULL));
	DO(cu.CtxSetCurrent(context));
	DO(cu.MemcpyDtoH(&word, memory, 4));
	THAT(word == 16);
	DO(cuCtxSynchronize_v2(made));
	DO(cuCtxDestroy_v2(made));
	CODE(cuCtxSynchronize_v2(made));
	NOTE(cuCtxGetDevice_v2(&found, made));
	CODE(cuCtxGetDevice_v2(NULL, context));
	DO(cu.MemFree(memory));
	DO(cu.CtxSetCurrent(NULL));
	CODE(cuCtxSynchronize_v2(NULL));
	CODE(cuCtxGetDevice_v2(&found, NULL));
	NOTE(cuCtxSynchronize_v2(context));
	return true;
}

static bool caches(void)
{
	BIND(cuCtxCreate_v2, CUcontext *, unsigned int, CUdevice);
	BIND(cuCtxDestroy_v2, CUcontext);
	BIND(cuCtxGetCacheConfig, int *);
	BIND(cuCtxSetCacheConfig, int);
	BIND(cuCtxResetPersistingL2Cache, void);
	CUcontext made;
	int config = 77;

	USE_DEVICE;
	DO(cuCtxGetCacheConfig(&config));
	check_note("(%d)", config);
	for (int wanted = 0; wanted < 5; wanted++) {
		NOTE(cuCtxSetCacheConfig(wanted));
		DO(cuCtxGetCacheConfig(&config));
		check_note("(%d)", config);
	}
	/* it is the context's, not the process's */
	DO(cuCtxCreate_v2(&made, 0, device));
	DO(cuCtxGetCacheConfig(&config));
	check_note("(%d)", config);
	DO(cuCtxSetCacheConfig(1));
	DO(cuCtxDestroy_v2(made));
	DO(cuCtxGetCacheConfig(&config));
	check_note("(%d)", config);
	NOTE(cuCtxSetCacheConfig(-1));
	CODE(cuCtxGetCacheConfig(NULL));
	DO(cuCtxSetCacheConfig(0));
	DO(cuCtxResetPersistingL2Cache());
	DO(cu.CtxSynchronize());
	DO(cu.CtxSetCurrent(NULL));
	CODE(cuCtxGetCacheConfig(&config));
	CODE(cuCtxSetCacheConfig(0));
	CODE(cuCtxResetPersistingL2Cache());
	return true;
}

/* Ends the suite's context, so it comes last in its family; what a new one has is fresh. */
static bool reset(void)
{
	BIND(cuDevicePrimaryCtxReset, CUdevice);
	BIND(cuDevicePrimaryCtxReset_v2, CUdevice);
	unsigned int flags, word = 0;
	CUcontext again, current;
	CUdeviceptr memory;
	int active = -1;

	USE_DEVICE;
	DO(cu.MemAlloc(&memory, 4096));
	CODE(cuDevicePrimaryCtxReset(77));
	CODE(cuDevicePrimaryCtxReset_v2(77));
	DO(cuDevicePrimaryCtxReset_v2(device));
	DO(cu.DevicePrimaryCtxGetState(device, &flags, &active));
	check_note("active %d", active);
	DO(cu.CtxGetCurrent(&current));
	check_note("%s", current == context ? "still current" : current ? "another" : "none");
	CODE(cu.MemcpyDtoH(&word, memory, 4));
	CODE(cu.MemAlloc(&memory, 4096));
	NOTE(cuDevicePrimaryCtxReset(device));	/* of no context */
	DO(cu.DevicePrimaryCtxRetain(&again, device));
	check_note("%s", again == context ? "the handle of before" : "another handle");
	DO(cu.CtxSetCurrent(again));
	DO(cu.MemAlloc(&memory, 4096));
	DO(cu.MemsetD32(memory, 8, 4));
	DO(cu.MemcpyDtoH(&word, memory, 4));
	THAT(word == 8);
	CODE(cu.LaunchKernel(kernels.empty, 1, 1, 1, 1, 1, 1, 0, NULL, NULL, NULL));	/* its module is gone */
	NOTE(cu.DevicePrimaryCtxRelease(device));
	NOTE(cu.DevicePrimaryCtxRelease(device));
	return true;
}

static const struct check checks[] = {
	{ "life", life },
	{ "first_calls", first_calls },
	{ "named_contexts", named_contexts },
	{ "caches", caches },
	{ "reset", reset },
};
const struct check_group primary_family = GROUP("primary", checks);
