/* SPDX-License-Identifier: Apache-2.0 */
/* Memory and events of other processes: cuIpc*, and descriptors of physical memory. */
#include "child.h"
#include "conformance.h"

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LAZY_PEER_ACCESS 1
#define EVENT_INTERPROCESS (4 | 2)
#define HANDLE_DESCRIPTOR 1
#define HANDLE_FABRIC 8
#define WORDS 4096

struct handle {
	char bytes[64];
};

/* What a child found. */
struct answer {
	CUresult result;
	unsigned int value;
};

static CUmemAllocationProp exportable(void)
{
	return (CUmemAllocationProp){ .type = CU_MEM_ALLOCATION_TYPE_PINNED, .handle_types = HANDLE_DESCRIPTOR,
				      .location = { CU_MEM_LOCATION_TYPE_DEVICE, 0 } };
}

static CUresult place(CUdeviceptr *range, CUmemGenericAllocationHandle memory, size_t size)
{
	CUmemAccessDesc access = { { CU_MEM_LOCATION_TYPE_DEVICE, 0 }, CU_MEM_ACCESS_FLAGS_PROT_READWRITE };
	CUresult result;

	if ((result = cu.MemAddressReserve(range, size, 0, 0, 0)) || (result = cu.MemMap(*range, size, 0, memory, 0)))
		return result;
	return cu.MemSetAccess(*range, size, &access, 1);
}

/* ---- the other process ---- */

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

/* Maps memory that comes as a descriptor, sums its words up, changes the first one. */
static int play_mapper(int socket)
{
	BIND(cuMemImportFromShareableHandle, CUmemGenericAllocationHandle *, void *, int);
	BIND(cuMemGetAllocationPropertiesFromHandle, CUmemAllocationProp *, CUmemGenericAllocationHandle);
	CUmemGenericAllocationHandle memory;
	unsigned int words[WORDS], one = 1;
	CUmemAllocationProp prop;
	struct answer answer = { 0 };
	CUdeviceptr range;
	size_t size;
	int fd;

	if (device_ready() || !hear(socket, &size, sizeof(size), &fd))
		return 3;
	if (cuMemImportFromShareableHandle(&memory, (void *)(intptr_t)fd, HANDLE_DESCRIPTOR) || close(fd) ||
	    cuMemGetAllocationPropertiesFromHandle(&prop, memory) ||
	    place(&range, memory, size) || cu.MemRelease(memory))
		return 4;
	answer.result = prop.handle_types;
	if (cu.MemcpyDtoH(words, range, sizeof(words)) || cu.MemcpyHtoD(range, &one, 4) || cu.CtxSynchronize())
		return 5;
	for (int i = 0; i < WORDS; i++)
		answer.value += words[i];
	if (cu.MemUnmap(range, size) || cu.MemAddressFree(range, size))
		return 6;
	return tell(socket, &answer, sizeof(answer), -1) ? 0 : 7;
}

/* Waits on the GPU for an event of another process, and records it itself. */
static int play_listener(int socket)
{
	BIND(cuIpcOpenEventHandle, CUevent *, struct handle);
	struct answer answer = { 0 };
	struct handle handle;
	CUstream stream;
	CUevent event;
	char word = 0;

	if (device_ready() || !hear(socket, &handle, sizeof(handle), NULL) || cuIpcOpenEventHandle(&event, handle) ||
	    cu.StreamCreate(&stream, CU_STREAM_NON_BLOCKING))
		return 3;
	answer.result = cu.EventQuery(event);
	if (cu.StreamWaitEvent(stream, event, 0))
		return 4;
	answer.value = (unsigned int)cu.StreamQuery(stream);
	if (!tell(socket, &answer, sizeof(answer), -1))
		return 5;
	/* the parent lets its work end now */
	if (cu.StreamSynchronize(stream) || cu.EventQuery(event) || cu.EventRecord(event, stream) ||
	    cu.EventSynchronize(event) || !tell(socket, &word, 1, -1))
		return 6;
	if (!hear(socket, &word, 1, NULL) || cu.EventDestroy(event) || cu.StreamDestroy(stream))
		return 7;
	return 0;
}

