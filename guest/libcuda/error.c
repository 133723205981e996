// SPDX-License-Identifier: Apache-2.0
/* cuGetErrorName and cuGetErrorString. The texts are the driver's: programs print and compare them. */
#include <stddef.h>

#include "abi.h"
#include "calls.h"

struct error {
	int code;
	const char *name;
	const char *text;
};

/* by code */
static const struct error errors[] = {
	{ 0, "CUDA_SUCCESS", "no error" },
#define E(code, name, text) { code, "CUDA_ERROR_" name, text },
#include "errors.h"
#undef E
};

static const struct error *find(int code)
{
	size_t low = 0, high = sizeof errors / sizeof *errors;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (errors[middle].code == code)
			return &errors[middle];
		if (errors[middle].code < code)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

VG_EXPORT CUresult cuGetErrorName(CUresult code, const char **name)
{
	const struct error *e = find(code);

	if (!name)
		return CUDA_ERROR_INVALID_VALUE;
	*name = e ? e->name : NULL;
	return e ? 0 : CUDA_ERROR_INVALID_VALUE;
}

VG_EXPORT CUresult cuGetErrorString(CUresult code, const char **text)
{
	const struct error *e = find(code);

	if (!text)
		return CUDA_ERROR_INVALID_VALUE;
	*text = e ? e->text : NULL;
	return e ? 0 : CUDA_ERROR_INVALID_VALUE;
}
