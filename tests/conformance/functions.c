/* SPDX-License-Identifier: Apache-2.0 */
/* Functions and kernels: where they come from, what they are called, what may be asked of and set for one. */
#include "conformance.h"
#include "fatbin.h"
#include "kernels.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_FUNCTIONS 64

/* A file that holds some text, in the directory for temporary files. */
static bool file_of(char path[64], const char *text, size_t size)
{
	int fd;
	bool good;

	strcpy(path, "/tmp/conformance-XXXXXX");
	fd = mkstemp(path);
	if (fd < 0)
		return check_reason("no temporary file");
	good = write(fd, text, size) == (ssize_t)size && !close(fd);
	return good || check_reason("writing %s failed", path);
}

static bool writes(CUfunction write_word)
{
	unsigned int value = 31, seen = 0;
	CUdeviceptr word;

	DO(cu.MemAlloc(&word, 4));
	DO(cu.LaunchKernel(write_word, 1, 1, 1, 1, 1, 1, 0, NULL, PARAMETERS(&word, &value), NULL));
	DO(cu.MemcpyDtoH(&seen, word, 4));
	THAT(seen == 31);
	DO(cu.MemFree(word));
	return true;
}

static bool files(void)
{
	BIND(cuModuleLoad, CUmodule *, const char *);
	BIND(cuLibraryLoadFromFile, CUlibrary *, const char *, int *, void **, unsigned int, int *, void **, unsigned int);
	char path[64];
	CUfunction function;
	CUlibrary library;
	CUkernel kernel;
	CUmodule module;

	USE_DEVICE;
	if (!file_of(path, kernels_ptx, strlen(kernels_ptx)))
		return false;
	DO(cuModuleLoad(&module, path));
	DO(cu.ModuleGetFunction(&function, module, "write_word"));
	if (!writes(function))
		return false;
	DO(cu.ModuleUnload(module));
	DO(cuLibraryLoadFromFile(&library, path, NULL, NULL, 0, NULL, NULL, 0));
	DO(cu.LibraryGetKernel(&kernel, library, "write_word"));
	if (!writes((CUfunction)kernel))
		return false;
	DO(cu.LibraryUnload(library));
	unlink(path);
	CODE(cuModuleLoad(&module, path));
	CODE(cuModuleLoad(&module, "/"));
	CODE(cuModuleLoad(&module, NULL));
	CODE(cuModuleLoad(NULL, path));
	CODE(cuLibraryLoadFromFile(NULL, path, NULL, NULL, 0, NULL, NULL, 0));
	CODE(cuLibraryLoadFromFile(&library, NULL, NULL, NULL, 0, NULL, NULL, 0));
	if (!file_of(path, "no image", 8))
		return false;
	CODE(cuModuleLoad(&module, path));
	unlink(path);
	if (!file_of(path, "", 0))
		return false;
	CODE(cuModuleLoad(&module, path));
	unlink(path);
	return true;
}

/* A library's file may be looked at when it is loaded or when something in it is asked for: both answers are noted. */
static bool library_from(const char *path)
{
	BIND(cuLibraryLoadFromFile, CUlibrary *, const char *, int *, void **, unsigned int, int *, void **, unsigned int);
	BIND(cuLibraryGetKernelCount, unsigned int *, CUlibrary);
	BIND(cuLibraryEnumerateKernels, CUkernel *, unsigned int, CUlibrary);
	BIND(cuLibraryGetModule, CUmodule *, CUlibrary);
	CUresult result;
	unsigned int count = 0;
	CUdeviceptr address;
	CUlibrary library;
	CUkernel kernel;
	CUmodule module;
	size_t size;

	check_line = __LINE__;
	result = cuLibraryLoadFromFile(&library, path, NULL, NULL, 0, NULL, NULL, 0);
	check_note("%d", result);
	if (result)
		return true;
	NOTE(cu.LibraryGetKernel(&kernel, library, "write_word"));
	NOTE(cuLibraryGetKernelCount(&count, library));
	check_note("(%u)", count);
	NOTE(cuLibraryEnumerateKernels(&kernel, 1, library));
	NOTE(cuLibraryGetModule(&module, library));
	NOTE(cu.LibraryGetGlobal(&address, &size, library, "nothing"));
	NOTE(cu.LibraryUnload(library));
	return true;
}