const struct role reader_role = { "reader", play_reader };
const struct role owner_role = { "owner", play_owner };
const struct role mapper_role = { "mapper", play_mapper };
const struct role listener_role = { "listener", play_listener };

/* ---- the checks ---- */

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

static bool descriptor(void)
{
	BIND(cuMemExportToShareableHandle, void *, CUmemGenericAllocationHandle, int, unsigned long long);
	CUmemAllocationProp prop = exportable();
	CUmemGenericAllocationHandle memory;
	const size_t size = 4 << 20;
	struct answer answer;
	struct child child;
	CUdeviceptr range;
	unsigned int word;
	bool told;
	int fd = -1;

	USE_DEVICE;
	DO(cu.MemCreate(&memory, size, &prop, 0));
	DO(place(&range, memory, size));
	DO(cu.MemsetD32(range, 3, size / 4));
	DO(cu.CtxSynchronize());
	DO(cuMemExportToShareableHandle(&fd, memory, HANDLE_DESCRIPTOR, 0));
	THAT(fd >= 0);
	if (!child_start(&child, "mapper"))
		return false;
	told = tell(child.socket, &size, sizeof(size), fd) && !close(fd) &&
	       hear(child.socket, &answer, sizeof(answer), NULL);
	if (!told) {
		check_reason("the child says nothing");
		return child_join(&child) && false;
	}
	THAT(answer.value == 3 * WORDS);
	check_note("imported: handle types %d", (int)answer.result);
	if (!child_join(&child))
		return false;
	DO(cu.MemcpyDtoH(&word, range, 4));
	THAT(word == 1);
	DO(cu.MemUnmap(range, size));
	DO(cu.MemRelease(memory));
	DO(cu.MemAddressFree(range, size));
	return true;
}

/* One process may import what it exported: two handles, one memory. */
static bool descriptor_at_home(void)
{
	BIND(cuMemExportToShareableHandle, void *, CUmemGenericAllocationHandle, int, unsigned long long);
	BIND(cuMemImportFromShareableHandle, CUmemGenericAllocationHandle *, void *, int);
	CUmemGenericAllocationHandle memory, same;
	CUmemAllocationProp prop = exportable();
	const size_t size = 2 << 20;
	CUdeviceptr first, second;
	unsigned int word;
	int fd = -1;

	USE_DEVICE;
	DO(cu.MemCreate(&memory, size, &prop, 0));
	DO(cuMemExportToShareableHandle(&fd, memory, HANDLE_DESCRIPTOR, 0));
	DO(cuMemImportFromShareableHandle(&same, (void *)(intptr_t)fd, HANDLE_DESCRIPTOR));
	close(fd);
	DO(place(&first, memory, size));
	DO(place(&second, same, size));
	DO(cu.MemsetD32(first, 99, 16));
	DO(cu.MemcpyDtoH(&word, second, 4));
	THAT(word == 99);
	DO(cu.MemUnmap(first, size));
	DO(cu.MemRelease(memory));
	DO(cu.MemcpyDtoH(&word, second + 4, 4));
	THAT(word == 99);
	DO(cu.MemUnmap(second, size));
	DO(cu.MemRelease(same));
	DO(cu.MemAddressFree(first, size));
	DO(cu.MemAddressFree(second, size));
	return true;
}

