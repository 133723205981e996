/* SPDX-License-Identifier: Apache-2.0 */
/* The linker: inputs of several sorts, logs and other options, what it gives. */
#include "conformance.h"
#include "kernels.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct CUlinkState_st *CUlinkState;

enum {
	INPUT_CUBIN, INPUT_PTX, INPUT_FATBINARY, INPUT_OBJECT, INPUT_LIBRARY, INPUT_NVVM,
	OPTION_MAX_REGISTERS = 0, OPTION_WALL_TIME = 2, OPTION_INFO, OPTION_INFO_SIZE, OPTION_ERROR,
	OPTION_ERROR_SIZE, OPTION_LEVEL, OPTION_TARGET_FROM_CONTEXT, OPTION_VERBOSE = 12,
};

#define HEAD ".version 7.0\n.target sm_70\n.address_size 64\n"

/* write_word from two texts: the kernel calls a function that the other text has */
static const char caller[] = HEAD
	".extern .func (.param .b32 result) twice (.param .b32 value);\n"
	".visible .entry write_twice(.param .u64 to, .param .u32 value)\n{\n"
	"\t.reg .b64 %rd<3>;\n\t.reg .b32 %r<3>;\n"
	"\tld.param.u64 %rd1, [to];\n\tcvta.to.global.u64 %rd2, %rd1;\n\tld.param.u32 %r1, [value];\n"
	"\t{\n\t.param .b32 argument;\n\tst.param.b32 [argument], %r1;\n\t.param .b32 answer;\n"
	"\tcall.uni (answer), twice, (argument);\n\tld.param.b32 %r2, [answer];\n\t}\n"
	"\tst.global.u32 [%rd2], %r2;\n\tret;\n}\n";
static const char callee[] = HEAD
	".visible .func (.param .b32 result) twice (.param .b32 value)\n{\n"
	"\t.reg .b32 %r<3>;\n\tld.param.u32 %r1, [value];\n\tadd.u32 %r2, %r1, %r1;\n"
	"\tst.param.b32 [result], %r2;\n\tret;\n}\n";
static const char nonsense[] = HEAD ".visible .entry broken()\n{\n\tfrobnicate.u32 %r1, %r2;\n}\n";

#define LINK_CALLS                                                                                                    \
	BIND(cuLinkCreate_v2, unsigned int, int *, void **, CUlinkState *);                                           \
	BIND(cuLinkAddData_v2, CUlinkState, int, void *, size_t, const char *, unsigned int, int *, void **);         \
	BIND(cuLinkComplete, CUlinkState, void **, size_t *);                                                         \
	BIND(cuLinkDestroy, CUlinkState)

/* Runs write_twice of an image. */
static bool runs(const void *image)
{
	CUdeviceptr word;
	CUfunction function;
	CUmodule module;
	unsigned int value = 21, got = 0;

	DO(cu.ModuleLoadData(&module, image));
	DO(cu.ModuleGetFunction(&function, module, "write_twice"));
	DO(cu.MemAlloc(&word, 4));
	DO(cu.LaunchKernel(function, 1, 1, 1, 1, 1, 1, 0, NULL, PARAMETERS(&word, &value), NULL));
	DO(cu.MemcpyDtoH(&got, word, 4));
	THAT(got == 42);
	DO(cu.MemFree(word));
	DO(cu.ModuleUnload(module));
	return true;
}

static bool two_texts(void)
{
	LINK_CALLS;
	CUlinkState linker;
	void *image = NULL, *again = NULL;
	size_t size = 0;
	bool good;

	USE_DEVICE;
	DO(cuLinkCreate_v2(0, NULL, NULL, &linker));
	DO(cuLinkAddData_v2(linker, INPUT_PTX, (void *)caller, sizeof(caller), "caller", 0, NULL, NULL));
	DO(cuLinkAddData_v2(linker, INPUT_PTX, (void *)callee, sizeof(callee), NULL, 0, NULL, NULL));
	DO(cuLinkComplete(linker, &image, &size));
	THAT(image && size);
	good = runs(image);
	NOTE(cuLinkComplete(linker, &again, &size));
	NOTE(cuLinkAddData_v2(linker, INPUT_PTX, (void *)callee, sizeof(callee), NULL, 0, NULL, NULL));
	DO(cuLinkDestroy(linker));
	return good;
}