static bool library_files(void)
{
	char path[64];

	USE_DEVICE;
	check_note("never there");
	if (!library_from("/tmp/conformance-nothing"))
		return false;
	check_note("once there");
	if (!file_of(path, kernels_ptx, strlen(kernels_ptx)) || !library_from(path))
		return false;
	unlink(path);
	if (!library_from(path))
		return false;
	check_note("a directory");
	if (!library_from("/tmp"))
		return false;
	check_note("no image");
	if (!file_of(path, "no image", 8) || !library_from(path))
		return false;
	unlink(path);
	check_note("empty");
	if (!file_of(path, "", 0) || !library_from(path))
		return false;
	unlink(path);
	return true;
}

static bool fat_binary(void)
{
	BIND(cuModuleLoadFatBinary, CUmodule *, const void *);
	struct fatbin_wrapper wrapper;
	CUfunction function;
	CUmodule module;

	USE_DEVICE;
	THAT(!fatbin_of_ptx(&wrapper, kernels_ptx, 80));
	DO(cuModuleLoadFatBinary(&module, wrapper.data));
	DO(cu.ModuleGetFunction(&function, module, "write_word"));
	if (!writes(function))
		return false;
	DO(cu.ModuleUnload(module));
	CODE(cuModuleLoadFatBinary(&module, NULL));
	CODE(cuModuleLoadFatBinary(NULL, wrapper.data));
	fatbin_free(&wrapper);
	return true;
}

