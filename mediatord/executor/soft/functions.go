package soft

import (
	"encoding/binary"
	"math"

	"libvirt-vgpu/mediatord/executor/driver"
	"libvirt-vgpu/mediatord/executor/soft/gpu"
)

// Function attributes (CUfunction_attribute).
const (
	functionMaxThreads = iota
	functionShared
	functionConst
	functionLocal
	functionRegisters
	functionPTXVersion
	functionBinaryVersion
	functionCacheCA
	functionMaxDynamicShared
	functionCarveout
	functionAttributes = 16
)

// FunctionGetAttribute implements driver.Native.
func (d *Driver) FunctionGetAttribute(attribute int32, f driver.Function) (int32, driver.Result) {
	function, ok := d.functions.items[uint64(f)]
	if !ok {
		return 0, driver.ErrorInvalidHandle
	}
	a := function.Attributes()
	switch attribute {
	case functionMaxThreads:
		return int32(a.MaxThreadsPerBlock), driver.Success
	case functionShared:
		return int32(a.SharedSize), driver.Success
	case functionConst:
		return int32(a.ConstSize), driver.Success
	case functionLocal:
		return int32(a.LocalSize), driver.Success
	case functionRegisters:
		return int32(a.Registers), driver.Success
	case functionPTXVersion:
		return int32(a.PTXVersion), driver.Success
	case functionBinaryVersion:
		return int32(a.BinaryVersion), driver.Success
	case functionMaxDynamicShared:
		return int32(a.MaxDynamicShared), driver.Success
	case functionCarveout:
		return -1, driver.Success // as the driver prefers
	}
	if attribute < 0 || attribute >= functionAttributes {
		return 0, driver.ErrorInvalidValue
	}
	return 0, driver.Success
}

// FunctionSetAttribute implements driver.Native.
func (d *Driver) FunctionSetAttribute(f driver.Function, attribute, value int32) driver.Result {
	function, ok := d.functions.items[uint64(f)]
	if !ok {
		return driver.ErrorInvalidHandle
	}
	switch attribute {
	case functionMaxDynamicShared:
		return d.result(function.SetMaxDynamicShared(int(value)))
	case functionCarveout:
		if value < -1 || value > 100 {
			return driver.ErrorInvalidValue
		}
		return driver.Success
	}
	return driver.ErrorInvalidValue
}

// FunctionSetCacheConfig implements driver.Native: there is no cache.
func (d *Driver) FunctionSetCacheConfig(driver.Function, uint32) driver.Result { return driver.Success }

// FunctionLoad implements driver.Native: a function that was found is loaded.
func (d *Driver) FunctionLoad(driver.Function) driver.Result { return driver.Success }

// KernelGetAttribute implements driver.Modules.
func (d *Driver) KernelGetAttribute(k driver.Kernel, attribute int32) (int32, driver.Result) {
	return d.FunctionGetAttribute(attribute, driver.Function(k))
}

// KernelSetAttribute implements driver.Modules.
func (d *Driver) KernelSetAttribute(k driver.Kernel, attribute, value int32) driver.Result {
	return d.FunctionSetAttribute(driver.Function(k), attribute, value)
}

// KernelSetCacheConfig implements driver.Modules.
func (d *Driver) KernelSetCacheConfig(driver.Kernel, uint32) driver.Result { return driver.Success }

// Launch implements driver.Launches.
func (d *Driver) Launch(l *driver.Launch) driver.Result {
	f, ok1 := d.functions.items[uint64(l.Function)]
	s, ok2 := d.stream(l.Stream)
	if !ok1 || !ok2 {
		return driver.ErrorInvalidHandle
	}
	if len(l.Params) < f.ParamBytes() {
		return driver.ErrorInvalidValue
	}
	together, r := cooperative(l)
	if r != driver.Success {
		return r
	}
	return d.result(s.Launch(gpu.Launch{
		Function: f, Grid: l.Grid, Block: l.Block, DynamicShared: l.Shared, Params: l.Params[:f.ParamBytes()], Cooperative: together,
	}))
}

