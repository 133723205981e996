/* SPDX-License-Identifier: Apache-2.0 */
/* Physical memory of other processes by descriptors, and handles that mappings keep. */
#include "child.h"
#include "conformance.h"

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

#define HANDLE_DESCRIPTOR 1
#define HANDLE_FABRIC 8
#define WORDS 4096

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

const struct role mapper_role = { "mapper", play_mapper };

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
	THAT(after >= before); /* what a process that has just ended had may come back meanwhile */
	DO(cu.MemFree(linear));
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

static const struct check checks[] = {
	{ "descriptor", descriptor },
	{ "descriptor_at_home", descriptor_at_home },
	{ "bad_descriptors", bad_descriptors },
	{ "retained_handles", retained_handles },
	{ "pointer_attributes", pointer_attributes },
};
const struct check_group descriptor_family = GROUP("descriptors", checks);
