package driver

// Arrays is what native calls leave of CUDA arrays, textures and tensor maps.
// Descriptors are the driver's structures, handles in them already native.
type Arrays interface {
	// ArrayPlane and MipmapLevel give arrays that live as long as what they
	// belong to and are never destroyed by themselves.
	ArrayPlane(a Array, plane uint32) (Array, Result)
	MipmapLevel(m Mipmap, level uint32) (Array, Result)

	// TextureCreate takes CUDA_RESOURCE_DESC, CUDA_TEXTURE_DESC and
	// CUDA_RESOURCE_VIEW_DESC or nil.
	TextureCreate(resource, texture, view []byte) (object uint64, r Result)

	ModuleTexref(m Module, name string) (Texref, Result)
	ModuleSurfref(m Module, name string) (Surfref, Result)
	// TexrefArray, TexrefMipmap and SurfrefArray fail when none is bound.
	TexrefArray(ref Texref) (Array, Result)
	TexrefMipmap(ref Texref) (Mipmap, Result)
	SurfrefArray(ref Surfref) (Array, Result)

	// TensorMapReplace returns a CUtensorMap with another address in it.
	TensorMapReplace(encoded []byte, address uint64) (replaced [TensorMapSize]byte, r Result)
}

// TensorMapSize is the size of CUtensorMap.
const TensorMapSize = 128

// Resource types of a CUDA_RESOURCE_DESC (CUresourcetype), whose first word they
// are; the handle of an array stands at ResourceHandle.
const (
	ResourceArray   = 0
	ResourceMipmap  = 1
	ResourceLinear  = 2
	ResourcePitch2D = 3
	ResourceHandle  = 8
)
