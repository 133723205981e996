package drivertest

import "libvirt-vgpu/mediatord/executor/driver"

// KernelFunction implements driver.Driver.
func (r *Recorder) KernelFunction(k driver.Kernel) (driver.Function, driver.Result) {
	h, result := r.create("KernelFunction", k)
	return driver.Function(h), result
}

// KernelGetAttribute implements driver.Driver.
func (r *Recorder) KernelGetAttribute(k driver.Kernel, attribute int32) (int32, driver.Result) {
	return 1, r.call("KernelGetAttribute", k, attribute)
}

// KernelSetAttribute implements driver.Driver.
func (r *Recorder) KernelSetAttribute(k driver.Kernel, attribute int32, value int32) driver.Result {
	return r.call("KernelSetAttribute", k, attribute, value)
}

// KernelSetCacheConfig implements driver.Driver.
func (r *Recorder) KernelSetCacheConfig(k driver.Kernel, config uint32) driver.Result {
	return r.call("KernelSetCacheConfig", k, config)
}

// FunctionSetAttribute implements driver.Driver.
func (r *Recorder) FunctionSetAttribute(f driver.Function, attribute int32, value int32) driver.Result {
	return r.call("FunctionSetAttribute", f, attribute, value)
}

// FunctionGetAttribute implements driver.Driver.
func (r *Recorder) FunctionGetAttribute(attribute int32, f driver.Function) (int32, driver.Result) {
	return 1, r.call("FunctionGetAttribute", attribute, f)
}

// FunctionSetCacheConfig implements driver.Driver.
func (r *Recorder) FunctionSetCacheConfig(f driver.Function, config uint32) driver.Result {
	return r.call("FunctionSetCacheConfig", f, config)
}

// FunctionLoad implements driver.Driver.
func (r *Recorder) FunctionLoad(f driver.Function) driver.Result {
	return r.call("FunctionLoad", f)
}

// FunctionParam implements driver.Driver: parameters of 8 bytes.
func (r *Recorder) FunctionParam(_ driver.Function, i int) (offset, size uint64, result driver.Result) {
	if i >= r.Params {
		return 0, 0, driver.ErrorInvalidValue
	}
	return uint64(i) * 8, 8, driver.Success
}

// KernelParam implements driver.Driver.
func (r *Recorder) KernelParam(_ driver.Kernel, i int) (offset, size uint64, result driver.Result) {
	return r.FunctionParam(0, i)
}
