/* SPDX-License-Identifier: Apache-2.0 */
#include "llama.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

static void *open_library(const char *directory, const char *name)
{
	char path[4096];
	void *library;

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	library = dlopen(path, RTLD_NOW | RTLD_GLOBAL);
	if (!library)
		fprintf(stderr, "opening %s: %s\n", path, dlerror());
	return library;
}

static void *bind(void *library, const char *symbol, int *missing)
{
	void *address = library ? dlsym(library, symbol) : NULL;

	if (!address) {
		fprintf(stderr, "llama.cpp has no %s\n", symbol);
		(*missing)++;
	}
	return address;
}

int llama_open(struct llama *llama, const char *directory)
{
	void *base = open_library(directory, "libggml-base.so");
	void *ggml = open_library(directory, "libggml.cuda.b6845.so");
	void *libllama = open_library(directory, "libllama.cuda.b6845.so");
	int missing = 0;

#define BIND(library, symbol, member)                                                                                 \
	do {                                                                                                          \
		void *address_ = bind(library, #symbol, &missing);                                                    \
		memcpy(&llama->member, &address_, sizeof(address_));                                                  \
	} while (0);
#define BIND_BASE(result, symbol, member, parameters) BIND(base, symbol, member)
#define BIND_GGML(result, symbol, member, parameters) BIND(ggml, symbol, member)
#define BIND_LLAMA(result, symbol, member, parameters) BIND(libllama, symbol, member)
	GGML_BASE_CALLS(BIND_BASE)
	GGML_CALLS(BIND_GGML)
	LLAMA_CALLS(BIND_LLAMA)
	return missing ? -1 : 0;
}
