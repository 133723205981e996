// SPDX-License-Identifier: Apache-2.0
/*
 * Calls about managed memory. A vGPU has none (cuMemAllocManaged is refused: the
 * GPU cannot fault on pages of a VM), so every range is one that these calls do
 * not take.
 */
#include "calls.h"
#include "enter.h"
#include "objects.h"

#define DEVICE_CPU (-1)
#define ADVICE_LAST 6

struct location {
	unsigned int type;
	int id;
};

static int check_place(CUdevice device)
{
	return device == DEVICE_CPU || (device >= 0 && device < vg_process.device_count) ? 0 : CUDA_ERROR_INVALID_DEVICE;
}

static CUresult advise(CUdeviceptr address, size_t size, unsigned int advice, CUdevice device)
{
	struct vg_thread *t;
	int result = vg_enter(&t);

	(void)address;
	if (result)
		return result;
	if (!size || !advice || advice > ADVICE_LAST)
		return CUDA_ERROR_INVALID_VALUE;
	result = check_place(device);
	return result ? result : CUDA_ERROR_INVALID_VALUE;
}

VG_EXPORT CUresult cuMemAdvise(CUdeviceptr address, size_t size, unsigned int advice, CUdevice device)
{
	return advise(address, size, advice, device);
}

VG_EXPORT CUresult cuMemAdvise_v2(CUdeviceptr address, size_t size, unsigned int advice, struct location location)
{
	return advise(address, size, advice, location.type == 1 ? location.id : DEVICE_CPU);
}

static CUresult prefetch(CUdeviceptr address, size_t size, CUdevice device, CUstream handle, bool per_thread)
{
	struct vg_stream *s;
	struct vg_thread *t;
	int result = vg_enter(&t);

	(void)address;
	if (!result)
		result = vg_stream_get(t, handle, per_thread, &s);
	if (result)
		return result;
	if (!size)
		return CUDA_ERROR_INVALID_VALUE;
	result = check_place(device);
	return result ? result : CUDA_ERROR_INVALID_VALUE;
}

VG_EXPORT CUresult cuMemPrefetchAsync(CUdeviceptr address, size_t size, CUdevice device, CUstream stream)
{
	return prefetch(address, size, device, stream, false);
}

VG_EXPORT CUresult cuMemPrefetchAsync_ptsz(CUdeviceptr address, size_t size, CUdevice device, CUstream stream)
{
	return prefetch(address, size, device, stream, true);
}

VG_EXPORT CUresult cuMemPrefetchAsync_v2(CUdeviceptr address, size_t size, struct location location, unsigned int flags,
					 CUstream stream)
{
	return flags ? CUDA_ERROR_INVALID_VALUE :
		       prefetch(address, size, location.type == 1 ? location.id : DEVICE_CPU, stream, false);
}

VG_EXPORT CUresult cuMemPrefetchAsync_v2_ptsz(CUdeviceptr address, size_t size, struct location location,
					      unsigned int flags, CUstream stream)
{
	return flags ? CUDA_ERROR_INVALID_VALUE :
		       prefetch(address, size, location.type == 1 ? location.id : DEVICE_CPU, stream, true);
}

VG_EXPORT CUresult cuMemRangeGetAttributes(void **data, size_t *sizes, int *attributes, size_t count,
					   CUdeviceptr address, size_t size)
{
	struct vg_thread *t;
	int result = vg_enter(&t);

	(void)data, (void)sizes, (void)attributes, (void)count, (void)address, (void)size;
	return result ? result : CUDA_ERROR_INVALID_VALUE;
}

VG_EXPORT CUresult cuMemRangeGetAttribute(void *data, size_t data_size, int attribute, CUdeviceptr address, size_t size)
{
	return cuMemRangeGetAttributes(&data, &data_size, &attribute, 1, address, size);
}
