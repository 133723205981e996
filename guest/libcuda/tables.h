/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Export tables: arrays of functions that NVIDIA's own libraries get by a GUID
 * from cuGetExportTable. Slot 0 is the size in bytes, itself included, except in
 * vg_table_local_storage. They are constant and live as long as the process:
 * callers hash their addresses. Sizes are those of driver 580; a caller compares
 * the size before it uses a late slot.
 */
#ifndef VGPU_TABLES_H
#define VGPU_TABLES_H

#include <stdint.h>

#define VG_TABLE_SIZE(slots) ((const void *)(uintptr_t)((slots) * sizeof(void *)))

/* Every slot that is not implemented: CUDA_ERROR_NOT_SUPPORTED. */
int vg_slot_unsupported(void);
#define VG_UNSUPPORTED ((const void *)vg_slot_unsupported)

extern const void *const vg_table_runtime[13];		/* what cudart needs of the driver */
extern const void *const vg_table_tool_hooks[7];	/* tools' runtime callbacks: none */
extern const void *const vg_table_tool_context[4];	/* the thread's context */
extern const void *const vg_table_context_checks[17];
extern const void *const vg_table_integrity[3];
extern const void *const vg_table_local_storage[4];	/* no size slot */
extern const void *const vg_table_context_streams[94];	/* ids of contexts and streams */
extern const void *const vg_table_modules[99];		/* functions of a module */
extern const void *const vg_table_compilers[7];		/* what NVRTC compiled before */
extern const void *const vg_table_log[3];

#endif
