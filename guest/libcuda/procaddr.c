// SPDX-License-Identifier: Apache-2.0
/* cuGetProcAddress: by base name, CUDA version and stream flavour. */
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "abi.h"
#include "calls.h"
#include "process.h"

enum { SYMBOL_FOUND, SYMBOL_NOT_FOUND, SYMBOL_VERSION_NOT_SUFFICIENT };

#define FLAG_PER_THREAD 2u	/* 0 default, 1 legacy, 2 per-thread default stream; bits */
#define FLAGS_END 4u

/* The first row of name, vg_proc_name_count if there is none. */
static unsigned int first_row(const char *name)
{
	unsigned int low = 0, high = vg_proc_name_count;

	while (low < high) {
		unsigned int middle = low + (high - low) / 2;

		if (strcmp(vg_proc_names[middle].base, name) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low < vg_proc_name_count && strcmp(vg_proc_names[low].base, name) == 0 ? low : vg_proc_name_count;
}

/*
 * A name's rows: legacy ones by version, then per-thread ones by version. The
 * newest row that is not newer than version answers; a name without per-thread
 * rows has only one flavour.
 */
static int look_up(const char *name, int version, int per_thread, void **function)
{
	unsigned int row = first_row(name), end = row;
	int status = SYMBOL_NOT_FOUND;

	while (end < vg_proc_name_count && strcmp(vg_proc_names[end].base, name) == 0)
		end++;
	if (row < end && !vg_proc_names[end - 1].per_thread)
		per_thread = 0;
	for (; row < end; row++) {
		const struct vg_proc_name *n = &vg_proc_names[row];

		if (n->per_thread != per_thread)
			continue;
		if ((unsigned int)n->since <= (unsigned int)version) {
			*function = n->function;
			status = SYMBOL_FOUND;
		} else if (status == SYMBOL_NOT_FOUND) {
			status = SYMBOL_VERSION_NOT_SUFFICIENT;
		}
	}
	return status;
}

/* A version newer than the driver's own is refused, a negative one is not (measured, driver 580). */
static bool is_askable(const char *name, void **function, int version, unsigned long long flags)
{
	return name && function && version <= VG_API_VERSION && flags < FLAGS_END;
}

VG_EXPORT CUresult cuGetProcAddress_v2(const char *name, void **function, int version, unsigned long long flags,
				       int *status)
{
	int found;

	if (!is_askable(name, function, version, flags))
		return CUDA_ERROR_INVALID_VALUE;
	*function = NULL;
	found = look_up(name, version, (flags & FLAG_PER_THREAD) != 0, function);
	if (status)
		*status = found;
	return 0;
}

VG_EXPORT CUresult cuGetProcAddress(const char *name, void **function, int version, unsigned long long flags)
{
	if (!is_askable(name, function, version, flags))
		return CUDA_ERROR_INVALID_VALUE;
	return look_up(name, version, (flags & FLAG_PER_THREAD) != 0, function) == SYMBOL_FOUND ?
		       0 :
		       CUDA_ERROR_NOT_FOUND;
}
