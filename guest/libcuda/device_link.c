// SPDX-License-Identifier: Apache-2.0
/* Links of the device: to a peer, of which a process has none, and to the host. */
#include "calls.h"
#include "context.h"
#include "enter.h"
#include "gen/ops.h"
#include "process.h"

#define P2P_ATTRIBUTES 5u	/* CUdevice_P2PAttribute 1..5 */
#define ATOMIC_OPERATIONS 13	/* CUatomicOperation 0..12 */

static bool is_device(CUdevice device)
{
	return device >= 0 && device < vg_process.device_count;
}

/* A device is no peer of its own, and it is the only one. */
static int check_pair(CUdevice from, CUdevice to)
{
	return is_device(from) && is_device(to) && from != to ? 0 : CUDA_ERROR_INVALID_DEVICE;
}

VG_EXPORT CUresult cuDeviceGetP2PAttribute(int *value, unsigned int attribute, CUdevice from, CUdevice to)
{
	int result = vg_enter_local();

	if (result)
		return result;
	if (!value)
		return CUDA_ERROR_INVALID_VALUE;
	result = check_pair(from, to);
	if (!result && (attribute < 1 || attribute > P2P_ATTRIBUTES))
		result = CUDA_ERROR_INVALID_VALUE;
	if (!result)
		*value = 0;
	return result;
}

static int check_operations(const unsigned int *capabilities, const int *operations, unsigned int count)
{
	if (!capabilities || !operations || !count)
		return CUDA_ERROR_INVALID_VALUE;
	for (unsigned int i = 0; i < count; i++)
		if (operations[i] < 0 || operations[i] >= ATOMIC_OPERATIONS)
			return CUDA_ERROR_INVALID_VALUE;
	return 0;
}

VG_EXPORT CUresult cuDeviceGetP2PAtomicCapabilities(unsigned int *capabilities, const int *operations,
						    unsigned int count, CUdevice from, CUdevice to)
{
	int result = vg_enter_local();

	if (!result)
		result = check_operations(capabilities, operations, count);
	return result ? result : check_pair(from, to);
}

VG_EXPORT CUresult cuDeviceGetHostAtomicCapabilities(unsigned int *capabilities, const int *operations,
						     unsigned int count, CUdevice device)
{
	struct vg_thread *t;
	int result = vg_enter_library(&t);

	if (!result)
		result = check_operations(capabilities, operations, count);
	if (!result && !is_device(device))
		result = CUDA_ERROR_INVALID_DEVICE;
	for (unsigned int i = 0; !result && i < count; i++)
		result = vg_op_device_host_atomics(t, (uint32_t)operations[i], &capabilities[i]);
	return result;
}

VG_EXPORT CUresult cuCtxEnablePeerAccess(CUcontext peer, unsigned int flags)
{
	struct vg_thread *t;
	int result = vg_enter(&t);

	if (result)
		return result;
	if (flags)
		return CUDA_ERROR_INVALID_VALUE;
	if (!vg_context_find(peer))
		return CUDA_ERROR_INVALID_CONTEXT;
	return CUDA_ERROR_PEER_ACCESS_UNSUPPORTED;
}

VG_EXPORT CUresult cuCtxDisablePeerAccess(CUcontext peer)
{
	struct vg_thread *t;
	int result = vg_enter(&t);

	if (result)
		return result;
	return vg_context_find(peer) ? CUDA_ERROR_PEER_ACCESS_NOT_ENABLED : CUDA_ERROR_INVALID_CONTEXT;
}
