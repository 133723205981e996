// SPDX-License-Identifier: Apache-2.0
/*
 * Tensor maps: 128 bytes that the driver computes from what they describe. Programs
 * encode the same ones for launch after launch, so answers are kept.
 */
#include <string.h>

#include "calls.h"
#include "enter.h"
#include "gen/ops.h"

#define RANK_MAX	5
#define MAP_BYTES	128
#define KEPT		256	/* answers, a power of two */

/* What a map has whatever its sort: arrays of dimensions hold rank, strides one less. */
struct region {
	uint32_t element, rank;
	uint64_t address;
	uint64_t sizes[RANK_MAX], strides[RANK_MAX - 1];
	uint32_t steps[RANK_MAX];
	uint32_t reserved;
};

struct tiled {
	struct region region;
	uint32_t box[RANK_MAX];
	uint32_t interleave, swizzle, promotion, fill, reserved;
};
_Static_assert(sizeof(struct region) == 112 && sizeof(struct tiled) == 152, "no padding");

static struct {
	pthread_mutex_t lock;
	struct answer {
		struct tiled of;	/* rank 0: unused */
		uint8_t map[MAP_BYTES];
	} answers[KEPT];
} cache = { .lock = PTHREAD_MUTEX_INITIALIZER };

/* FNV-1a over words; the structure has no padding. */
static struct answer *place_of(const struct tiled *of)
{
	uint32_t words[sizeof *of / 4], hash = 2166136261u;

	memcpy(words, of, sizeof words);
	for (size_t i = 0; i < sizeof words / 4; i++)
		hash = (hash ^ words[i]) * 16777619u;
	return &cache.answers[(hash ^ hash >> 16) % KEPT];
}

static bool recall(const struct tiled *of, void *map)
{
	struct answer *a = place_of(of);
	bool found;

	pthread_mutex_lock(&cache.lock);
	found = memcmp(&a->of, of, sizeof *of) == 0;
	if (found)
		memcpy(map, a->map, MAP_BYTES);
	pthread_mutex_unlock(&cache.lock);
	return found;
}

static void keep(const struct tiled *of, const void *map)
{
	struct answer *a = place_of(of);

	pthread_mutex_lock(&cache.lock);
	a->of = *of;
	memcpy(a->map, map, MAP_BYTES);
	pthread_mutex_unlock(&cache.lock);
}

static int read_region(struct region *r, unsigned int element, uint32_t rank, const void *address,
		       const uint64_t *sizes, const uint64_t *strides, const uint32_t *steps)
{
	if (!rank || rank > RANK_MAX || !sizes || !steps || !strides)
		return CUDA_ERROR_INVALID_VALUE;
	memset(r, 0, sizeof *r);
	r->element = element;
	r->rank = rank;
	r->address = (uint64_t)(uintptr_t)address;
	memcpy(r->sizes, sizes, rank * sizeof *sizes);
	memcpy(r->steps, steps, rank * sizeof *steps);
	if (rank > 1)
		memcpy(r->strides, strides, (rank - 1) * sizeof *strides);
	return 0;
}

/* Needs no context: the answer depends on the GPU alone. */
VG_EXPORT CUresult cuTensorMapEncodeTiled(void *map, unsigned int element, uint32_t rank, void *address,
					  const uint64_t *sizes, const uint64_t *strides, const uint32_t *box,
					  const uint32_t *steps, unsigned int interleave, unsigned int swizzle,
					  unsigned int promotion, unsigned int fill)
{
	struct tiled of;
	struct vg_thread *t;
	int result = vg_enter_library(&t);

	if (result)
		return result;
	if (!map || !box)
		return CUDA_ERROR_INVALID_VALUE;
	result = read_region(&of.region, element, rank, address, sizes, strides, steps);
	if (result)
		return result;
	memset(of.box, 0, sizeof of.box);
	memcpy(of.box, box, rank * sizeof *box);
	of.interleave = interleave;
	of.swizzle = swizzle;
	of.promotion = promotion;
	of.fill = fill;
	of.reserved = 0;
	if (recall(&of, map))
		return CUDA_SUCCESS;
	result = vg_op_tensor_map_tiled(t, map, element, rank, of.region.address, of.region.sizes, of.region.strides,
					of.box, of.region.steps, interleave, swizzle, promotion, fill);
	if (!result)
		keep(&of, map);
	return result;
}

VG_EXPORT CUresult cuTensorMapEncodeIm2col(void *map, unsigned int element, uint32_t rank, void *address,
					   const uint64_t *sizes, const uint64_t *strides, const int *lower,
					   const int *upper, uint32_t channels, uint32_t pixels, const uint32_t *steps,
					   unsigned int interleave, unsigned int swizzle, unsigned int promotion,
					   unsigned int fill)
{
	int corners[2][RANK_MAX - 2] = { { 0 }, { 0 } };
	struct region r;
	struct vg_thread *t;
	int result = vg_enter_library(&t);

	if (result)
		return result;
	if (!map || !lower || !upper)
		return CUDA_ERROR_INVALID_VALUE;
	result = read_region(&r, element, rank, address, sizes, strides, steps);
	if (result)
		return result;
	if (rank > 2) {
		memcpy(corners[0], lower, (rank - 2) * sizeof *lower);
		memcpy(corners[1], upper, (rank - 2) * sizeof *upper);
	}
	return vg_op_tensor_map_im2col(t, map, element, rank, r.address, r.sizes, r.strides, corners[0], corners[1],
				       channels, pixels, r.steps, interleave, swizzle, promotion, fill);
}

VG_EXPORT CUresult cuTensorMapEncodeIm2colWide(void *map, unsigned int element, uint32_t rank, void *address,
					       const uint64_t *sizes, const uint64_t *strides, int lower, int upper,
					       uint32_t channels, uint32_t pixels, const uint32_t *steps,
					       unsigned int interleave, unsigned int mode, unsigned int swizzle,
					       unsigned int promotion, unsigned int fill)
{
	struct region r;
	struct vg_thread *t;
	int result = vg_enter_library(&t);

	if (result)
		return result;
	if (!map)
		return CUDA_ERROR_INVALID_VALUE;
	result = read_region(&r, element, rank, address, sizes, strides, steps);
	if (result)
		return result;
	return vg_op_tensor_map_im2col_wide(t, map, element, rank, r.address, r.sizes, r.strides, lower, upper,
					    channels, pixels, r.steps, interleave, mode, swizzle, promotion, fill);
}

VG_EXPORT CUresult cuTensorMapReplaceAddress(void *map, void *address)
{
	struct vg_thread *t;
	int result = vg_enter_library(&t);

	if (result)
		return result;
	if (!map)
		return CUDA_ERROR_INVALID_VALUE;
	return vg_op_tensor_map_replace(t, map, (uint64_t)(uintptr_t)address, map);
}
