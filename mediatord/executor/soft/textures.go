package soft

import (
	"encoding/binary"

	"libvirt-vgpu/mediatord/executor/driver"
)

// texture is what a texture or surface object was made of. Objects can be made
// and asked about; kernels that sample are refused when they are compiled.
type texture struct {
	resource [144]byte
	texture  [104]byte
	view     [112]byte
	viewed   bool
}

const resourceFlags = 136 // of CUDA_RESOURCE_DESC, which are 0

// bindable says whether the resource is there.
func (d *Driver) bindable(resource []byte) bool {
	handle := binary.LittleEndian.Uint64(resource[driver.ResourceHandle:])
	if binary.LittleEndian.Uint32(resource[resourceFlags:]) != 0 {
		return false
	}
	switch binary.LittleEndian.Uint32(resource) {
	case driver.ResourceArray:
		_, ok := d.arrays.items[handle]
		return ok
	case driver.ResourceMipmap:
		_, ok := d.mipmaps.items[handle]
		return ok
	}
	_, _, mapped := d.dev.Bounds(handle)
	return mapped
}

// TextureCreate implements driver.Arrays.
func (d *Driver) TextureCreate(resource, description, view []byte) (uint64, driver.Result) {
	if !d.bindable(resource) {
		return 0, driver.ErrorInvalidValue
	}
	t := &texture{viewed: view != nil}
	copy(t.resource[:], resource)
	copy(t.texture[:], description)
	copy(t.view[:], view)
	return d.textures.put(t), driver.Success
}

// TextureDestroy implements driver.Native.
func (d *Driver) TextureDestroy(object uint64) driver.Result {
	if _, ok := d.textures.take(object); !ok {
		return driver.ErrorInvalidValue
	}
	return driver.Success
}

// TextureResource implements driver.Native.
func (d *Driver) TextureResource(object uint64) (resource [144]byte, r driver.Result) {
	t, ok := d.textures.items[object]
	if !ok {
		return resource, driver.ErrorInvalidValue
	}
	return t.resource, driver.Success
}

// TextureDescription implements driver.Native.
func (d *Driver) TextureDescription(object uint64) (description [104]byte, r driver.Result) {
	t, ok := d.textures.items[object]
	if !ok {
		return description, driver.ErrorInvalidValue
	}
	return t.texture, driver.Success
}

// TextureView implements driver.Native.
func (d *Driver) TextureView(object uint64) (view [112]byte, r driver.Result) {
	t, ok := d.textures.items[object]
	if !ok || !t.viewed {
		return view, driver.ErrorInvalidValue
	}
	return t.view, driver.Success
}

// SurfaceCreate implements driver.Native: surfaces are arrays.
func (d *Driver) SurfaceCreate(resource []byte) (uint64, driver.Result) {
	if binary.LittleEndian.Uint32(resource) != driver.ResourceArray {
		return 0, driver.ErrorInvalidValue
	}
	return d.TextureCreate(resource, nil, nil)
}

// SurfaceDestroy implements driver.Native.
func (d *Driver) SurfaceDestroy(object uint64) driver.Result { return d.TextureDestroy(object) }

// SurfaceResource implements driver.Native.
func (d *Driver) SurfaceResource(object uint64) ([144]byte, driver.Result) {
	return d.TextureResource(object)
}

// Texture references are not carried: no PTX that this device reads has them.

// ModuleTexref implements driver.Arrays.
func (d *Driver) ModuleTexref(driver.Module, string) (driver.Texref, driver.Result) {
	return 0, driver.ErrorNotFound
}

// ModuleSurfref implements driver.Arrays.
func (d *Driver) ModuleSurfref(driver.Module, string) (driver.Surfref, driver.Result) {
	return 0, driver.ErrorNotFound
}

// TexrefArray implements driver.Arrays.
func (d *Driver) TexrefArray(driver.Texref) (driver.Array, driver.Result) {
	return 0, driver.ErrorNotSupported
}

// TexrefMipmap implements driver.Arrays.
func (d *Driver) TexrefMipmap(driver.Texref) (driver.Mipmap, driver.Result) {
	return 0, driver.ErrorNotSupported
}

// SurfrefArray implements driver.Arrays.
func (d *Driver) SurfrefArray(driver.Surfref) (driver.Array, driver.Result) {
	return 0, driver.ErrorNotSupported
}

// TensorMapReplace implements driver.Arrays: this device copies no tensors by
// itself.
func (d *Driver) TensorMapReplace([]byte, uint64) (replaced [driver.TensorMapSize]byte, r driver.Result) {
	return replaced, driver.ErrorNotSupported
}

// bankBytes is CU_SHARED_MEM_CONFIG_FOUR_BYTE_BANK_SIZE, all that GPUs since
// Maxwell have.
const bankBytes = 1

// CtxGetSharedConfig implements driver.Native.
func (d *Driver) CtxGetSharedConfig() (uint32, driver.Result) { return bankBytes, driver.Success }

// CtxSetSharedConfig implements driver.Native: a wish without effect.
func (d *Driver) CtxSetSharedConfig(uint32) driver.Result { return driver.Success }

// FunctionSetSharedConfig implements driver.Native: a wish without effect.
func (d *Driver) FunctionSetSharedConfig(driver.Function, uint32) driver.Result {
	return driver.Success
}
