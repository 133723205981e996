/* SPDX-License-Identifier: Apache-2.0 */
/* Device memory: copies, sets, accounting, address ranges, pointer attributes. */
#include "driver_test.h"
#include "workload.h"

#include <stdlib.h>
#include <string.h>

static bool copies(void)
{
	static const size_t sizes[] = { 1, 3, 4095, 65537, (1 << 20) + 3, 5 << 20, (19 << 20) + 5 };
	CUdeviceptr first, second;

	USE_DEVICE;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		size_t bytes = sizes[i];
		unsigned char *in = malloc(bytes), *out = calloc(1, bytes);

		workload_bytes(in, bytes, (uint32_t)bytes);
		DO(cu.MemAlloc(&first, bytes + 16));
		DO(cu.MemAlloc(&second, bytes));
		DO(cu.MemcpyHtoD(first + 5, in, bytes));
		DO(cu.MemcpyDtoD(second, first + 5, bytes));
		DO(cu.MemcpyDtoH(out, second, bytes));
		if (memcmp(in, out, bytes))
			return check_reason("%zu bytes: host, device, device, host differs", bytes);
		memset(out, 0, bytes);
		DO(cu.Memcpy((CUdeviceptr)(uintptr_t)out, second, bytes));
		if (memcmp(in, out, bytes))
			return check_reason("%zu bytes: cuMemcpy to the host differs", bytes);
		in[0] ^= 0xff;
		DO(cu.Memcpy(second, (CUdeviceptr)(uintptr_t)in, bytes));
		DO(cu.MemcpyDtoH(out, second, bytes));
		if (memcmp(in, out, bytes))
			return check_reason("%zu bytes: cuMemcpy from the host differs", bytes);
		DO(cu.MemFree(first));
		DO(cu.MemFree(second));
		free(in);
		free(out);
	}
	return true;
}

/* The source of a pageable asynchronous copy may change as soon as the call returns. */
static bool pageable_async(void)
{
	enum { BYTES = 3 << 20 };
	unsigned char *buffer = malloc(BYTES), *expected = malloc(BYTES);
	CUstream stream;
	CUdeviceptr address;

	USE_DEVICE;
	DO(cu.StreamCreate(&stream, CU_STREAM_NON_BLOCKING));
	DO(cu.MemAlloc(&address, BYTES));
	workload_bytes(buffer, BYTES, 11);
	memcpy(expected, buffer, BYTES);
	DO(cu.MemcpyHtoDAsync(address, buffer, BYTES, stream));
	memset(buffer, 0, BYTES);
	DO(cu.MemcpyDtoHAsync(buffer, address, BYTES, stream));
	DO(cu.StreamSynchronize(stream));
	THAT(!memcmp(buffer, expected, BYTES));
	DO(cu.MemFree(address));
	DO(cu.StreamDestroy(stream));
	free(buffer);
	free(expected);
	return true;
}

static bool sets(void)
{
	enum { COUNT = 1001 };
	unsigned char bytes[COUNT + 2];
	unsigned short halves[COUNT];
	unsigned int words[COUNT];
	CUdeviceptr address;
	CUstream stream;

	USE_DEVICE;
	DO(cu.StreamCreate(&stream, CU_STREAM_NON_BLOCKING));
	DO(cu.MemAlloc(&address, sizeof(words)));

	DO(cu.MemsetD8(address, 0x11, COUNT + 2));
	DO(cu.MemsetD8(address + 1, 0xa5, COUNT));
	DO(cu.MemcpyDtoH(bytes, address, sizeof(bytes)));
	THAT(bytes[0] == 0x11 && bytes[COUNT + 1] == 0x11);
	for (int i = 1; i <= COUNT; i++)
		THAT(bytes[i] == 0xa5);

	DO(cu.MemsetD16(address, 0xbeef, COUNT));
	DO(cu.MemcpyDtoH(halves, address, sizeof(halves)));
	for (int i = 0; i < COUNT; i++)
		THAT(halves[i] == 0xbeef);

	DO(cu.MemsetD32(address, 0x12345678, COUNT));
	DO(cu.MemcpyDtoH(words, address, sizeof(words)));
	for (int i = 0; i < COUNT; i++)
		THAT(words[i] == 0x12345678);

	DO(cu.MemsetD8(address, 0, sizeof(words)));
	DO(cu.CtxSynchronize());
	DO(cu.MemsetD32Async(address, 0x55aa55aa, COUNT, stream));
	DO(cu.MemsetD8Async(address, 0x77, 4, stream));
	DO(cu.MemcpyDtoHAsync(words, address, sizeof(words), stream));
	DO(cu.StreamSynchronize(stream));
	THAT(words[0] == 0x77777777 && words[1] == 0x55aa55aa && words[COUNT - 1] == 0x55aa55aa);
	DO(cu.MemFree(address));
	DO(cu.StreamDestroy(stream));
	return true;
}

