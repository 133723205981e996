package drivertest

import "libvirt-vgpu/mediatord/executor/driver"

// Launch implements driver.Driver.
func (r *Recorder) Launch(l *driver.Launch) driver.Result {
	return r.call("Launch", l)
}

// OccupancyBlocks implements driver.Driver.
func (r *Recorder) OccupancyBlocks(f driver.Function, blockSize int32, shared uint64, flags uint32) (int32, driver.Result) {
	return 1, r.call("OccupancyBlocks", f, blockSize, shared, flags)
}

// OccupancyShared implements driver.Driver.
func (r *Recorder) OccupancyShared(f driver.Function, blocks int32, blockSize int32) (uint64, driver.Result) {
	return 1, r.call("OccupancyShared", f, blocks, blockSize)
}

// OccupancyClusters implements driver.Driver.
func (r *Recorder) OccupancyClusters(l *driver.Launch) (int32, driver.Result) {
	return 1, r.call("OccupancyClusters", l)
}

// OccupancyClusterSize implements driver.Driver.
func (r *Recorder) OccupancyClusterSize(l *driver.Launch) (int32, driver.Result) {
	return 1, r.call("OccupancyClusterSize", l)
}

// OccupancyPotential implements driver.Driver.
func (r *Recorder) OccupancyPotential(f driver.Function, shared uint64, limit int32, flags uint32) (int32, int32, driver.Result) {
	return 1, 1, r.call("OccupancyPotential", f, shared, limit, flags)
}
