/* SPDX-License-Identifier: Apache-2.0 */
/* CUDA arrays: creation, descriptions, levels and planes, copies between arrays, device and host. */
#include "array_calls.h"
#include "workload.h"

#include <stdlib.h>
#include <string.h>

static struct array_3d describe(size_t width, size_t height, size_t depth, int format, unsigned int channels,
				unsigned int flags)
{
	return (struct array_3d){ width, height, depth, format, channels, flags };
}

static bool descriptions(void)
{
	BIND(cuArrayCreate_v2, CUarray *, const struct array_2d *);
	BIND(cuArray3DCreate_v2, CUarray *, const struct array_3d *);
	BIND(cuArrayGetDescriptor_v2, struct array_2d *, CUarray);
	BIND(cuArray3DGetDescriptor_v2, struct array_3d *, CUarray);
	BIND(cuArrayDestroy, CUarray);
	struct array_2d plane = { 37, 19, FORMAT_FLOAT, 2 }, got_plane;
	struct array_2d line = { 64, 0, FORMAT_UINT8, 4 };
	struct array_3d box = describe(16, 8, 4, FORMAT_UINT16, 1, ARRAY_SURFACE), got;
	struct array_3d cube = describe(32, 32, 6, FORMAT_UINT32, 4, ARRAY_CUBEMAP);
	CUarray arrays[4];

	USE_DEVICE;
	DO(cuArrayCreate_v2(&arrays[0], &plane));
	DO(cuArrayCreate_v2(&arrays[1], &line));
	DO(cuArray3DCreate_v2(&arrays[2], &box));
	DO(cuArray3DCreate_v2(&arrays[3], &cube));
	for (int i = 0; i < 4; i++) {
		memset(&got, 0, sizeof(got));
		DO(cuArray3DGetDescriptor_v2(&got, arrays[i]));
		check_note("%zux%zux%zu %d %u %#x", got.width, got.height, got.depth, got.format, got.channels,
			   got.flags);
		NOTE(cuArrayGetDescriptor_v2(&got_plane, arrays[i]));
	}
	DO(cuArrayGetDescriptor_v2(&got_plane, arrays[0]));
	THAT(!memcmp(&got_plane, &plane, sizeof(plane)));
	CODE(cuArrayGetDescriptor_v2(NULL, arrays[0]));
	CODE(cuArray3DGetDescriptor_v2(NULL, arrays[0]));
	CODE(cuArray3DGetDescriptor_v2(&got, NULL));
	for (int i = 0; i < 4; i++)
		DO(cuArrayDestroy(arrays[i]));
	return true;
}

static bool creation_errors(void)
{
	BIND(cuArray3DCreate_v2, CUarray *, const struct array_3d *);
	BIND(cuArrayCreate_v2, CUarray *, const struct array_2d *);
	BIND(cuArrayDestroy, CUarray);
	struct array_3d bad[] = {
		describe(0, 0, 0, FORMAT_FLOAT, 1, 0),
		describe(1 << 30, 0, 0, FORMAT_FLOAT, 1, 0),
		describe(16, 1 << 30, 0, FORMAT_FLOAT, 1, 0),
		describe(16, 16, 1 << 30, FORMAT_FLOAT, 1, 0),
		describe(16, 0, 16, FORMAT_FLOAT, 1, 0),
		describe(16, 16, 0, FORMAT_FLOAT, 3, 0),
		describe(16, 16, 0, FORMAT_FLOAT, 0, 0),
		describe(16, 16, 0, 0x77, 1, 0),
		describe(16, 16, 0, FORMAT_FLOAT, 1, ARRAY_LAYERED),
		describe(16, 16, 5, FORMAT_FLOAT, 1, ARRAY_CUBEMAP),
		describe(16, 8, 6, FORMAT_FLOAT, 1, ARRAY_CUBEMAP),
		describe(16, 16, 0, FORMAT_FLOAT, 1, 0x10000),
	};
	struct array_2d fine = { 16, 16, FORMAT_FLOAT, 1 };
	CUarray array = NULL;

	USE_DEVICE;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		int result = cuArray3DCreate_v2(&array, &bad[i]);

		check_note("%d", result);
		if (!result)
			DO(cuArrayDestroy(array));
	}
	CODE(cuArray3DCreate_v2(NULL, &bad[0]));
	CODE(cuArray3DCreate_v2(&array, NULL));
	CODE(cuArrayCreate_v2(NULL, &fine));
	CODE(cuArrayCreate_v2(&array, NULL));
	CODE(cuArrayDestroy(NULL));
	return true;
}

