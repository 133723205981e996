/* SPDX-License-Identifier: Apache-2.0 */
/* How many blocks and clusters a multiprocessor holds, and the block that fills it best. */
#include "conformance.h"

#include <string.h>

static int asked;

static size_t shared_of_block(int threads)
{
	asked++;
	return (size_t)threads * 64;
}

static size_t nothing(int threads)
{
	(void)threads;
	return 0;
}

static bool best_block(void)
{
	BIND(cuOccupancyMaxPotentialBlockSize, int *, int *, CUfunction, size_t (*)(int), size_t, int);
	BIND(cuOccupancyMaxPotentialBlockSizeWithFlags, int *, int *, CUfunction, size_t (*)(int), size_t, int,
	     unsigned int);
	int grid[2], block[2];

	USE_DEVICE;
	asked = 0;
	DO(cuOccupancyMaxPotentialBlockSize(&grid[0], &block[0], kernels.matrix_product, shared_of_block, 0, 0));
	THAT(asked > 0 && grid[0] > 0 && block[0] > 0 && block[0] % 32 == 0);
	check_note("%d x %d, asked %d times", grid[0], block[0], asked);
	DO(cuOccupancyMaxPotentialBlockSize(&grid[0], &block[0], kernels.empty, nothing, 0, 0));
	DO(cuOccupancyMaxPotentialBlockSize(&grid[1], &block[1], kernels.empty, NULL, 0, 0));
	THAT(grid[0] == grid[1] && block[0] == block[1]);
	DO(cuOccupancyMaxPotentialBlockSizeWithFlags(&grid[0], &block[0], kernels.empty, nothing, 0, 100, 1));
	DO(cuOccupancyMaxPotentialBlockSizeWithFlags(&grid[1], &block[1], kernels.empty, NULL, 0, 100, 1));
	THAT(grid[0] == grid[1] && block[0] == block[1]);
	check_note("%d", block[0]);
	NOTE(cuOccupancyMaxPotentialBlockSize(&grid[0], &block[0], kernels.empty, nothing, 0, -1));
	NOTE(cuOccupancyMaxPotentialBlockSize(&grid[0], &block[0], kernels.empty, nothing, 0, 1 << 20));
	CODE(cuOccupancyMaxPotentialBlockSize(NULL, &block[0], kernels.empty, nothing, 0, 0));
	CODE(cuOccupancyMaxPotentialBlockSize(&grid[0], &block[0], NULL, nothing, 0, 0));
	CODE(cuOccupancyMaxPotentialBlockSize(&grid[0], NULL, kernels.empty, NULL, 0, 0));
	CODE(cuOccupancyMaxPotentialBlockSize(&grid[0], &block[0], NULL, NULL, 0, 0));
	NOTE(cuOccupancyMaxPotentialBlockSize(&grid[0], &block[0], kernels.empty, NULL, 1 << 20, 0));
	NOTE(cuOccupancyMaxPotentialBlockSizeWithFlags(&grid[0], &block[0], kernels.empty, NULL, 0, 0, 2));
	return true;
}

static bool blocks(void)
{
	BIND(cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags, int *, CUfunction, int, size_t, unsigned int);
	int plain, flagged, more = 0;

	USE_DEVICE;
	for (int size = 32; size <= 1024; size *= 2) {
		DO(cu.OccupancyMaxActiveBlocks(&plain, kernels.reduce_sum, size, 4096));
		DO(cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(&flagged, kernels.reduce_sum, size, 4096, 0));
		THAT(plain == flagged && plain > 0);
		check_note("%d", plain);
		/* an answer given once is the answer */
		DO(cu.OccupancyMaxActiveBlocks(&more, kernels.reduce_sum, size, 4096));
		THAT(more == plain);
	}
	NOTE(cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(&flagged, kernels.reduce_sum, 128, 0, 1));
	NOTE(cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(&flagged, kernels.reduce_sum, 128, 0, 2));
	NOTE(cu.OccupancyMaxActiveBlocks(&plain, kernels.reduce_sum, 128, 1 << 20));
	NOTE(cu.OccupancyMaxActiveBlocks(&plain, kernels.reduce_sum, 2048, 0));
	CODE(cu.OccupancyMaxActiveBlocks(&plain, kernels.reduce_sum, 0, 0));
	CODE(cu.OccupancyMaxActiveBlocks(&plain, kernels.reduce_sum, -1, 0));
	CODE(cu.OccupancyMaxActiveBlocks(NULL, kernels.reduce_sum, 128, 0));
	CODE(cu.OccupancyMaxActiveBlocks(&plain, NULL, 128, 0));
	return true;
}

