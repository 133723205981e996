/* SPDX-License-Identifier: Apache-2.0 */
/* Texture and surface objects. */
#include "sampling.h"
#include "workload.h"

#include <string.h>

enum { RESOURCE_ARRAY, RESOURCE_MIPMAP, RESOURCE_LINEAR, RESOURCE_PITCH_2D };

struct resource {
	int type;
	union {
		CUarray array;
		CUmipmappedArray mipmap;
		struct {
			CUdeviceptr address;
			int format;
			unsigned int channels;
			size_t bytes;
		} linear;
		struct {
			CUdeviceptr address;
			int format;
			unsigned int channels;
			size_t width, height, pitch;
		} pitch;
		int reserved[32];
	};
	unsigned int flags;
};

struct texture {
	int address[3], filter;
	unsigned int flags, anisotropy;
	int mipmap_filter;
	float bias, lowest, highest, border[4];
	int reserved[12];
};

struct view {
	int format;
	size_t width, height, depth;
	unsigned int first_level, last_level, first_layer, last_layer, reserved[16];
};

_Static_assert(sizeof(struct resource) == 144 && sizeof(struct texture) == 104 && sizeof(struct view) == 112,
	       "as in CUDA 12");

typedef unsigned long long CUtexObject;
typedef unsigned long long CUsurfObject;

/* 16 x 8 threads copy texels from a texture to memory, or from a surface to a surface */
static const char sampler[] = HEAD
	".visible .entry fetch(.param .u64 object, .param .u64 to)\n{\n"
	"\t.reg .b64 %rd<6>;\n\t.reg .b32 %r<6>;\n\t.reg .f32 %f<6>;\n"
	"\tld.param.u64 %rd1, [object];\n\tld.param.u64 %rd2, [to];\n\tcvta.to.global.u64 %rd2, %rd2;\n" PLACE
	"\tadd.u64 %rd4, %rd2, %rd3;\n"
	"\ttex.2d.v4.f32.s32 {%f1, %f2, %f3, %f4}, [%rd1, {%r1, %r2}];\n"
	"\tst.global.f32 [%rd4], %f1;\n\tret;\n}\n"
	".visible .entry move(.param .u64 from, .param .u64 to)\n{\n"
	"\t.reg .b64 %rd<6>;\n\t.reg .b32 %r<6>;\n"
	"\tld.param.u64 %rd1, [from];\n\tld.param.u64 %rd2, [to];\n" PLACE
	"\tshl.b32 %r4, %r1, 2;\n"
	"\tsuld.b.2d.b32.trap {%r5}, [%rd1, {%r4, %r2}];\n"
	"\tsust.b.2d.b32.trap [%rd2, {%r4, %r2}], {%r5};\n\tret;\n}\n";

/* What a texture of the type gives for texel (x, y). */
static bool sampled(CUfunction fetch, const struct resource *resource, const float *expected)
{
	BIND(cuTexObjectCreate, CUtexObject *, const struct resource *, const struct texture *, const struct view *);
	BIND(cuTexObjectDestroy, CUtexObject);
	struct texture texture = { .address = { ADDRESS_CLAMP, ADDRESS_CLAMP, ADDRESS_CLAMP },
				   .flags = READ_AS_INTEGER };
	CUtexObject object;
	CUdeviceptr memory;
	float out[COUNT];

	DO(cu.MemAlloc(&memory, sizeof(out)));
	DO(cuTexObjectCreate(&object, resource, &texture, NULL));
	DO(cu.LaunchKernel(fetch, 1, 1, 1, WIDTH, HEIGHT, 1, 0, NULL, PARAMETERS(&object, &memory), NULL));
	DO(cu.MemcpyDtoH(out, memory, sizeof(out)));
	THAT(!memcmp(out, expected, sizeof(out)));
	DO(cuTexObjectDestroy(object));
	DO(cu.MemFree(memory));
	return true;
}