/* The sorts of input that a program without a compiler has: a fatbin's text, text whose size leaves the NUL out. */
static bool sorts(void)
{
	LINK_CALLS;
	CUlinkState linker;
	void *image, *cubin;
	size_t size;
	bool good;

	USE_DEVICE;
	DO(cuLinkCreate_v2(0, NULL, NULL, &linker));
	DO(cuLinkAddData_v2(linker, INPUT_PTX, (void *)caller, strlen(caller), "caller", 0, NULL, NULL));
	DO(cuLinkAddData_v2(linker, INPUT_PTX, (void *)callee, strlen(callee), "callee", 0, NULL, NULL));
	DO(cuLinkComplete(linker, &image, NULL));
	good = runs(image);
	/* not what they are said to be */
	DO(cuLinkDestroy(linker));
	DO(cuLinkCreate_v2(0, NULL, NULL, &linker));
	for (int sort = INPUT_CUBIN; sort <= INPUT_NVVM + 1; sort++)
		if (sort != INPUT_PTX)
			NOTE(cuLinkAddData_v2(linker, sort, (void *)callee, sizeof(callee), "text", 0, NULL, NULL));
	NOTE(cuLinkAddData_v2(linker, INPUT_PTX, "hello", 6, "no text", 0, NULL, NULL));
	NOTE(cuLinkComplete(linker, &cubin, &size));
	DO(cuLinkDestroy(linker));
	return good;
}

static bool file(void)
{
	BIND(cuLinkCreate, unsigned int, int *, void **, CUlinkState *);
	BIND(cuLinkAddData, CUlinkState, int, void *, size_t, const char *, unsigned int, int *, void **);
	BIND(cuLinkAddFile, CUlinkState, int, const char *, unsigned int, int *, void **);
	BIND(cuLinkAddFile_v2, CUlinkState, int, const char *, unsigned int, int *, void **);
	BIND(cuLinkComplete, CUlinkState, void **, size_t *);
	BIND(cuLinkDestroy, CUlinkState);
	char name[] = "/tmp/conformance-XXXXXX";
	int fd = mkstemp(name);
	CUlinkState linker;
	void *image;
	size_t size;
	bool good;

	USE_DEVICE;
	THAT(fd >= 0 && write(fd, callee, strlen(callee)) == (ssize_t)strlen(callee));
	close(fd);
	DO(cuLinkCreate(0, NULL, NULL, &linker));
	DO(cuLinkAddData(linker, INPUT_PTX, (void *)caller, sizeof(caller), "caller", 0, NULL, NULL));
	DO(cuLinkAddFile_v2(linker, INPUT_PTX, name, 0, NULL, NULL));
	unlink(name);
	CODE(cuLinkAddFile(linker, INPUT_PTX, name, 0, NULL, NULL));
	CODE(cuLinkAddFile_v2(linker, INPUT_PTX, NULL, 0, NULL, NULL));
	DO(cuLinkComplete(linker, &image, &size));
	good = runs(image);
	DO(cuLinkDestroy(linker));
	return good;
}

