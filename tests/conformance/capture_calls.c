/* SPDX-License-Identifier: Apache-2.0 */
/* The calls that a capture may forbid, and what they use. */
#include "capture_calls.h"
#include "kernels.h"

#include <stdlib.h>

struct had had;

static CUresult allocate(void)
{
	return cu.MemAlloc(&had.memory, BLOCK);
}

static CUresult free_memory(void)
{
	return cu.MemFree(had.memory);
}

static CUresult allocate_pitched(void)
{
	size_t pitch;

	return cu.MemAllocPitch(&had.memory, &pitch, 64, 4, 4);
}

static CUresult allocate_managed(void)
{
	BIND(cuMemAllocManaged, CUdeviceptr *, size_t, unsigned int);

	return cuMemAllocManaged(&had.memory, BLOCK, 1);
}

static CUresult allocate_pinned(void)
{
	return cu.MemHostAlloc(&had.pinned, BLOCK, 0);
}

static CUresult free_pinned(void)
{
	return cu.MemFreeHost(had.pinned);
}

static CUresult register_memory(void)
{
	return cu.MemHostRegister(had.block, BLOCK, 0);
}

static CUresult unregister_memory(void)
{
	return cu.MemHostUnregister(had.block);
}

static CUresult query_event(void)
{
	return cu.EventQuery(had.recorded);
}

static CUresult wait_for_event(void)
{
	return cu.EventSynchronize(had.recorded);
}

static CUresult query_stream(void)
{
	return cu.StreamQuery(had.other);
}

static CUresult wait_for_stream(void)
{
	return cu.StreamSynchronize(had.other);
}

static CUresult wait_for_context(void)
{
	return cu.CtxSynchronize();
}

static CUresult wait_for_legacy(void)
{
	return cu.StreamSynchronize(NULL);
}

static CUresult copy(void)
{
	unsigned int word = 1;

	return cu.MemcpyHtoD(had.memory, &word, 4);
}

static CUresult fill(void)
{
	return cu.MemsetD8(had.memory, 1, 4);
}

static CUresult create_stream(void)
{
	CUstream made;
	CUresult result = cu.StreamCreate(&made, CU_STREAM_NON_BLOCKING);

	return result ? result : cu.StreamDestroy(made);
}

static CUresult create_event(void)
{
	CUevent made;
	CUresult result = cu.EventCreate(&made, 0);

	return result ? result : cu.EventDestroy(made);
}

static CUresult load_module(void)
{
	return cu.ModuleLoadData(&had.module, kernels_ptx);
}

static CUresult unload_module(void)
{
	return cu.ModuleUnload(had.module);
}

static CUresult unload_library(void)
{
	return cu.LibraryUnload(had.library);
}

static CUresult launch_beside(void)
{
	return cu.LaunchKernel(kernels.empty, 1, 1, 1, 1, 1, 1, 0, had.other, NULL, NULL);
}

static CUresult free_bytes(void)
{
	size_t unused, total;

	return cu.MemGetInfo(&unused, &total);
}

/* In the order of undoing: what one has made the next takes away. */
const struct forbidden capture_calls[] = {
	{ "alloc", allocate, free_memory },
	{ "pitch", allocate_pitched, free_memory },
	{ "managed", allocate_managed, free_memory },
	{ "pinned", allocate_pinned, free_pinned },
	{ "register", register_memory, unregister_memory },
	{ "query event", query_event, NULL },
	{ "wait event", wait_for_event, NULL },
	{ "query stream", query_stream, NULL },
	{ "wait stream", wait_for_stream, NULL },
	{ "wait legacy", wait_for_legacy, NULL },
	{ "wait context", wait_for_context, NULL },
	{ "stream", create_stream, NULL },
	{ "event", create_event, NULL },
	{ "module", load_module, unload_module },
	{ "launch", launch_beside, NULL },
	{ "info", free_bytes, NULL },
	{ NULL, NULL, NULL },
};

/* They need something that was there before: see capture_make_what_goes. */
const struct forbidden capture_frees[] = {
	{ "free", free_memory, NULL },
	{ "free pinned", free_pinned, NULL },
	{ "unregister", unregister_memory, NULL },
	{ "unload", unload_module, NULL },
	{ "copy", copy, NULL },
	{ "fill", fill, NULL },
	{ NULL, NULL, NULL },
};

const struct forbidden capture_unload = { "unload", unload_library, NULL };

bool capture_prepare(unsigned int flags)
{
	if (!had.block)
		had.block = aligned_alloc(BLOCK, BLOCK);
	THAT(had.block);
	DO(cu.StreamCreate(&had.captured, flags));
	DO(cu.StreamCreate(&had.other, CU_STREAM_NON_BLOCKING));
	DO(cu.EventCreate(&had.event, CU_EVENT_DISABLE_TIMING));
	DO(cu.EventCreate(&had.recorded, CU_EVENT_DISABLE_TIMING));
	DO(cu.EventRecord(had.recorded, had.other));
	DO(cu.StreamSynchronize(had.other));
	return true;
}

bool capture_clear(void)
{
	DO(cu.EventDestroy(had.event));
	DO(cu.EventDestroy(had.recorded));
	DO(cu.StreamDestroy(had.captured));
	DO(cu.StreamDestroy(had.other));
	DO(cu.CtxSynchronize());
	return true;
}

bool capture_make_what_goes(void)
{
	DO(allocate());
	DO(allocate_pinned());
	DO(register_memory());
	DO(load_module());
	return true;
}