static bool sampling(void)
{
	ARRAY_CALLS;
	COPY_CALL;
	struct array_3d plane = { WIDTH, HEIGHT, 0, FORMAT_FLOAT, 1, 0 };
	struct resource resource = { .type = RESOURCE_ARRAY };
	struct box_copy copy;
	CUdeviceptr pitched;
	CUfunction fetch;
	CUmodule module;
	CUarray array;
	float in[COUNT];

	USE_DEVICE;
	if (load_sampler(sampler, "fetch", &module, &fetch))
		return true;
	workload_floats(in, COUNT, 9);
	DO(cuArray3DCreate_v2(&array, &plane));
	copy = (struct box_copy){ in_host(in, WIDTH * 4, HEIGHT), in_array(array, 0, 0, 0), WIDTH * 4, HEIGHT, 1 };
	DO(cuMemcpy3D_v2(&copy));
	resource.array = array;
	if (!sampled(fetch, &resource, in))
		return false;
	/* the same texels in memory, rows 512 bytes apart */
	DO(cu.MemAlloc(&pitched, 512 * HEIGHT));
	copy = (struct box_copy){ in_host(in, WIDTH * 4, HEIGHT), in_device(pitched, 512, HEIGHT), WIDTH * 4, HEIGHT,
				  1 };
	DO(cuMemcpy3D_v2(&copy));
	resource = (struct resource){ .type = RESOURCE_PITCH_2D,
				      .pitch = { pitched, FORMAT_FLOAT, 1, WIDTH, HEIGHT, 512 } };
	if (!sampled(fetch, &resource, in))
		return false;
	DO(cu.MemFree(pitched));
	DO(cuArrayDestroy(array));
	DO(cu.ModuleUnload(module));
	return true;
}

static bool surfaces(void)
{
	ARRAY_CALLS;
	COPY_CALL;
	BIND(cuSurfObjectCreate, CUsurfObject *, const struct resource *);
	BIND(cuSurfObjectDestroy, CUsurfObject);
	BIND(cuSurfObjectGetResourceDesc, struct resource *, CUsurfObject);
	struct array_3d plane = { WIDTH, HEIGHT, 0, FORMAT_FLOAT, 1, ARRAY_SURFACE };
	struct resource resources[2] = { { .type = RESOURCE_ARRAY }, { .type = RESOURCE_ARRAY } }, got;
	CUsurfObject objects[2], none;
	CUfunction move;
	struct box_copy copy;
	CUmodule module;
	CUarray arrays[2];
	float in[COUNT], out[COUNT];

	USE_DEVICE;
	workload_floats(in, COUNT, 10);
	for (int i = 0; i < 2; i++) {
		DO(cuArray3DCreate_v2(&arrays[i], &plane));
		resources[i].array = arrays[i];
		DO(cuSurfObjectCreate(&objects[i], &resources[i]));
		memset(&got, 0, sizeof(got));
		DO(cuSurfObjectGetResourceDesc(&got, objects[i]));
		THAT(got.type == RESOURCE_ARRAY && got.array == arrays[i]);
	}
	THAT(objects[0] != objects[1]);
	if (!load_sampler(sampler, "move", &module, &move)) {
		copy = (struct box_copy){ in_host(in, WIDTH * 4, HEIGHT), in_array(arrays[0], 0, 0, 0), WIDTH * 4,
					  HEIGHT, 1 };
		DO(cuMemcpy3D_v2(&copy));
		DO(cu.LaunchKernel(move, 1, 1, 1, WIDTH, HEIGHT, 1, 0, NULL, PARAMETERS(&objects[0], &objects[1]),
				   NULL));
		copy = (struct box_copy){ in_array(arrays[1], 0, 0, 0), in_host(out, WIDTH * 4, HEIGHT), WIDTH * 4,
					  HEIGHT, 1 };
		DO(cuMemcpy3D_v2(&copy));
		THAT(!memcmp(in, out, sizeof(in)));
		DO(cu.ModuleUnload(module));
	}
	resources[1] = (struct resource){ .type = RESOURCE_LINEAR };
	CODE(cuSurfObjectCreate(&none, &resources[1]));
	DO(cuSurfObjectDestroy(objects[0]));
	DO(cuSurfObjectDestroy(objects[1]));
	NOTE(cuSurfObjectDestroy(objects[1]));
	NOTE(cuSurfObjectGetResourceDesc(&got, objects[1]));
	DO(cuArrayDestroy(arrays[0]));
	DO(cuArrayDestroy(arrays[1]));
	return true;
}

