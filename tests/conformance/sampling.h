/* SPDX-License-Identifier: Apache-2.0 */
/* What the families of texture objects and of references share: a picture of 16 x 8 texels and kernels of as many threads. */
#ifndef SAMPLING_H
#define SAMPLING_H

#include "array_calls.h"

enum { ADDRESS_WRAP, ADDRESS_CLAMP, FILTER_POINT = 0, FILTER_LINEAR, READ_AS_INTEGER = 1, NORMALISED = 2 };
enum { WIDTH = 16, HEIGHT = 8, COUNT = WIDTH * HEIGHT };

#define ARRAY_CALLS                                                                                                   \
	BIND(cuArray3DCreate_v2, CUarray *, const struct array_3d *);                                                 \
	BIND(cuArrayDestroy, CUarray)
#define COPY_CALL BIND(cuMemcpy3D_v2, const struct box_copy *)

#define HEAD ".version 7.0\n.target sm_70\n.address_size 64\n"
#define PLACE                                                                                                         \
	"\tmov.u32 %r1, %tid.x;\n\tmov.u32 %r2, %tid.y;\n"                                                            \
	"\tmad.lo.u32 %r3, %r2, 16, %r1;\n\tmul.wide.u32 %rd3, %r3, 4;\n"

/* Fails on a GPU that does not sample, and notes it. */
static inline CUresult load_sampler(const char *text, const char *kernel, CUmodule *module, CUfunction *function)
{
	CUresult result = cu.ModuleLoadData(module, text);

	if (!result)
		result = cu.ModuleGetFunction(function, *module, kernel);
	if (result)
		check_note("not sampled: %d", result);
	return result;
}

#endif