static bool bad_descriptors(void)
{
	BIND(cuMemExportToShareableHandle, void *, CUmemGenericAllocationHandle, int, unsigned long long);
	BIND(cuMemImportFromShareableHandle, CUmemGenericAllocationHandle *, void *, int);
	CUmemGenericAllocationHandle memory, plain, other;
	CUmemAllocationProp prop = exportable(), fabric = exportable(), strange = exportable();
	int fd = -1, file;

	USE_DEVICE;
	DO(cu.MemCreate(&memory, 2 << 20, &prop, 0));
	prop.handle_types = 0;
	DO(cu.MemCreate(&plain, 2 << 20, &prop, 0));
	CODE(cuMemExportToShareableHandle(&fd, plain, HANDLE_DESCRIPTOR, 0));
	CODE(cuMemExportToShareableHandle(NULL, memory, HANDLE_DESCRIPTOR, 0));
	CODE(cuMemExportToShareableHandle(&fd, memory, HANDLE_DESCRIPTOR, 1));
	CODE(cuMemExportToShareableHandle(&fd, memory, 2, 0));
	CODE(cuMemExportToShareableHandle(&fd, memory, 0, 0));
	CODE(cuMemExportToShareableHandle(&fd, 0, HANDLE_DESCRIPTOR, 0));
	file = open("/dev/null", O_RDONLY);
	CODE(cuMemImportFromShareableHandle(&other, (void *)(intptr_t)file, HANDLE_DESCRIPTOR));
	close(file);
	CODE(cuMemImportFromShareableHandle(&other, (void *)(intptr_t)-1, HANDLE_DESCRIPTOR));
	CODE(cuMemImportFromShareableHandle(&other, (void *)(intptr_t)file, 2));
	strange.handle_types = 0x40;
	other = 0;
	NOTE(cu.MemCreate(&other, 2 << 20, &strange, 0));
	if (other)
		DO(cu.MemRelease(other));
	fabric.handle_types = HANDLE_FABRIC;
	printf("info memory with a fabric handle: %d\n", cu.MemCreate(&other, 2 << 20, &fabric, 0));
	DO(cu.MemRelease(memory));
	DO(cu.MemRelease(plain));
	return true;
}

static bool retained_handles(void)
{
	BIND(cuMemRetainAllocationHandle, CUmemGenericAllocationHandle *, void *);
	BIND(cuMemGetAllocationPropertiesFromHandle, CUmemAllocationProp *, CUmemGenericAllocationHandle);
	CUmemGenericAllocationHandle memory, retained;
	CUmemAllocationProp prop = exportable(), found;
	const size_t size = 4 << 20;
	size_t before, after, total;
	CUdeviceptr range, linear;

	USE_DEVICE;
	DO(cu.MemAlloc(&linear, 4 << 20));
	DO(cu.MemGetInfo(&before, &total));
	DO(cu.MemCreate(&memory, size, &prop, 0));
	DO(place(&range, memory, size));
	DO(cu.MemRelease(memory));
	/* the mapping keeps the memory, and the handle can be had again */
	DO(cuMemRetainAllocationHandle(&retained, (void *)(size_t)(range + 4096)));
	THAT(retained == memory);
	DO(cuMemGetAllocationPropertiesFromHandle(&found, retained));
	THAT(found.type == CU_MEM_ALLOCATION_TYPE_PINNED && found.handle_types == HANDLE_DESCRIPTOR);
	DO(cu.MemUnmap(range, size));
	CODE(cuMemRetainAllocationHandle(&retained, (void *)(size_t)range));
	DO(cu.MemMap(range, size, 0, memory, 0));
	DO(cu.MemUnmap(range, size));
	DO(cu.MemRelease(memory));
	CODE(cuMemRetainAllocationHandle(NULL, (void *)(size_t)range));
	CODE(cuMemRetainAllocationHandle(&retained, NULL));
	NOTE(cuMemRetainAllocationHandle(&retained, (void *)(size_t)linear));
	DO(cu.MemAddressFree(range, size));
	DO(cu.MemGetInfo(&after, &total));
	THAT(after == before);
	DO(cu.MemFree(linear));
	return true;
}