/* Pageable, pinned and device memory, whole and parts, there and back. */
static bool planes(void)
{
	enum { WIDTH = 60, HEIGHT = 21, BYTES = WIDTH * HEIGHT };
	BIND(cuArrayCreate_v2, CUarray *, const struct array_2d *);
	BIND(cuArrayDestroy, CUarray);
	BIND(cuMemcpy2D_v2, const CUDA_MEMCPY2D *);
	BIND(cuMemcpy2DUnaligned_v2, const CUDA_MEMCPY2D *);
	struct array_2d plane = { WIDTH, HEIGHT, FORMAT_UINT8, 1 };
	unsigned char in[BYTES], out[BYTES], *pinned;
	CUDA_MEMCPY2D copy = { 0 };
	CUarray first, second;
	CUdeviceptr memory;

	USE_DEVICE;
	workload_bytes(in, BYTES, 3);
	DO(cuArrayCreate_v2(&first, &plane));
	DO(cuArrayCreate_v2(&second, &plane));
	DO(cu.MemAlloc(&memory, BYTES));
	DO(cu.MemHostAlloc((void **)&pinned, BYTES, 0));

	/* pageable -> array -> array -> device -> array -> pinned */
	copy = (CUDA_MEMCPY2D){ .source_type = CU_MEMORYTYPE_HOST, .source_host = in, .source_pitch = WIDTH,
				.destination_type = MEMORYTYPE_ARRAY, .destination_array = first,
				.width_bytes = WIDTH, .height = HEIGHT };
	DO(cuMemcpy2D_v2(&copy));
	copy = (CUDA_MEMCPY2D){ .source_type = MEMORYTYPE_ARRAY, .source_array = first,
				.destination_type = MEMORYTYPE_ARRAY, .destination_array = second,
				.width_bytes = WIDTH, .height = HEIGHT };
	DO(cuMemcpy2D_v2(&copy));
	copy = (CUDA_MEMCPY2D){ .source_type = MEMORYTYPE_ARRAY, .source_array = second,
				.destination_type = CU_MEMORYTYPE_DEVICE, .destination_device = memory,
				.destination_pitch = WIDTH, .width_bytes = WIDTH, .height = HEIGHT };
	DO(cuMemcpy2DUnaligned_v2(&copy));
	DO(cu.MemcpyDtoH(out, memory, BYTES));
	THAT(!memcmp(in, out, BYTES));
	DO(cu.MemsetD8(memory, 0x5a, BYTES));
	/* a part of the device's memory over the middle of the array */
	copy = (CUDA_MEMCPY2D){ .source_type = CU_MEMORYTYPE_DEVICE, .source_device = memory, .source_pitch = WIDTH,
				.destination_type = MEMORYTYPE_ARRAY, .destination_array = second,
				.destination_x = 7, .destination_y = 5, .width_bytes = 33, .height = 4 };
	DO(cuMemcpy2D_v2(&copy));
	copy = (CUDA_MEMCPY2D){ .source_type = MEMORYTYPE_ARRAY, .source_array = second,
				.destination_type = CU_MEMORYTYPE_HOST, .destination_host = pinned,
				.destination_pitch = WIDTH, .width_bytes = WIDTH, .height = HEIGHT };
	DO(cuMemcpy2D_v2(&copy));
	for (int y = 0; y < HEIGHT; y++)
		for (int x = 0; x < WIDTH; x++)
			THAT(pinned[y * WIDTH + x] ==
			     (x >= 7 && x < 40 && y >= 5 && y < 9 ? 0x5a : in[y * WIDTH + x]));
	/* a part back to pageable memory with a wider pitch */
	memset(out, 0, BYTES);
	copy = (CUDA_MEMCPY2D){ .source_type = MEMORYTYPE_ARRAY, .source_array = first, .source_x = 11, .source_y = 2,
				.destination_type = CU_MEMORYTYPE_HOST, .destination_host = out,
				.destination_x = 1, .destination_y = 3, .destination_pitch = 50,
				.width_bytes = 20, .height = 9 };
	DO(cuMemcpy2D_v2(&copy));
	for (int y = 0; y < 9; y++)
		THAT(!memcmp(out + (y + 3) * 50 + 1, in + (y + 2) * WIDTH + 11, 20));
	THAT(out[3 * 50] == 0 && out[3 * 50 + 21] == 0);
	DO(cu.MemFreeHost(pinned));
	DO(cu.MemFree(memory));
	DO(cuArrayDestroy(first));
	DO(cuArrayDestroy(second));
	return true;
}

