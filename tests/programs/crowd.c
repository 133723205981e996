/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A program for which its GPU has too little memory although its quota allows it, for tests of making room: crowd MIB. It loads a module
 * whose variables take more of the software GPU, for their alignment, than they say, then allocates MIB, writes a word at the end of it
 * and reads that back. It prints "has" or "result" and the code of the allocation. Exit status 0, 1 on an error elsewhere or a wrong word.
 */
#include "own_device.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define VARIABLES 1024	/* one page each */
#define HEADER	  ".version 8.0\n.target sm_90\n.address_size 64\n"
#define VARIABLE  ".global .align 4096 .b8 v%d;\n"
#define WORD	  0x5eedc0deu

int main(int argc, char **argv)
{
	static char text[sizeof(HEADER) + VARIABLES * (sizeof(VARIABLE) + 8)];
	size_t bytes = argc > 1 ? (size_t)atoll(argv[1]) << 20 : 0;
	size_t length = (size_t)sprintf(text, HEADER);
	unsigned int word = 0;
	CUdeviceptr memory;
	CUmodule module;
	CUresult result;

	if (!bytes) {
		fprintf(stderr, "usage: crowd MIB\n");
		return 2;
	}
	for (int i = 0; i < VARIABLES; i++)
		length += (size_t)sprintf(text + length, VARIABLE, i);
	own_device();
	DO(cu.ModuleLoadData(&module, text));
	result = cu.MemAlloc(&memory, bytes);
	if (result) {
		printf("result %d\n", result);
		return 0;
	}
	DO(cu.MemsetD32(memory + bytes - 4, WORD, 1));
	DO(cu.MemcpyDtoH(&word, memory + bytes - 4, 4));
	printf("has %zu MiB\n", bytes >> 20);
	return word == WORD ? 0 : 1;
}
