// SPDX-License-Identifier: Apache-2.0
/* cuGetExportTable and the tables that no one needs more of than their presence. */
#include "tables.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "abi.h"
#include "calls.h"
#include "process.h"

int vg_slot_unsupported(void)
{
	return CUDA_ERROR_NOT_SUPPORTED;
}

#define UNSUPPORTED_TABLE(name, slots) \
	static const void *const name[slots] = { VG_TABLE_SIZE(slots), [1 ... (slots)-1] = VG_UNSUPPORTED }

UNSUPPORTED_TABLE(profiler_start, 67);		/* CUPTI: says that profiling is not available */
UNSUPPORTED_TABLE(profiler_state, 10);
UNSUPPORTED_TABLE(context_create_bypass, 2);
UNSUPPORTED_TABLE(unnamed_34, 34);		/* PyTorch and JAX ask for these two; */
UNSUPPORTED_TABLE(unnamed_17, 17);		/* without this one PyTorch's first product crashes */

static int no_extended_state(uint8_t *out)
{
	if (!out)
		return CUDA_ERROR_INVALID_VALUE;
	*out = 0;
	return 0;
}

static const void *const extended_device[31] = {
	VG_TABLE_SIZE(31),
	[1 ... 12] = VG_UNSUPPORTED,
	[13] = (const void *)no_extended_state,
	[14 ... 30] = VG_UNSUPPORTED,
};

static const struct {
	uint8_t guid[16];
	const void *const *table;
} tables[] = {
	{ "\x6b\xd5\xfb\x6c\x5b\xf4\xe7\x4a\x89\x87\xd9\x39\x12\xfd\x9d\xf9", vg_table_runtime },
	{ "\xa0\x94\x79\x8c\x2e\x74\x2e\x74\x93\xf2\x08\x00\x20\x0c\x0a\x66", vg_table_tool_hooks },
	{ "\x42\xd8\x5a\x81\x23\xf6\xcb\x47\x82\x98\xf6\xe7\x8a\x3a\xec\xdc", vg_table_tool_context },
	{ "\xc6\x93\x33\x6e\x11\x21\xdf\x11\xa8\xc3\x68\xf3\x55\xd8\x95\x93", vg_table_local_storage },
	{ "\x26\x3e\x88\x60\x7c\xd2\x61\x43\x92\xf6\xbb\xd5\x00\x6d\xfa\x7e", vg_table_context_checks },
	{ "\xd4\x08\x20\x55\xbd\xe6\x70\x4b\x8d\x34\xba\x12\x3c\x66\xe1\xf2", vg_table_integrity },
	{ "\x21\x31\x8c\x60\x97\x14\x32\x48\x8c\xa6\x41\xff\x73\x24\xc8\xf2", vg_table_context_streams },
	{ "\x6e\x16\x3f\xbe\xb9\x58\x44\x4d\x83\x5c\xe1\x82\xaf\xf1\x99\x1e", vg_table_modules },
	{ "\xf8\xcf\xf9\x51\x21\x46\x8b\x4e\xb9\xe2\xfb\x46\x9e\x7c\x0d\xd9", vg_table_log },
	{ "\x0c\xa5\x0b\x8c\x10\x04\x92\x9a\x89\xa7\xd0\xdf\x10\xe7\x72\x86", context_create_bypass },
	{ "\xb1\x05\x41\xe1\xf7\xc7\xc7\x4a\x9f\x64\xf2\x23\xbe\x99\xf1\xe2", extended_device },
	{ "\x7c\xb6\x3f\x9b\x9c\xa4\x8e\x42\xa4\x84\xbe\xb6\x6e\x6a\xed\x7f", profiler_start },
	{ "\x69\xa2\x8e\x9f\x24\x49\x8b\x47\xb0\x30\xc5\xda\x33\x0e\xa4\xe9", unnamed_34 },
	{ "\x17\x34\xdc\x26\x80\x0d\x47\x45\x87\x26\xc0\xf1\xe7\xdd\x8b\xca", unnamed_17 },
	{ "\xda\x91\x51\xd3\x3a\xe6\xcc\x41\xa5\xc0\x4f\x26\xd5\x33\xe3\x28", vg_table_compilers },
	{ "\xd7\xbd\x8a\xf8\xe7\xac\xca\x4a\xbd\xbc\xfb\x1f\x1b\x3f\xcf\x33", profiler_state },
};

/* Runtimes from 12.9 on work with and without the log table; VGPU_LOG_TABLE=1 hands it out. */
static int withheld(const void *const *table)
{
	const char *wanted = getenv("VGPU_LOG_TABLE");

	return table == vg_table_log && !(wanted && strcmp(wanted, "1") == 0);
}

VG_EXPORT CUresult cuGetExportTable(const void **table, const CUuuid *guid)
{
	char text[33];

	if (!table || !guid)
		return CUDA_ERROR_INVALID_VALUE;
	for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) {
		if (memcmp(tables[i].guid, guid->bytes, sizeof tables[i].guid) == 0 && !withheld(tables[i].table)) {
			*table = tables[i].table;
			return 0;
		}
	}
	*table = NULL;
	for (int i = 0; i < 16; i++)
		snprintf(text + 2 * i, 3, "%02x", (unsigned char)guid->bytes[i]);
	vg_log("export table %s is not carried", text);
	return CUDA_ERROR_INVALID_VALUE;
}