static bool boxes(void)
{
	enum { WIDTH = 12, HEIGHT = 10, DEPTH = 6, COUNT = WIDTH * HEIGHT * DEPTH };
	BIND(cuArray3DCreate_v2, CUarray *, const struct array_3d *);
	BIND(cuArrayDestroy, CUarray);
	BIND(cuMemcpy3D_v2, const struct box_copy *);
	BIND(cuMemcpy3DAsync_v2, const struct box_copy *, CUstream);
	struct array_3d kinds[] = { describe(WIDTH, HEIGHT, DEPTH, FORMAT_FLOAT, 1, 0),
				    describe(WIDTH, HEIGHT, DEPTH, FORMAT_FLOAT, 1, ARRAY_LAYERED) };
	static float in[COUNT], out[COUNT];
	struct box_copy copy;
	CUstream stream;
	CUarray array;

	USE_DEVICE;
	workload_floats(in, COUNT, 4);
	DO(cu.StreamCreate(&stream, CU_STREAM_NON_BLOCKING));
	for (int kind = 0; kind < 2; kind++) {
		DO(cuArray3DCreate_v2(&array, &kinds[kind]));
		copy = (struct box_copy){ in_host(in, WIDTH * 4, HEIGHT), in_array(array, 0, 0, 0), WIDTH * 4, HEIGHT,
					  DEPTH };
		DO(cuMemcpy3D_v2(&copy));
		/* a box of the middle, on a stream, to pageable memory */
		memset(out, 0, sizeof(out));
		copy = (struct box_copy){ in_array(array, 8, 3, 2), in_host(out, 0, 0), 7 * 4, 5, 3 };
		DO(cuMemcpy3DAsync_v2(&copy, stream));
		DO(cu.StreamSynchronize(stream));
		for (int z = 0; z < 3; z++)
			for (int y = 0; y < 5; y++)
				THAT(!memcmp(&out[(z * 5 + y) * 7], &in[((z + 2) * HEIGHT + y + 3) * WIDTH + 2],
					     7 * 4));
		DO(cuArrayDestroy(array));
	}
	DO(cu.StreamDestroy(stream));
	return true;
}

/* More than staging buffers hold, rows that divide no buffer, and one row that is longer than a buffer. */
static bool large(void)
{
	BIND(cuArray3DCreate_v2, CUarray *, const struct array_3d *);
	BIND(cuArrayDestroy, CUarray);
	BIND(cuMemcpy3D_v2, const struct box_copy *);
	struct array_3d shapes[] = { describe(3001, 1200, 0, FORMAT_FLOAT, 1, 0),
				     describe(100000, 0, 0, FORMAT_FLOAT, 4, 0) };

	USE_DEVICE;
	for (int i = 0; i < 2; i++) {
		size_t row = shapes[i].width * shapes[i].channels * 4;
		size_t rows = shapes[i].height ? shapes[i].height : 1;
		unsigned char *in = malloc(row * rows), *out = malloc(row * rows);
		struct box_copy copy;
		CUarray array;

		THAT(in && out);
		workload_bytes(in, row * rows, 5);
		memset(out, 0, row * rows);
		DO(cuArray3DCreate_v2(&array, &shapes[i]));
		copy = (struct box_copy){ in_host(in, row, rows), in_array(array, 0, 0, 0), row, rows, 1 };
		DO(cuMemcpy3D_v2(&copy));
		copy = (struct box_copy){ in_array(array, 0, 0, 0), in_host(out, row, rows), row, rows, 1 };
		DO(cuMemcpy3D_v2(&copy));
		THAT(!memcmp(in, out, row * rows));
		DO(cuArrayDestroy(array));
		free(in);
		free(out);
	}
	return true;
}

