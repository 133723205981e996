/* SPDX-License-Identifier: Apache-2.0 */
/* Misuse of linear memory: what allocations, frees, copies, fills and questions answer when an argument is wrong. */
#include "conformance.h"

#include <stdlib.h>
#include <string.h>

#define MIB ((size_t)1 << 20)

static bool allocating(void)
{
	size_t pitch = 0;
	CUdeviceptr address;
	void *host;

	USE_DEVICE;
	NOTE(cu.MemAlloc(NULL, 0));
	NOTE(cu.MemAlloc(&address, SIZE_MAX));
	NOTE(cu.MemAllocPitch(NULL, &pitch, 64, 4, 4));
	NOTE(cu.MemAllocPitch(&address, NULL, 64, 4, 4));
	NOTE(cu.MemAllocPitch(&address, &pitch, 0, 4, 4));
	NOTE(cu.MemAllocPitch(&address, &pitch, 64, 0, 4));
	NOTE(cu.MemAllocPitch(&address, &pitch, 64, (size_t)1 << 40, 4));
	for (unsigned int element = 0; element <= 32; element += 1 + element / 2) {
		address = 0;
		check_note("(%u)", element);
		NOTE(cu.MemAllocPitch(&address, &pitch, 64, 4, element));
		if (address)
			DO(cu.MemFree(address));
	}
	NOTE(cu.MemHostAlloc(NULL, 4096, 0));
	NOTE(cu.MemHostAlloc(&host, 0, 0));
	NOTE(cu.MemHostAlloc(&host, 4096, 8));
	NOTE(cu.MemHostAlloc(&host, 4096, 0x100));
	NOTE(cu.MemAllocHost(NULL, 4096));
	NOTE(cu.MemAllocHost(&host, 0));
	return true;
}

/* What is written where the answer goes. */
static bool allocating_nothing(void)
{
	void *untouched = &untouched, *host = untouched;

	USE_DEVICE;
	NOTE(cu.MemHostAlloc(&host, 0, 0));
	check_note("%s", !host ? "null" : host == untouched ? "untouched" : "somewhere");
	host = untouched;
	NOTE(cu.MemAllocHost(&host, 0));
	check_note("%s", !host ? "null" : host == untouched ? "untouched" : "somewhere");
	return true;
}

static bool freeing(void)
{
	char *heap = malloc(4096), *pinned;
	CUdeviceptr address, variable;
	size_t size;

	USE_DEVICE;
	THAT(heap);
	DO(cu.MemAlloc(&address, MIB));
	DO(cu.MemHostAlloc((void **)&pinned, 4096, 0));
	DO(cu.ModuleGetGlobal(&variable, &size, kernels.module, "global_counter"));
	NOTE(cu.MemFree(0));
	NOTE(cu.MemFree(address + 256));
	NOTE(cu.MemFree((CUdeviceptr)(size_t)heap));
	NOTE(cu.MemFree(variable));
	NOTE(cu.MemFreeHost(NULL));
	NOTE(cu.MemFreeHost(heap));
	NOTE(cu.MemFreeHost(pinned + 64));
	NOTE(cu.MemFreeHost((void *)(size_t)address));
	NOTE(cu.MemHostUnregister(pinned));
	NOTE(cu.MemHostUnregister((void *)(size_t)address));
	DO(cu.MemFree(address));
	DO(cu.MemFreeHost(pinned));
	NOTE(cu.MemFree(address));
	NOTE(cu.MemFreeHost(pinned));
	free(heap);
	return true;
}

/* Page-locked memory given to the call for the device's. */
static bool freed_as_device_memory(void)
{
	CUdeviceptr address;
	CUresult result;
	void *pinned;

	USE_DEVICE;
	DO(cu.MemHostAlloc(&pinned, 4096, 0));
	DO(cu.MemHostGetDevicePointer(&address, pinned, 0));
	result = cu.MemFree(address);
	check_note("%d", (int)result);
	if (result)
		DO(cu.MemFreeHost(pinned));
	return true;
}

