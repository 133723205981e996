/* SPDX-License-Identifier: Apache-2.0 */
/* Texture and surface references, which came before the objects. The software GPU has none, nor samples. */
#include "sampling.h"
#include "workload.h"

#include <string.h>

typedef struct CUtexref_st *CUtexref;
typedef struct CUsurfref_st *CUsurfref;

/* 16 x 8 threads copy texels from a reference to memory */
static const char referrer[] = HEAD
	".global .texref picture;\n.global .surfref canvas;\n"
	".visible .entry fetch(.param .u64 to)\n{\n"
	"\t.reg .b64 %rd<6>;\n\t.reg .b32 %r<6>;\n\t.reg .f32 %f<6>;\n"
	"\tld.param.u64 %rd2, [to];\n\tcvta.to.global.u64 %rd2, %rd2;\n" PLACE
	"\tadd.u64 %rd4, %rd2, %rd3;\n"
	"\ttex.2d.v4.f32.s32 {%f1, %f2, %f3, %f4}, [picture, {%r1, %r2}];\n"
	"\tst.global.f32 [%rd4], %f1;\n\tret;\n}\n";

/* A texture reference that belongs to no module: all that can be set and read. */
static bool reference_settings(void)
{
	ARRAY_CALLS;
	BIND(cuTexRefCreate, CUtexref *);
	BIND(cuTexRefDestroy, CUtexref);
	BIND(cuTexRefSetArray, CUtexref, CUarray, unsigned int);
	BIND(cuTexRefGetArray, CUarray *, CUtexref);
	BIND(cuTexRefSetFormat, CUtexref, int, int);
	BIND(cuTexRefGetFormat, int *, int *, CUtexref);
	BIND(cuTexRefSetAddress_v2, size_t *, CUtexref, CUdeviceptr, size_t);
	BIND(cuTexRefGetAddress_v2, CUdeviceptr *, CUtexref);
	BIND(cuTexRefSetAddressMode, CUtexref, int, int);
	BIND(cuTexRefGetAddressMode, int *, CUtexref, int);
	BIND(cuTexRefSetFilterMode, CUtexref, int);
	BIND(cuTexRefGetFilterMode, int *, CUtexref);
	BIND(cuTexRefSetFlags, CUtexref, unsigned int);
	BIND(cuTexRefGetFlags, unsigned int *, CUtexref);
	BIND(cuTexRefSetMaxAnisotropy, CUtexref, unsigned int);
	BIND(cuTexRefGetMaxAnisotropy, int *, CUtexref);
	BIND(cuTexRefSetMipmapLevelClamp, CUtexref, float, float);
	BIND(cuTexRefGetMipmapLevelClamp, float *, float *, CUtexref);
	BIND(cuTexRefSetMipmapLevelBias, CUtexref, float);
	BIND(cuTexRefGetMipmapLevelBias, float *, CUtexref);
	BIND(cuTexRefSetBorderColor, CUtexref, float *);
	BIND(cuTexRefGetBorderColor, float *, CUtexref);
	struct array_3d plane = { WIDTH, HEIGHT, 0, FORMAT_FLOAT, 1, 0 };
	float border[4] = { 1, 2, 3, 4 }, lowest = 0, highest = 0, bias = 0;
	int format = 0, channels = 0, mode = 0, result;
	unsigned int flags = 0;
	CUdeviceptr memory, address = 0;
	CUarray array, bound = NULL;
	CUtexref reference;
	size_t offset = 0;

	USE_DEVICE;
	result = cuTexRefCreate(&reference);
	check_note("%d", result);
	if (result)
		return true;
	DO(cuArray3DCreate_v2(&array, &plane));
	DO(cu.MemAlloc(&memory, 4096));
	NOTE(cuTexRefGetArray(&bound, reference));
	NOTE(cuTexRefGetAddress_v2(&address, reference));
	NOTE(cuTexRefSetArray(reference, array, 1));
	NOTE(cuTexRefGetArray(&bound, reference));
	check_note("%s", bound == array ? "bound" : "not bound");
	NOTE(cuTexRefSetFormat(reference, FORMAT_UINT16, 2));
	NOTE(cuTexRefGetFormat(&format, &channels, reference));
	check_note("%d %d", format, channels);
	NOTE(cuTexRefSetAddress_v2(&offset, reference, memory, 4096));
	NOTE(cuTexRefGetAddress_v2(&address, reference));
	check_note("%zu %s", offset, address == memory ? "there" : "elsewhere");
	NOTE(cuTexRefGetArray(&bound, reference));
	NOTE(cuTexRefSetAddressMode(reference, 1, ADDRESS_CLAMP));
	NOTE(cuTexRefGetAddressMode(&mode, reference, 1));
	check_note("%d", mode);
	NOTE(cuTexRefSetFilterMode(reference, FILTER_LINEAR));
	NOTE(cuTexRefGetFilterMode(&mode, reference));
	check_note("%d", mode);
	NOTE(cuTexRefSetFlags(reference, NORMALISED));
	NOTE(cuTexRefGetFlags(&flags, reference));
	check_note("%u", flags);
	NOTE(cuTexRefSetMaxAnisotropy(reference, 8));
	NOTE(cuTexRefGetMaxAnisotropy(&mode, reference));
	check_note("%d", mode);
	NOTE(cuTexRefSetMipmapLevelClamp(reference, 1, 2));
	NOTE(cuTexRefGetMipmapLevelClamp(&lowest, &highest, reference));
	NOTE(cuTexRefSetMipmapLevelBias(reference, 0.5f));
	NOTE(cuTexRefGetMipmapLevelBias(&bias, reference));
	check_note("%g %g %g", lowest, highest, bias);
	NOTE(cuTexRefSetBorderColor(reference, border));
	memset(border, 0, sizeof(border));
	NOTE(cuTexRefGetBorderColor(border, reference));
	check_note("%g", border[2]);
	NOTE(cuTexRefDestroy(reference));
	DO(cu.MemFree(memory));
	DO(cuArrayDestroy(array));
	return true;
}