static bool rows(void)
{
	enum { COUNT = 300 };
	BIND(cuArrayCreate_v2, CUarray *, const struct array_2d *);
	BIND(cuArrayDestroy, CUarray);
	BIND(cuMemcpyHtoA_v2, CUarray, size_t, const void *, size_t);
	BIND(cuMemcpyAtoH_v2, void *, CUarray, size_t, size_t);
	BIND(cuMemcpyDtoA_v2, CUarray, size_t, CUdeviceptr, size_t);
	BIND(cuMemcpyAtoD_v2, CUdeviceptr, CUarray, size_t, size_t);
	BIND(cuMemcpyAtoA_v2, CUarray, size_t, CUarray, size_t, size_t);
	BIND(cuMemcpyHtoAAsync_v2, CUarray, size_t, const void *, size_t, CUstream);
	BIND(cuMemcpyAtoHAsync_v2, void *, CUarray, size_t, size_t, CUstream);
	struct array_2d line = { COUNT, 0, FORMAT_UINT32, 1 }, plane = { COUNT, 4, FORMAT_UINT32, 1 };
	int in[COUNT], out[COUNT], *pinned;
	CUarray first, second, high;
	CUdeviceptr memory;
	CUstream stream;

	USE_DEVICE;
	workload_ints(in, COUNT, 6);
	DO(cu.StreamCreate(&stream, CU_STREAM_NON_BLOCKING));
	DO(cuArrayCreate_v2(&first, &line));
	DO(cuArrayCreate_v2(&second, &line));
	DO(cuArrayCreate_v2(&high, &plane));
	DO(cu.MemAlloc(&memory, sizeof(in)));
	DO(cu.MemHostAlloc((void **)&pinned, sizeof(in), 0));
	DO(cuMemcpyHtoA_v2(first, 0, in, sizeof(in)));
	DO(cuMemcpyAtoA_v2(second, 40, first, 80, 400));
	DO(cuMemcpyAtoD_v2(memory, second, 40, 400));
	DO(cuMemcpyDtoA_v2(second, 0, memory, 400));
	DO(cuMemcpyAtoH_v2(out, second, 0, 400));
	THAT(!memcmp(out, in + 20, 400));
	memcpy(pinned, in, sizeof(in));
	DO(cuMemcpyHtoAAsync_v2(second, 0, pinned, sizeof(in), stream));
	memset(out, 0, sizeof(out));
	DO(cuMemcpyAtoHAsync_v2(out, second, 0, sizeof(out), stream));
	DO(cu.StreamSynchronize(stream));
	THAT(!memcmp(out, in, sizeof(in)));
	/* beyond the end, parts of an element, more than one row, nothing, nobody */
	NOTE(cuMemcpyHtoA_v2(first, COUNT * 4 - 8, in, 16));
	NOTE(cuMemcpyHtoA_v2(first, 2, in, 16));
	NOTE(cuMemcpyHtoA_v2(first, 0, in, 6));
	NOTE(cuMemcpyHtoA_v2(high, 0, in, sizeof(in)));
	NOTE(cuMemcpyHtoA_v2(high, 40, in, sizeof(in)));
	NOTE(cuMemcpyHtoA_v2(first, 0, in, 0));
	CODE(cuMemcpyHtoA_v2(NULL, 0, in, 16));
	CODE(cuMemcpyAtoD_v2(1, first, 0, 16));
	DO(cu.CtxSynchronize());
	DO(cu.MemFreeHost(pinned));
	DO(cu.MemFree(memory));
	DO(cuArrayDestroy(first));
	DO(cuArrayDestroy(second));
	DO(cuArrayDestroy(high));
	DO(cu.StreamDestroy(stream));
	return true;
}

