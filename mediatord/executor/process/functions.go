package process

import (
	"libvirt-vgpu/mediatord/executor/driver"
	"libvirt-vgpu/mediatord/executor/handle"
	"libvirt-vgpu/mediatord/executor/wire"
	"libvirt-vgpu/plugin/api"
)

// ModuleFunction implements wire.Handler.
func (p *Process) ModuleFunction(_ wire.Call, in wire.ModuleFunction) (wire.ModuleFunctionReply, driver.Result) {
	native, ok := p.tables.Get(driver.KindModule, in.M)
	if !ok || !p.tables.Free(driver.KindFunction, in.F) {
		return wire.ModuleFunctionReply{}, driver.ErrorInvalidHandle
	}
	name, ok := symbolName(in.Name)
	if !ok {
		return wire.ModuleFunctionReply{}, driver.ErrorNotFound
	}
	if r := p.useFunction(in.M, name); r != driver.Success {
		return wire.ModuleFunctionReply{}, r
	}
	f, r := p.Driver.ModuleFunction(driver.Module(native), name)
	if r != driver.Success {
		return wire.ModuleFunctionReply{}, r
	}
	info, parameters, r := p.functionInfo(f)
	if r == driver.Success {
		p.tables.PutOwned(driver.KindFunction, in.F, uint64(f), handle.Owner{Kind: driver.KindModule, Number: in.M})
		p.noteParameters(driver.KindFunction, in.F, parameters)
	}
	return wire.ModuleFunctionReply{Info: info}, r
}

// LibraryFind implements wire.Handler.
func (p *Process) LibraryFind(_ wire.Call, in wire.LibraryFind) driver.Result {
	_, r := p.findKernel(in.K, in.L, in.Name)
	return r
}

// LibraryKernel implements wire.Handler: library_find and kernel_info in one.
func (p *Process) LibraryKernel(_ wire.Call, in wire.LibraryKernel) (wire.LibraryKernelReply, driver.Result) {
	k, r := p.findKernel(in.K, in.L, in.Name)
	if r != driver.Success {
		return wire.LibraryKernelReply{}, r
	}
	info, r := p.kernelInfo(in.K, k)
	if r != driver.Success {
		p.tables.Delete(driver.KindKernel, in.K)
	}
	return wire.LibraryKernelReply{Info: info}, r
}

// findKernel gives a library's kernel the number that the process chose.
func (p *Process) findKernel(number, library uint32, name []byte) (driver.Kernel, driver.Result) {
	native, ok := p.tables.Get(driver.KindLibrary, library)
	if !ok || !p.tables.Free(driver.KindKernel, number) {
		return 0, driver.ErrorInvalidHandle
	}
	text, ok := symbolName(name)
	if !ok {
		return 0, driver.ErrorNotFound
	}
	k, r := p.Driver.LibraryKernel(driver.Library(native), text)
	if r == driver.Success {
		p.tables.PutOwned(driver.KindKernel, number, uint64(k), handle.Owner{Kind: driver.KindLibrary, Number: library})
		p.graphs.kernelNames[number] = text
	}
	return k, r
}

// KernelInfo implements wire.Handler.
func (p *Process) KernelInfo(_ wire.Call, in wire.KernelInfo) (wire.KernelInfoReply, driver.Result) {
	native, ok := p.tables.Get(driver.KindKernel, in.K)
	if !ok {
		return wire.KernelInfoReply{}, driver.ErrorInvalidHandle
	}
	info, r := p.kernelInfo(in.K, driver.Kernel(native))
	return wire.KernelInfoReply{Info: info}, r
}

func (p *Process) kernelInfo(number uint32, k driver.Kernel) ([]byte, driver.Result) {
	if r := p.useKernel(number); r != driver.Success {
		return nil, r
	}
	info, parameters, r := describeFunction(
		func(a int32) (int32, driver.Result) { return p.Driver.KernelGetAttribute(k, a) },
		func(i int) (uint64, uint64, driver.Result) { return p.Driver.KernelParam(k, i) })
	if r == driver.Success {
		p.noteParameters(driver.KindKernel, number, parameters)
	}
	return info, r
}

