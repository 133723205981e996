// SPDX-License-Identifier: Apache-2.0
/* The tables that every CUDA runtime asks for when it starts. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "enter.h"
#include "integrity.h"
#include "objects.h"
#include "process.h"
#include "tables.h"

CUresult cuModuleLoadData(CUmodule *module, const void *image);
CUresult cuLaunchKernel(CUfunction f, unsigned int grid_x, unsigned int grid_y, unsigned int grid_z,
			unsigned int block_x, unsigned int block_y, unsigned int block_z, unsigned int shared,
			CUstream stream, void **params, void **extra);

static CUresult load_module(CUmodule *module, const void *wrapper)
{
	return cuModuleLoadData(module, wrapper);
}

/* The handle that cuDevicePrimaryCtxRetain will return; retains and starts nothing. */
static CUresult primary_context(CUcontext *context, CUdevice device)
{
	int result = vg_process_ready();

	if (result)
		return result;
	if (!context)
		return CUDA_ERROR_INVALID_VALUE;
	if (device < 0 || device >= vg_process.device_count)
		return CUDA_ERROR_INVALID_DEVICE;
	*context = vg_primary();
	return 0;
}

static CUresult load_module_with_options(CUmodule *module, const void *wrapper, void *options, void *values,
					 unsigned int count)
{
	if (options || values || count)
		return CUDA_ERROR_NOT_SUPPORTED;
	return cuModuleLoadData(module, wrapper);
}

static CUresult load_module_from_header(const void *header, CUmodule *module, void *options, void *values,
					unsigned int count)
{
	return load_module_with_options(module, header, options, values, count);
}

static void unregister_image(void *handle)
{
	(void)handle;
}

static CUresult launch(CUfunction f, unsigned int grid_x, unsigned int grid_y, unsigned int grid_z,
		       unsigned int block_x, unsigned int block_y, unsigned int block_z, unsigned int shared,
		       CUstream stream, void **extra)
{
	return cuLaunchKernel(f, grid_x, grid_y, grid_z, block_x, block_y, block_z, shared, stream, NULL, extra);
}

static CUresult load_compilers(void)
{
	return 0;
}

const void *const vg_table_runtime[13] = {
	VG_TABLE_SIZE(13),
	[1] = (const void *)load_module,
	[2] = (const void *)primary_context,
	[3] = VG_UNSUPPORTED,
	[4] = VG_UNSUPPORTED,
	[5] = VG_UNSUPPORTED,
	[6] = (const void *)load_module_with_options,
	[7] = (const void *)unregister_image,
	[8] = (const void *)load_module_from_header,
	[9] = (const void *)launch,
	[10] = NULL,	/* as in the driver */
	[11] = VG_UNSUPPORTED,
	[12] = (const void *)load_compilers,
};

/* Which callbacks a tool has switched on; the runtime keeps these pointers. */
static uint32_t enabled_callbacks[1024], enabled_domains[14];

static void callback_flags(void **flags, size_t *count)
{
	*flags = enabled_callbacks;
	*count = sizeof enabled_callbacks / sizeof *enabled_callbacks;
}

static void domain_flags(void **flags, size_t *count)
{
	*flags = enabled_domains;
	*count = sizeof enabled_domains / sizeof *enabled_domains;
}

static int no_tool(void)
{
	return 0;
}

const void *const vg_table_tool_hooks[7] = {
	VG_TABLE_SIZE(7),
	[1] = (const void *)no_tool,
	[2] = (const void *)callback_flags,
	[3] = (const void *)no_tool,
	[4] = (const void *)no_tool,
	[5] = (const void *)no_tool,
	[6] = (const void *)domain_flags,
};

static CUresult current_context(CUcontext *context)
{
	int result = vg_process_ready();
	struct vg_thread *t = vg_thread_get();

	if (!context)
		return CUDA_ERROR_INVALID_VALUE;
	*context = result || !t ? NULL : t->current;
	if (result)
		return result;
	return *context ? 0 : CUDA_ERROR_INVALID_CONTEXT;
}

/* one slot more than the size says: later drivers have it */
const void *const vg_table_tool_context[4] = {
	VG_TABLE_SIZE(3),
	[1] = VG_UNSUPPORTED,
	[2] = (const void *)current_context,
	[3] = VG_UNSUPPORTED,
};

static CUresult check_context(CUcontext context, uint32_t *state, void **detail)
{
	(void)context;
	(void)detail;
	if (!state)
		return CUDA_ERROR_INVALID_VALUE;
	*state = 0;
	return 0;
}

static uint32_t check_start(void)
{
	return 0;
}

/* two slots more than the size says: later drivers have them */
const void *const vg_table_context_checks[17] = {
	VG_TABLE_SIZE(15),
	[1] = VG_UNSUPPORTED,
	[2] = (const void *)check_context,
	[3] = (const void *)check_start,
	[4 ... 16] = VG_UNSUPPORTED,
};

static CUresult integrity(uint32_t runtime_version, uint64_t seconds, uint8_t token[16])
{
	struct vg_integrity_claim claim = {
		.driver_version = (uint32_t)vg_process_driver_version(),
		.runtime_version = runtime_version,
		.pid = (uint32_t)getpid(),
		.thread = (uint32_t)(uintptr_t)pthread_self(),
		.runtime_table = (uintptr_t)vg_table_runtime,
		.integrity_table = (uintptr_t)vg_table_integrity,
		.integrity_function = (uintptr_t)vg_table_integrity[1],
		.seconds = seconds,
	};
	struct vg_integrity_device device = {
		.pci_domain = (int32_t)vg_process.pci_domain,
		.pci_bus = (int32_t)vg_process.pci_bus,
		.pci_device = (int32_t)vg_process.pci_device,
	};
	unsigned int count = vg_process_ready() ? 0 : (unsigned int)vg_process.device_count;

	if (!token)
		return CUDA_ERROR_INVALID_VALUE;
	if (count)
		memcpy(device.uuid, vg_process.description->uuid, sizeof device.uuid);
	vg_integrity_token(&claim, &device, count, token);
	return 0;
}

static int integrity_accept(int value)
{
	(void)value;
	return 0;
}

const void *const vg_table_integrity[3] = {
	VG_TABLE_SIZE(3),
	[1] = (const void *)integrity,
	[2] = (const void *)integrity_accept,
};

static int log_message(const char *domain, int severity, const char *format, va_list arguments)
{
	char text[512];

	if (!format)
		return CUDA_ERROR_INVALID_VALUE;
	vsnprintf(text, sizeof text, format, arguments);
	vg_log("%s (%d): %s", domain ? domain : "runtime", severity, text);
	return 0;
}

const void *const vg_table_log[3] = {
	VG_TABLE_SIZE(3),
	[1] = (const void *)log_message,
	[2] = VG_UNSUPPORTED,
};