static bool copy_errors(void)
{
	BIND(cuArrayCreate_v2, CUarray *, const struct array_2d *);
	BIND(cuArrayDestroy, CUarray);
	BIND(cuMemcpy3D_v2, const struct box_copy *);
	struct array_2d plane = { 16, 16, FORMAT_FLOAT, 1 };
	static float memory[4096];
	struct box_copy fine, copy;
	CUarray array;

	USE_DEVICE;
	DO(cuArrayCreate_v2(&array, &plane));
	fine = (struct box_copy){ in_host(memory, 64, 16), in_array(array, 0, 0, 0), 64, 16, 1 };
	DO(cuMemcpy3D_v2(&fine));
#define WITH(change)                                                                                                  \
	do {                                                                                                          \
		copy = fine;                                                                                          \
		copy.change;                                                                                          \
		NOTE(cuMemcpy3D_v2(&copy));                                                                           \
	} while (0)
	WITH(width_bytes = 68);
	WITH(height = 17);
	WITH(depth = 2);
	WITH(width_bytes = 62);
	WITH(destination.x = 2);
	WITH(destination.x = 4);
	WITH(destination.y = 1);
	WITH(destination.z = 1);
	WITH(destination.level = 1);
	WITH(destination.array = NULL);
	WITH(destination.type = 9);
	WITH(source.pitch = 60);
	WITH(source.host = NULL);
	WITH(width_bytes = 0);
	WITH(depth = 0);
#undef WITH
	DO(cu.CtxSynchronize());
	DO(cuArrayDestroy(array));
	return true;
}

static bool levels(void)
{
	BIND(cuMipmappedArrayCreate, CUmipmappedArray *, const struct array_3d *, unsigned int);
	BIND(cuMipmappedArrayGetLevel, CUarray *, CUmipmappedArray, unsigned int);
	BIND(cuMipmappedArrayDestroy, CUmipmappedArray);
	BIND(cuArray3DGetDescriptor_v2, struct array_3d *, CUarray);
	BIND(cuMemcpy3D_v2, const struct box_copy *);
	struct array_3d base = describe(64, 32, 0, FORMAT_UINT8, 4, 0), got;
	unsigned char in[32 * 4 * 16], out[32 * 4 * 16];
	CUmipmappedArray mipmap, other;
	struct box_copy copy;
	CUarray level, again;

	USE_DEVICE;
	workload_bytes(in, sizeof(in), 8);
	DO(cuMipmappedArrayCreate(&mipmap, &base, 4));
	for (unsigned int i = 0; i < 4; i++) {
		DO(cuMipmappedArrayGetLevel(&level, mipmap, i));
		DO(cuArray3DGetDescriptor_v2(&got, level));
		check_note("%zux%zux%zu", got.width, got.height, got.depth);
	}
	CODE(cuMipmappedArrayGetLevel(&level, mipmap, 4));
	DO(cuMipmappedArrayGetLevel(&level, mipmap, 1));
	DO(cuMipmappedArrayGetLevel(&again, mipmap, 1));
	check_note("%s", level == again ? "one handle" : "two handles");
	copy = (struct box_copy){ in_host(in, 128, 16), in_array(level, 0, 0, 0), 128, 16, 1 };
	DO(cuMemcpy3D_v2(&copy));
	copy = (struct box_copy){ in_array(level, 0, 0, 0), in_host(out, 128, 16), 128, 16, 1 };
	DO(cuMemcpy3D_v2(&copy));
	THAT(!memcmp(in, out, sizeof(in)));
	CODE(cuMipmappedArrayGetLevel(NULL, mipmap, 0));
	/* more levels than there are, none */
	int result = cuMipmappedArrayCreate(&other, &base, 99);

	check_note("%d", result);
	if (!result) {
		int last = 0;

		while (last < 99 && !cuMipmappedArrayGetLevel(&level, other, last))
			last++;
		check_note("%d levels", last);
		DO(cuMipmappedArrayDestroy(other));
	}
	NOTE(cuMipmappedArrayCreate(&other, &base, 0));
	CODE(cuMipmappedArrayCreate(NULL, &base, 1));
	CODE(cuMipmappedArrayCreate(&other, NULL, 1));
	DO(cuMipmappedArrayDestroy(mipmap));
	CODE(cuMipmappedArrayDestroy(NULL));
	return true;
}