static bool two_dimensional(void)
{
	enum { WIDTH = 50, HEIGHT = 20 };
	unsigned char in[HEIGHT][WIDTH], out[HEIGHT][WIDTH];
	CUDA_MEMCPY2D copy = { 0 };
	CUdeviceptr address;
	size_t pitch = 0;

	USE_DEVICE;
	workload_bytes(&in[0][0], sizeof(in), 12);
	memset(out, 0, sizeof(out));
	DO(cu.MemAllocPitch(&address, &pitch, WIDTH, HEIGHT, 4));
	THAT(pitch >= WIDTH);
	copy.source_type = CU_MEMORYTYPE_HOST;
	copy.source_host = in;
	copy.source_pitch = WIDTH;
	copy.destination_type = CU_MEMORYTYPE_DEVICE;
	copy.destination_device = address;
	copy.destination_pitch = pitch;
	copy.width_bytes = WIDTH;
	copy.height = HEIGHT;
	DO(cu.Memcpy2D(&copy));
	memset(&copy, 0, sizeof(copy));
	copy.source_type = CU_MEMORYTYPE_DEVICE;
	copy.source_device = address;
	copy.source_pitch = pitch;
	copy.destination_type = CU_MEMORYTYPE_HOST;
	copy.destination_host = out;
	copy.destination_pitch = WIDTH;
	copy.width_bytes = WIDTH;
	copy.height = HEIGHT;
	DO(cu.Memcpy2D(&copy));
	THAT(!memcmp(in, out, sizeof(in)));
	DO(cu.MemFree(address));
	return true;
}

static bool accounting(void)
{
	const size_t bytes = 64 << 20;
	size_t before, during, after, total, device_total;
	CUdeviceptr address;

	USE_DEVICE;
	DO(cu.MemGetInfo(&before, &total));
	DO(cu.DeviceTotalMem(&device_total, device));
	THAT(before <= total && total == device_total);
	DO(cu.MemAlloc(&address, bytes));
	DO(cu.MemGetInfo(&during, &total));
	THAT(before - during >= bytes && before - during <= bytes + (8 << 20));
	DO(cu.MemFree(address));
	DO(cu.MemGetInfo(&after, &total));
	THAT(after == before);
	return true;
}

static int by_address(const void *a, const void *b)
{
	CUdeviceptr left = *(const CUdeviceptr *)a, right = *(const CUdeviceptr *)b;

	return left < right ? -1 : left > right;
}

/* Many small blocks: aligned, disjoint, and still theirs after neighbours went. */
static bool small_blocks(void)
{
	enum { BLOCKS = 600, BYTES = 1500 };
	static CUdeviceptr blocks[BLOCKS];

	USE_DEVICE;
	for (int i = 0; i < BLOCKS; i++) {
		DO(cu.MemAlloc(&blocks[i], BYTES));
		THAT(blocks[i] % 256 == 0);
		DO(cu.MemsetD32(blocks[i], i, BYTES / 4));
	}
	for (int i = 0; i < BLOCKS; i += 2)
		DO(cu.MemFree(blocks[i]));
	for (int i = 0; i < BLOCKS; i += 2) {
		DO(cu.MemAlloc(&blocks[i], BYTES));
		DO(cu.MemsetD32(blocks[i], i, BYTES / 4));
	}
	for (int i = 0; i < BLOCKS; i++) {
		unsigned int words[BYTES / 4];

		DO(cu.MemcpyDtoH(words, blocks[i], BYTES));
		THAT(words[0] == (unsigned int)i && words[BYTES / 4 - 1] == (unsigned int)i);
	}
	qsort(blocks, BLOCKS, sizeof(blocks[0]), by_address);
	for (int i = 1; i < BLOCKS; i++)
		THAT(blocks[i] - blocks[i - 1] >= BYTES);
	for (int i = 0; i < BLOCKS; i++)
		DO(cu.MemFree(blocks[i]));
	return true;
}

