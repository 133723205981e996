// SPDX-License-Identifier: Apache-2.0
/* What is asked of a device less often; the GPU's driver has the answer where the description has none. */
#include <stdlib.h>

#include "calls.h"
#include "enter.h"
#include "gen/ops.h"
#include "process.h"

#define FLUSH_TARGET_CURRENT_CONTEXT 0u
#define FLUSH_TO_OWNER		100u
#define FLUSH_TO_ALL_DEVICES	200u

static int check_device(CUdevice device)
{
	return device >= 0 && device < vg_process.device_count ? 0 : CUDA_ERROR_INVALID_DEVICE;
}

/* The first version of the call had 32 bits for the answer. */
VG_EXPORT CUresult cuDeviceTotalMem(unsigned int *bytes, CUdevice device)
{
	int result = vg_enter_local();
	uint64_t total;

	if (result)
		return result;
	if (!bytes)
		return CUDA_ERROR_INVALID_VALUE;
	result = check_device(device);
	if (result)
		return result;
	total = __atomic_load_n(&vg_process.description->total_memory, __ATOMIC_RELAXED);
	*bytes = total > UINT32_MAX ? UINT32_MAX : (unsigned int)total;
	return CUDA_SUCCESS;
}

/* A device has an LUID on Windows only. */
VG_EXPORT CUresult cuDeviceGetLuid(char *luid, unsigned int *node_mask, CUdevice device)
{
	int result = vg_enter_local();

	if (result)
		return result;
	if (!luid || !node_mask)
		return CUDA_ERROR_INVALID_VALUE;
	result = check_device(device);
	return result ? result : CUDA_ERROR_NOT_SUPPORTED;
}

VG_EXPORT CUresult cuDeviceGetTexture1DLinearMaxWidth(size_t *width, unsigned int format, unsigned int channels,
						      CUdevice device)
{
	struct vg_thread *t;
	uint64_t answer = 0;
	int result = vg_enter_library(&t);

	if (result)
		return result;
	if (!width)
		return CUDA_ERROR_INVALID_VALUE;
	result = check_device(device);
	if (!result)
		result = vg_op_device_texture_width(t, &answer, format, channels, device);
	if (!result)
		*width = answer;
	return result;
}

VG_EXPORT CUresult cuDeviceGetExecAffinitySupport(int *supported, unsigned int type, CUdevice device)
{
	struct vg_thread *t;
	int result = vg_enter_library(&t);

	if (result)
		return result;
	if (!supported)
		return CUDA_ERROR_INVALID_VALUE;
	result = check_device(device);
	return result ? result : vg_op_device_affinity_support(t, supported, type, device);
}

/*
 * Notifications tell a process that it is over its budget of device memory. A
 * domain cannot get over its quota: the callback is kept and never called.
 */
struct notification {
	void (*callback)(void *info, void *user, struct notification *self);
	void *user;
};

VG_EXPORT CUresult cuDeviceRegisterAsyncNotification(CUdevice device,
						     void (*callback)(void *, void *, struct notification *), void *user,
						     struct notification **out)
{
	struct notification *n;
	int result = vg_enter_local();

	if (!result)
		result = check_device(device);
	if (result)
		return result;
	if (!callback || !out)
		return CUDA_ERROR_INVALID_VALUE;
	n = malloc(sizeof *n);
	if (!n)
		return CUDA_ERROR_OUT_OF_MEMORY;
	*n = (struct notification){ .callback = callback, .user = user };
	*out = n;
	return CUDA_SUCCESS;
}

VG_EXPORT CUresult cuDeviceUnregisterAsyncNotification(CUdevice device, struct notification *n)
{
	int result = vg_enter_local();

	if (!result)
		result = check_device(device);
	if (result)
		return result;
	if (!n)
		return CUDA_ERROR_INVALID_VALUE;
	free(n);
	return CUDA_SUCCESS;
}

VG_EXPORT CUresult cuFlushGPUDirectRDMAWrites(unsigned int target, unsigned int scope)
{
	struct vg_thread *t;
	int result = vg_enter(&t);

	if (result)
		return result;
	if (target != FLUSH_TARGET_CURRENT_CONTEXT || (scope != FLUSH_TO_OWNER && scope != FLUSH_TO_ALL_DEVICES))
		return CUDA_ERROR_INVALID_VALUE;
	return vg_op_flush_rdma_writes(t, target, scope);
}

/* The profiler that this configured is gone from the driver. */
VG_EXPORT CUresult cuProfilerInitialize(const char *config, const char *output, unsigned int mode)
{
	struct vg_thread *t;
	int result = vg_enter(&t);

	(void)config;
	(void)output;
	(void)mode;
	return result ? result : CUDA_ERROR_NOT_SUPPORTED;
}