/* Sizes of nothing, addresses that nothing is known of, and sizes that no allocation has. */
static bool copying(void)
{
	char heap[64] = "from", other[64] = "";
	CUdeviceptr a, b;
	CUstream stream;

	USE_DEVICE;
	DO(cu.MemAlloc(&a, MIB));
	DO(cu.MemAlloc(&b, MIB));
	DO(cu.StreamCreate(&stream, CU_STREAM_NON_BLOCKING));
	NOTE(cu.MemcpyHtoD(a, heap, 0));
	NOTE(cu.MemcpyHtoD(0, heap, 0));
	NOTE(cu.MemcpyHtoD(a, NULL, 0));
	NOTE(cu.MemcpyHtoD(0, heap, 4));
	NOTE(cu.MemcpyDtoH(heap, 0, 0));
	NOTE(cu.MemcpyDtoH(heap, 0, 4));
	NOTE(cu.MemcpyDtoD(a, 0, 4));
	NOTE(cu.MemcpyDtoD(0, a, 4));
	NOTE(cu.MemcpyDtoD(0, 0, 0));
	NOTE(cu.MemcpyDtoD(a, a, 64));
	NOTE(cu.MemcpyDtoDAsync(a, 0, 4, stream));
	NOTE(cu.MemcpyHtoDAsync(0, heap, 4, stream));
	NOTE(cu.MemcpyDtoHAsync(heap, 0, 4, stream));
	NOTE(cu.Memcpy(0, 0, 0));
	NOTE(cu.Memcpy((CUdeviceptr)(size_t)other, (CUdeviceptr)(size_t)heap, sizeof(heap)));
	check_note("%s", other);
	NOTE(cu.MemcpyAsync((CUdeviceptr)(size_t)other, a, 0, stream));
	DO(cu.StreamSynchronize(stream));
	DO(cu.CtxSynchronize());
	DO(cu.StreamDestroy(stream));
	DO(cu.MemFree(a));
	DO(cu.MemFree(b));
	return true;
}

static bool copying_from_nowhere(void)
{
	CUdeviceptr a;
	CUstream stream;

	USE_DEVICE;
	DO(cu.MemAlloc(&a, MIB));
	DO(cu.StreamCreate(&stream, CU_STREAM_NON_BLOCKING));
	NOTE(cu.MemcpyHtoD(a, NULL, 4));
	NOTE(cu.MemcpyDtoH(NULL, a, 4));
	NOTE(cu.MemcpyHtoDAsync(a, NULL, 4, stream));
	NOTE(cu.MemcpyDtoHAsync(NULL, a, 4, stream));
	DO(cu.CtxSynchronize());
	DO(cu.StreamDestroy(stream));
	DO(cu.MemFree(a));
	return true;
}

enum { PIECES = 4 };

/* Pieces of a MiB, and one of them behind which the GPU's page goes on, so that work that is let beyond its end meets memory. */
struct pieces {
	CUdeviceptr all[PIECES], chosen;
};

static bool pieces_open(struct pieces *p)
{
	enum { MAPPING_SIZE = 18, MAPPING_BASE = 19 };

	USE_DEVICE;
	for (int i = 0; i < PIECES; i++) {
		uint64_t base, size;

		DO(cu.MemAlloc(&p->all[i], MIB));
		DO(cu.PointerGetAttribute(&base, MAPPING_BASE, p->all[i]));
		DO(cu.PointerGetAttribute(&size, MAPPING_SIZE, p->all[i]));
		if (p->all[i] + MIB + 4096 <= base + size)
			p->chosen = p->all[i];
	}
	return p->chosen || check_reason("every piece ends where its page ends");
}

static bool pieces_close(struct pieces *p)
{
	DO(cu.CtxSynchronize());
	for (int i = 0; i < PIECES; i++)
		DO(cu.MemFree(p->all[i]));
	return true;
}

/* A little more than the allocation has. (What is filled by whole address spaces ends the context on an H200.) */
static bool copies_beyond_the_end(void)
{
	static char heap[MIB + 4];
	struct pieces p = { 0 };
	CUdeviceptr large, a;
	CUstream stream;

	if (!pieces_open(&p))
		return false;
	a = p.chosen;
	DO(cu.MemAlloc(&large, 4 * MIB));
	DO(cu.StreamCreate(&stream, CU_STREAM_NON_BLOCKING));
	NOTE(cu.MemcpyDtoD(a, large, MIB + 4));
	NOTE(cu.MemcpyDtoD(large, a, MIB + 4));
	NOTE(cu.MemcpyDtoD(a + MIB - 4, large, 8));
	NOTE(cu.MemcpyDtoDAsync(large, a + 4, MIB, stream));
	NOTE(cu.MemcpyHtoD(a, heap, MIB + 4));
	NOTE(cu.MemcpyDtoH(heap, a, MIB + 4));
	NOTE(cu.MemcpyHtoDAsync(a + MIB - 4, heap, 8, stream));
	NOTE(cu.MemcpyDtoHAsync(heap, a + MIB - 4, 8, stream));
	DO(cu.StreamSynchronize(stream));
	DO(cu.StreamDestroy(stream));
	DO(cu.MemFree(large));
	return pieces_close(&p);
}

