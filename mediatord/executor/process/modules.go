package process

import (
	"bytes"

	"libvirt-vgpu/mediatord/executor/driver"
	"libvirt-vgpu/mediatord/executor/handle"
	"libvirt-vgpu/mediatord/executor/wire"
	"libvirt-vgpu/plugin/api"
	"libvirt-vgpu/plugin/window"
)

// ModuleLoad implements wire.Handler.
func (p *Process) ModuleLoad(_ wire.Call, in wire.ModuleLoad) (wire.ModuleLoadReply, driver.Result) {
	if !p.tables.Free(driver.KindModule, in.M) {
		return wire.ModuleLoadReply{}, driver.ErrorInvalidHandle
	}
	image, jit, r := p.loadArguments(in.Image, in.Options, in.Jit)
	if r != driver.Success {
		return wire.ModuleLoadReply{}, r
	}
	of := handle.Owner{Kind: driver.KindModule, Number: in.M}
	description, r := p.reserveCode(of, p.tables.Context, image)
	if r != driver.Success {
		return wire.ModuleLoadReply{}, r
	}
	m, r := p.Driver.ModuleLoad(image.bytes, jit)
	if r != driver.Success {
		p.costs.unload(of)
	} else {
		p.tables.Put(driver.KindModule, in.M, uint64(m))
		p.expectPrinting(description)
	}
	return wire.ModuleLoadReply{Logs: api.JITLogs(jit.Info, jit.Error, window.RepDataMax)}, r
}

// LibraryLoad implements wire.Handler.
func (p *Process) LibraryLoad(_ wire.Call, in wire.LibraryLoad) (wire.LibraryLoadReply, driver.Result) {
	if !p.tables.Free(driver.KindLibrary, in.L) {
		return wire.LibraryLoadReply{}, driver.ErrorInvalidHandle
	}
	image, jit, r := p.loadArguments(in.Image, in.Options, in.Jit)
	if r != driver.Success {
		return wire.LibraryLoadReply{}, r
	}
	of := handle.Owner{Kind: driver.KindLibrary, Number: in.L}
	description, r := p.reserveCode(of, everyContext, image)
	if r != driver.Success {
		return wire.LibraryLoadReply{}, r
	}
	l, r := p.Driver.LibraryLoad(image.bytes, jit)
	if r != driver.Success {
		p.costs.unload(of)
	} else {
		p.tables.Put(driver.KindLibrary, in.L, uint64(l))
		p.expectPrinting(description)
	}
	return wire.LibraryLoadReply{Logs: api.JITLogs(jit.Info, jit.Error, window.RepDataMax)}, r
}

func (p *Process) loadArguments(number, options uint32, pairs []byte) (completeImage, *driver.JIT, driver.Result) {
	if uint64(len(pairs)) != uint64(options)*8 {
		return completeImage{}, nil, p.violate("loading image %d: %d bytes for %d options", number, len(pairs), options)
	}
	jit, ok := decodeJIT(pairs)
	if !ok {
		return completeImage{}, nil, driver.ErrorInvalidValue
	}
	image, r := p.completeImage(number)
	return image, jit, r
}

// ModuleUnload implements wire.Handler. A library's module is not unloaded by itself.
func (p *Process) ModuleUnload(_ wire.Call, in wire.ModuleUnload) driver.Result {
	native, ok := p.tables.Get(driver.KindModule, in.M)
	if !ok {
		return driver.ErrorInvalidHandle
	}
	r := p.Driver.ModuleUnload(driver.Module(native))
	if r == driver.Success {
		p.unloaded(handle.Owner{Kind: driver.KindModule, Number: in.M})
	}
	return r
}

// LibraryUnload implements wire.Handler.
func (p *Process) LibraryUnload(_ wire.Call, in wire.LibraryUnload) driver.Result {
	native, ok := p.tables.Get(driver.KindLibrary, in.L)
	if !ok {
		return driver.ErrorInvalidHandle
	}
	r := p.Driver.LibraryUnload(driver.Library(native))
	if r == driver.Success {
		p.unloaded(handle.Owner{Kind: driver.KindLibrary, Number: in.L})
	}
	return r
}

// unloaded forgets a module or a library and what it cost.
func (p *Process) unloaded(image handle.Owner) {
	p.tables.Delete(image.Kind, image.Number)
	p.costs.unload(image)
	delete(p.names, image)
}

