// SPDX-License-Identifier: Apache-2.0
/* nvidia-smi asks for this table to see that library and tool belong together. */
#include <stddef.h>
#include <string.h>

#include "nvml.h"

#define SLOTS 270	/* as in driver 580 */

static nvmlReturn_t unsupported(void)
{
	return NVML_ERROR_NOT_SUPPORTED;
}

static const void *const table[SLOTS] = {
	(const void *)(uintptr_t)sizeof table,
	[1 ... SLOTS - 1] = (const void *)unsupported,
};

static const uint8_t guid[] = { 0xc4, 0xfe, 0x3e, 0x6c, 0xc9, 0x8f, 0x6c, 0x4e,
				0xa3, 0x27, 0xee, 0x69, 0x6e, 0x12, 0xf7, 0xc4 };

VN_EXPORT nvmlReturn_t nvmlInternalGetExportTable(const void **out, const void *id)
{
	if (!out || !id)
		return NVML_ERROR_INVALID_ARGUMENT;
	if (memcmp(id, guid, sizeof guid) != 0)
		return NVML_ERROR_INVALID_ARGUMENT;
	*out = table;
	return NVML_SUCCESS;
}