static bool references_of_modules(void)
{
	ARRAY_CALLS;
	COPY_CALL;
	BIND(cuModuleGetTexRef, CUtexref *, CUmodule, const char *);
	BIND(cuModuleGetSurfRef, CUsurfref *, CUmodule, const char *);
	BIND(cuTexRefSetArray, CUtexref, CUarray, unsigned int);
	BIND(cuTexRefSetFlags, CUtexref, unsigned int);
	BIND(cuSurfRefSetArray, CUsurfref, CUarray, unsigned int);
	BIND(cuSurfRefGetArray, CUarray *, CUsurfref);
	BIND(cuParamSetTexRef, CUfunction, int, CUtexref);
	struct array_3d plane = { WIDTH, HEIGHT, 0, FORMAT_FLOAT, 1, ARRAY_SURFACE };
	float in[COUNT], out[COUNT];
	CUtexref picture, again;
	CUsurfref canvas;
	CUarray array, bound = NULL;
	CUdeviceptr memory;
	CUfunction fetch;
	CUmodule module;
	struct box_copy copy;
	int result;

	USE_DEVICE;
	CODE(cuModuleGetTexRef(&picture, kernels.module, "no such reference"));
	CODE(cuModuleGetSurfRef(&canvas, kernels.module, "no such reference"));
	CODE(cuModuleGetTexRef(NULL, kernels.module, "picture"));
	CODE(cuModuleGetTexRef(&picture, NULL, "picture"));
	if (load_sampler(referrer, "fetch", &module, &fetch))
		return true;
	workload_floats(in, COUNT, 11);
	DO(cuArray3DCreate_v2(&array, &plane));
	DO(cu.MemAlloc(&memory, sizeof(out)));
	copy = (struct box_copy){ in_host(in, WIDTH * 4, HEIGHT), in_array(array, 0, 0, 0), WIDTH * 4, HEIGHT, 1 };
	DO(cuMemcpy3D_v2(&copy));
	result = cuModuleGetTexRef(&picture, module, "picture");
	check_note("%d", result);
	if (!result) {
		DO(cuModuleGetTexRef(&again, module, "picture"));
		check_note("%s", picture == again ? "one handle" : "two handles");
		DO(cuTexRefSetArray(picture, array, 1));
		NOTE(cuTexRefSetFlags(picture, READ_AS_INTEGER));
		NOTE(cuParamSetTexRef(fetch, -1, picture));
		DO(cu.LaunchKernel(fetch, 1, 1, 1, WIDTH, HEIGHT, 1, 0, NULL, PARAMETERS(&memory), NULL));
		DO(cu.MemcpyDtoH(out, memory, sizeof(out)));
		check_note("%s", memcmp(in, out, sizeof(in)) ? "other texels" : "its texels");
	}
	result = cuModuleGetSurfRef(&canvas, module, "canvas");
	check_note("%d", result);
	if (!result) {
		NOTE(cuSurfRefGetArray(&bound, canvas));
		NOTE(cuSurfRefSetArray(canvas, array, 0));
		NOTE(cuSurfRefGetArray(&bound, canvas));
		check_note("%s", bound == array ? "bound" : "not bound");
	}
	DO(cu.MemFree(memory));
	DO(cuArrayDestroy(array));
	DO(cu.ModuleUnload(module));
	return true;
}

