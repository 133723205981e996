/* SPDX-License-Identifier: Apache-2.0 */
#include "cuda_driver.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *library;

void *cuda_driver_symbol(const char *symbol)
{
	void *address = dlsym(library, symbol);

	if (!address) {
		fprintf(stderr, "libcuda.so.1 has no %s\n", symbol);
		exit(2);
	}
	return address;
}

static void *bind(const char *symbol, int *missing)
{
	void *address = dlsym(library, symbol);

	if (!address) {
		fprintf(stderr, "libcuda.so.1 has no %s\n", symbol);
		(*missing)++;
	}
	return address;
}

int cuda_driver_open(struct cuda_driver *driver)
{
	const char *path = getenv("VGPU_TEST_LIBCUDA");
	int missing = 0;

	library = dlopen(path ? path : "libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
	if (!library) {
		fprintf(stderr, "opening libcuda.so.1: %s\n", dlerror());
		return -1;
	}
#define BIND(symbol, member, parameters)                                                                              \
	do {                                                                                                          \
		void *address_ = bind(#symbol, &missing);                                                    \
		memcpy(&driver->member, &address_, sizeof(address_));                                                 \
	} while (0);
	CUDA_DRIVER_CALLS(BIND)
#undef BIND
	return missing ? -1 : 0;
}
