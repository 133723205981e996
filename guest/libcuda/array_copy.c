// SPDX-License-Identifier: Apache-2.0
/* Copies of bytes from and to one-dimensional arrays: boxes of one row. */
#include "calls.h"
#include "copy_box.h"

struct row_end {
	unsigned int type;
	void *array;
	size_t offset;		/* of the array, bytes */
	const void *host;
	CUdeviceptr device;
};

static CUresult copy(const struct row_end *dst, const struct row_end *src, size_t size, CUstream stream,
		     bool per_thread, bool sync)
{
	CUDA_MEMCPY3D c = {
		.srcXInBytes = src->offset, .srcMemoryType = src->type, .srcHost = src->host,
		.srcDevice = src->device, .srcArray = src->array,
		.dstXInBytes = dst->offset, .dstMemoryType = dst->type, .dstHost = (void *)dst->host,
		.dstDevice = dst->device, .dstArray = dst->array,
		.WidthInBytes = size, .Height = 1, .Depth = 1,
	};

	return vg_copy_3d(&c, stream, per_thread, sync);
}

#define ARRAY(a, at)	(&(struct row_end){ .type = CU_MEMORYTYPE_ARRAY, .array = (a), .offset = (at) })
#define DEVICE(address)	(&(struct row_end){ .type = CU_MEMORYTYPE_DEVICE, .device = (address) })
#define HOST(address)	(&(struct row_end){ .type = CU_MEMORYTYPE_HOST, .host = (address) })

VG_EXPORT CUresult cuMemcpyAtoA_v2(CUarray dst, size_t to, CUarray src, size_t from, size_t size)
{
	return copy(ARRAY(dst, to), ARRAY(src, from), size, NULL, false, true);
}

VG_EXPORT CUresult cuMemcpyAtoA_v2_ptds(CUarray dst, size_t to, CUarray src, size_t from, size_t size)
{
	return copy(ARRAY(dst, to), ARRAY(src, from), size, NULL, true, true);
}

VG_EXPORT CUresult cuMemcpyAtoD_v2(CUdeviceptr dst, CUarray src, size_t from, size_t size)
{
	return copy(DEVICE(dst), ARRAY(src, from), size, NULL, false, true);
}

VG_EXPORT CUresult cuMemcpyAtoD_v2_ptds(CUdeviceptr dst, CUarray src, size_t from, size_t size)
{
	return copy(DEVICE(dst), ARRAY(src, from), size, NULL, true, true);
}

VG_EXPORT CUresult cuMemcpyDtoA_v2(CUarray dst, size_t to, CUdeviceptr src, size_t size)
{
	return copy(ARRAY(dst, to), DEVICE(src), size, NULL, false, true);
}

VG_EXPORT CUresult cuMemcpyDtoA_v2_ptds(CUarray dst, size_t to, CUdeviceptr src, size_t size)
{
	return copy(ARRAY(dst, to), DEVICE(src), size, NULL, true, true);
}

VG_EXPORT CUresult cuMemcpyAtoH_v2(void *dst, CUarray src, size_t from, size_t size)
{
	return copy(HOST(dst), ARRAY(src, from), size, NULL, false, true);
}

VG_EXPORT CUresult cuMemcpyAtoH_v2_ptds(void *dst, CUarray src, size_t from, size_t size)
{
	return copy(HOST(dst), ARRAY(src, from), size, NULL, true, true);
}

VG_EXPORT CUresult cuMemcpyAtoHAsync_v2(void *dst, CUarray src, size_t from, size_t size, CUstream stream)
{
	return copy(HOST(dst), ARRAY(src, from), size, stream, false, false);
}

VG_EXPORT CUresult cuMemcpyAtoHAsync_v2_ptsz(void *dst, CUarray src, size_t from, size_t size, CUstream stream)
{
	return copy(HOST(dst), ARRAY(src, from), size, stream, true, false);
}

VG_EXPORT CUresult cuMemcpyHtoA_v2(CUarray dst, size_t to, const void *src, size_t size)
{
	return copy(ARRAY(dst, to), HOST(src), size, NULL, false, true);
}

VG_EXPORT CUresult cuMemcpyHtoA_v2_ptds(CUarray dst, size_t to, const void *src, size_t size)
{
	return copy(ARRAY(dst, to), HOST(src), size, NULL, true, true);
}

VG_EXPORT CUresult cuMemcpyHtoAAsync_v2(CUarray dst, size_t to, const void *src, size_t size, CUstream stream)
{
	return copy(ARRAY(dst, to), HOST(src), size, stream, false, false);
}

VG_EXPORT CUresult cuMemcpyHtoAAsync_v2_ptsz(CUarray dst, size_t to, const void *src, size_t size, CUstream stream)
{
	return copy(ARRAY(dst, to), HOST(src), size, stream, true, false);
}
