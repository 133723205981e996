/* SPDX-License-Identifier: Apache-2.0 */
/* Loading modules with options: what the compiler is told and what it answers. */
#include "conformance.h"
#include "kernels.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	MAX_REGISTERS,
	THREADS_PER_BLOCK,
	WALL_TIME,
	INFO_LOG,
	INFO_SIZE,
	ERROR_LOG,
	ERROR_SIZE,
	OPTIMIZATION,
	TARGET_FROM_CONTEXT,
	TARGET,
	FALLBACK,
	DEBUG_INFO,
	VERBOSE,
	LINE_INFO,
	CACHE_MODE,
};

static void *number(uintptr_t n)
{
	return (void *)n;
}

static CUresult load_with(int option, uintptr_t value)
{
	CUresult result;
	void *values[] = { number(value) };
	CUmodule module;

	result = cu.ModuleLoadDataEx(&module, kernels_ptx, 1, &option, values);
	if (!result)
		result = cu.ModuleUnload(module);
	return result;
}

static bool options(void)
{
	USE_DEVICE;
	NOTE(load_with(MAX_REGISTERS, 32));
	NOTE(load_with(THREADS_PER_BLOCK, 256));
	for (uintptr_t level = 0; level < 6; level++)
		NOTE(load_with(OPTIMIZATION, level));
	NOTE(load_with(TARGET_FROM_CONTEXT, 0));
	NOTE(load_with(TARGET, 90));
	NOTE(load_with(TARGET, 1));
	NOTE(load_with(FALLBACK, 0));
	NOTE(load_with(FALLBACK, 7));
	NOTE(load_with(DEBUG_INFO, 0));
	NOTE(load_with(VERBOSE, 1));
	NOTE(load_with(LINE_INFO, 1));
	NOTE(load_with(CACHE_MODE, 0));
	NOTE(load_with(CACHE_MODE, 2));
	NOTE(load_with(9999, 0));
	NOTE(load_with(-1, 0));
	return true;
}

static bool answers(void)
{
	int ids[] = { WALL_TIME, INFO_LOG, INFO_SIZE, ERROR_LOG, ERROR_SIZE, VERBOSE };
	char info[2048] = "", error[2048] = "";
	void *values[] = { NULL, info, number(sizeof(info)), error, number(sizeof(error)), number(1) };
	CUmodule module;
	float milliseconds;

	USE_DEVICE;
	memset(&values[0], 0xff, sizeof(values[0]));
	DO(cu.ModuleLoadDataEx(&module, kernels_ptx, 6, ids, values));
	DO(cu.ModuleUnload(module));
	memcpy(&milliseconds, &values[0], sizeof(milliseconds));
	THAT(milliseconds >= 0 && milliseconds < 60000);
	THAT((uintptr_t)values[2] <= sizeof(info) && (uintptr_t)values[4] <= sizeof(error));
	printf("info compiling took %g ms, %zu bytes of remarks\n", milliseconds, (size_t)(uintptr_t)values[2]);
	return true;
}

static bool failure_in_words(void)
{
	static const char bad[] = ".version 8.0\n.target sm_90\n.address_size 64\n.visible .entry f()\n{\n\tnonsense;\n}\n";
	int ids[] = { ERROR_LOG, ERROR_SIZE };
	char error[2048] = "", tiny[8] = "";
	void *values[] = { error, number(sizeof(error)) };
	CUmodule module;

	USE_DEVICE;
	RESULT(CUDA_ERROR_INVALID_PTX, cu.ModuleLoadDataEx(&module, bad, 2, ids, values));
	THAT(error[0] && strlen(error) < sizeof(error));
	values[0] = tiny;
	values[1] = number(sizeof(tiny));
	RESULT(CUDA_ERROR_INVALID_PTX, cu.ModuleLoadDataEx(&module, bad, 2, ids, values));
	THAT(memchr(tiny, 0, sizeof(tiny)));
	CODE(cu.ModuleLoadDataEx(&module, kernels_ptx, 2, NULL, values));
	CODE(cu.ModuleLoadDataEx(&module, kernels_ptx, 2, ids, NULL));
	CODE(cu.ModuleLoadDataEx(NULL, kernels_ptx, 0, NULL, NULL));
	CODE(cu.ModuleLoadDataEx(&module, NULL, 0, NULL, NULL));
	return true;
}

/* An image of several megabytes, twice: the second load may find it where the first one left it. */
static bool large_images(void)
{
	size_t remark = (5 << 20) + 12345, code = strlen(kernels_ptx) + 1;
	char *text = malloc(remark + code);
	CUmodule module;

	USE_DEVICE;
	THAT(text);
	memset(text, ' ', remark);
	text[0] = text[1] = '/';
	text[remark - 1] = '\n';
	memcpy(text + remark, kernels_ptx, code);
	for (int i = 0; i < 2; i++) {
		CUfunction function;

		DO(cu.ModuleLoadData(&module, text));
		DO(cu.ModuleGetFunction(&function, module, "fill"));
		DO(cu.ModuleUnload(module));
	}
	free(text);
	return true;
}

static const struct check checks[] = {
	{ "large_images", large_images },
	{ "options", options },
	{ "answers", answers },
	{ "failure_in_words", failure_in_words },
};
const struct check_group loading_family = GROUP("loading", checks);