static bool shared_event(void)
{
	BIND(cuIpcGetEventHandle, struct handle *, CUevent);
	unsigned long long bound = 20000000000ull;
	volatile unsigned int *gate;
	struct answer answer;
	struct handle handle;
	struct child child;
	CUstream stream;
	CUevent event;
	float milliseconds;
	char word = 0;

	USE_DEVICE;
	DO(cu.MemHostAlloc((void **)&gate, 4096, 0));
	*gate = 0;
	DO(cu.StreamCreate(&stream, CU_STREAM_NON_BLOCKING));
	DO(cu.EventCreate(&event, EVENT_INTERPROCESS));
	DO(cu.EventQuery(event));
	DO(cu.LaunchKernel(kernels.wait_for_gate, 1, 1, 1, 1, 1, 1, 0, stream, PARAMETERS(&gate, &bound), NULL));
	DO(cu.EventRecord(event, stream));
	DO(cuIpcGetEventHandle(&handle, event));
	if (!child_start(&child, "listener"))
		return false;
	THAT(tell(child.socket, &handle, sizeof(handle), -1));
	THAT(hear(child.socket, &answer, sizeof(answer), NULL));
	RESULT(CUDA_ERROR_NOT_READY, answer.result);
	RESULT(CUDA_ERROR_NOT_READY, (int)answer.value);
	*gate = 1;
	THAT(hear(child.socket, &word, 1, NULL));
	/* the child recorded it meanwhile */
	DO(cu.EventSynchronize(event));
	DO(cu.EventQuery(event));
	CODE(cu.EventElapsedTime(&milliseconds, event, event));
	THAT(tell(child.socket, &word, 1, -1));
	if (!child_join(&child))
		return false;
	DO(cu.EventDestroy(event));
	DO(cu.StreamDestroy(stream));
	DO(cu.MemFreeHost((void *)gate));
	return true;
}

static bool bad_events(void)
{
	BIND(cuIpcGetEventHandle, struct handle *, CUevent);
	BIND(cuIpcOpenEventHandle, CUevent *, struct handle);
	struct handle handle, garbage;
	CUevent event, shared, opened;

	USE_DEVICE;
	memset(&garbage, 0x5a, sizeof(garbage));
	CODE(cu.EventCreate(&event, 4));
	DO(cu.EventCreate(&event, 2));
	DO(cu.EventCreate(&shared, EVENT_INTERPROCESS));
	CODE(cuIpcGetEventHandle(&handle, event));
	CODE(cuIpcGetEventHandle(&handle, NULL));
	CODE(cuIpcGetEventHandle(NULL, shared));
	DO(cuIpcGetEventHandle(&handle, shared));
	CODE(cuIpcOpenEventHandle(&opened, handle));
	CODE(cuIpcOpenEventHandle(&opened, garbage));
	CODE(cuIpcOpenEventHandle(NULL, handle));
	DO(cu.EventDestroy(event));
	DO(cu.EventDestroy(shared));
	return true;
}

static bool pointer_attributes(void)
{
	CUmemAllocationProp prop = exportable();
	CUmemGenericAllocationHandle memory;
	CUdeviceptr linear, range;
	void *pinned;

	USE_DEVICE;
	DO(cu.MemAlloc(&linear, 4096));
	DO(cu.MemHostAlloc(&pinned, 4096, 0));
	DO(cu.MemCreate(&memory, 2 << 20, &prop, 0));
	DO(place(&range, memory, 2 << 20));
	for (int i = 0; i < 3; i++) {
		CUdeviceptr address = i == 0 ? linear : i == 1 ? range : (CUdeviceptr)(size_t)pinned;
		unsigned long long types = 0;
		int legacy = 0;

		NOTE(cu.PointerGetAttribute(&legacy, 10, address));
		check_note("%d", legacy);
		NOTE(cu.PointerGetAttribute(&types, 14, address));
		check_note("%llu", types);
	}
	DO(cu.MemUnmap(range, 2 << 20));
	DO(cu.MemRelease(memory));
	DO(cu.MemAddressFree(range, 2 << 20));
	DO(cu.MemFree(linear));
	DO(cu.MemFreeHost(pinned));
	return true;
}

static bool support(void)
{
	int descriptors = -1, events = -1;

	USE_DEVICE;
	DO(cu.DeviceGetAttribute(&descriptors, 103, device));
	DO(cu.DeviceGetAttribute(&events, 125, device));
	THAT(descriptors == 1 && events == 1);
	return true;
}

static const struct check checks[] = {
	{ "support", support },
	{ "memory_handle", memory_handle },
	{ "bad_memory_handles", bad_memory_handles },
	{ "owner_ends_first", owner_ends_first },
	{ "descriptor", descriptor },
	{ "descriptor_at_home", descriptor_at_home },
	{ "bad_descriptors", bad_descriptors },
	{ "retained_handles", retained_handles },
	{ "shared_event", shared_event },
	{ "bad_events", bad_events },
	{ "pointer_attributes", pointer_attributes },
};
const struct check_group sharing_family = GROUP("sharing", checks);
