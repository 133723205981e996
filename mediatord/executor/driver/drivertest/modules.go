package drivertest

import "libvirt-vgpu/mediatord/executor/driver"

// ModuleLoad implements driver.Driver.
func (r *Recorder) ModuleLoad(image []byte, jit *driver.JIT) (driver.Module, driver.Result) {
	h, result := r.create("ModuleLoad", image, jit)
	return driver.Module(h), result
}

// ModuleUnload implements driver.Driver.
func (r *Recorder) ModuleUnload(m driver.Module) driver.Result {
	return r.call("ModuleUnload", m)
}

// ModuleFunction implements driver.Driver.
func (r *Recorder) ModuleFunction(m driver.Module, name string) (driver.Function, driver.Result) {
	h, result := r.create("ModuleFunction", m, name)
	return driver.Function(h), result
}

// ModuleGlobal implements driver.Driver.
func (r *Recorder) ModuleGlobal(m driver.Module, name string) (uint64, uint64, driver.Result) {
	return 1, 1, r.call("ModuleGlobal", m, name)
}

// LibraryLoad implements driver.Driver.
func (r *Recorder) LibraryLoad(image []byte, jit *driver.JIT) (driver.Library, driver.Result) {
	h, result := r.create("LibraryLoad", image, jit)
	return driver.Library(h), result
}

// LibraryUnload implements driver.Driver.
func (r *Recorder) LibraryUnload(l driver.Library) driver.Result {
	return r.call("LibraryUnload", l)
}

// LibraryKernel implements driver.Driver.
func (r *Recorder) LibraryKernel(l driver.Library, name string) (driver.Kernel, driver.Result) {
	h, result := r.create("LibraryKernel", l, name)
	return driver.Kernel(h), result
}

// LibraryModule implements driver.Driver.
func (r *Recorder) LibraryModule(l driver.Library) (driver.Module, driver.Result) {
	h, result := r.create("LibraryModule", l)
	return driver.Module(h), result
}

// LibraryGlobal implements driver.Driver.
func (r *Recorder) LibraryGlobal(l driver.Library, name string) (uint64, uint64, driver.Result) {
	return 1, 1, r.call("LibraryGlobal", l, name)
}

// LibraryKernelCount implements driver.Driver.
func (r *Recorder) LibraryKernelCount(l driver.Library) (uint32, driver.Result) {
	return 1, r.call("LibraryKernelCount", l)
}

// ModuleFunctionCount implements driver.Driver.
func (r *Recorder) ModuleFunctionCount(m driver.Module) (uint32, driver.Result) {
	return 1, r.call("ModuleFunctionCount", m)
}

// ModuleFunctionNames implements driver.Driver.
func (r *Recorder) ModuleFunctionNames(m driver.Module) ([]string, driver.Result) {
	return []string{"first", "second"}, r.call("ModuleFunctionNames", m)
}

// LibraryKernelNames implements driver.Driver.
func (r *Recorder) LibraryKernelNames(l driver.Library) ([]string, driver.Result) {
	return []string{"first", "second"}, r.call("LibraryKernelNames", l)
}
