// SPDX-License-Identifier: Apache-2.0
/*
 * Copies between contexts. They are all of one GPU, where memory has the same address
 * in each of them.
 */
#include "calls.h"
#include "copy_box.h"
#include "enter.h"

/* CUDA_MEMCPY3D_PEER is CUDA_MEMCPY3D with the contexts in its reserved places. */

/* No context is as good as any: addresses tell. */
static int check(const void *dst, const void *src)
{
	return (!dst || vg_context_valid(dst)) && (!src || vg_context_valid(src)) ? 0 : CUDA_ERROR_INVALID_CONTEXT;
}

static CUresult copy(CUdeviceptr dst, CUcontext to, CUdeviceptr src, CUcontext from, size_t size, CUstream stream,
		     bool per_thread, bool sync)
{
	enum vg_place to_place = vg_place_of(dst), from_place = vg_place_of(src);
	struct vg_stream *s;
	struct vg_thread *t;
	int result = vg_enter(&t);

	if (!result)
		result = check(to, from);
	if (!result)
		result = vg_stream_get(t, stream, per_thread, &s);
	if (result)
		return result;
	if (size && (to_place == VG_PLACE_PAGEABLE || from_place == VG_PLACE_PAGEABLE))
		return CUDA_ERROR_INVALID_VALUE;
	return vg_copy(t, dst, to_place, src, from_place, size, s, sync);
}

VG_EXPORT CUresult cuMemcpyPeer(CUdeviceptr dst, CUcontext to, CUdeviceptr src, CUcontext from, size_t size)
{
	return copy(dst, to, src, from, size, NULL, false, true);
}

VG_EXPORT CUresult cuMemcpyPeer_ptds(CUdeviceptr dst, CUcontext to, CUdeviceptr src, CUcontext from, size_t size)
{
	return copy(dst, to, src, from, size, NULL, true, true);
}

VG_EXPORT CUresult cuMemcpyPeerAsync(CUdeviceptr dst, CUcontext to, CUdeviceptr src, CUcontext from, size_t size,
				     CUstream stream)
{
	return copy(dst, to, src, from, size, stream, false, false);
}

VG_EXPORT CUresult cuMemcpyPeerAsync_ptsz(CUdeviceptr dst, CUcontext to, CUdeviceptr src, CUcontext from, size_t size,
					  CUstream stream)
{
	return copy(dst, to, src, from, size, stream, true, false);
}

static CUresult copy_3d(const CUDA_MEMCPY3D *peer, CUstream stream, bool per_thread, bool sync)
{
	CUDA_MEMCPY3D c;
	struct vg_thread *t;
	int result = vg_enter(&t);

	if (result)
		return result;
	if (!peer)
		return CUDA_ERROR_INVALID_VALUE;
	result = check(peer->dstMemoryType == CU_MEMORYTYPE_ARRAY ? t->current : peer->reserved1,
		       peer->srcMemoryType == CU_MEMORYTYPE_ARRAY ? t->current : peer->reserved0);
	if (result)
		return result;
	c = *peer;
	c.reserved0 = c.reserved1 = NULL;
	return vg_copy_3d(&c, stream, per_thread, sync);
}

VG_EXPORT CUresult cuMemcpy3DPeer(const CUDA_MEMCPY3D *c)
{
	return copy_3d(c, NULL, false, true);
}

VG_EXPORT CUresult cuMemcpy3DPeer_ptds(const CUDA_MEMCPY3D *c)
{
	return copy_3d(c, NULL, true, true);
}

VG_EXPORT CUresult cuMemcpy3DPeerAsync(const CUDA_MEMCPY3D *c, CUstream stream)
{
	return copy_3d(c, stream, false, false);
}

VG_EXPORT CUresult cuMemcpy3DPeerAsync_ptsz(const CUDA_MEMCPY3D *c, CUstream stream)
{
	return copy_3d(c, stream, true, false);
}