static bool descriptions(void)
{
	ARRAY_CALLS;
	BIND(cuMipmappedArrayCreate, CUmipmappedArray *, const struct array_3d *, unsigned int);
	BIND(cuMipmappedArrayDestroy, CUmipmappedArray);
	BIND(cuTexObjectCreate, CUtexObject *, const struct resource *, const struct texture *, const struct view *);
	BIND(cuTexObjectDestroy, CUtexObject);
	BIND(cuTexObjectGetResourceDesc, struct resource *, CUtexObject);
	BIND(cuTexObjectGetTextureDesc, struct texture *, CUtexObject);
	BIND(cuTexObjectGetResourceViewDesc, struct view *, CUtexObject);
	struct array_3d plane = { WIDTH, HEIGHT, 0, FORMAT_FLOAT, 1, 0 };
	struct texture texture = { .address = { ADDRESS_WRAP, ADDRESS_CLAMP, ADDRESS_WRAP }, .filter = FILTER_LINEAR,
				   .flags = NORMALISED, .anisotropy = 4, .bias = 0.5f, .highest = 3,
				   .border = { 1, 2, 3, 4 } },
		       got_texture;
	struct view view = { .format = 0x16, .width = WIDTH, .height = HEIGHT, .last_level = 1 }, got_view;
	struct resource resources[3] = { { .type = RESOURCE_ARRAY }, { .type = RESOURCE_MIPMAP },
					 { .type = RESOURCE_LINEAR } },
			got;
	CUtexObject objects[3];
	CUmipmappedArray mipmap;
	CUdeviceptr memory;
	CUarray array;

	USE_DEVICE;
	DO(cuArray3DCreate_v2(&array, &plane));
	DO(cuMipmappedArrayCreate(&mipmap, &plane, 3));
	DO(cu.MemAlloc(&memory, 4096));
	resources[0].array = array;
	resources[1].mipmap = mipmap;
	resources[2].linear.address = memory;
	resources[2].linear.format = FORMAT_UINT32;
	resources[2].linear.channels = 1;
	resources[2].linear.bytes = 4096;
	DO(cuTexObjectCreate(&objects[0], &resources[0], &texture, NULL));
	DO(cuTexObjectCreate(&objects[1], &resources[1], &texture, &view));
	DO(cuTexObjectCreate(&objects[2], &resources[2], &texture, NULL));
	THAT(objects[0] != objects[1] && objects[1] != objects[2]);
	for (int i = 0; i < 3; i++) {
		memset(&got, 0, sizeof(got));
		memset(&got_texture, 0, sizeof(got_texture));
		memset(&got_view, 0, sizeof(got_view));
		DO(cuTexObjectGetResourceDesc(&got, objects[i]));
		THAT(got.type == resources[i].type && got.array == resources[i].array);
		if (i == 2)
			THAT(got.linear.format == FORMAT_UINT32 && got.linear.channels == 1 &&
			     got.linear.bytes == 4096);
		DO(cuTexObjectGetTextureDesc(&got_texture, objects[i]));
		check_note("%d%d%d %d %#x %u %g %g %g", got_texture.address[0], got_texture.address[1],
			   got_texture.address[2], got_texture.filter, got_texture.flags, got_texture.anisotropy,
			   got_texture.bias, got_texture.highest, got_texture.border[3]);
		NOTE(cuTexObjectGetResourceViewDesc(&got_view, objects[i]));
		check_note("%#x %zu %zu %u", got_view.format, got_view.width, got_view.height, got_view.last_level);
	}
	CODE(cuTexObjectGetResourceDesc(NULL, objects[0]));
	CODE(cuTexObjectGetTextureDesc(NULL, objects[0]));
	for (int i = 0; i < 3; i++)
		DO(cuTexObjectDestroy(objects[i]));
	NOTE(cuTexObjectDestroy(objects[0]));
	NOTE(cuTexObjectGetResourceDesc(&got, objects[0]));
	NOTE(cuTexObjectGetTextureDesc(&got_texture, objects[0]));
	DO(cu.MemFree(memory));
	DO(cuMipmappedArrayDestroy(mipmap));
	DO(cuArrayDestroy(array));
	return true;
}