/* Logs are written while the linker lives, sizes into the array that cuLinkCreate was given. */
static bool logs(void)
{
	enum { ROOM = 8192 };
	LINK_CALLS;
	static char info[ROOM], error[ROOM];
	int options[] = { OPTION_WALL_TIME, OPTION_INFO, OPTION_INFO_SIZE, OPTION_ERROR, OPTION_ERROR_SIZE,
			  OPTION_VERBOSE };
	void *values[] = { NULL, info, (void *)ROOM, error, (void *)ROOM, (void *)1 };
	CUlinkState linker;
	void *image;
	size_t size;
	int result;

	USE_DEVICE;
	memset(info, 0, ROOM);
	memset(error, 0, ROOM);
	DO(cuLinkCreate_v2(6, options, values, &linker));
	DO(cuLinkAddData_v2(linker, INPUT_PTX, (void *)callee, sizeof(callee), "callee", 0, NULL, NULL));
	result = cuLinkAddData_v2(linker, INPUT_PTX, (void *)nonsense, sizeof(nonsense), "nonsense", 0, NULL, NULL);
	check_note("%d", result);
	check_note("%s", strstr(error, "frobnicate") ? "the log names it" : "the log is silent");
	check_note("%s", (size_t)values[4] == ROOM ? "size kept" : (size_t)values[4] == strlen(error) ? "length" :
			 (size_t)values[4] == strlen(error) + 1 ? "length and NUL" : "another size");
	NOTE(cuLinkComplete(linker, &image, &size));
	DO(cuLinkDestroy(linker));

	memset(info, 0, ROOM);
	memset(error, 0, ROOM);
	values[2] = values[4] = (void *)ROOM;
	DO(cuLinkCreate_v2(6, options, values, &linker));
	DO(cuLinkAddData_v2(linker, INPUT_PTX, (void *)kernels_ptx, strlen(kernels_ptx) + 1, "kernels", 0, NULL,
			    NULL));
	DO(cuLinkComplete(linker, &image, &size));
	check_note("%s", strlen(error) ? "an error" : "no error");
	check_note("%s", (size_t)values[4] == ROOM ? "size kept" : (size_t)values[4] == 0 ? "0" : "another size");
	check_note("%s", (size_t)values[2] == ROOM ? "size kept" : (size_t)values[2] == strlen(info) ? "length" :
			 (size_t)values[2] == strlen(info) + 1 ? "length and NUL" : "another size");
	/* a log that is too small keeps within its bounds */
	DO(cuLinkDestroy(linker));
	memset(info, 'x', ROOM);
	memset(error, 'x', ROOM);
	values[2] = values[4] = (void *)16;
	DO(cuLinkCreate_v2(6, options, values, &linker));
	NOTE(cuLinkAddData_v2(linker, INPUT_PTX, (void *)nonsense, sizeof(nonsense), "nonsense", 0, NULL, NULL));
	THAT(info[16] == 'x' && error[16] == 'x');
	check_note("%zu of 16", strnlen(error, 16));
	DO(cuLinkDestroy(linker));
	return true;
}

static bool errors(void)
{
	LINK_CALLS;
	int options[] = { OPTION_LEVEL, OPTION_MAX_REGISTERS, 77 };
	void *values[] = { (void *)2, (void *)32, NULL };
	CUlinkState linker;
	void *image;
	size_t size;

	USE_DEVICE;
	CODE(cuLinkCreate_v2(0, NULL, NULL, NULL));
	CODE(cuLinkCreate_v2(1, NULL, NULL, &linker));
	CODE(cuLinkCreate_v2(3, options, values, &linker));
	DO(cuLinkCreate_v2(2, options, values, &linker));
	CODE(cuLinkAddData_v2(linker, INPUT_PTX, NULL, 10, "", 0, NULL, NULL));
	CODE(cuLinkAddData_v2(linker, INPUT_PTX, (void *)callee, 0, "", 0, NULL, NULL));
	CODE(cuLinkAddData_v2(NULL, INPUT_PTX, (void *)callee, sizeof(callee), "", 0, NULL, NULL));
	CODE(cuLinkComplete(linker, NULL, &size));
	/* a caller without its callee */
	DO(cuLinkAddData_v2(linker, INPUT_PTX, (void *)caller, sizeof(caller), "", 0, NULL, NULL));
	NOTE(cuLinkComplete(linker, &image, &size));
	DO(cuLinkDestroy(linker));
	CODE(cuLinkDestroy(NULL));
	DO(cu.CtxSynchronize());
	return true;
}

static const struct check checks[] = {
	{ "two_texts", two_texts }, { "sorts", sorts },	  { "file", file },
	{ "logs", logs },	    { "errors", errors },
};
const struct check_group linker_family = GROUP("linker", checks);
