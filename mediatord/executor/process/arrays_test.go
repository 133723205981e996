package process

import (
	"encoding/binary"
	"fmt"
	"testing"

	"libvirt-vgpu/mediatord/executor/driver"
)

// descriptor is a CUDA_ARRAY3D_DESCRIPTOR of floats.
func descriptor(width, height, depth uint64, change ...func([]byte)) []byte {
	d := make([]byte, 40)
	binary.LittleEndian.PutUint64(d[arrayWidth:], width)
	binary.LittleEndian.PutUint64(d[arrayHeight:], height)
	binary.LittleEndian.PutUint64(d[arrayDepth:], depth)
	binary.LittleEndian.PutUint32(d[arrayFormat:], 0x20)
	binary.LittleEndian.PutUint32(d[arrayChannels:], 1)
	for _, f := range change {
		f(d)
	}
	return d
}

func flags(f uint32) func([]byte) {
	return func(d []byte) { binary.LittleEndian.PutUint32(d[arrayFlags:], f) }
}

func TestArrayBytes(t *testing.T) {
	for name, tc := range map[string]struct {
		descriptor []byte
		levels     uint32
		want       uint64
		result     driver.Result
	}{
		"one row":        {descriptor(1000, 0, 0), 1, 64 << 10, 0},
		"plane":          {descriptor(1024, 1024, 0), 1, 4 << 20, 0},
		"odd plane":      {descriptor(1025, 1025, 0), 1, 4325376, 0},
		"box":            {descriptor(64, 64, 64), 1, 1 << 20, 0},
		"levels":         {descriptor(1024, 1024, 0), 2, 5 << 20, 0},
		"levels of box":  {descriptor(256, 256, 256), 2, 72 << 20, 0},
		"layers":         {descriptor(256, 256, 16, flags(flagLayered)), 2, 5 << 20, 0},
		"endless levels": {descriptor(1, 1, 1), 1 << 31, 64 << 10, 0},
		"too wide":       {descriptor(1<<63, 1, 0), 1, 0, driver.ErrorInvalidValue},
		"sparse":         {descriptor(64, 64, 0, flags(flagSparse)), 1, 0, driver.ErrorNotSupported},
		"deferred":       {descriptor(64, 64, 0, flags(flagDeferred)), 1, 0, driver.ErrorNotSupported},
	} {
		if size, r := arrayBytes(tc.descriptor, tc.levels); size != tc.want || r != tc.result {
			t.Errorf("%s: %d bytes, result %d, want %d, %d", name, size, r, tc.want, tc.result)
		}
	}
}

func TestArraysCountAgainstTheQuota(t *testing.T) {
	h := inContext(t)
	plane := descriptor(2048, 2048, 0)
	h.must("array_create", 1, plane)
	h.must("mipmap_create", 1, plane, 2)
	if h.used() != 36*mib {
		t.Errorf("%d bytes used", h.used())
	}
	if r, _ := h.call("array_create", 2, descriptor(4096, 4096, 0)); r != driver.ErrorOutOfMemory {
		t.Errorf("over the quota: %d", r)
	}
	h.driver.Fail["ArrayCreate"] = driver.ErrorInvalidValue
	if r, _ := h.call("array_create", 2, plane); r != driver.ErrorInvalidValue {
		t.Errorf("the driver's failure became %d", r)
	}
	if r, _ := h.call("array_create", 2, descriptor(64, 64, 0, flags(flagSparse))); r != driver.ErrorNotSupported {
		t.Errorf("sparse: %d", r)
	}
	h.driver.Calls()
	h.must("mipmap_level", 3, 1, 1)
	if r, _ := h.call("array_destroy", 3); r != driver.ErrorInvalidHandle {
		t.Errorf("a level was destroyed: %d", r)
	}
	h.must("mipmap_destroy", 1)
	if r, _ := h.call("array_plane", 4, 3, 0); r != driver.ErrorInvalidHandle {
		t.Errorf("a level outlived its array: %d", r)
	}
	h.must("array_destroy", 1)
	if h.used() != 0 {
		t.Errorf("%d bytes used at the end", h.used())
	}
	h.want("MipmapLevel 1002 1", "MipmapDestroy 1002", "ArrayDestroy 1001")
}

func TestArraysEndWithTheirContext(t *testing.T) {
	h := inContext(t)
	h.must("array_create", 1, descriptor(1024, 1024, 0))
	h.must("primary_reset")
	if h.used() != 0 {
		t.Errorf("%d bytes used", h.used())
	}
	h.must("primary_retain", 0)
	if r, _ := h.call("array_descriptor", 1); r != driver.ErrorInvalidHandle {
		t.Errorf("the array outlived its context: %d", r)
	}
}

