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
	CODE(cu.CtxPushCurrent(NULL));
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

/* Empties the thread's stack of contexts. */
static bool without_context(void)
{
	CUcontext current;

	for (int i = 0; i < 100; i++) {
		DO(cu.CtxGetCurrent(&current));
		if (!current)
			return true;
		DO(cu.CtxPopCurrent(&current));
	}
	return check_reason("contexts without end");
}

/* Calls about a context that need not be the current one; NULL is the current one, or nothing. */
static bool named_contexts(void)
{
	BIND(cuCtxCreate_v2, CUcontext *, unsigned int, CUdevice);
	BIND(cuCtxDestroy_v2, CUcontext);
	BIND(cuCtxGetDevice_v2, CUdevice *, CUcontext);
	BIND(cuCtxSynchronize_v2, CUcontext);
	BIND(cuCtxGetId, CUcontext, unsigned long long *);
	BIND(cuCtxGetApiVersion, CUcontext, unsigned int *);
	BIND(cuCtxRecordEvent, CUcontext, CUevent);
	BIND(cuCtxWaitEvent, CUcontext, CUevent);
	unsigned int factor = 3, addend = 1, word = 0, version;
	unsigned long long id, same;
	CUcontext made;
	CUevent event;
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
	DO(cuCtxGetId(context, &id));
	DO(cuCtxGetId(NULL, &same));
	THAT(id == same);
	NOTE(cuCtxGetApiVersion(NULL, &version));
	DO(cu.EventCreate(&event, CU_EVENT_DISABLE_TIMING));
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
	if (!without_context())
		return false;
	NOTE(cuCtxSynchronize_v2(NULL));
	NOTE(cuCtxGetDevice_v2(&found, NULL));
	NOTE(cuCtxGetId(NULL, &id));
	NOTE(cuCtxGetApiVersion(NULL, &version));
	NOTE(cuCtxRecordEvent(NULL, event));
	NOTE(cuCtxWaitEvent(NULL, event));
	NOTE(cuCtxSynchronize_v2(context));
	NOTE(cuCtxGetDevice_v2(&found, context));
	NOTE(cuCtxGetId(context, &id));
	NOTE(cuCtxGetApiVersion(context, &version));
	NOTE(cuCtxRecordEvent(context, event));
	NOTE(cuCtxWaitEvent(context, event));
	DO(cu.CtxSetCurrent(context));
	NOTE(cuCtxGetId(context, NULL));
	NOTE(cuCtxGetApiVersion(context, NULL));
	NOTE(cuCtxRecordEvent(context, NULL));
	NOTE(cuCtxWaitEvent(context, NULL));
	DO(cu.EventDestroy(event));
	return true;
}

/* Who is current, in a word. */
static bool note_current(CUcontext made)
{
	CUcontext current = NULL;

	DO(cu.CtxGetCurrent(&current));
	check_note("%s", !current ? "none" : current == context ? "primary" : current == made ? "made" : "another");
	return true;
}

/* A thread's contexts are a stack: what replaces its top, what takes it off, what an ended one in it is. */
static bool stack(void)
{
	BIND(cuCtxCreate_v2, CUcontext *, unsigned int, CUdevice);
	BIND(cuCtxDestroy_v2, CUcontext);
	CUcontext made = NULL, popped = NULL;

	USE_DEVICE;
	if (!without_context())
		return false;
	/* SetCurrent on an empty stack, over one, and of nothing */
	DO(cu.CtxSetCurrent(context));
	DO(cu.CtxPushCurrent(context));
	DO(cuCtxCreate_v2(&made, 0, device));
	if (!note_current(made))
		return false;
	DO(cu.CtxSetCurrent(context));
	for (int i = 0; i < 4; i++) {
		NOTE(cu.CtxSetCurrent(NULL));
		if (!note_current(made))
			return false;
	}
	NOTE(cu.CtxPopCurrent(&popped));
	/* nothing is left of it when others come */
	DO(cu.CtxSetCurrent(made));
	DO(cu.CtxSetCurrent(context));
	NOTE(cu.CtxPopCurrent(NULL));
	NOTE(cu.CtxPopCurrent(&popped));
	DO(cuCtxDestroy_v2(made));
	if (!without_context())
		return false;
	DO(cuCtxCreate_v2(&made, 0, device));
	NOTE(cuCtxDestroy_v2(made));
	if (!note_current(made))
		return false;
	NOTE(cu.CtxGetCurrent(NULL));
	NOTE(cuCtxDestroy_v2(context));
	DO(cu.CtxSetCurrent(context));
	DO(cu.CtxSynchronize());
	return true;
}

/* A handle whose context has ended: where it is current, where it lies below, and in calls that name it. */
static bool ended_contexts(void)
{
	BIND(cuCtxCreate_v2, CUcontext *, unsigned int, CUdevice);
	BIND(cuCtxDestroy_v2, CUcontext);
	BIND(cuCtxGetId, CUcontext, unsigned long long *);
	BIND(cuCtxGetApiVersion, CUcontext, unsigned int *);
	CUcontext made, popped = NULL;
	unsigned long long id;
	unsigned int version;

	USE_DEVICE;
	DO(cuCtxCreate_v2(&made, 0, device));
	DO(cu.CtxPushCurrent(context));
	NOTE(cuCtxDestroy_v2(made));
	if (!note_current(made))
		return false;
	NOTE(cu.CtxPopCurrent(&popped));
	if (!note_current(made))
		return false;
	NOTE(cu.CtxPopCurrent(&popped));
	check_note("%s", popped == made ? "made" : popped == context ? "primary" : "another");
	if (!note_current(made))
		return false;
	NOTE(cuCtxGetId(made, &id));
	NOTE(cuCtxGetApiVersion(made, &version));
	DO(cu.CtxSetCurrent(context));
	DO(cu.CtxSynchronize());
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
	{ "stack", stack },
	{ "ended_contexts", ended_contexts },
	{ "caches", caches },
	{ "reset", reset },
};
const struct check_group primary_family = GROUP("primary", checks);
