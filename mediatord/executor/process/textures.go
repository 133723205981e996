package process

import (
	"encoding/binary"

	"libvirt-vgpu/mediatord/executor/driver"
	"libvirt-vgpu/mediatord/executor/handle"
	"libvirt-vgpu/mediatord/executor/wire"
)

// A texture or surface object is a number that kernels take as a parameter, so
// the process holds the driver's own. bindless are those that it was given: the
// driver believes whatever it is asked about.
type bindless map[bindlessKey]struct{}

type bindlessKey struct {
	context uint32
	surface bool
	object  uint64
}

func (b bindless) ended(context uint32) {
	for key := range b {
		if key.context == context {
			delete(b, key)
		}
	}
}

// patchResource puts the native handle for the number in a CUDA_RESOURCE_DESC.
func (p *Process) patchResource(resource []byte) driver.Result {
	le := binary.LittleEndian
	kind := driver.KindArray
	switch le.Uint32(resource) {
	case driver.ResourceArray:
	case driver.ResourceMipmap:
		kind = driver.KindMipmap
	case driver.ResourceLinear, driver.ResourcePitch2D:
		return driver.Success
	default:
		return driver.ErrorInvalidValue
	}
	native, ok := p.tables.Get(kind, le.Uint32(resource[driver.ResourceHandle:]))
	if !ok {
		return driver.ErrorInvalidHandle
	}
	le.PutUint64(resource[driver.ResourceHandle:], native)
	return driver.Success
}

// hideHandle takes the native handle out of a CUDA_RESOURCE_DESC.
func hideHandle(resource []byte) {
	switch binary.LittleEndian.Uint32(resource) {
	case driver.ResourceArray, driver.ResourceMipmap:
		clear(resource[driver.ResourceHandle : driver.ResourceHandle+8])
	}
}

// TextureCreate implements wire.Handler.
func (p *Process) TextureCreate(_ wire.Call, in wire.TextureCreate) (wire.TextureCreateReply, driver.Result) {
	if r := p.patchResource(in.Resource[:]); r != driver.Success {
		return wire.TextureCreateReply{}, r
	}
	var view []byte
	if in.Viewed != 0 {
		view = in.View[:]
	}
	object, r := p.Driver.TextureCreate(in.Resource[:], in.Texture[:], view)
	if r == driver.Success {
		p.bindless[bindlessKey{p.tables.Context, false, object}] = struct{}{}
	}
	return wire.TextureCreateReply{Object: object}, r
}

func (n *native) texture(object uint64) bool {
	_, ok := n.process.bindless[bindlessKey{n.process.current, false, object}]
	return ok
}

func (n *native) surface(object uint64) bool {
	_, ok := n.process.bindless[bindlessKey{n.process.current, true, object}]
	return ok
}

// TextureDestroy leaves alone what the process was not given, as the driver does.
func (n *native) TextureDestroy(object uint64) driver.Result {
	if !n.texture(object) {
		return driver.Success
	}
	r := n.Driver.TextureDestroy(object)
	if r == driver.Success {
		delete(n.process.bindless, bindlessKey{n.process.current, false, object})
	}
	return r
}

// TextureResource refuses what the process was not given.
func (n *native) TextureResource(object uint64) (resource [144]byte, r driver.Result) {
	if !n.texture(object) {
		return resource, driver.ErrorInvalidValue
	}
	resource, r = n.Driver.TextureResource(object)
	hideHandle(resource[:])
	return resource, r
}

// TextureDescription refuses what the process was not given.
func (n *native) TextureDescription(object uint64) (texture [104]byte, r driver.Result) {
	if !n.texture(object) {
		return texture, driver.ErrorInvalidValue
	}
	return n.Driver.TextureDescription(object)
}

// TextureView refuses what the process was not given.
func (n *native) TextureView(object uint64) (view [112]byte, r driver.Result) {
	if !n.texture(object) {
		return view, driver.ErrorInvalidValue
	}
	return n.Driver.TextureView(object)
}

// SurfaceCreate translates the array's handle.
func (n *native) SurfaceCreate(resource []byte) (uint64, driver.Result) {
	if r := n.process.patchResource(resource); r != driver.Success {
		return 0, r
	}
	object, r := n.Driver.SurfaceCreate(resource)
	if r == driver.Success {
		n.process.bindless[bindlessKey{n.process.current, true, object}] = struct{}{}
	}
	return object, r
}

// SurfaceDestroy leaves alone what the process was not given, as the driver does.
func (n *native) SurfaceDestroy(object uint64) driver.Result {
	if !n.surface(object) {
		return driver.Success
	}
	r := n.Driver.SurfaceDestroy(object)
	if r == driver.Success {
		delete(n.process.bindless, bindlessKey{n.process.current, true, object})
	}
	return r
}

// SurfaceResource refuses what the process was not given.
func (n *native) SurfaceResource(object uint64) (resource [144]byte, r driver.Result) {
	if !n.surface(object) {
		return resource, driver.ErrorInvalidValue
	}
	resource, r = n.Driver.SurfaceResource(object)
	hideHandle(resource[:])
	return resource, r
}

// ModuleTexref implements wire.Handler.
func (p *Process) ModuleTexref(_ wire.Call, in wire.ModuleTexref) driver.Result {
	return reference(p, in.M, in.Name, driver.KindTexref, in.Ref, p.Driver.ModuleTexref)
}

// ModuleSurfref implements wire.Handler.
func (p *Process) ModuleSurfref(_ wire.Call, in wire.ModuleSurfref) driver.Result {
	return reference(p, in.M, in.Name, driver.KindSurfref, in.Ref, p.Driver.ModuleSurfref)
}

// reference gives a number to a module's texture or surface reference, which ends with the module.
func reference[Reference ~uint64](p *Process, module uint32, symbol []byte, kind driver.Kind, number uint32,
	find func(driver.Module, string) (Reference, driver.Result),
) driver.Result {
	native, ok := p.tables.Get(driver.KindModule, module)
	if !ok || !p.tables.Free(kind, number) {
		return driver.ErrorInvalidHandle
	}
	name, ok := symbolName(symbol)
	if !ok {
		return driver.ErrorNotFound
	}
	found, r := find(driver.Module(native), name)
	if r == driver.Success {
		p.tables.PutOwned(kind, number, uint64(found), handle.Owner{Kind: driver.KindModule, Number: module})
	}
	return r
}

// TexrefHasArray implements wire.Handler. The handle itself is the process's to
// know.
func (p *Process) TexrefHasArray(_ wire.Call, in wire.TexrefHasArray) driver.Result {
	return has(p, driver.KindTexref, in.Ref, p.Driver.TexrefArray)
}

// TexrefHasMipmap implements wire.Handler.
func (p *Process) TexrefHasMipmap(_ wire.Call, in wire.TexrefHasMipmap) driver.Result {
	return has(p, driver.KindTexref, in.Ref, p.Driver.TexrefMipmap)
}

// SurfrefHasArray implements wire.Handler.
func (p *Process) SurfrefHasArray(_ wire.Call, in wire.SurfrefHasArray) driver.Result {
	return has(p, driver.KindSurfref, in.Ref, p.Driver.SurfrefArray)
}

// has asks the driver for what is bound to a reference and tells only whether there is something.
func has[Reference, Bound ~uint64](p *Process, kind driver.Kind, number uint32, bound func(Reference) (Bound, driver.Result)) driver.Result {
	native, ok := p.tables.Get(kind, number)
	if !ok {
		return driver.ErrorInvalidHandle
	}
	_, r := bound(Reference(native))
	return r
}