// cooperative goes through the attributes: hints have no effect here, clusters
// and events inside a launch are not carried.
func cooperative(l *driver.Launch) (bool, driver.Result) {
	together := l.Cooperative
	le := binary.LittleEndian
	for a := l.Attributes; len(a) > 0; a = a[driver.LaunchAttributeSize:] {
		switch le.Uint32(a) {
		case driver.LaunchAttributeSynchronization:
			return false, driver.ErrorInvalidValue // of streams only
		case driver.LaunchAttributeAccessWindow:
			if ratio := math.Float32frombits(le.Uint32(a[24:])); ratio < 0 || ratio > 1 {
				return false, driver.ErrorInvalidValue
			}
		case driver.LaunchAttributeClusterScheduling:
			if le.Uint32(a[8:]) > 2 {
				return false, driver.ErrorInvalidValue
			}
		case driver.LaunchAttributeCarveout:
			if percent := int32(le.Uint32(a[8:])); percent < -1 || percent > 100 {
				return false, driver.ErrorInvalidValue
			}
		case driver.LaunchAttributeCooperative:
			together = le.Uint32(a[8:]) != 0
		case driver.LaunchAttributeClusterDimension:
			if le.Uint32(a[8:]) != 1 || le.Uint32(a[12:]) != 1 || le.Uint32(a[16:]) != 1 {
				return false, driver.ErrorNotSupported
			}
		case driver.LaunchAttributeProgrammaticEvent, driver.LaunchAttributeCompletionEvent:
			return false, driver.ErrorNotSupported
		}
	}
	return together, driver.Success
}

// occupancyFlags are CU_OCCUPANCY_DISABLE_CACHING_OVERRIDE, which changes nothing here.
const occupancyFlags = 1

// OccupancyBlocks implements driver.Launches. Of blocks that need more than a
// multiprocessor has, it holds none.
func (d *Driver) OccupancyBlocks(f driver.Function, blockSize int32, shared uint64, flags uint32) (int32, driver.Result) {
	function, ok := d.functions.items[uint64(f)]
	if !ok {
		return 0, driver.ErrorInvalidHandle
	}
	if blockSize <= 0 || flags&^occupancyFlags != 0 {
		return 0, driver.ErrorInvalidValue
	}
	return int32(function.Occupancy(int(blockSize), int(min(shared, sharedPerSM)))), driver.Success
}

// OccupancyShared implements driver.Launches: what so many blocks that fit can
// have, as far as the kernel's own limit goes.
func (d *Driver) OccupancyShared(f driver.Function, blocks, blockSize int32) (uint64, driver.Result) {
	function, ok := d.functions.items[uint64(f)]
	if !ok {
		return 0, driver.ErrorInvalidHandle
	}
	if blocks <= 0 || function.Occupancy(int(blockSize), 0) < int(blocks) {
		return 0, driver.ErrorInvalidValue
	}
	a := function.Attributes()
	return uint64(max(0, min(sharedPerSM/int(blocks)-sharedReserved-a.SharedSize, a.MaxDynamicShared))), driver.Success
}

// OccupancyClusters implements driver.Launches: this device has no clusters.
func (d *Driver) OccupancyClusters(*driver.Launch) (int32, driver.Result) {
	return 0, driver.ErrorNotSupported
}

// OccupancyClusterSize implements driver.Launches.
func (d *Driver) OccupancyClusterSize(*driver.Launch) (int32, driver.Result) {
	return 0, driver.ErrorNotSupported
}

// OccupancyPotential implements driver.Launches.
func (d *Driver) OccupancyPotential(f driver.Function, shared uint64, limit int32, flags uint32) (grid, block int32, r driver.Result) {
	function, ok := d.functions.items[uint64(f)]
	if !ok {
		return 0, 0, driver.ErrorInvalidHandle
	}
	if limit < 0 || flags&^occupancyFlags != 0 {
		return 0, 0, driver.ErrorInvalidValue
	}
	largest := function.Attributes().MaxThreadsPerBlock
	if limit > 0 {
		largest = min(largest, int(limit))
	}
	best := 0
	for size := largest; size > 0; size = (size - 1) / gpu.WarpSize * gpu.WarpSize {
		if n := function.Occupancy(size, int(min(shared, sharedPerSM))); n*size > best {
			best, grid, block = n*size, int32(n*multiprocessors), int32(size)
		}
	}
	return grid, block, driver.Success
}
