// SPDX-License-Identifier: Apache-2.0
/* Prefetching and discarding managed memory, which does not move: places are remembered, contents stay. */
#include "calls.h"
#include "capture.h"
#include "enter.h"
#include "managed.h"

static int begin(CUstream handle, bool per_thread)
{
	struct vg_stream *s;
	struct vg_thread *t;
	int result = vg_enter(&t);

	if (!result)
		result = vg_stream_get(t, handle, per_thread, &s);
	return result ? result : vg_capture_break(s);
}

static CUresult prefetch(CUdeviceptr address, size_t size, struct vg_location location, unsigned int flags, CUstream stream,
			 bool per_thread)
{
	int result = begin(stream, per_thread);

	if (result)
		return result;
	if (!size || flags)
		return CUDA_ERROR_INVALID_VALUE;
	result = vg_location_check(location);
	if (!result)
		result = vg_managed_check(address, size);
	if (!result)
		vg_managed_prefetched(address, location);
	return result;
}

VG_EXPORT CUresult cuMemPrefetchAsync(CUdeviceptr address, size_t size, CUdevice device, CUstream stream)
{
	return prefetch(address, size, vg_location_of(device), 0, stream, false);
}

VG_EXPORT CUresult cuMemPrefetchAsync_ptsz(CUdeviceptr address, size_t size, CUdevice device, CUstream stream)
{
	return prefetch(address, size, vg_location_of(device), 0, stream, true);
}

VG_EXPORT CUresult cuMemPrefetchAsync_v2(CUdeviceptr address, size_t size, struct vg_location location, unsigned int flags,
					 CUstream stream)
{
	return prefetch(address, size, location, flags, stream, false);
}

VG_EXPORT CUresult cuMemPrefetchAsync_v2_ptsz(CUdeviceptr address, size_t size, struct vg_location location,
					      unsigned int flags, CUstream stream)
{
	return prefetch(address, size, location, flags, stream, true);
}

struct batch {
	CUdeviceptr *addresses;
	size_t *sizes;
	size_t count;
	struct vg_location *places;	/* NULL: no prefetch */
	size_t *firsts;			/* the first address that places[i] is for */
	size_t place_count;
};

static int check_places(const struct batch *b)
{
	int result = 0;

	if (!b->places || !b->firsts || !b->place_count || b->place_count > b->count || b->firsts[0])
		return CUDA_ERROR_INVALID_VALUE;
	for (size_t i = 0; i < b->place_count && !result; i++) {
		if (b->firsts[i] >= b->count || (i && b->firsts[i] <= b->firsts[i - 1]))
			return CUDA_ERROR_INVALID_VALUE;
		result = vg_location_check(b->places[i]);
	}
	return result;
}

/* All or nothing. */
static CUresult run(const struct batch *b, bool places, unsigned long long flags, CUstream stream, bool per_thread)
{
	int result = begin(stream, per_thread);
	size_t place = 0;

	if (result)
		return result;
	if (!b->addresses || !b->sizes || !b->count || flags)
		return CUDA_ERROR_INVALID_VALUE;
	if (places)
		result = check_places(b);
	for (size_t i = 0; i < b->count && !result; i++)
		result = vg_managed_check(b->addresses[i], b->sizes[i]);
	for (size_t i = 0; places && !result && i < b->count; i++) {
		if (place + 1 < b->place_count && b->firsts[place + 1] == i)
			place++;
		vg_managed_prefetched(b->addresses[i], b->places[place]);
	}
	return result;
}

VG_EXPORT CUresult cuMemPrefetchBatchAsync(CUdeviceptr *addresses, size_t *sizes, size_t count, struct vg_location *places,
					   size_t *firsts, size_t place_count, unsigned long long flags, CUstream stream)
{
	return run(&(struct batch){ addresses, sizes, count, places, firsts, place_count }, true, flags, stream, false);
}

VG_EXPORT CUresult cuMemPrefetchBatchAsync_ptsz(CUdeviceptr *addresses, size_t *sizes, size_t count,
						struct vg_location *places, size_t *firsts, size_t place_count,
						unsigned long long flags, CUstream stream)
{
	return run(&(struct batch){ addresses, sizes, count, places, firsts, place_count }, true, flags, stream, true);
}

VG_EXPORT CUresult cuMemDiscardAndPrefetchBatchAsync(CUdeviceptr *addresses, size_t *sizes, size_t count,
						     struct vg_location *places, size_t *firsts, size_t place_count,
						     unsigned long long flags, CUstream stream)
{
	return run(&(struct batch){ addresses, sizes, count, places, firsts, place_count }, true, flags, stream, false);
}

VG_EXPORT CUresult cuMemDiscardAndPrefetchBatchAsync_ptsz(CUdeviceptr *addresses, size_t *sizes, size_t count,
							  struct vg_location *places, size_t *firsts, size_t place_count,
							  unsigned long long flags, CUstream stream)
{
	return run(&(struct batch){ addresses, sizes, count, places, firsts, place_count }, true, flags, stream, true);
}

VG_EXPORT CUresult cuMemDiscardBatchAsync(CUdeviceptr *addresses, size_t *sizes, size_t count, unsigned long long flags,
					  CUstream stream)
{
	return run(&(struct batch){ .addresses = addresses, .sizes = sizes, .count = count }, false, flags, stream, false);
}

VG_EXPORT CUresult cuMemDiscardBatchAsync_ptsz(CUdeviceptr *addresses, size_t *sizes, size_t count, unsigned long long flags,
					       CUstream stream)
{
	return run(&(struct batch){ .addresses = addresses, .sizes = sizes, .count = count }, false, flags, stream, true);
}
