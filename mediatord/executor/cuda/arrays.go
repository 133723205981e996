package cuda

/*
#include <stddef.h>
#include <stdint.h>
#include <string.h>

static int vg_array_part(void *f, uintptr_t *part, uintptr_t of, unsigned int index)
{
	return ((int (*)(uintptr_t *, uintptr_t, unsigned int))f)(part, of, index);
}
// CUDA_RESOURCE_DESC, CUDA_TEXTURE_DESC and CUDA_RESOURCE_VIEW_DESC, aligned as the compiler would.
static int vg_texture_create(void *f, unsigned long long *object, const void *resource, const void *texture, const void *view)
{
	_Alignas(8) unsigned char r[144], t[104], v[112];

	memcpy(r, resource, sizeof(r));
	memcpy(t, texture, sizeof(t));
	if (view)
		memcpy(v, view, sizeof(v));
	return ((int (*)(unsigned long long *, const void *, const void *, const void *))f)(object, r, t, view ? v : NULL);
}
static int vg_ref_bound(void *f, uintptr_t *bound, uintptr_t ref) { return ((int (*)(uintptr_t *, uintptr_t))f)(bound, ref); }
// CUtensorMap is aligned to 64 bytes.
static int vg_tensor_map_replace(void *f, const void *encoded, unsigned long long address, void *replaced)
{
	_Alignas(64) unsigned char map[128];
	int r;

	memcpy(map, encoded, sizeof(map));
	r = ((int (*)(void *, void *))f)(map, (void *)(uintptr_t)address);
	memcpy(replaced, map, sizeof(map));
	return r;
}
*/
import "C"

import (
	"unsafe"

	"libvirt-vgpu/mediatord/executor/driver"
)

// ArrayPlane implements driver.Arrays.
func (d *Driver) ArrayPlane(a driver.Array, plane uint32) (driver.Array, driver.Result) {
	part, r := arrayPart(d.fn.cuArrayGetPlane, uint64(a), plane)
	return driver.Array(part), r
}

// MipmapLevel implements driver.Arrays.
func (d *Driver) MipmapLevel(m driver.Mipmap, level uint32) (driver.Array, driver.Result) {
	part, r := arrayPart(d.fn.cuMipmappedArrayGetLevel, uint64(m), level)
	return driver.Array(part), r
}

func arrayPart(fn unsafe.Pointer, of uint64, index uint32) (uint64, driver.Result) {
	var part C.uintptr_t
	r := C.vg_array_part(fn, &part, C.uintptr_t(of), C.uint(index))
	return uint64(part), driver.Result(r)
}

// TextureCreate implements driver.Arrays.
func (d *Driver) TextureCreate(resource, texture, view []byte) (uint64, driver.Result) {
	var object C.ulonglong
	r := C.vg_texture_create(d.fn.cuTexObjectCreate, &object, unsafe.Pointer(unsafe.SliceData(resource)),
		unsafe.Pointer(unsafe.SliceData(texture)), unsafe.Pointer(unsafe.SliceData(view)))
	return uint64(object), driver.Result(r)
}

// ModuleTexref implements driver.Arrays.
func (d *Driver) ModuleTexref(m driver.Module, name string) (driver.Texref, driver.Result) {
	ref, r := d.named(d.fn.cuModuleGetTexRef, uint64(m), name)
	return driver.Texref(ref), r
}

// ModuleSurfref implements driver.Arrays.
func (d *Driver) ModuleSurfref(m driver.Module, name string) (driver.Surfref, driver.Result) {
	ref, r := d.named(d.fn.cuModuleGetSurfRef, uint64(m), name)
	return driver.Surfref(ref), r
}

// TexrefArray implements driver.Arrays.
func (d *Driver) TexrefArray(ref driver.Texref) (driver.Array, driver.Result) {
	bound, r := boundTo(d.fn.cuTexRefGetArray, uint64(ref))
	return driver.Array(bound), r
}

// TexrefMipmap implements driver.Arrays.
func (d *Driver) TexrefMipmap(ref driver.Texref) (driver.Mipmap, driver.Result) {
	bound, r := boundTo(d.fn.cuTexRefGetMipmappedArray, uint64(ref))
	return driver.Mipmap(bound), r
}

// SurfrefArray implements driver.Arrays.
func (d *Driver) SurfrefArray(ref driver.Surfref) (driver.Array, driver.Result) {
	bound, r := boundTo(d.fn.cuSurfRefGetArray, uint64(ref))
	return driver.Array(bound), r
}

func boundTo(fn unsafe.Pointer, ref uint64) (uint64, driver.Result) {
	var bound C.uintptr_t
	r := C.vg_ref_bound(fn, &bound, C.uintptr_t(ref))
	return uint64(bound), driver.Result(r)
}

// TensorMapReplace implements driver.Arrays.
func (d *Driver) TensorMapReplace(encoded []byte, address uint64) (replaced [driver.TensorMapSize]byte, r driver.Result) {
	result := C.vg_tensor_map_replace(d.fn.cuTensorMapReplaceAddress, unsafe.Pointer(unsafe.SliceData(encoded)), C.ulonglong(address), unsafe.Pointer(&replaced))
	return replaced, driver.Result(result)
}
