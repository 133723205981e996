/* SPDX-License-Identifier: Apache-2.0 */
/* Kernels that break a rule: the code that ends their context, what every call answers from then on, and what still works. */
#include "child.h"
#include "conformance.h"

#include <string.h>

enum fault { NOWHERE, MISALIGNED, TRAP, FAULTS };

static const char breaking[] =
	".version 7.0\n.target sm_80\n.address_size 64\n"
	".visible .entry misaligned(.param .u64 where)\n{\n\t.reg .u64 %a;\n\t.reg .u32 %v;\n"
	"\tld.param.u64 %a, [where];\n\tadd.u64 %a, %a, 2;\n\tmov.u32 %v, 7;\n\tst.global.u32 [%a], %v;\n\tret;\n}\n"
	".visible .entry trapped(.param .u64 where)\n{\n\ttrap;\n\tret;\n}\n";

/* What a process answers whose kernel broke a rule. */
struct aftermath {
	CUresult wait;
	CUresult calls[14];
	CUresult local[3];
	CUresult reset[4];
};

static CUresult launch_fault(enum fault fault, CUdeviceptr memory)
{
	static const char *const names[] = { NULL, "misaligned", "trapped" };
	CUdeviceptr nowhere = 0x10000;
	unsigned int value = 1;
	CUfunction function;
	CUmodule module;
	CUresult result;

	if (fault == NOWHERE)
		return cu.LaunchKernel(kernels.write_word, 1, 1, 1, 1, 1, 1, 0, NULL, PARAMETERS(&nowhere, &value), NULL);
	if ((result = cu.ModuleLoadData(&module, breaking)) ||
	    (result = cu.ModuleGetFunction(&function, module, names[fault])))
		return result;
	return cu.LaunchKernel(function, 1, 1, 1, 1, 1, 1, 0, NULL, PARAMETERS(&memory), NULL);
}

static int play_breaker(int socket)
{
	BIND(cuDevicePrimaryCtxReset_v2, CUdevice);
	struct aftermath a = { 0 };
	unsigned int word, flags;
	size_t bytes, total;
	CUdeviceptr memory, more;
	CUcontext current;
	CUstream stream, other;
	CUevent event, fresh;
	CUfunction function;
	enum fault fault;
	CUmodule module;
	int n = 0, active, value;
	void *pinned;

	if (!hear(socket, &fault, sizeof(fault), NULL) || device_ready() || cu.MemAlloc(&memory, 4096) ||
	    cu.StreamCreate(&stream, CU_STREAM_NON_BLOCKING) || cu.EventCreate(&event, CU_EVENT_DISABLE_TIMING) ||
	    cu.EventRecord(event, stream) || cu.StreamSynchronize(stream) || launch_fault(fault, memory))
		return 3;
	a.wait = cu.CtxSynchronize();
	a.calls[n++] = cu.CtxSynchronize();
	a.calls[n++] = cu.StreamSynchronize(stream);
	a.calls[n++] = cu.StreamQuery(stream);
	a.calls[n++] = cu.EventQuery(event);
	a.calls[n++] = cu.EventRecord(event, stream);
	a.calls[n++] = cu.MemcpyDtoH(&word, memory, 4);
	a.calls[n++] = cu.MemsetD32(memory, 0, 1);
	a.calls[n++] = cu.LaunchKernel(kernels.empty, 1, 1, 1, 1, 1, 1, 0, NULL, NULL, NULL);
	a.calls[n++] = cu.MemAlloc(&more, 4096);
	a.calls[n++] = cu.MemHostAlloc(&pinned, 4096, 0);
	a.calls[n++] = cu.StreamCreate(&other, CU_STREAM_NON_BLOCKING);
	a.calls[n++] = cu.EventCreate(&fresh, CU_EVENT_DEFAULT);
	a.calls[n++] = cu.ModuleLoadData(&module, breaking);
	a.calls[n++] = cu.MemGetInfo(&bytes, &total);
	a.local[0] = cu.CtxGetCurrent(&current);
	a.local[1] = cu.DeviceGetAttribute(&value, CU_DEVICE_ATTRIBUTE_WARP_SIZE, device);
	a.local[2] = cu.ModuleGetFunction(&function, kernels.module, "empty");
	a.reset[0] = cuDevicePrimaryCtxReset_v2(device);
	a.reset[1] = cu.DevicePrimaryCtxGetState(device, &flags, &active);
	a.reset[2] = cu.DevicePrimaryCtxRetain(&current, device);
	a.reset[3] = cu.MemAlloc(&more, 4096);
	return tell(socket, &a, sizeof(a), -1) ? 0 : 4;
}

const struct role breaker_role = { "breaker", play_breaker };

static bool aftermath_of(enum fault fault, struct aftermath *a)
{
	struct child child;
	bool told;

	if (!child_start(&child, "breaker"))
		return false;
	told = tell(child.socket, &fault, sizeof(fault), -1) && hear(child.socket, a, sizeof(*a), NULL);
	if (!child_join(&child))
		return false;
	return told || check_reason("the child says nothing");
}

/* Every call that works in the context answers what ended it; whether one does that needs none, the driver knows. */
static bool sticks(enum fault fault, CUresult expected)
{
	struct aftermath a;

	if (!aftermath_of(fault, &a))
		return false;
	if (expected)
		RESULT(expected, a.wait);
	THAT(a.wait);
	check_note("%d", a.wait);
	for (size_t i = 0; i < sizeof(a.calls) / sizeof(a.calls[0]); i++)
		if (a.calls[i] != a.wait)
			return check_reason("call %zu answers %d, not %d", i, a.calls[i], a.wait);
	RESULT(0, a.local[0]);
	RESULT(0, a.local[1]);
	check_note("%d", a.local[2]);
	check_note("then %d %d %d %d", a.reset[0], a.reset[1], a.reset[2], a.reset[3]);
	return true;
}

static bool nowhere(void)
{
	return sticks(NOWHERE, CUDA_ERROR_ILLEGAL_ADDRESS);
}

static bool misaligned(void)
{
	return sticks(MISALIGNED, 716);
}

static bool trapped(void)
{
	return sticks(TRAP, 0);
}

/* Faults of others are none of this process's business. */
static bool of_another_process(void)
{
	unsigned int value = 12, seen = 0;
	struct aftermath a;
	CUdeviceptr word;

	USE_DEVICE;
	DO(cu.MemAlloc(&word, 4));
	for (enum fault fault = NOWHERE; fault < FAULTS; fault++) {
		if (!aftermath_of(fault, &a))
			return false;
		THAT(a.wait);
		value++;
		DO(cu.LaunchKernel(kernels.write_word, 1, 1, 1, 1, 1, 1, 0, NULL, PARAMETERS(&word, &value), NULL));
		DO(cu.MemcpyDtoH(&seen, word, 4));
		THAT(seen == value);
	}
	DO(cu.MemFree(word));
	return true;
}

static const struct check checks[] = {
	{ "nowhere", nowhere },
	{ "misaligned", misaligned },
	{ "trapped", trapped },
	{ "of_another_process", of_another_process },
};
const struct check_group fault_family = GROUP("faults", checks);
