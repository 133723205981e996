package soft

import (
	"encoding/binary"

	"libvirt-vgpu/mediatord/executor/driver"
	"libvirt-vgpu/mediatord/executor/soft/gpu"
)

// array is a CUDA array as rows of memory, one after the other: nothing here
// asks how a GPU would order texels.
type array struct {
	descriptor  [40]byte
	base        uint64
	row         uint64 // bytes
	rows, depth uint64
}

// mipmap is the levels of a mipmapped array.
type mipmap struct {
	levels []driver.Array
}

// CUDA_ARRAY3D_DESCRIPTOR's flags that this device knows.
const (
	arrayLayered = 0x01
	arrayCubemap = 0x04
	arrayFlags   = arrayLayered | 0x02 | arrayCubemap | 0x08 | 0x10 | 0x20
	cubeFaces    = 6
)

// Attributes with the extents of textures.
const (
	texture1DWidth     = 21
	texture2DWidth     = 22
	texture2DHeight    = 23
	texture3DWidth     = 24
	texture3DHeight    = 25
	texture3DDepth     = 26
	textureLayers      = 29
	textureLayeredSide = 27
)

// newArray reads and checks a CUDA_ARRAY3D_DESCRIPTOR: u64 width, height,
// depth; u32 format, channels, flags.
func newArray(descriptor []byte) (*array, driver.Result) {
	le := binary.LittleEndian
	width, height, depth := le.Uint64(descriptor), le.Uint64(descriptor[8:]), le.Uint64(descriptor[16:])
	texel := texelBytes(le.Uint32(descriptor[24:]), le.Uint32(descriptor[28:]))
	flags := le.Uint32(descriptor[32:])
	if texel == 0 || flags&^arrayFlags != 0 || width == 0 || !extentsFit(width, height, depth, flags) {
		return nil, driver.ErrorInvalidValue
	}
	a := &array{row: width * texel, rows: max(height, 1), depth: max(depth, 1)}
	copy(a.descriptor[:], descriptor)
	return a, driver.Success
}

func extentsFit(width, height, depth uint64, flags uint32) bool {
	limit := func(attribute int) uint64 { return uint64(attributes[attribute]) }
	if flags&arrayCubemap != 0 && (width != height || depth == 0 || depth%cubeFaces != 0) {
		return false
	}
	switch {
	case flags&(arrayLayered|arrayCubemap) != 0:
		return depth > 0 && depth <= limit(textureLayers) && width <= limit(textureLayeredSide) && height <= limit(textureLayeredSide)
	case depth > 0:
		return height > 0 && width <= limit(texture3DWidth) && height <= limit(texture3DHeight) && depth <= limit(texture3DDepth)
	case height > 0:
		return width <= limit(texture2DWidth) && height <= limit(texture2DHeight)
	}
	return width <= limit(texture1DWidth)
}

// texelBytes is 0 for what this device has no arrays of.
func texelBytes(format, channels uint32) uint64 {
	if channels != 1 && channels != 2 && channels != 4 {
		return 0
	}
	switch format {
	case 0x01, 0x08:
		return uint64(channels)
	case 0x02, 0x09, 0x10:
		return 2 * uint64(channels)
	case 0x03, 0x0a, 0x20:
		return 4 * uint64(channels)
	}
	return 0
}

func (d *Driver) makeArray(descriptor []byte) (driver.Array, driver.Result) {
	a, r := newArray(descriptor)
	if r != driver.Success {
		return 0, r
	}
	base, err := d.dev.Alloc(a.row * a.rows * a.depth)
	if err != nil {
		return 0, d.result(err)
	}
	a.base = base
	return driver.Array(d.arrays.put(a)), driver.Success
}

// ArrayCreate implements driver.Native.
func (d *Driver) ArrayCreate(descriptor []byte) (driver.Array, driver.Result) {
	return d.makeArray(descriptor)
}

// ArrayDestroy implements driver.Native. It waits for the streams.
func (d *Driver) ArrayDestroy(a driver.Array) driver.Result {
	array, ok := d.arrays.take(uint64(a))
	if !ok {
		return driver.ErrorInvalidHandle
	}
	return d.result(d.dev.Free(array.base))
}