/* What concerns memory that is given later: no array here has any. */
static bool requirements(void)
{
	BIND(cuArrayCreate_v2, CUarray *, const struct array_2d *);
	BIND(cuArrayDestroy, CUarray);
	BIND(cuMipmappedArrayCreate, CUmipmappedArray *, const struct array_3d *, unsigned int);
	BIND(cuMipmappedArrayDestroy, CUmipmappedArray);
	BIND(cuArrayGetMemoryRequirements, void *, CUarray, CUdevice);
	BIND(cuArrayGetSparseProperties, void *, CUarray);
	BIND(cuMipmappedArrayGetMemoryRequirements, void *, CUmipmappedArray, CUdevice);
	BIND(cuMipmappedArrayGetSparseProperties, void *, CUmipmappedArray);
	struct array_2d plane = { 16, 16, FORMAT_FLOAT, 1 };
	struct array_3d base = describe(64, 32, 0, FORMAT_UINT8, 4, 0);
	long long answer[8];
	CUmipmappedArray mipmap;
	CUarray array;

	USE_DEVICE;
	DO(cuArrayCreate_v2(&array, &plane));
	DO(cuMipmappedArrayCreate(&mipmap, &base, 2));
	CODE(cuArrayGetMemoryRequirements(answer, array, device));
	CODE(cuArrayGetMemoryRequirements(NULL, array, device));
	CODE(cuArrayGetMemoryRequirements(answer, array, 99));
	CODE(cuArrayGetSparseProperties(answer, array));
	CODE(cuMipmappedArrayGetMemoryRequirements(answer, mipmap, device));
	CODE(cuMipmappedArrayGetSparseProperties(answer, mipmap));
	DO(cuMipmappedArrayDestroy(mipmap));
	DO(cuArrayDestroy(array));
	return true;
}

static bool of_several_planes(void)
{
	BIND(cuArray3DCreate_v2, CUarray *, const struct array_3d *);
	BIND(cuArray3DGetDescriptor_v2, struct array_3d *, CUarray);
	BIND(cuArrayGetPlane, CUarray *, CUarray, unsigned int);
	BIND(cuArrayDestroy, CUarray);
	struct array_3d video = describe(64, 32, 0, FORMAT_NV12, 3, ARRAY_SURFACE), got;
	struct array_3d plain = describe(64, 32, 0, FORMAT_UINT8, 1, 0);
	CUarray array, plane;
	int result;

	USE_DEVICE;
	DO(cuArray3DCreate_v2(&array, &plain));
	CODE(cuArrayGetPlane(&plane, array, 0));
	CODE(cuArrayGetPlane(NULL, array, 0));
	DO(cuArrayDestroy(array));
	result = cuArray3DCreate_v2(&array, &video);
	check_note("%d", result);
	if (result)
		return true;
	for (unsigned int i = 0; i < 3; i++) {
		result = cuArrayGetPlane(&plane, array, i);
		check_note("%d", result);
		if (result)
			continue;
		DO(cuArray3DGetDescriptor_v2(&got, plane));
		check_note("%zux%zu %d %u", got.width, got.height, got.format, got.channels);
	}
	DO(cuArrayDestroy(array));
	return true;
}

static const struct check checks[] = {
	{ "descriptions", descriptions },
	{ "creation_errors", creation_errors },
	{ "planes", planes },
	{ "boxes", boxes },
	{ "large", large },
	{ "rows", rows },
	{ "copy_errors", copy_errors },
	{ "levels", levels },
	{ "requirements", requirements },
	{ "of_several_planes", of_several_planes },
};
const struct check_group array_family = GROUP("arrays", checks);