static bool address_range(void)
{
	CUdeviceptr address, base = 0;
	size_t bytes = 0;

	USE_DEVICE;
	DO(cu.MemAlloc(&address, 100000));
	DO(cu.MemGetAddressRange(&base, &bytes, address + 99999));
	THAT(base == address && bytes >= 100000);
	check_note("%zu", bytes);
	DO(cu.MemFree(address));
	return true;
}

static bool pointer_attributes(void)
{
	int attributes[] = { CU_POINTER_ATTRIBUTE_CONTEXT, CU_POINTER_ATTRIBUTE_MEMORY_TYPE,
			     CU_POINTER_ATTRIBUTE_DEVICE_POINTER, CU_POINTER_ATTRIBUTE_HOST_POINTER,
			     CU_POINTER_ATTRIBUTE_IS_MANAGED, CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL };
	CUcontext owner = NULL;
	CUdeviceptr address, device_pointer = 0, start = 0;
	void *host_pointer = (void *)1;
	size_t size = 0;
	int type = 0, managed = -1, ordinal = -1, here = 0;

	USE_DEVICE;
	DO(cu.MemAlloc(&address, 12345));
	DO(cu.PointerGetAttribute(&type, CU_POINTER_ATTRIBUTE_MEMORY_TYPE, address + 100));
	THAT(type == CU_MEMORYTYPE_DEVICE);
	DO(cu.PointerGetAttribute(&device_pointer, CU_POINTER_ATTRIBUTE_DEVICE_POINTER, address + 100));
	THAT(device_pointer == address + 100);
	DO(cu.PointerGetAttribute(&start, CU_POINTER_ATTRIBUTE_RANGE_START, address + 100));
	DO(cu.PointerGetAttribute(&size, CU_POINTER_ATTRIBUTE_RANGE_SIZE, address + 100));
	THAT(start == address && size >= 12345);
	check_note("%zu", size);
	CODE(cu.PointerGetAttribute(&host_pointer, CU_POINTER_ATTRIBUTE_HOST_POINTER, address));
	DO(cu.PointerGetAttributes(6, attributes,
				   (void *[]){ &owner, &type, &device_pointer, &host_pointer, &managed, &ordinal },
				   address));
	THAT(owner == context && type == CU_MEMORYTYPE_DEVICE && device_pointer == address);
	THAT(!host_pointer && managed == 0 && ordinal == 0);

	/* memory that CUDA does not know */
	RESULT(CUDA_ERROR_INVALID_VALUE,
	       cu.PointerGetAttribute(&type, CU_POINTER_ATTRIBUTE_MEMORY_TYPE, (CUdeviceptr)(uintptr_t)&here));
	DO(cu.PointerGetAttributes(6, attributes,
				   (void *[]){ &owner, &type, &device_pointer, &host_pointer, &managed, &ordinal },
				   (CUdeviceptr)(uintptr_t)&here));
	THAT(!owner && type == 0 && device_pointer == 0 && host_pointer == &here && managed == 0 && ordinal == -2);
	DO(cu.MemFree(address));
	return true;
}

static const struct check checks[] = {
	{ "copies", copies },
	{ "pageable_async", pageable_async },
	{ "sets", sets },
	{ "two_dimensional", two_dimensional },
	{ "accounting", accounting },
	{ "small_blocks", small_blocks },
	{ "address_range", address_range },
	{ "pointer_attributes", pointer_attributes },
};
const struct check_group memory_group = GROUP("memory", checks);