// ArrayDescriptor implements driver.Native.
func (d *Driver) ArrayDescriptor(a driver.Array) (descriptor [40]byte, r driver.Result) {
	array, ok := d.arrays.items[uint64(a)]
	if !ok {
		return descriptor, driver.ErrorInvalidHandle
	}
	return array.descriptor, driver.Success
}

// ArrayPlane implements driver.Arrays: no array here has planes.
func (d *Driver) ArrayPlane(driver.Array, uint32) (driver.Array, driver.Result) {
	return 0, driver.ErrorInvalidValue
}

// ArrayRequirements implements driver.Native: no array here waits for memory.
func (d *Driver) ArrayRequirements(driver.Array, int32) (requirements [32]byte, r driver.Result) {
	return requirements, driver.ErrorInvalidValue
}

// ArraySparse implements driver.Native: no array here is sparse.
func (d *Driver) ArraySparse(driver.Array) (properties [48]byte, r driver.Result) {
	return properties, driver.ErrorInvalidValue
}

// MipmapCreate implements driver.Native.
func (d *Driver) MipmapCreate(descriptor []byte, levels uint32) (driver.Mipmap, driver.Result) {
	if _, r := newArray(descriptor); r != driver.Success {
		return 0, r
	}
	if levels == 0 {
		return 0, driver.ErrorInvalidValue
	}
	m := &mipmap{}
	level := append([]byte(nil), descriptor...)
	for more := true; more && len(m.levels) < int(levels); {
		a, r := d.makeArray(level)
		if r != driver.Success {
			d.dropLevels(m)
			return 0, r
		}
		m.levels = append(m.levels, a)
		more = halve(level)
	}
	return driver.Mipmap(d.mipmaps.put(m)), driver.Success
}

// halve makes a descriptor the next level's; false at the last.
func halve(descriptor []byte) bool {
	le := binary.LittleEndian
	sides := []int{0, 8, 16}
	if le.Uint32(descriptor[32:])&(arrayLayered|arrayCubemap) != 0 {
		sides = sides[:2]
	}
	smaller := false
	for _, at := range sides {
		if side := le.Uint64(descriptor[at:]); side > 1 {
			le.PutUint64(descriptor[at:], side/2)
			smaller = true
		}
	}
	return smaller
}

func (d *Driver) dropLevels(m *mipmap) driver.Result {
	for _, level := range m.levels {
		if r := d.ArrayDestroy(level); r != driver.Success {
			return r
		}
	}
	return driver.Success
}

// MipmapDestroy implements driver.Native. It waits for the streams.
func (d *Driver) MipmapDestroy(m driver.Mipmap) driver.Result {
	mipmap, ok := d.mipmaps.take(uint64(m))
	if !ok {
		return driver.ErrorInvalidHandle
	}
	return d.dropLevels(mipmap)
}

// MipmapLevel implements driver.Arrays.
func (d *Driver) MipmapLevel(m driver.Mipmap, level uint32) (driver.Array, driver.Result) {
	mipmap, ok := d.mipmaps.items[uint64(m)]
	if !ok {
		return 0, driver.ErrorInvalidHandle
	}
	if uint64(level) >= uint64(len(mipmap.levels)) {
		return 0, driver.ErrorInvalidValue
	}
	return mipmap.levels[level], driver.Success
}

// MipmapRequirements implements driver.Native.
func (d *Driver) MipmapRequirements(driver.Mipmap) (requirements [32]byte, r driver.Result) {
	return requirements, driver.ErrorInvalidValue
}

// MipmapSparse implements driver.Native.
func (d *Driver) MipmapSparse(driver.Mipmap) (properties [48]byte, r driver.Result) {
	return properties, driver.ErrorInvalidValue
}

// texels is the first slice of the end of a copy that is an array.
func (d *Driver) texels(e *driver.Copy3DEnd, c *driver.Copy3D) (p gpu.Place, slice uint64, ok bool) {
	a, ok := d.arrays.items[e.Address]
	if !ok || !fits(e.XBytes, c.WidthBytes, a.row) || !fits(e.Y, c.Height, a.rows) || !fits(e.Z, c.Depth, a.depth) {
		return p, 0, false
	}
	slice = a.row * a.rows
	return gpu.Place{Addr: a.base, Pitch: a.row, Offset: e.Z*slice + e.Y*a.row + e.XBytes}, slice, true
}

func fits(at, size, end uint64) bool { return at <= end && size <= end-at }
