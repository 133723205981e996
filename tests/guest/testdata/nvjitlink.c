// SPDX-License-Identifier: Apache-2.0
/* Links two parts with an unmodified nvJitLink: nvjitlink NVRTC NVJITLINK FACTOR OPTIONS... A sum of the machine code. */
#include <string.h>

#include "check.h"

enum { LTOIR = 3 };

struct part {
	char *data;
	size_t size;
};

static const char kernel[] = "extern \"C\" __device__ float scale(float x);"
			     "extern \"C\" __global__ void kernel(float *x) { x[threadIdx.x] = scale(x[threadIdx.x]) / x[0]; }";

static struct part compile(void *nvrtc, const char *source)
{
	const char *options[] = { "-arch=compute_90", "-dlto", "-rdc=true" };
	struct part part;
	void *program;

	CHECK_EQUAL(((int (*)(void **, const char *, const char *, int, void *, void *))symbol(nvrtc, "nvrtcCreateProgram"))(
			    &program, source, "part.cu", 0, NULL, NULL), 0);
	CHECK_EQUAL(((int (*)(void *, int, const char **))symbol(nvrtc, "nvrtcCompileProgram"))(program, 3, options), 0);
	CHECK_EQUAL(((int (*)(void *, size_t *))symbol(nvrtc, "nvrtcGetLTOIRSize"))(program, &part.size), 0);
	part.data = malloc(part.size);
	CHECK(part.data);
	CHECK_EQUAL(((int (*)(void *, char *))symbol(nvrtc, "nvrtcGetLTOIR"))(program, part.data), 0);
	CHECK_EQUAL(((int (*)(void **))symbol(nvrtc, "nvrtcDestroyProgram"))(&program), 0);
	return part;
}

static void add(void *linking, void *linker, struct part part)
{
	CHECK_EQUAL(((int (*)(void *, int, const void *, size_t, const char *))symbol(linking, "__nvJitLinkAddData_13_0"))(
			    linker, LTOIR, part.data, part.size, "part"), 0);
	free(part.data);
}

int main(int count, char **arguments)
{
	unsigned int sum = 2166136261u;
	void *nvrtc, *linking, *linker;
	const char *options[8];
	char scale[128];
	struct part code;

	CHECK(count >= 4 && count <= 4 + 8 - 1);
	nvrtc = load(arguments[1]);
	linking = load(arguments[2]);
	options[0] = "-lto";
	for (int i = 4; i < count; i++)
		options[i - 3] = arguments[i];
	snprintf(scale, sizeof scale, "extern \"C\" __device__ float scale(float x) { return %s * x + 1; }", arguments[3]);
	CHECK_EQUAL(((int (*)(void **, unsigned int, const char **))symbol(linking, "__nvJitLinkCreate_13_0"))(
			    &linker, (unsigned int)count - 3, options), 0);
	add(linking, linker, compile(nvrtc, kernel));
	add(linking, linker, compile(nvrtc, scale));
	CHECK_EQUAL(((int (*)(void *))symbol(linking, "__nvJitLinkComplete_13_0"))(linker), 0);
	CHECK_EQUAL(((int (*)(void *, size_t *))symbol(linking, "__nvJitLinkGetLinkedCubinSize_13_0"))(linker, &code.size), 0);
	code.data = malloc(code.size);
	CHECK(code.data);
	CHECK_EQUAL(((int (*)(void *, void *))symbol(linking, "__nvJitLinkGetLinkedCubin_13_0"))(linker, code.data), 0);
	CHECK_EQUAL(((int (*)(void **))symbol(linking, "__nvJitLinkDestroy_13_0"))(&linker), 0);
	for (size_t i = 0; i < code.size; i++)
		sum = (sum ^ (unsigned char)code.data[i]) * 16777619u;
	printf("cubin=%zu bytes, %08x\n", code.size, sum);
	free(code.data);
	return 0;
}