static bool creation_errors(void)
{
	ARRAY_CALLS;
	BIND(cuTexObjectCreate, CUtexObject *, const struct resource *, const struct texture *, const struct view *);
	BIND(cuTexObjectDestroy, CUtexObject);
	struct array_3d plane = { WIDTH, HEIGHT, 0, FORMAT_FLOAT, 1, 0 };
	struct texture plain = { .address = { ADDRESS_CLAMP, ADDRESS_CLAMP, ADDRESS_CLAMP } }, texture;
	struct resource of_array = { .type = RESOURCE_ARRAY }, resource;
	CUtexObject object;
	CUdeviceptr memory;
	CUarray array;

	USE_DEVICE;
	DO(cuArray3DCreate_v2(&array, &plane));
	DO(cu.MemAlloc(&memory, 4096));
	of_array.array = array;
	CODE(cuTexObjectCreate(NULL, &of_array, &plain, NULL));
	CODE(cuTexObjectCreate(&object, NULL, &plain, NULL));
	CODE(cuTexObjectCreate(&object, &of_array, NULL, NULL));
#define TRY(r, t)                                                                                                     \
	do {                                                                                                          \
		int result_ = cuTexObjectCreate(&object, r, t, NULL);                                                 \
		check_note("%d", result_);                                                                            \
		if (!result_)                                                                                         \
			DO(cuTexObjectDestroy(object));                                                               \
	} while (0)
	resource = (struct resource){ .type = RESOURCE_ARRAY };
	TRY(&resource, &plain);
	resource = of_array;
	resource.type = 9;
	TRY(&resource, &plain);
	resource = of_array;
	resource.flags = 1;
	TRY(&resource, &plain);
	texture = plain;
	texture.filter = 9;
	TRY(&of_array, &texture);
	texture = plain;
	texture.address[0] = 9;
	TRY(&of_array, &texture);
	texture = plain;
	texture.anisotropy = 99;
	TRY(&of_array, &texture);
	texture = plain;
	texture.flags = 0x8000;
	TRY(&of_array, &texture);
	resource = (struct resource){ .type = RESOURCE_LINEAR, .linear = { memory + 4, FORMAT_FLOAT, 1, 64 } };
	TRY(&resource, &plain);
	resource = (struct resource){ .type = RESOURCE_LINEAR, .linear = { memory, FORMAT_FLOAT, 3, 64 } };
	TRY(&resource, &plain);
	resource = (struct resource){ .type = RESOURCE_LINEAR, .linear = { 0, FORMAT_FLOAT, 1, 64 } };
	TRY(&resource, &plain);
	resource = (struct resource){ .type = RESOURCE_PITCH_2D, .pitch = { memory, FORMAT_FLOAT, 1, 16, 8, 60 } };
	TRY(&resource, &plain);
#undef TRY
	DO(cu.MemFree(memory));
	DO(cuArrayDestroy(array));
	return true;
}

static const struct check checks[] = {
	{ "sampling", sampling },
	{ "surfaces", surfaces },
	{ "descriptions", descriptions },
	{ "creation_errors", creation_errors },
};
const struct check_group texture_family = GROUP("textures", checks);