// KernelFunction implements wire.Handler.
func (p *Process) KernelFunction(_ wire.Call, in wire.KernelFunction) (wire.KernelFunctionReply, driver.Result) {
	native, ok := p.tables.Get(driver.KindKernel, in.K)
	if !ok || !p.tables.Free(driver.KindFunction, in.F) {
		return wire.KernelFunctionReply{}, driver.ErrorInvalidHandle
	}
	if r := p.useKernel(in.K); r != driver.Success {
		return wire.KernelFunctionReply{}, r
	}
	f, r := p.Driver.KernelFunction(driver.Kernel(native))
	if r != driver.Success {
		return wire.KernelFunctionReply{}, r
	}
	info, parameters, r := p.functionInfo(f)
	if r == driver.Success {
		p.tables.PutOwned(driver.KindFunction, in.F, uint64(f), handle.Owner{Kind: driver.KindKernel, Number: in.K})
		p.noteParameters(driver.KindFunction, in.F, parameters)
	}
	return wire.KernelFunctionReply{Info: info}, r
}

func (p *Process) functionInfo(f driver.Function) (info []byte, parameters uint32, r driver.Result) {
	return describeFunction(
		func(a int32) (int32, driver.Result) { return p.Driver.FunctionGetAttribute(a, f) },
		func(i int) (uint64, uint64, driver.Result) { return p.Driver.FunctionParam(f, i) })
}

// describeFunction collects what plugin/api/function.go lays out, and how many bytes of
// parameters there are.
func describeFunction(attribute func(int32) (int32, driver.Result), param func(int) (uint64, uint64, driver.Result)) ([]byte, uint32, driver.Result) {
	var info api.FunctionInfo
	for i := range info.Attributes {
		value, r := attribute(int32(i))
		if r != driver.Success {
			value = api.NoAttribute
		}
		info.Attributes[i] = value
	}
	for i := 0; ; i++ {
		offset, size, r := param(i)
		if r == driver.ErrorInvalidValue {
			break
		}
		if r != driver.Success {
			return nil, 0, r
		}
		info.Parameters = append(info.Parameters, api.Parameter{Offset: uint32(offset), Size: uint32(size)})
		if len(info.Parameters) > api.MaxParameters {
			break
		}
	}
	out, err := info.MarshalBinary()
	if err != nil {
		return nil, 0, driver.ErrorNotSupported
	}
	return out, info.Bytes(), driver.Success
}

// KernelSetAttribute implements wire.Handler.
func (p *Process) KernelSetAttribute(_ wire.Call, in wire.KernelSetAttribute) driver.Result {
	native, ok := p.tables.Get(driver.KindKernel, in.K)
	if !ok {
		return driver.ErrorInvalidHandle
	}
	return p.Driver.KernelSetAttribute(driver.Kernel(native), in.Attribute, in.Value)
}

// KernelGetAttribute implements wire.Handler.
func (p *Process) KernelGetAttribute(_ wire.Call, in wire.KernelGetAttribute) (wire.KernelGetAttributeReply, driver.Result) {
	native, ok := p.tables.Get(driver.KindKernel, in.K)
	if !ok {
		return wire.KernelGetAttributeReply{}, driver.ErrorInvalidHandle
	}
	value, r := p.Driver.KernelGetAttribute(driver.Kernel(native), in.Attribute)
	return wire.KernelGetAttributeReply{Value: value}, r
}

// KernelSetCacheConfig implements wire.Handler.
func (p *Process) KernelSetCacheConfig(_ wire.Call, in wire.KernelSetCacheConfig) driver.Result {
	native, ok := p.tables.Get(driver.KindKernel, in.K)
	if !ok {
		return driver.ErrorInvalidHandle
	}
	return p.Driver.KernelSetCacheConfig(driver.Kernel(native), in.Config)
}
