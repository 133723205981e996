/* SPDX-License-Identifier: Apache-2.0 */
#include "cuda_runtime.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

static void *open_library(const char *path)
{
	void *library;

	if (path)
		return dlopen(path, RTLD_NOW | RTLD_LOCAL);
	library = dlopen("libcudart.so.13", RTLD_NOW | RTLD_LOCAL);
	return library ? library : dlopen("libcudart.so.12", RTLD_NOW | RTLD_LOCAL);
}

static void *bind(void *library, const char *symbol, int *missing)
{
	void *address = dlsym(library, symbol);

	if (!address) {
		fprintf(stderr, "libcudart has no %s\n", symbol);
		(*missing)++;
	}
	return address;
}

int cuda_runtime_open(struct cuda_runtime *runtime, const char *path)
{
	int missing = 0;
	void *library = open_library(path);
	void *properties;

	if (!library) {
		fprintf(stderr, "opening libcudart: %s\n", dlerror());
		return -1;
	}
#define BIND(type, symbol, member, parameters)                                                                        \
	do {                                                                                                          \
		void *address_ = bind(library, #symbol, &missing);                                                    \
		memcpy(&runtime->member, &address_, sizeof(address_));                                                \
	} while (0);
	CUDA_RUNTIME_CALLS(BIND)
#undef BIND
	properties = dlsym(library, "cudaGetDeviceProperties_v2");
	if (!properties)
		properties = bind(library, "cudaGetDeviceProperties", &missing);
	memcpy(&runtime->GetDeviceProperties, &properties, sizeof(properties));
	return missing ? -1 : 0;
}
