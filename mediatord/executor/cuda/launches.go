package cuda

/*
#cgo noescape vg_launch
#cgo nocallback vg_launch
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct vg_attribute {
	int id;
	char pad[4];
	unsigned char value[64];
};
struct vg_config {
	unsigned int grid[3], block[3], shared;
	uintptr_t stream;
	const struct vg_attribute *attributes;
	unsigned int count;
};
_Static_assert(sizeof(struct vg_attribute) == 72 && sizeof(struct vg_config) == 56, "ABI");

#define COOPERATIVE 2

// the packed form of kernel parameters
#define EXTRA(params, size) {(void *)1, (void *)(params), (void *)2, &(size), NULL}

// An address as a number, and bytes: neither has Go look for pointers in what it hands over.
static int vg_launch(uintptr_t f, uintptr_t function, unsigned int gx, unsigned int gy, unsigned int gz, unsigned int bx, unsigned int by,
		     unsigned int bz, unsigned int shared, uintptr_t stream, const unsigned char *params, size_t size)
{
	void *extra[] = EXTRA(params, size);

	return ((int (*)(uintptr_t, unsigned int, unsigned int, unsigned int, unsigned int, unsigned int, unsigned int, unsigned int,
			 uintptr_t, void **, void **))f)(function, gx, gy, gz, bx, by, bz, shared, stream, NULL, size ? extra : NULL);
}
static int vg_launch_ex(void *f, uintptr_t function, const struct vg_config *config, const void *attributes, int cooperative,
			const void *params, size_t size)
{
	struct vg_attribute together = {COOPERATIVE, {0}, {1}};
	struct vg_config c = *config;
	void *extra[] = EXTRA(params, size);

	c.attributes = attributes;
	if (cooperative) {
		c.attributes = &together;
		c.count = 1;
	}
	return ((int (*)(const struct vg_config *, uintptr_t, void **, void **))f)(&c, function, NULL, size ? extra : NULL);
}
static int vg_clusters(void *f, int *answer, uintptr_t function, const struct vg_config *config, const void *attributes)
{
	struct vg_config c = *config;

	c.attributes = attributes;
	return ((int (*)(int *, uintptr_t, const struct vg_config *))f)(answer, function, &c);
}
static int vg_occupancy_blocks(void *f, int *blocks, uintptr_t function, int block_size, size_t shared, unsigned int flags)
{
	return ((int (*)(int *, uintptr_t, int, size_t, unsigned int))f)(blocks, function, block_size, shared, flags);
}
static int vg_occupancy_shared(void *f, size_t *shared, uintptr_t function, int blocks, int block_size)
{
	return ((int (*)(size_t *, uintptr_t, int, int))f)(shared, function, blocks, block_size);
}
static int vg_occupancy_potential(void *f, int *grid, int *block, uintptr_t function, size_t shared, int limit, unsigned int flags)
{
	return ((int (*)(int *, int *, uintptr_t, void *, size_t, int, unsigned int))f)(grid, block, function, NULL, shared, limit, flags);
}
*/
import "C"

import (
	"unsafe"

	"libvirt-vgpu/mediatord/executor/driver"
)

// Launch implements driver.Launches. cuLaunchCooperativeKernel takes no packed
// parameters; the attribute says the same.
func (d *Driver) Launch(l *driver.Launch) driver.Result {
	params, size := unsafe.Pointer(unsafe.SliceData(l.Params)), C.size_t(len(l.Params))
	if len(l.Attributes) == 0 && !l.Cooperative {
		return driver.Result(C.vg_launch(C.uintptr_t(uintptr(d.fn.cuLaunchKernel)), C.uintptr_t(l.Function),
			C.uint(l.Grid[0]), C.uint(l.Grid[1]), C.uint(l.Grid[2]), C.uint(l.Block[0]), C.uint(l.Block[1]), C.uint(l.Block[2]),
			C.uint(l.Shared), C.uintptr_t(l.Stream), (*C.uchar)(params), size))
	}
	together := C.int(0)
	if l.Cooperative {
		together = 1
	}
	config := launchConfig(l)
	return driver.Result(C.vg_launch_ex(d.fn.cuLaunchKernelEx, C.uintptr_t(l.Function), &config, attributes(l), together, params, size))
}

func launchConfig(l *driver.Launch) C.struct_vg_config {
	c := C.struct_vg_config{
		shared: C.uint(l.Shared), stream: C.uintptr_t(l.Stream), count: C.uint(len(l.Attributes) / driver.LaunchAttributeSize),
	}
	for i := range 3 {
		c.grid[i], c.block[i] = C.uint(l.Grid[i]), C.uint(l.Block[i])
	}
	return c
}

func attributes(l *driver.Launch) unsafe.Pointer {
	return unsafe.Pointer(unsafe.SliceData(l.Attributes))
}

// OccupancyBlocks implements driver.Launches.
func (d *Driver) OccupancyBlocks(f driver.Function, blockSize int32, shared uint64, flags uint32) (int32, driver.Result) {
	var blocks C.int
	r := C.vg_occupancy_blocks(d.fn.cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags, &blocks, C.uintptr_t(f), C.int(blockSize), C.size_t(shared), C.uint(flags))
	return int32(blocks), driver.Result(r)
}

// OccupancyShared implements driver.Launches.
func (d *Driver) OccupancyShared(f driver.Function, blocks, blockSize int32) (uint64, driver.Result) {
	var shared C.size_t
	r := C.vg_occupancy_shared(d.fn.cuOccupancyAvailableDynamicSMemPerBlock, &shared, C.uintptr_t(f), C.int(blocks), C.int(blockSize))
	return uint64(shared), driver.Result(r)
}

// OccupancyClusters implements driver.Launches.
func (d *Driver) OccupancyClusters(l *driver.Launch) (int32, driver.Result) {
	return clusters(d.fn.cuOccupancyMaxActiveClusters, l)
}

// OccupancyClusterSize implements driver.Launches.
func (d *Driver) OccupancyClusterSize(l *driver.Launch) (int32, driver.Result) {
	return clusters(d.fn.cuOccupancyMaxPotentialClusterSize, l)
}

func clusters(fn unsafe.Pointer, l *driver.Launch) (int32, driver.Result) {
	var answer C.int
	config := launchConfig(l)
	r := C.vg_clusters(fn, &answer, C.uintptr_t(l.Function), &config, attributes(l))
	return int32(answer), driver.Result(r)
}

// OccupancyPotential implements driver.Launches.
func (d *Driver) OccupancyPotential(f driver.Function, shared uint64, limit int32, flags uint32) (grid, block int32, r driver.Result) {
	var g, b C.int
	result := C.vg_occupancy_potential(d.fn.cuOccupancyMaxPotentialBlockSizeWithFlags, &g, &b, C.uintptr_t(f), C.size_t(shared), C.int(limit), C.uint(flags))
	return int32(g), int32(b), driver.Result(result)
}