/* Levels of a mipmapped array, and rows of linear memory, behind a reference. */
static bool reference_levels(void)
{
	ARRAY_CALLS;
	BIND(cuTexRefCreate, CUtexref *);
	BIND(cuTexRefDestroy, CUtexref);
	BIND(cuMipmappedArrayCreate, CUmipmappedArray *, const struct array_3d *, unsigned int);
	BIND(cuMipmappedArrayDestroy, CUmipmappedArray);
	BIND(cuTexRefSetMipmappedArray, CUtexref, CUmipmappedArray, unsigned int);
	BIND(cuTexRefGetMipmappedArray, CUmipmappedArray *, CUtexref);
	BIND(cuTexRefSetMipmapFilterMode, CUtexref, int);
	BIND(cuTexRefGetMipmapFilterMode, int *, CUtexref);
	BIND(cuTexRefSetAddress2D_v2, CUtexref, const struct array_2d *, CUdeviceptr, size_t);
	BIND(cuTexRefSetAddress2D_v3, CUtexref, const struct array_2d *, CUdeviceptr, size_t);
	BIND(cuTexRefGetAddress_v2, CUdeviceptr *, CUtexref);
	struct array_3d plane = { WIDTH, HEIGHT, 0, FORMAT_FLOAT, 1, 0 };
	struct array_2d rows = { WIDTH, HEIGHT, FORMAT_FLOAT, 1 };
	CUmipmappedArray mipmap, bound = NULL;
	CUdeviceptr memory, address = 0;
	CUtexref reference;
	int mode = -1, result;
	CUarray array;

	USE_DEVICE;
	result = cuTexRefCreate(&reference);
	check_note("%d", result);
	if (result)
		return true;
	DO(cuMipmappedArrayCreate(&mipmap, &plane, 3));
	DO(cuArray3DCreate_v2(&array, &plane));
	DO(cu.MemAlloc(&memory, 512 * HEIGHT));
	NOTE(cuTexRefGetMipmappedArray(&bound, reference));
	NOTE(cuTexRefSetMipmappedArray(reference, mipmap, 1));
	NOTE(cuTexRefGetMipmappedArray(&bound, reference));
	check_note("%s", bound == mipmap ? "bound" : "not bound");
	NOTE(cuTexRefSetMipmappedArray(reference, mipmap, 0));
	NOTE(cuTexRefSetMipmapFilterMode(reference, FILTER_LINEAR));
	NOTE(cuTexRefGetMipmapFilterMode(&mode, reference));
	check_note("%d", mode);
	NOTE(cuTexRefSetMipmapFilterMode(reference, 7));
	NOTE(cuTexRefSetAddress2D_v3(reference, &rows, memory, 512));
	NOTE(cuTexRefGetAddress_v2(&address, reference));
	check_note("%s", address == memory ? "there" : "elsewhere");
	NOTE(cuTexRefSetAddress2D_v2(reference, &rows, memory, 512));
	NOTE(cuTexRefSetAddress2D_v3(reference, &rows, memory, 60));
	NOTE(cuTexRefSetAddress2D_v3(reference, &rows, 4096, 512));
	CODE(cuTexRefSetAddress2D_v3(reference, NULL, memory, 512));
	CODE(cuTexRefGetMipmapFilterMode(NULL, reference));
	NOTE(cuTexRefDestroy(reference));
	DO(cu.MemFree(memory));
	DO(cuArrayDestroy(array));
	DO(cuMipmappedArrayDestroy(mipmap));
	return true;
}

static const struct check checks[] = {
	{ "reference_settings", reference_settings },
	{ "reference_levels", reference_levels },
	{ "references_of_modules", references_of_modules },
};
const struct check_group reference_family = GROUP("references", checks);