static bool fills_beyond_the_end(void)
{
	struct pieces p = { 0 };

	if (!pieces_open(&p))
		return false;
	NOTE(cu.MemsetD8(p.chosen, 1, MIB + 4));
	NOTE(cu.MemsetD32(p.chosen + MIB - 4, 1, 2));
	return pieces_close(&p);
}

static bool rows_beyond_the_end(void)
{
	BIND(cuMemsetD2D32_v2, CUdeviceptr, size_t, unsigned int, size_t, size_t);
	struct pieces p = { 0 };

	if (!pieces_open(&p))
		return false;
	NOTE(cuMemsetD2D32_v2(p.chosen, 64, 1, 16, MIB / 64 + 1));	/* whole rows */
	NOTE(cuMemsetD2D32_v2(p.chosen, 64, 1, 8, MIB / 64 + 1));
	NOTE(cuMemsetD2D32_v2(p.chosen + MIB - 64, 64, 1, 8, 2));
	return pieces_close(&p);
}

static bool filling(void)
{
	BIND(cuMemsetD16Async, CUdeviceptr, unsigned short, size_t, CUstream);
	BIND(cuMemsetD2D32_v2, CUdeviceptr, size_t, unsigned int, size_t, size_t);
	unsigned int *heap = malloc(4096);
	CUdeviceptr a;

	USE_DEVICE;
	THAT(heap);
	DO(cu.MemAlloc(&a, MIB));
	NOTE(cu.MemsetD8(a, 1, 0));
	NOTE(cu.MemsetD8(0, 1, 0));
	NOTE(cu.MemsetD8(0, 1, 1));
	NOTE(cu.MemsetD16(a + 1, 1, 1));
	NOTE(cu.MemsetD16(a + 1, 1, 0));
	NOTE(cu.MemsetD32(a + 1, 1, 1));
	NOTE(cu.MemsetD8((CUdeviceptr)(size_t)heap, 1, 4));
	NOTE(cuMemsetD16Async(a + 1, 1, 1, NULL));
	NOTE(cuMemsetD16Async(a, 1, 1, NULL));
	NOTE(cuMemsetD2D32_v2(a, 64, 1, 16, 0));
	NOTE(cuMemsetD2D32_v2(a, 60, 1, 16, 2));
	NOTE(cuMemsetD2D32_v2(a, 66, 1, 16, 2));
	DO(cu.CtxSynchronize());
	DO(cu.MemFree(a));
	free(heap);
	return true;
}

static bool asking(void)
{
	char *heap = malloc(4096);
	CUdeviceptr a, base = 0;
	size_t size = 0, total;
	unsigned int flags;
	void *pinned;

	USE_DEVICE;
	THAT(heap);
	DO(cu.MemAlloc(&a, MIB));
	DO(cu.MemHostAlloc(&pinned, 4096, 0));
	NOTE(cu.MemGetInfo(NULL, &total));
	NOTE(cu.MemGetInfo(&size, NULL));
	NOTE(cu.MemGetInfo(NULL, NULL));
	NOTE(cu.MemGetAddressRange(NULL, NULL, a));
	NOTE(cu.MemGetAddressRange(&base, NULL, a + 5));
	NOTE(cu.MemGetAddressRange(&base, &size, a + 4 * MIB));
	NOTE(cu.MemGetAddressRange(&base, &size, 0));
	NOTE(cu.MemGetAddressRange(&base, &size, (CUdeviceptr)(size_t)heap));
	NOTE(cu.MemGetAddressRange(&base, &size, (CUdeviceptr)(size_t)pinned));
	NOTE(cu.MemHostGetFlags(NULL, pinned));
	NOTE(cu.MemHostGetFlags(&flags, heap));
	NOTE(cu.MemHostGetFlags(&flags, NULL));
	NOTE(cu.MemHostGetFlags(&flags, (void *)(size_t)a));
	NOTE(cu.MemHostGetDevicePointer(NULL, pinned, 0));
	NOTE(cu.MemHostGetDevicePointer(&base, pinned, 1));
	NOTE(cu.MemHostGetDevicePointer(&base, heap, 0));
	NOTE(cu.MemHostGetDevicePointer(&base, NULL, 0));
	NOTE(cu.MemHostGetDevicePointer(&base, (void *)(size_t)a, 0));
	DO(cu.MemFreeHost(pinned));
	DO(cu.MemFree(a));
	free(heap);
	return true;
}