/* What shared memory is left when so many blocks are to fit. */
static bool left_over(void)
{
	BIND(cuOccupancyAvailableDynamicSMemPerBlock, size_t *, CUfunction, int, int);
	size_t alone = 0, shared = 0, crowded = 0;
	int fit = 0;

	USE_DEVICE;
	DO(cuOccupancyAvailableDynamicSMemPerBlock(&alone, kernels.empty, 1, 128));
	DO(cuOccupancyAvailableDynamicSMemPerBlock(&shared, kernels.empty, 2, 128));
	DO(cuOccupancyAvailableDynamicSMemPerBlock(&crowded, kernels.matrix_product, 2, 256));
	check_note("%zu %zu %zu", alone, shared, crowded);
	/* the function's own limit may be what both have, so only the order is sure */
	THAT(alone >= shared && shared > 0 && crowded > 0);
	DO(cu.FuncSetAttribute(kernels.empty, CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, (int)shared));
	DO(cu.OccupancyMaxActiveBlocks(&fit, kernels.empty, 128, shared));
	check_note("%d", fit);
	THAT(fit >= 1);
	NOTE(cuOccupancyAvailableDynamicSMemPerBlock(&alone, kernels.empty, 0, 128));
	NOTE(cuOccupancyAvailableDynamicSMemPerBlock(&alone, kernels.empty, 1000, 128));
	NOTE(cuOccupancyAvailableDynamicSMemPerBlock(&alone, kernels.empty, 1, 0));
	/* the driver writes to the place for the answer without a look at it: it dies of NULL */
	NOTE(cuOccupancyAvailableDynamicSMemPerBlock(&alone, NULL, 1, 128));
	NOTE(cuOccupancyAvailableDynamicSMemPerBlock(&alone, kernels.empty, -1, 128));
	NOTE(cuOccupancyAvailableDynamicSMemPerBlock(&alone, kernels.empty, 1, -1));
	NOTE(cuOccupancyAvailableDynamicSMemPerBlock(&alone, kernels.empty, 1, 4096));
	return true;
}

struct attribute {
	int id, pad;
	union {
		char room[64];
		unsigned int dimensions[3];
		int number;
	};
};
_Static_assert(sizeof(struct attribute) == 72, "as in CUDA 12");
enum { CLUSTER_DIMENSION = 4 };

/* A GPU without clusters answers 801 to the first question. */
static bool clusters(void)
{
	BIND(cuOccupancyMaxActiveClusters, int *, CUfunction, const CUlaunchConfig *);
	BIND(cuOccupancyMaxPotentialClusterSize, int *, CUfunction, const CUlaunchConfig *);
	struct attribute width = { .id = CLUSTER_DIMENSION, .dimensions = { 2, 1, 1 } };
	CUlaunchConfig config = { .grid_x = 8, .grid_y = 1, .grid_z = 1, .block_x = 128, .block_y = 1, .block_z = 1,
				  .attributes = &width, .attribute_count = 1 };
	int count = 0, size = 0, result;

	USE_DEVICE;
	result = cuOccupancyMaxActiveClusters(&count, kernels.empty, &config);
	check_note("%d", result);
	CODE(cuOccupancyMaxActiveClusters(NULL, kernels.empty, &config));
	CODE(cuOccupancyMaxActiveClusters(&count, kernels.empty, NULL));
	CODE(cuOccupancyMaxActiveClusters(&count, NULL, &config));
	CODE(cuOccupancyMaxPotentialClusterSize(NULL, kernels.empty, &config));
	CODE(cuOccupancyMaxPotentialClusterSize(&size, kernels.empty, NULL));
	CODE(cuOccupancyMaxPotentialClusterSize(&size, NULL, &config));
	CODE(cuOccupancyMaxActiveClusters(NULL, NULL, NULL));
	if (result)
		return true;
	THAT(count > 0);
	check_note("%d clusters", count);
	config.attribute_count = 0;
	DO(cuOccupancyMaxPotentialClusterSize(&size, kernels.empty, &config));
	THAT(size >= 1);
	check_note("of %d", size);
	config.attribute_count = 1;
	width.dimensions[0] = 3;	/* does not divide the grid */
	NOTE(cuOccupancyMaxActiveClusters(&count, kernels.empty, &config));
	width.dimensions[0] = 0;
	NOTE(cuOccupancyMaxActiveClusters(&count, kernels.empty, &config));
	width.dimensions[0] = 2;
	config.attributes = NULL;
	NOTE(cuOccupancyMaxActiveClusters(&count, kernels.empty, &config));
	config.attributes = &width;
	config.block_x = 0;
	NOTE(cuOccupancyMaxActiveClusters(&count, kernels.empty, &config));
	config.block_x = 4096;
	NOTE(cuOccupancyMaxActiveClusters(&count, kernels.empty, &config));
	config.block_x = 128;
	config.grid_x = 0;
	NOTE(cuOccupancyMaxActiveClusters(&count, kernels.empty, &config));
	config.grid_x = 8;
	config.shared_bytes = 1 << 20;
	NOTE(cuOccupancyMaxActiveClusters(&count, kernels.empty, &config));
	return true;
}

static const struct check checks[] = {
	{ "best_block", best_block },
	{ "blocks", blocks },
	{ "left_over", left_over },
	{ "clusters", clusters },
};
const struct check_group occupancy_family = GROUP("occupancy", checks);