// LibraryModule implements wire.Handler.
func (p *Process) LibraryModule(_ wire.Call, in wire.LibraryModule) driver.Result {
	native, ok := p.tables.Get(driver.KindLibrary, in.L)
	if !ok || !p.tables.Free(driver.KindModule, in.M) {
		return driver.ErrorInvalidHandle
	}
	m, r := p.Driver.LibraryModule(driver.Library(native))
	if r == driver.Success {
		p.tables.PutOwned(driver.KindModule, in.M, uint64(m), handle.Owner{Kind: driver.KindLibrary, Number: in.L})
	}
	return r
}

// ModuleGlobal implements wire.Handler.
func (p *Process) ModuleGlobal(_ wire.Call, in wire.ModuleGlobal) (wire.ModuleGlobalReply, driver.Result) {
	native, ok := p.tables.Get(driver.KindModule, in.M)
	if !ok {
		return wire.ModuleGlobalReply{}, driver.ErrorInvalidHandle
	}
	name, ok := symbolName(in.Name)
	if !ok {
		return wire.ModuleGlobalReply{}, driver.ErrorNotFound
	}
	address, size, r := p.Driver.ModuleGlobal(driver.Module(native), name)
	return wire.ModuleGlobalReply{Address: address, Size: size}, r
}

// LibraryGlobal implements wire.Handler.
func (p *Process) LibraryGlobal(_ wire.Call, in wire.LibraryGlobal) (wire.LibraryGlobalReply, driver.Result) {
	native, ok := p.tables.Get(driver.KindLibrary, in.L)
	if !ok {
		return wire.LibraryGlobalReply{}, driver.ErrorInvalidHandle
	}
	name, ok := symbolName(in.Name)
	if !ok {
		return wire.LibraryGlobalReply{}, driver.ErrorNotFound
	}
	address, size, r := p.Driver.LibraryGlobal(driver.Library(native), name)
	return wire.LibraryGlobalReply{Address: address, Size: size}, r
}

// symbolName takes a name with or without its NUL; one inside names nothing.
func symbolName(b []byte) (string, bool) {
	name := bytes.TrimSuffix(b, []byte{0})
	return string(name), len(name) > 0 && bytes.IndexByte(name, 0) < 0
}

// LibraryNames implements wire.Handler.
func (p *Process) LibraryNames(_ wire.Call, in wire.LibraryNames) (wire.LibraryNamesReply, driver.Result) {
	native, ok := p.tables.Get(driver.KindLibrary, in.L)
	if !ok {
		return wire.LibraryNamesReply{}, driver.ErrorInvalidHandle
	}
	names, r := p.namesOf(handle.Owner{Kind: driver.KindLibrary, Number: in.L}, func() ([]string, driver.Result) {
		return p.Driver.LibraryKernelNames(driver.Library(native))
	})
	return wire.LibraryNamesReply{Names: namesFrom(names, in.First)}, r
}

// ModuleNames implements wire.Handler.
func (p *Process) ModuleNames(_ wire.Call, in wire.ModuleNames) (wire.ModuleNamesReply, driver.Result) {
	native, ok := p.tables.Get(driver.KindModule, in.M)
	if !ok {
		return wire.ModuleNamesReply{}, driver.ErrorInvalidHandle
	}
	names, r := p.namesOf(handle.Owner{Kind: driver.KindModule, Number: in.M}, func() ([]string, driver.Result) {
		return p.Driver.ModuleFunctionNames(driver.Module(native))
	})
	return wire.ModuleNamesReply{Names: namesFrom(names, in.First)}, r
}

// namesOf asks once per module or library: a process reads the list in pieces.
func (p *Process) namesOf(of handle.Owner, ask func() ([]string, driver.Result)) ([]string, driver.Result) {
	if names, ok := p.names[of]; ok {
		return names, driver.Success
	}
	names, r := ask()
	if r == driver.Success {
		p.names[of] = names
	}
	return names, r
}

// namesFrom packs as many names as a reply holds, each with its NUL. A name that
// fits into no reply comes cut, so that the list goes on.
func namesFrom(names []string, first uint32) []byte {
	var out []byte
	if uint64(first) >= uint64(len(names)) {
		return nil
	}
	for _, name := range names[first:] {
		name = name[:min(len(name), window.RepDataMax-1)]
		if len(out)+len(name)+1 > window.RepDataMax {
			break
		}
		out = append(append(out, name...), 0)
	}
	return out
}
