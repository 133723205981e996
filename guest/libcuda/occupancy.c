// SPDX-License-Identifier: Apache-2.0
/* Occupancy: the driver computes it; answers that programs ask for again and again are kept. */
#include <string.h>

#include "calls.h"
#include "enter.h"
#include "gen/ops.h"
#include "module.h"

static int begin(struct vg_thread **t, struct vg_function *f)
{
	int result = vg_enter(t);

	return result ? result : vg_function_check(f);
}

static bool recall(struct vg_function *f, int block_size, size_t shared, unsigned int flags, int *blocks)
{
	bool found = false;

	pthread_mutex_lock(&f->lock);
	for (int i = 0; i < VG_OCCUPANCY_CACHE && !found; i++) {
		const struct vg_occupancy *o = &f->occupancy[i];

		found = o->blocks && o->block_size == block_size && o->shared == shared && o->flags == flags;
		if (found)
			*blocks = o->blocks;
	}
	pthread_mutex_unlock(&f->lock);
	return found;
}

static void keep(struct vg_function *f, int block_size, size_t shared, unsigned int flags, int blocks)
{
	pthread_mutex_lock(&f->lock);
	f->occupancy[f->next_occupancy++ % VG_OCCUPANCY_CACHE] =
		(struct vg_occupancy){ .block_size = block_size, .shared = shared, .flags = flags, .blocks = blocks };
	pthread_mutex_unlock(&f->lock);
}

VG_EXPORT CUresult cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(int *blocks, CUfunction f, int block_size,
									size_t shared, unsigned int flags)
{
	struct vg_thread *t;
	int result = begin(&t, f);

	if (result)
		return result;
	if (!blocks)
		return CUDA_ERROR_INVALID_VALUE;
	if (recall(f, block_size, shared, flags, blocks))
		return CUDA_SUCCESS;
	result = vg_op_occupancy_blocks(t, f->object.number, vg_function_kind(f), block_size, shared, flags, blocks);
	if (!result)
		keep(f, block_size, shared, flags, *blocks);
	return result;
}

VG_EXPORT CUresult cuOccupancyMaxActiveBlocksPerMultiprocessor(int *blocks, CUfunction f, int block_size, size_t shared)
{
	return cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(blocks, f, block_size, shared, 0);
}

VG_EXPORT CUresult cuOccupancyAvailableDynamicSMemPerBlock(size_t *shared, CUfunction f, int blocks, int block_size)
{
	struct vg_thread *t;
	uint64_t bytes = 0;
	int result = begin(&t, f);

	if (result)
		return result;
	if (!shared)
		return CUDA_ERROR_INVALID_VALUE;
	result = vg_op_occupancy_shared(t, f->object.number, vg_function_kind(f), blocks, block_size, &bytes);
	*shared = bytes;
	return result;
}

enum { DEVICE_MAX_THREADS = 1, DEVICE_WARP = 10, DEVICE_MULTIPROCESSORS = 16, DEVICE_RESIDENT_THREADS = 39 };

static int device_attribute(int id)
{
	return vg_process.description->attributes[id].value;
}

static int least(int a, int b)
{
	return a < b ? a : b;
}

int vg_blocks_together(struct vg_function *f, uint64_t blocks, int block_size, size_t shared)
{
	int each, result = cuOccupancyMaxActiveBlocksPerMultiprocessor(&each, f, block_size, shared);

	if (result)
		return result;
	return blocks > (uint64_t)each * (uint64_t)device_attribute(DEVICE_MULTIPROCESSORS) ?
		       CUDA_ERROR_COOPERATIVE_LAUNCH_TOO_LARGE : 0;
}

/* CUoccupancyB2DSize: dynamic shared memory of a block of so many threads */
typedef size_t shared_of_block(int block_size);

/*
 * The program's function runs here, so the search does too: from the largest block down by warps, the first
 * that keeps most threads resident.
 */
static CUresult search(int *grid, int *block, CUfunction f, shared_of_block *shared, int limit, unsigned int flags)
{
	int warp = device_attribute(DEVICE_WARP), most = 0;
	int largest = least(device_attribute(DEVICE_MAX_THREADS), atomic_load(&f->attributes[0]));

	if (limit < 0)
		return CUDA_ERROR_INVALID_VALUE;
	if (limit)
		largest = least(largest, limit);
	for (int size = (largest + warp - 1) / warp * warp; size > 0; size -= warp) {
		int threads = least(size, largest), blocks;
		int result = cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(&blocks, f, threads, shared(threads),
										 flags);

		if (result)
			return result;
		if (threads * blocks > most) {
			most = threads * blocks;
			*block = threads;
			*grid = blocks * device_attribute(DEVICE_MULTIPROCESSORS);
		}
		if (most == device_attribute(DEVICE_RESIDENT_THREADS))
			break;
	}
	return CUDA_SUCCESS;
}

VG_EXPORT CUresult cuOccupancyMaxPotentialBlockSizeWithFlags(int *grid, int *block, CUfunction f,
							     shared_of_block *callback, size_t shared, int limit,
							     unsigned int flags)
{
	struct vg_thread *t;
	int result = begin(&t, f);

	if (result)
		return result;
	if (!grid || !block)
		return CUDA_ERROR_INVALID_VALUE;
	if (callback)
		return search(grid, block, f, callback, limit, flags);
	return vg_op_occupancy_potential(t, f->object.number, vg_function_kind(f), shared, limit, flags, grid, block);
}

VG_EXPORT CUresult cuOccupancyMaxPotentialBlockSize(int *grid, int *block, CUfunction f, shared_of_block *callback,
						    size_t shared, int limit)
{
	return cuOccupancyMaxPotentialBlockSizeWithFlags(grid, block, f, callback, shared, limit, 0);
}

typedef int cluster_query(struct vg_thread *, uint32_t, uint32_t, const void *, int32_t *, const void *, uint32_t);

static CUresult clusters(int *out, CUfunction f, const CUlaunchConfig *c, cluster_query *query)
{
	struct vg_thread *t;
	CUlaunchConfig plain;
	int result = vg_enter(&t);

	if (!result)	/* here no function is an argument that is missing (measured, driver 580) */
		result = f ? vg_function_check(f) : CUDA_ERROR_INVALID_VALUE;
	if (result)
		return result;
	if (!out || !c || c->numAttrs > 16 || (c->numAttrs && !c->attrs))
		return CUDA_ERROR_INVALID_VALUE;
	plain = *c;
	plain.hStream = NULL; /* does not matter to the answer */
	plain.attrs = NULL;
	return query(t, f->object.number, vg_function_kind(f), &plain, out, c->attrs, c->numAttrs * 72);
}

VG_EXPORT CUresult cuOccupancyMaxActiveClusters(int *count, CUfunction f, const CUlaunchConfig *config)
{
	return clusters(count, f, config, vg_op_occupancy_clusters);
}

VG_EXPORT CUresult cuOccupancyMaxPotentialClusterSize(int *size, CUfunction f, const CUlaunchConfig *config)
{
	return clusters(size, f, config, vg_op_occupancy_cluster_size);
}
