// SPDX-License-Identifier: Apache-2.0
/* Compiles a kernel with an unmodified NVRTC: nvrtc LIBRARY OPTIONS... What it found of PTX and machine code, a sum of the latter. */
#include <string.h>

#include "check.h"

static const char source[] = "extern \"C\" __global__ void kernel(float *x) { x[threadIdx.x] = sinf(x[threadIdx.x]) / x[0]; }";

static size_t times(const char *text, const char *what)
{
	size_t n = 0;

	while ((text = strstr(text, what))) {
		text += strlen(what);
		n++;
	}
	return n;
}

int main(int count, char **arguments)
{
	void *library = load(arguments[1]), *program;
	const char *options[8];
	unsigned int sum = 2166136261u;
	size_t size;
	char *text;

	CHECK(count >= 2 && count <= 9);
	for (int i = 2; i < count; i++)
		options[i - 2] = arguments[i];
	options[count - 2] = "--enable-cache-trace";
	CHECK_EQUAL(((int (*)(void **, const char *, const char *, int, void *, void *))symbol(library, "nvrtcCreateProgram"))(
			    &program, source, "kernel.cu", 0, NULL, NULL), 0);
	CHECK_EQUAL(((int (*)(void *, int, const char **))symbol(library, "nvrtcCompileProgram"))(program, count - 1, options), 0);
	CHECK_EQUAL(((int (*)(void *, size_t *))symbol(library, "nvrtcGetProgramLogSize"))(program, &size), 0);
	text = calloc(1, size + 1);
	CHECK_EQUAL(((int (*)(void *, char *))symbol(library, "nvrtcGetProgramLog"))(program, text), 0);
	fprintf(stderr, "%s\n", text);
	printf("found=%zu\nadded=%zu\n", times(text, "Successfully retrieved cached"), times(text, "Successfully added"));
	free(text);
	CHECK_EQUAL(((int (*)(void *, size_t *))symbol(library, "nvrtcGetCUBINSize"))(program, &size), 0);
	text = calloc(1, size);
	CHECK_EQUAL(((int (*)(void *, char *))symbol(library, "nvrtcGetCUBIN"))(program, text), 0);
	for (size_t i = 0; i < size; i++)
		sum = (sum ^ (unsigned char)text[i]) * 16777619u;
	printf("cubin=%zu bytes, %08x\n", size, sum);
	free(text);
	return 0;
}
