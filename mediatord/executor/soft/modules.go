package soft

import (
	"sort"

	"libvirt-vgpu/mediatord/executor/driver"
)

// A library is a module, a kernel its function: they share their numbers.

// ModuleLoad implements driver.Modules.
func (d *Driver) ModuleLoad(image []byte, jit *driver.JIT) (driver.Module, driver.Result) {
	texts, r := d.texts(image)
	if r != driver.Success {
		return 0, r
	}
	for _, text := range texts {
		m, err := d.dev.LoadModule(text)
		if err == nil {
			return driver.Module(d.modules.put(m)), driver.Success
		}
		if r == driver.Success { // the best text's reason is the answer
			r = d.result(err)
			reason := err.Error()
			jit.Error = []byte(reason[:min(len(reason), int(jit.ErrorSize))])
		}
	}
	return 0, r
}

// ModuleUnload implements driver.Modules. It waits for the streams.
func (d *Driver) ModuleUnload(m driver.Module) driver.Result {
	module, ok := d.modules.take(uint64(m))
	if !ok {
		return driver.ErrorInvalidHandle
	}
	for number, f := range d.functions.items {
		if f.Module() == module {
			delete(d.functions.items, number)
		}
	}
	return d.result(module.Unload())
}

// ModuleFunction implements driver.Modules.
func (d *Driver) ModuleFunction(m driver.Module, name string) (driver.Function, driver.Result) {
	module, ok := d.modules.items[uint64(m)]
	if !ok {
		return 0, driver.ErrorInvalidHandle
	}
	f, err := module.Function(name)
	if err != nil {
		return 0, d.result(err)
	}
	for number, known := range d.functions.items {
		if known == f {
			return driver.Function(number), driver.Success
		}
	}
	return driver.Function(d.functions.put(f)), driver.Success
}

// ModuleFunctionNames implements driver.Modules.
func (d *Driver) ModuleFunctionNames(m driver.Module) ([]string, driver.Result) {
	module, ok := d.modules.items[uint64(m)]
	if !ok {
		return nil, driver.ErrorInvalidHandle
	}
	names := module.Kernels()
	sort.Strings(names)
	return names, driver.Success
}

// ModuleFunctionCount implements driver.Native.
func (d *Driver) ModuleFunctionCount(m driver.Module) (uint32, driver.Result) {
	names, r := d.ModuleFunctionNames(m)
	return uint32(len(names)), r
}

// ModuleGlobal implements driver.Modules.
func (d *Driver) ModuleGlobal(m driver.Module, name string) (address, size uint64, r driver.Result) {
	module, ok := d.modules.items[uint64(m)]
	if !ok {
		return 0, 0, driver.ErrorInvalidHandle
	}
	address, size, err := module.Global(name)
	return address, size, d.result(err)
}

// LibraryLoad implements driver.Modules.
func (d *Driver) LibraryLoad(image []byte, jit *driver.JIT) (driver.Library, driver.Result) {
	m, r := d.ModuleLoad(image, jit)
	return driver.Library(m), r
}

// LibraryUnload implements driver.Modules.
func (d *Driver) LibraryUnload(l driver.Library) driver.Result {
	return d.ModuleUnload(driver.Module(l))
}

// LibraryKernel implements driver.Modules.
func (d *Driver) LibraryKernel(l driver.Library, name string) (driver.Kernel, driver.Result) {
	f, r := d.ModuleFunction(driver.Module(l), name)
	return driver.Kernel(f), r
}

// LibraryKernelNames implements driver.Modules.
func (d *Driver) LibraryKernelNames(l driver.Library) ([]string, driver.Result) {
	return d.ModuleFunctionNames(driver.Module(l))
}

// LibraryKernelCount implements driver.Native.
func (d *Driver) LibraryKernelCount(l driver.Library) (uint32, driver.Result) {
	return d.ModuleFunctionCount(driver.Module(l))
}

// LibraryModule implements driver.Modules.
func (d *Driver) LibraryModule(l driver.Library) (driver.Module, driver.Result) {
	if _, ok := d.modules.items[uint64(l)]; !ok {
		return 0, driver.ErrorInvalidHandle
	}
	return driver.Module(l), driver.Success
}

// LibraryGlobal implements driver.Modules.
func (d *Driver) LibraryGlobal(l driver.Library, name string) (address, size uint64, r driver.Result) {
	return d.ModuleGlobal(driver.Module(l), name)
}

// KernelFunction implements driver.Modules.
func (d *Driver) KernelFunction(k driver.Kernel) (driver.Function, driver.Result) {
	if _, ok := d.functions.items[uint64(k)]; !ok {
		return 0, driver.ErrorInvalidHandle
	}
	return driver.Function(k), driver.Success
}

// FunctionName implements driver.Modules.
func (d *Driver) FunctionName(f driver.Function) (string, driver.Result) {
	function, ok := d.functions.items[uint64(f)]
	if !ok {
		return "", driver.ErrorInvalidHandle
	}
	return function.Name(), driver.Success
}

// FunctionParam implements driver.Modules.
func (d *Driver) FunctionParam(f driver.Function, i int) (offset, size uint64, r driver.Result) {
	function, ok := d.functions.items[uint64(f)]
	if !ok {
		return 0, 0, driver.ErrorInvalidHandle
	}
	params := function.Params()
	if i >= len(params) {
		return 0, 0, driver.ErrorInvalidValue
	}
	return uint64(params[i].Offset), uint64(params[i].Size), driver.Success
}

// KernelParam implements driver.Modules.
func (d *Driver) KernelParam(k driver.Kernel, i int) (offset, size uint64, r driver.Result) {
	return d.FunctionParam(driver.Function(k), i)
}
