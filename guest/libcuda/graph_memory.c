// SPDX-License-Identifier: Apache-2.0
/* What the memory nodes of all graphs hold. */
#include <string.h>

#include "calls.h"
#include "enter.h"
#include "gen/ops.h"

#define ATTRIBUTE_LAST 3	/* used, its watermark, reserved, its watermark; 64 bits each */

static int enter(struct vg_thread **t, CUdevice device)
{
	int result = vg_enter_library(t);

	if (result)
		return result;
	return device >= 0 && device < vg_process.device_count ? 0 : CUDA_ERROR_INVALID_DEVICE;
}

VG_EXPORT CUresult cuDeviceGetGraphMemAttribute(CUdevice device, int attribute, void *value)
{
	struct vg_thread *t;
	int result = enter(&t, device);

	if (result)
		return result;
	if (!value || attribute < 0 || attribute > ATTRIBUTE_LAST)
		return CUDA_ERROR_INVALID_VALUE;
	return vg_op_graph_memory_get(t, device, (uint32_t)attribute, value);
}

VG_EXPORT CUresult cuDeviceSetGraphMemAttribute(CUdevice device, int attribute, const void *value)
{
	struct vg_thread *t;
	int result = enter(&t, device);

	if (result)
		return result;
	if (!value || attribute < 0 || attribute > ATTRIBUTE_LAST)
		return CUDA_ERROR_INVALID_VALUE;
	return vg_op_graph_memory_set(t, device, (uint32_t)attribute, value);
}

VG_EXPORT CUresult cuDeviceGraphMemTrim(CUdevice device)
{
	struct vg_thread *t;
	int result = enter(&t, device);

	return result ? result : vg_op_graph_memory_trim(t, device);
}
