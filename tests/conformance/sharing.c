/* SPDX-License-Identifier: Apache-2.0 */
/* Memory of other processes by handles: cuIpc*. */
#include "child.h"
#include "conformance.h"

#include <string.h>
#include <time.h>

#define LAZY_PEER_ACCESS 1

struct handle {
	char bytes[64];
};

/* What a child found. */
struct answer {
	CUresult result;
	unsigned int value;
};

/* Reads the first word of the memory behind a handle, and writes the answer to it. */
static int play_reader(int socket)
{
	BIND(cuIpcOpenMemHandle_v2, CUdeviceptr *, struct handle, unsigned int);
	BIND(cuIpcCloseMemHandle, CUdeviceptr);
	struct handle handle;

	if (device_ready())
		return 3;
	while (hear(socket, &handle, sizeof(handle), NULL)) {
		struct answer answer = { 0 };
		CUdeviceptr memory, again;
		unsigned int reply = 77;

		answer.result = cuIpcOpenMemHandle_v2(&memory, handle, LAZY_PEER_ACCESS);
		if (!answer.result) {
			/* open counts */
			if (cuIpcOpenMemHandle_v2(&again, handle, LAZY_PEER_ACCESS) || again != memory ||
			    cuIpcCloseMemHandle(again))
				return 4;
			if (cu.MemcpyDtoH(&answer.value, memory, 4) || cu.MemcpyHtoD(memory + 4, &reply, 4) ||
			    cu.CtxSynchronize() || cuIpcCloseMemHandle(memory))
				return 5;
		}
		if (!tell(socket, &answer, sizeof(answer), -1))
			return 6;
	}
	return 0;
}

/* Has memory, gives its handle away, and ends when it is told. */
static int play_owner(int socket)
{
	BIND(cuIpcGetMemHandle, struct handle *, CUdeviceptr);
	struct handle handle;
	CUdeviceptr memory;
	char word;

	if (device_ready() || cu.MemAlloc(&memory, 8 << 20) || cu.MemsetD32(memory, 4711, 2 << 20) ||
	    cu.CtxSynchronize() || cuIpcGetMemHandle(&handle, memory) || !tell(socket, &handle, sizeof(handle), -1))
		return 3;
	return hear(socket, &word, 1, NULL) ? 0 : 4;
}

const struct role reader_role = { "reader", play_reader };
const struct role owner_role = { "owner", play_owner };

static bool support(void)
{
	int descriptors = -1, events = -1;

	USE_DEVICE;
	DO(cu.DeviceGetAttribute(&descriptors, 103, device));
	DO(cu.DeviceGetAttribute(&events, 125, device));
	THAT(descriptors == 1 && events == 1);
	return true;
}

static bool memory_handle(void)
{
	BIND(cuIpcGetMemHandle, struct handle *, CUdeviceptr);
	unsigned int value = 1234, reply = 0;
	/* small allocations share physical memory, large ones have their own */
	static const size_t sizes[] = { 256, 1 << 20, 8 << 20 };
	struct answer answer;
	struct handle handle;
	struct child child;
	CUdeviceptr memory, neighbour;
	bool told;

	USE_DEVICE;
	if (!child_start(&child, "reader"))
		return false;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		DO(cu.MemAlloc(&neighbour, sizes[i]));
		DO(cu.MemAlloc(&memory, sizes[i]));
		value++;
		DO(cu.MemcpyHtoD(memory, &value, 4));
		DO(cu.CtxSynchronize());
		DO(cuIpcGetMemHandle(&handle, memory));
		told = tell(child.socket, &handle, sizeof(handle), -1) &&
		       hear(child.socket, &answer, sizeof(answer), NULL);
		THAT(told);
		RESULT(0, answer.result);
		THAT(answer.value == value);
		DO(cu.MemcpyDtoH(&reply, memory + 4, 4));
		THAT(reply == 77);
		DO(cu.MemFree(memory));
		DO(cu.MemFree(neighbour));
	}
	return child_join(&child);
}