static bool is_among(const char *name)
{
	static const char *const known[] = {
#define NAME(name) #name,
		KERNEL_NAMES(NAME)
#undef NAME
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (!strcmp(known[i], name))
			return true;
	return check_reason("a kernel %s", name);
}

static bool lists(void)
{
	BIND(cuModuleGetFunctionCount, unsigned int *, CUmodule);
	BIND(cuModuleEnumerateFunctions, CUfunction *, unsigned int, CUmodule);
	BIND(cuLibraryGetKernelCount, unsigned int *, CUlibrary);
	BIND(cuLibraryEnumerateKernels, CUkernel *, unsigned int, CUlibrary);
	BIND(cuFuncGetName, const char **, CUfunction);
	BIND(cuKernelGetName, const char **, CUkernel);
	CUfunction functions[MAX_FUNCTIONS] = { 0 };
	CUkernel listed[MAX_FUNCTIONS] = { 0 };
	unsigned int count = 0, all;
	CUlibrary library;
	const char *name;

	USE_DEVICE;
	DO(cuModuleGetFunctionCount(&count, kernels.module));
	check_note("%u functions", count);
	THAT(count > 0 && count < MAX_FUNCTIONS);
	DO(cuModuleEnumerateFunctions(functions, count, kernels.module));
	for (unsigned int i = 0; i < count; i++) {
		DO(cuFuncGetName(&name, functions[i]));
		if (!is_among(name))
			return false;
		for (unsigned int j = 0; j < i; j++)
			THAT(functions[i] != functions[j]);
	}
	DO(cu.LibraryLoadData(&library, kernels_ptx, NULL, NULL, 0, NULL, NULL, 0));
	DO(cuLibraryGetKernelCount(&all, library));
	THAT(all == count);
	/* room for some, and for more than there are */
	DO(cuLibraryEnumerateKernels(listed, 2, library));
	THAT(listed[0] && listed[1] && !listed[2]);
	NOTE(cuLibraryEnumerateKernels(listed, MAX_FUNCTIONS, library));
	for (unsigned int i = 0; i < count; i++) {
		DO(cuKernelGetName(&name, listed[i]));
		if (!is_among(name))
			return false;
	}
	NOTE(cuModuleEnumerateFunctions(functions, 0, kernels.module));
	NOTE(cuModuleEnumerateFunctions(functions, MAX_FUNCTIONS, kernels.module));
	CODE(cuModuleEnumerateFunctions(NULL, 1, kernels.module));
	CODE(cuModuleEnumerateFunctions(functions, 1, NULL));
	CODE(cuModuleGetFunctionCount(NULL, kernels.module));
	CODE(cuModuleGetFunctionCount(&count, NULL));
	CODE(cuLibraryGetKernelCount(NULL, library));
	CODE(cuLibraryGetKernelCount(&count, NULL));
	CODE(cuLibraryEnumerateKernels(NULL, 1, library));
	CODE(cuLibraryEnumerateKernels(listed, 1, NULL));
	DO(cu.LibraryUnload(library));
	return true;
}

static bool owners(void)
{
	BIND(cuFuncGetName, const char **, CUfunction);
	BIND(cuFuncGetModule, CUmodule *, CUfunction);
	BIND(cuKernelGetName, const char **, CUkernel);
	BIND(cuKernelGetLibrary, CUlibrary *, CUkernel);
	BIND(cuLibraryGetModule, CUmodule *, CUlibrary);
	CUfunction function, again;
	CUmodule module, inside;
	CUlibrary library, found;
	const char *name = NULL;
	CUkernel kernel;

	USE_DEVICE;
	DO(cuFuncGetName(&name, kernels.step));
	THAT(!strcmp(name, "step"));
	DO(cuFuncGetModule(&module, kernels.step));
	THAT(module == kernels.module);
	DO(cu.ModuleGetFunction(&again, kernels.module, "step"));
	check_note("%s", again == kernels.step ? "one function" : "two functions");

	DO(cu.LibraryLoadData(&library, kernels_ptx, NULL, NULL, 0, NULL, NULL, 0));
	DO(cu.LibraryGetKernel(&kernel, library, "write_word"));
	DO(cuKernelGetName(&name, kernel));
	THAT(!strcmp(name, "write_word"));
	DO(cuKernelGetLibrary(&found, kernel));
	THAT(found == library);
	DO(cu.KernelGetFunction(&function, kernel));
	DO(cuFuncGetName(&name, function));
	THAT(!strcmp(name, "write_word"));
	DO(cuLibraryGetModule(&module, library));
	DO(cuFuncGetModule(&inside, function));
	check_note("%s", inside == module ? "the library's module" : "another module");
	DO(cu.ModuleGetFunction(&again, module, "write_word"));
	if (!writes(again) || !writes(function))
		return false;
	CODE(cu.ModuleUnload(module));	/* it is the library's */

	CODE(cuFuncGetName(NULL, function));
	CODE(cuFuncGetName(&name, NULL));
	CODE(cuFuncGetModule(NULL, function));
	CODE(cuFuncGetModule(&module, NULL));
	CODE(cuKernelGetName(NULL, kernel));
	CODE(cuKernelGetName(&name, NULL));
	CODE(cuKernelGetLibrary(NULL, kernel));
	CODE(cuKernelGetLibrary(&found, NULL));
	CODE(cuLibraryGetModule(NULL, library));
	CODE(cuLibraryGetModule(&module, NULL));
	CODE(cu.KernelGetFunction(NULL, kernel));
	CODE(cu.KernelGetFunction(&function, NULL));
	CODE(cu.LibraryGetKernel(NULL, library, "write_word"));
	CODE(cu.LibraryGetKernel(&kernel, NULL, "write_word"));
	CODE(cu.LibraryGetKernel(&kernel, library, NULL));
	CODE(cu.LibraryGetKernel(&kernel, library, "no_such_kernel"));
	CODE(cu.LibraryGetKernel(&kernel, library, ""));
	CODE(cu.ModuleGetFunction(NULL, module, "write_word"));
	CODE(cu.ModuleGetFunction(&function, NULL, "write_word"));
	CODE(cu.ModuleGetFunction(&function, module, NULL));
	CODE(cu.ModuleGetFunction(&function, module, "no_such_function"));
	CODE(cu.ModuleGetFunction(&function, module, ""));
	DO(cu.LibraryUnload(library));
	CODE(cu.LibraryUnload(NULL));
	CODE(cu.ModuleUnload(NULL));
	return true;
}

/* Global variables of modules and libraries, and attributes of functions, with something missing. */
static bool missing_arguments(void)
{
	CUdeviceptr address;
	CUlibrary library;
	CUkernel kernel;
	size_t size;
	int value;

	USE_DEVICE;
	DO(cu.LibraryLoadData(&library, kernels_ptx, NULL, NULL, 0, NULL, NULL, 0));
	DO(cu.LibraryGetKernel(&kernel, library, "step"));
	NOTE(cu.ModuleGetGlobal(&address, NULL, kernels.module, "global_counter"));
	NOTE(cu.ModuleGetGlobal(NULL, &size, kernels.module, "global_counter"));
	NOTE(cu.ModuleGetGlobal(NULL, NULL, kernels.module, "global_counter"));
	CODE(cu.ModuleGetGlobal(&address, &size, NULL, "global_counter"));
	CODE(cu.ModuleGetGlobal(&address, &size, kernels.module, NULL));
	CODE(cu.ModuleGetGlobal(&address, &size, kernels.module, "no_such_variable"));
	CODE(cu.ModuleGetGlobal(&address, &size, kernels.module, "step"));
	NOTE(cu.LibraryGetGlobal(&address, NULL, library, "global_counter"));
	NOTE(cu.LibraryGetGlobal(NULL, &size, library, "global_counter"));
	NOTE(cu.LibraryGetGlobal(NULL, NULL, library, "global_counter"));
	CODE(cu.LibraryGetGlobal(&address, &size, NULL, "global_counter"));
	CODE(cu.LibraryGetGlobal(&address, &size, library, NULL));
	CODE(cu.LibraryGetGlobal(&address, &size, library, "no_such_variable"));

	CODE(cu.FuncGetAttribute(NULL, 0, kernels.step));
	CODE(cu.FuncGetAttribute(&value, 0, NULL));
	CODE(cu.FuncGetAttribute(NULL, 0, NULL));
	CODE(cu.FuncGetAttribute(&value, -1, kernels.step));
	for (int attribute = 8; attribute < 18; attribute++)
		NOTE(cu.FuncGetAttribute(&value, attribute, kernels.step));
	CODE(cu.FuncSetAttribute(NULL, CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, 1024));
	CODE(cu.FuncSetAttribute(kernels.step, CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, -1));
	CODE(cu.FuncSetAttribute(kernels.step, CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, 1 << 24));
	CODE(cu.FuncSetAttribute(kernels.step, CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES, 0));
	CODE(cu.FuncSetAttribute(kernels.step, 1000, 0));
	CODE(cu.KernelGetAttribute(NULL, 0, kernel, device));
	CODE(cu.KernelGetAttribute(&value, 0, NULL, device));
	CODE(cu.KernelGetAttribute(&value, 0, kernel, 77));
	CODE(cu.KernelGetAttribute(&value, 1000, kernel, device));
	CODE(cu.KernelGetAttribute(&value, -1, kernel, device));
	DO(cu.CtxSynchronize());
	DO(cu.LibraryUnload(library));
	return true;
}

/* Whether a function is loaded before its first use is the loading mode's matter; after cuFuncLoad it is. */
static bool loading_state(void)
{
	BIND(cuFuncIsLoaded, int *, CUfunction);
	BIND(cuFuncLoad, CUfunction);
	CUfunction function;
	CUmodule module;
	int state = 7;

	USE_DEVICE;
	DO(cu.ModuleLoadData(&module, kernels_ptx));
	DO(cu.ModuleGetFunction(&function, module, "write_word"));
	DO(cuFuncIsLoaded(&state, function));
	check_note("%d", state);
	DO(cuFuncLoad(function));
	DO(cuFuncIsLoaded(&state, function));
	THAT(state == 1);
	DO(cuFuncLoad(function));
	if (!writes(function))
		return false;
	CODE(cuFuncIsLoaded(NULL, function));
	CODE(cuFuncIsLoaded(&state, NULL));
	CODE(cuFuncLoad(NULL));
	DO(cu.ModuleUnload(module));
	return true;
}

/* What is set for a kernel is the device's, what is set for its function is the function's. */
static bool settings(void)
{
	BIND(cuKernelSetAttribute, int, int, CUkernel, CUdevice);
	BIND(cuKernelSetCacheConfig, CUkernel, int, CUdevice);
	BIND(cuFuncSetCacheConfig, CUfunction, int);
	enum { DYNAMIC = CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, CARVEOUT = 9, CLUSTER_WIDTH = 11 };
	CUlibrary library;
	CUkernel kernel;
	int value = 0;

	USE_DEVICE;
	DO(cu.LibraryLoadData(&library, kernels_ptx, NULL, NULL, 0, NULL, NULL, 0));
	DO(cu.LibraryGetKernel(&kernel, library, "reduce_sum"));
	DO(cuKernelSetAttribute(DYNAMIC, 65536, kernel, device));
	DO(cu.KernelGetAttribute(&value, DYNAMIC, kernel, device));
	THAT(value == 65536);
	DO(cuKernelSetAttribute(CARVEOUT, 50, kernel, device));
	DO(cu.KernelGetAttribute(&value, CARVEOUT, kernel, device));
	check_note("carveout %d", value);
	NOTE(cuKernelSetAttribute(CARVEOUT, 101, kernel, device));
	NOTE(cuKernelSetAttribute(CARVEOUT, -2, kernel, device));
	CODE(cuKernelSetAttribute(DYNAMIC, 1 << 24, kernel, device));
	CODE(cuKernelSetAttribute(DYNAMIC, -1, kernel, device));
	CODE(cuKernelSetAttribute(CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK, 32, kernel, device));	/* read-only */
	CODE(cuKernelSetAttribute(1000, 0, kernel, device));
	CODE(cuKernelSetAttribute(DYNAMIC, 1024, kernel, 77));
	CODE(cuKernelSetAttribute(DYNAMIC, 1024, NULL, device));
	for (int config = 0; config < 5; config++) {
		NOTE(cuFuncSetCacheConfig(kernels.reduce_sum, config));
		NOTE(cuKernelSetCacheConfig(kernel, config, device));
	}
	CODE(cuFuncSetCacheConfig(kernels.reduce_sum, -1));
	CODE(cuKernelSetCacheConfig(kernel, -1, device));
	CODE(cuFuncSetCacheConfig(NULL, 0));
	CODE(cuKernelSetCacheConfig(NULL, 0, device));
	CODE(cuKernelSetCacheConfig(kernel, 0, 77));
	DO(cu.CtxSynchronize());
	DO(cu.LibraryUnload(library));
	return true;
}

static bool parameters_of_kernels(void)
{
	BIND(cuKernelGetParamInfo, CUkernel, size_t, size_t *, size_t *);
	BIND(cuFuncGetParamInfo, CUfunction, size_t, size_t *, size_t *);
	size_t offset = 99, size = 99;
	CUlibrary library;
	CUkernel kernel;

	USE_DEVICE;
	DO(cu.LibraryLoadData(&library, kernels_ptx, NULL, NULL, 0, NULL, NULL, 0));
	DO(cu.LibraryGetKernel(&kernel, library, "saxpy"));
	DO(cuKernelGetParamInfo(kernel, 2, &offset, &size));
	THAT(offset == 16 && size == 8);
	DO(cuKernelGetParamInfo(kernel, 3, &offset, NULL));
	THAT(offset == 24);
	CODE(cuKernelGetParamInfo(kernel, 4, &offset, &size));
	CODE(cuKernelGetParamInfo(kernel, 0, NULL, &size));
	CODE(cuKernelGetParamInfo(NULL, 0, &offset, &size));
	CODE(cuKernelGetParamInfo(NULL, 0, NULL, NULL));
	CODE(cuFuncGetParamInfo(kernels.saxpy, 99, &offset, &size));
	CODE(cuFuncGetParamInfo(kernels.saxpy, 0, NULL, &size));
	CODE(cuFuncGetParamInfo(NULL, 0, &offset, &size));
	DO(cu.LibraryUnload(library));
	return true;
}

static const struct check checks[] = {
	{ "files", files },
	{ "library_files", library_files },
	{ "fat_binary", fat_binary },
	{ "lists", lists },
	{ "owners", owners },
	{ "missing_arguments", missing_arguments },
	{ "loading_state", loading_state },
	{ "settings", settings },
	{ "parameters_of_kernels", parameters_of_kernels },
};
const struct check_group function_family = GROUP("functions", checks);