func TestCopiesWithArrays(t *testing.T) {
	h := inContext(t)
	h.must("array_create", 7, descriptor(1024, 1024, 0))
	h.driver.Calls()
	source := func(number uint32) []byte {
		return copy3D(0, 99, func(c []byte) {
			binary.LittleEndian.PutUint32(c[32:], driver.MemoryArray)
			binary.LittleEndian.PutUint64(c[56:], uint64(number))
		})
	}
	h.must("copy_array", source(7), 0)
	h.want("Copy3D &{{16 1 1 0 3 1001 256 8} {0 0 0 0 2 99 128 4} 64 4 2} 0")
	if r, _ := h.call("copy_array", source(8), 0); r != driver.ErrorInvalidHandle {
		t.Errorf("unknown array: %d", r)
	}
	h.want()
}

// resource is a CUDA_RESOURCE_DESC of an array, as it travels.
func resource(kind, number uint32) []byte {
	r := make([]byte, 144)
	binary.LittleEndian.PutUint32(r, kind)
	binary.LittleEndian.PutUint64(r[driver.ResourceHandle:], uint64(number))
	return r
}

func TestTexturesOfArrays(t *testing.T) {
	h := inContext(t)
	h.must("array_create", 7, descriptor(64, 64, 0))
	h.driver.Calls()
	none := make([]byte, 112)
	object := binary.LittleEndian.Uint64(h.must("texture_create", resource(driver.ResourceArray, 7), make([]byte, 104), none, 0))
	if object != 1002 {
		t.Errorf("object %d, want the driver's", object)
	}
	native := resource(driver.ResourceArray, 1001)
	h.want(fmt.Sprintf("TextureCreate %v %v []", native, make([]byte, 104)))
	for _, bad := range [][]byte{resource(driver.ResourceArray, 8), resource(driver.ResourceMipmap, 7)} {
		if r, _ := h.call("texture_create", bad, make([]byte, 104), none, 0); r != driver.ErrorInvalidHandle {
			t.Errorf("unknown array: %d", r)
		}
	}
	if r, _ := h.call("texture_create", resource(9, 7), make([]byte, 104), none, 0); r != driver.ErrorInvalidValue {
		t.Errorf("unknown type: %d", r)
	}
	if told := h.must("texture_resource", object); told[driver.ResourceHandle] != 0 {
		t.Error("the process is told a handle of the driver")
	}
	h.driver.Calls()
	for _, call := range []string{"texture_resource", "texture_description", "texture_view", "surface_resource"} {
		if r, _ := h.call(call, object+1); r != driver.ErrorInvalidValue {
			t.Errorf("%s of an object that nobody made: %d", call, r)
		}
	}
	// nothing happens, and it is no error, as natively
	h.must("texture_destroy", object+1)
	h.must("surface_destroy", object)
	h.want()
	h.must("texture_destroy", object)
	h.must("texture_destroy", object)
	surface := binary.LittleEndian.Uint64(h.must("surface_create", resource(driver.ResourceArray, 7)))
	h.must("surface_destroy", surface)
	h.want("TextureDestroy 1002", fmt.Sprintf("SurfaceCreate %v", native), "SurfaceDestroy 1003")
}

func TestTextureReferencesEndWithTheirModule(t *testing.T) {
	h := inContext(t)
	h.image(1, []byte(text))
	h.must("module_load", 1, 1, 0, []byte{})
	h.driver.Calls()
	h.must("module_texref", 1, 1, "picture")
	h.must("module_surfref", 1, 1, "canvas")
	if r, _ := h.call("module_texref", 1, 1, "again"); r != driver.ErrorInvalidHandle {
		t.Errorf("number used twice: %d", r)
	}
	if r, _ := h.call("module_texref", 2, 1, "a\x00b"); r != driver.ErrorNotFound {
		t.Errorf("bad name: %d", r)
	}
	h.must("texref_has_array", 1)
	h.must("surfref_has_array", 1)
	h.must("module_unload", 1)
	for _, call := range []string{"texref_has_array", "texref_has_mipmap", "surfref_has_array"} {
		if r, _ := h.call(call, 1); r != driver.ErrorInvalidHandle {
			t.Errorf("%s after the module's end: %d", call, r)
		}
	}
	h.want("ModuleTexref 1001 picture", "ModuleSurfref 1001 canvas", "TexrefArray 1002", "SurfrefArray 1003", "ModuleUnload 1001")
}

func TestTensorMaps(t *testing.T) {
	h := newHarness(t) // needs no context
	args := func(rank int) []any {
		return []any{7, rank, 4096, make([]byte, 40), make([]byte, 32), make([]byte, 20), make([]byte, 20), 0, 1, 2, 0}
	}
	if encoded := h.must("tensor_map_tiled", args(2)...); len(encoded) != driver.TensorMapSize || encoded[0] != 2 {
		t.Errorf("encoded %d bytes: %v", len(encoded), encoded)
	}
	h.driver.Calls()
	for _, rank := range []int{0, 6, 1 << 20} {
		if r, _ := h.call("tensor_map_tiled", args(rank)...); r != driver.ErrorInvalidValue {
			t.Errorf("rank %d: %d", rank, r)
		}
	}
	h.want()
	replaced := h.must("tensor_map_replace", append([]byte{9}, make([]byte, 127)...), 8192)
	if len(replaced) != driver.TensorMapSize || replaced[0] != 9 {
		t.Errorf("replaced %v", replaced)
	}
	h.want("TensorMapReplace 8192")
}