static bool bad_memory_handles(void)
{
	BIND(cuIpcGetMemHandle, struct handle *, CUdeviceptr);
	BIND(cuIpcOpenMemHandle_v2, CUdeviceptr *, struct handle, unsigned int);
	BIND(cuIpcCloseMemHandle, CUdeviceptr);
	struct handle handle, garbage;
	CUdeviceptr memory, opened;
	unsigned int word = 0;
	void *pinned;

	USE_DEVICE;
	memset(&garbage, 0x5a, sizeof(garbage));
	DO(cu.MemAlloc(&memory, 4096));
	DO(cu.MemHostAlloc(&pinned, 4096, 0));
	CODE(cuIpcGetMemHandle(NULL, memory));
	CODE(cuIpcGetMemHandle(&handle, 0));
	CODE(cuIpcGetMemHandle(&handle, (CUdeviceptr)(size_t)&word));
	CODE(cuIpcGetMemHandle(&handle, (CUdeviceptr)(size_t)pinned));
	NOTE(cuIpcGetMemHandle(&handle, memory + 256));
	DO(cuIpcGetMemHandle(&handle, memory));
	/* a process does not open its own memory */
	CODE(cuIpcOpenMemHandle_v2(&opened, handle, LAZY_PEER_ACCESS));
	CODE(cuIpcOpenMemHandle_v2(&opened, handle, 0));
	CODE(cuIpcOpenMemHandle_v2(&opened, garbage, LAZY_PEER_ACCESS));
	CODE(cuIpcOpenMemHandle_v2(NULL, handle, LAZY_PEER_ACCESS));
	CODE(cuIpcCloseMemHandle(memory));
	CODE(cuIpcCloseMemHandle(0));
	DO(cu.MemFreeHost(pinned));
	DO(cu.MemFree(memory));
	return true;
}

/* The memory lives while this process has it open; then the handle means nothing. */
static bool owner_ends_first(void)
{
	BIND(cuIpcOpenMemHandle, CUdeviceptr *, struct handle, unsigned int);
	BIND(cuIpcOpenMemHandle_v2, CUdeviceptr *, struct handle, unsigned int);
	BIND(cuIpcCloseMemHandle, CUdeviceptr);
	const struct timespec pause = { 0, 10000000 };
	CUdeviceptr memory, base, again;
	CUresult stale = 0;
	struct handle handle;
	struct child child;
	unsigned int word = 0;
	size_t size = 0;

	USE_DEVICE;
	if (!child_start(&child, "owner"))
		return false;
	THAT(hear(child.socket, &handle, sizeof(handle), NULL));
	DO(cuIpcOpenMemHandle_v2(&memory, handle, LAZY_PEER_ACCESS));
	NOTE(cuIpcOpenMemHandle(&again, handle, LAZY_PEER_ACCESS));
	DO(cu.MemGetAddressRange(&base, &size, memory + 4096));
	THAT(base == memory && size == 8 << 20);
	CODE(cu.MemFree(memory));
	DO(cu.MemcpyDtoH(&word, memory + (8 << 20) - 4, 4));
	THAT(word == 4711);
	THAT(tell(child.socket, "", 1, -1));
	if (!child_join(&child))
		return false;
	DO(cuIpcCloseMemHandle(memory));
	NOTE(cuIpcCloseMemHandle(memory));
	/* a host may take a moment to notice that the owner is gone */
	for (int turn = 0; turn < 200 && !(stale = cuIpcOpenMemHandle_v2(&memory, handle, LAZY_PEER_ACCESS)); turn++) {
		DO(cuIpcCloseMemHandle(memory));
		nanosleep(&pause, NULL);
	}
	THAT(stale);
	check_note("%d", stale);
	return true;
}

static const struct check checks[] = {
	{ "support", support },
	{ "memory_handle", memory_handle },
	{ "bad_memory_handles", bad_memory_handles },
	{ "owner_ends_first", owner_ends_first },
};
const struct check_group sharing_family = GROUP("sharing", checks);
