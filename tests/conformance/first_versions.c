/* SPDX-License-Identifier: Apache-2.0 */
/*
 * First versions of calls, from when device addresses had 32 bits. Contexts of today
 * have others, and answer all of these alike.
 */
#include "conformance.h"

#include <stdint.h>
#include <string.h>

typedef CUresult (*any_call)(uintptr_t, uintptr_t, uintptr_t, uintptr_t, uintptr_t);

/* How a call is made: parameters that are a place, a small number, or nothing. */
enum parameter { N0, PLACE, NUMBER };

static const struct {
	const char *name;
	enum parameter parameters[5];
} calls[] = {
	{ "cuMemAlloc", { PLACE, NUMBER } },
	{ "cuMemAllocHost", { PLACE, NUMBER } },
	{ "cuMemAllocPitch", { PLACE, PLACE, NUMBER, NUMBER, NUMBER } },
	{ "cuMemFree", { NUMBER } },
	{ "cuMemGetInfo", { PLACE, PLACE } },
	{ "cuMemGetAddressRange", { PLACE, PLACE, NUMBER } },
	{ "cuMemHostGetDevicePointer", { PLACE, PLACE, N0 } },
	{ "cuMemcpyHtoD", { NUMBER, PLACE, NUMBER } },
	{ "cuMemcpyDtoH", { PLACE, NUMBER, NUMBER } },
	{ "cuMemcpyDtoD", { NUMBER, NUMBER, NUMBER } },
	{ "cuMemcpyHtoDAsync", { NUMBER, PLACE, NUMBER, N0 } },
	{ "cuMemcpyDtoHAsync", { PLACE, NUMBER, NUMBER, N0 } },
	{ "cuMemcpyDtoDAsync", { NUMBER, NUMBER, NUMBER, N0 } },
	{ "cuMemsetD8", { NUMBER, NUMBER, NUMBER } },
	{ "cuMemsetD16", { NUMBER, NUMBER, NUMBER } },
	{ "cuMemsetD32", { NUMBER, NUMBER, NUMBER } },
	{ "cuMemsetD2D8", { NUMBER, NUMBER, NUMBER, NUMBER, NUMBER } },
	{ "cuMemsetD2D16", { NUMBER, NUMBER, NUMBER, NUMBER, NUMBER } },
	{ "cuMemsetD2D32", { NUMBER, NUMBER, NUMBER, NUMBER, NUMBER } },
	{ "cuMemcpy2D", { PLACE } },
	{ "cuMemcpy2DUnaligned", { PLACE } },
	{ "cuMemcpy2DAsync", { PLACE, N0 } },
	{ "cuMemcpy3D", { PLACE } },
	{ "cuMemcpy3DAsync", { PLACE, N0 } },
	{ "cuMemcpyHtoA", { PLACE, NUMBER, PLACE, NUMBER } },
	{ "cuMemcpyAtoH", { PLACE, PLACE, NUMBER, NUMBER } },
	{ "cuMemcpyDtoA", { PLACE, NUMBER, NUMBER, NUMBER } },
	{ "cuMemcpyAtoD", { NUMBER, PLACE, NUMBER, NUMBER } },
	{ "cuMemcpyAtoA", { PLACE, NUMBER, PLACE, NUMBER, NUMBER } },
	{ "cuMemcpyHtoAAsync", { PLACE, NUMBER, PLACE, NUMBER, N0 } },
	{ "cuMemcpyAtoHAsync", { PLACE, PLACE, NUMBER, NUMBER, N0 } },
	{ "cuArrayCreate", { PLACE, PLACE } },
	{ "cuArray3DCreate", { PLACE, PLACE } },
	{ "cuArrayGetDescriptor", { PLACE, PLACE } },
	{ "cuArray3DGetDescriptor", { PLACE, PLACE } },
};

static bool answers(void)
{
	static uint64_t room[64];
	unsigned int common = 0;

	USE_DEVICE;
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		any_call call = (any_call)cuda_driver_symbol(calls[i].name);
		uintptr_t values[5];
		CUresult result;

		THAT(call);
		memset(room, 0, sizeof(room));
		for (int p = 0; p < 5; p++)
			values[p] = calls[i].parameters[p] == PLACE ? (uintptr_t)room : calls[i].parameters[p] == NUMBER ? 16 : 0;
		check_line = 1000 + (int)i;
		result = call(values[0], values[1], values[2], values[3], values[4]);
		if (result == CUDA_ERROR_INVALID_CONTEXT)
			common++;
		else
			check_note("%s %d", calls[i].name, (int)result);
	}
	check_note("%u answer %d", common, CUDA_ERROR_INVALID_CONTEXT);
	return true;
}

/* Those that take a module or a texture reference. */
static bool answers_about_modules(void)
{
	BIND(cuModuleGetGlobal, unsigned int *, unsigned int *, CUmodule, const char *);
	BIND(cuTexRefCreate, void **);
	BIND(cuTexRefDestroy, void *);
	BIND(cuTexRefSetAddress, unsigned int *, void *, unsigned int, unsigned int);
	BIND(cuTexRefGetAddress, unsigned int *, void *);
	BIND(cuTexRefSetAddress2D, void *, const void *, unsigned int, unsigned int);
	static const unsigned int plane[4] = { 16, 16, 0x20, 1 };
	unsigned int address = 0, size = 0;
	void *reference;
	int result;

	USE_DEVICE;
	CODE(cuModuleGetGlobal(&address, &size, kernels.module, "global_counter"));
	result = cuTexRefCreate(&reference);
	check_note("%d", result);
	if (result)
		return true;	/* the software GPU has no references outside modules */
	CODE(cuTexRefSetAddress(&size, reference, 4096, 256));
	CODE(cuTexRefGetAddress(&address, reference));
	CODE(cuTexRefSetAddress2D(reference, plane, 4096, 64));
	DO(cuTexRefDestroy(reference));
	return true;
}

static const struct check checks[] = {
	{ "answers", answers },
	{ "answers_about_modules", answers_about_modules },
};
const struct check_group first_version_family = GROUP("first_versions", checks);
