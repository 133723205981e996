package drivertest

import "libvirt-vgpu/mediatord/executor/driver"

// ArrayCreate implements driver.Driver.
func (r *Recorder) ArrayCreate(descriptor []byte) (driver.Array, driver.Result) {
	h, result := r.create("ArrayCreate", descriptor)
	return driver.Array(h), result
}

// ArrayDestroy implements driver.Driver.
func (r *Recorder) ArrayDestroy(a driver.Array) driver.Result {
	return r.call("ArrayDestroy", a)
}

// ArrayPlane implements driver.Driver.
func (r *Recorder) ArrayPlane(a driver.Array, plane uint32) (driver.Array, driver.Result) {
	h, result := r.create("ArrayPlane", a, plane)
	return driver.Array(h), result
}

// MipmapCreate implements driver.Driver.
func (r *Recorder) MipmapCreate(descriptor []byte, levels uint32) (driver.Mipmap, driver.Result) {
	h, result := r.create("MipmapCreate", descriptor, levels)
	return driver.Mipmap(h), result
}

// MipmapDestroy implements driver.Driver.
func (r *Recorder) MipmapDestroy(m driver.Mipmap) driver.Result {
	return r.call("MipmapDestroy", m)
}

// MipmapLevel implements driver.Driver.
func (r *Recorder) MipmapLevel(m driver.Mipmap, level uint32) (driver.Array, driver.Result) {
	h, result := r.create("MipmapLevel", m, level)
	return driver.Array(h), result
}

// TextureCreate implements driver.Driver.
func (r *Recorder) TextureCreate(resource, texture, view []byte) (uint64, driver.Result) {
	return r.create("TextureCreate", resource, texture, view)
}

// TextureDestroy implements driver.Driver.
func (r *Recorder) TextureDestroy(object uint64) driver.Result {
	return r.call("TextureDestroy", object)
}

// TextureResource implements driver.Driver: an array's, with its handle.
func (r *Recorder) TextureResource(object uint64) (resource [144]byte, result driver.Result) {
	resource[driver.ResourceHandle] = 0xff
	return resource, r.call("TextureResource", object)
}

// SurfaceCreate implements driver.Driver.
func (r *Recorder) SurfaceCreate(resource []byte) (uint64, driver.Result) {
	return r.create("SurfaceCreate", resource)
}

// SurfaceDestroy implements driver.Driver.
func (r *Recorder) SurfaceDestroy(object uint64) driver.Result {
	return r.call("SurfaceDestroy", object)
}

// ModuleTexref implements driver.Driver.
func (r *Recorder) ModuleTexref(m driver.Module, name string) (driver.Texref, driver.Result) {
	h, result := r.create("ModuleTexref", m, name)
	return driver.Texref(h), result
}

// ModuleSurfref implements driver.Driver.
func (r *Recorder) ModuleSurfref(m driver.Module, name string) (driver.Surfref, driver.Result) {
	h, result := r.create("ModuleSurfref", m, name)
	return driver.Surfref(h), result
}

// TexrefArray implements driver.Driver.
func (r *Recorder) TexrefArray(ref driver.Texref) (driver.Array, driver.Result) {
	return 1, r.call("TexrefArray", ref)
}

// TexrefMipmap implements driver.Driver.
func (r *Recorder) TexrefMipmap(ref driver.Texref) (driver.Mipmap, driver.Result) {
	return 1, r.call("TexrefMipmap", ref)
}

// SurfrefArray implements driver.Driver.
func (r *Recorder) SurfrefArray(ref driver.Surfref) (driver.Array, driver.Result) {
	return 1, r.call("SurfrefArray", ref)
}

// TensorMapTiled implements driver.Driver.
func (r *Recorder) TensorMapTiled(element, rank uint32, address uint64, sizes, strides, box, steps []byte,
	interleave, swizzle, promotion, fill uint32) (encoded [driver.TensorMapSize]byte, result driver.Result) {
	encoded[0] = byte(rank)
	return encoded, r.call("TensorMapTiled", element, rank, address, sizes, strides, box, steps, interleave, swizzle, promotion, fill)
}

// TensorMapReplace implements driver.Driver.
func (r *Recorder) TensorMapReplace(encoded []byte, address uint64) (replaced [driver.TensorMapSize]byte, result driver.Result) {
	copy(replaced[:], encoded)
	return replaced, r.call("TensorMapReplace", address)
}