static bool is_address(int attribute)
{
	/* context, pointers, buffer number, range, mempool, mapping, block number */
	return attribute == 1 || attribute == 3 || attribute == 4 || attribute == 5 || attribute == 7 || attribute == 11 ||
	       attribute == 17 || attribute == 19 || attribute == 20;
}

/* Every attribute of a pointer; of those that differ from run to run the code alone. */
static bool note_attributes(CUdeviceptr address)
{
	for (int attribute = 1; attribute <= 22; attribute++) {
		uint64_t words[8] = { 0 };
		CUresult result;

		check_line = __LINE__;
		result = cu.PointerGetAttribute(words, attribute, address);
		if (result || is_address(attribute))
			check_note("%d", (int)result);
		else
			check_note("%d:%d", (int)result, (int)words[0]);
	}
	return true;
}

static bool attributes_of_device_memory(void)
{
	CUdeviceptr a;

	USE_DEVICE;
	DO(cu.MemAlloc(&a, MIB));
	if (!note_attributes(a + 5))
		return false;
	DO(cu.MemFree(a));
	return note_attributes(a + 5);
}

static bool attributes_of_host_memory(void)
{
	char *heap = malloc(4096), *pinned;

	USE_DEVICE;
	THAT(heap);
	DO(cu.MemHostAlloc((void **)&pinned, 4096, 0));
	if (!note_attributes((CUdeviceptr)(size_t)pinned + 5) || !note_attributes((CUdeviceptr)(size_t)heap))
		return false;
	DO(cu.MemFreeHost(pinned));
	free(heap);
	return true;
}

static bool attributes_of_variables(void)
{
	CUdeviceptr variable;
	size_t size;

	USE_DEVICE;
	DO(cu.ModuleGetGlobal(&variable, &size, kernels.module, "global_counter"));
	return note_attributes(variable);
}

static bool lists_of_attributes(void)
{
	int ids[] = { CU_POINTER_ATTRIBUTE_MEMORY_TYPE, CU_POINTER_ATTRIBUTE_IS_MANAGED }, unknown[] = { 2, 1000 };
	uint64_t first = 77, second = 77;
	void *values[] = { &first, &second }, *some[] = { &first, NULL };
	char heap[8];
	CUdeviceptr a;

	USE_DEVICE;
	DO(cu.MemAlloc(&a, MIB));
	NOTE(cu.PointerGetAttributes(0, ids, values, a));
	NOTE(cu.PointerGetAttributes(2, NULL, values, a));
	NOTE(cu.PointerGetAttributes(2, ids, NULL, a));
	NOTE(cu.PointerGetAttributes(2, unknown, values, a));
	NOTE(cu.PointerGetAttributes(2, ids, values, 0));
	NOTE(cu.PointerGetAttributes(2, ids, values, (CUdeviceptr)(size_t)heap));
	check_note("%d %d", (int)first, (int)second);
	NOTE(cu.PointerGetAttribute(NULL, 2, a));
	NOTE(cu.PointerGetAttribute(&first, 0, a));
	NOTE(cu.PointerGetAttribute(&first, -1, a));
	NOTE(cu.PointerGetAttribute(&first, 1000, a));
	NOTE(cu.PointerGetAttribute(&first, 2, 0));
	NOTE(cu.PointerGetAttributes(2, ids, some, a));
	DO(cu.MemFree(a));
	return true;
}

static const struct check checks[] = {
	{ "allocating", allocating },
	{ "allocating_nothing", allocating_nothing },
	{ "freeing", freeing },
	{ "freed_as_device_memory", freed_as_device_memory },
	{ "copying", copying },
	{ "copying_from_nowhere", copying_from_nowhere },
	{ "copies_beyond_the_end", copies_beyond_the_end },
	{ "fills_beyond_the_end", fills_beyond_the_end },
	{ "rows_beyond_the_end", rows_beyond_the_end },
	{ "filling", filling },
	{ "asking", asking },
	{ "attributes_of_device_memory", attributes_of_device_memory },
	{ "attributes_of_host_memory", attributes_of_host_memory },
	{ "attributes_of_variables", attributes_of_variables },
	{ "lists_of_attributes", lists_of_attributes },
};
const struct check_group memory_error_family = GROUP("memory_errors", checks);
