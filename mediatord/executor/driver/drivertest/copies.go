package drivertest

import "libvirt-vgpu/mediatord/executor/driver"

// CopyHtoD implements driver.Driver.
func (r *Recorder) CopyHtoD(dst uint64, src uint64, size uint64, s driver.Stream) driver.Result {
	return r.call("CopyHtoD", dst, src, size, s)
}

// CopyHtoDBytes implements driver.Driver.
func (r *Recorder) CopyHtoDBytes(dst uint64, data []byte, s driver.Stream) driver.Result {
	return r.call("CopyHtoDBytes", dst, data, s)
}

// CopyDtoH implements driver.Driver.
func (r *Recorder) CopyDtoH(dst uint64, src uint64, size uint64, s driver.Stream) driver.Result {
	return r.call("CopyDtoH", dst, src, size, s)
}

// Fill implements driver.Driver.
func (r *Recorder) Fill(dst uint64, pitch uint64, value uint32, element uint32, width uint64, height uint64, s driver.Stream) driver.Result {
	return r.call("Fill", dst, pitch, value, element, width, height, s)
}

// Copy3D implements driver.Driver.
func (r *Recorder) Copy3D(c *driver.Copy3D, s driver.Stream) driver.Result {
	return r.call("Copy3D", c, s)
}

// CopyDtoD implements driver.Driver.
func (r *Recorder) CopyDtoD(dst uint64, src uint64, size uint64, s driver.Stream) driver.Result {
	return r.call("CopyDtoD", dst, src, size, s)
}
