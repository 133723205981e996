package process

import (
	"encoding/binary"

	"libvirt-vgpu/mediatord/executor/driver"
	"libvirt-vgpu/mediatord/executor/handle"
	"libvirt-vgpu/mediatord/executor/wire"
)

// arrays are what the process's CUDA arrays take of the quota.
type arrays struct {
	memory *deviceMemory
	sizes  map[arrayKey]arrayCharge
}

// arrayKey names an array or a mipmapped one by its native handle.
type arrayKey struct {
	kind   driver.Kind
	native uint64
}

type arrayCharge struct {
	context uint32 // with which it ends
	size    uint64
}

// charge reserves size bytes for what create makes.
func (a *arrays) charge(kind driver.Kind, context uint32, size uint64, create func() (uint64, driver.Result)) (uint64, driver.Result) {
	if r := a.memory.reserve(size); r != driver.Success {
		return 0, r
	}
	native, r := create()
	if r != driver.Success {
		a.memory.free(size)
		return 0, r
	}
	a.sizes[arrayKey{kind, native}] = arrayCharge{context, size}
	return native, driver.Success
}

func (a *arrays) discharge(key arrayKey) {
	a.memory.free(a.sizes[key].size)
	delete(a.sizes, key)
}

func (a *arrays) ended(context uint32) {
	for key, c := range a.sizes {
		if c.context == context {
			a.discharge(key)
		}
	}
}

// Places in CUDA_ARRAY3D_DESCRIPTOR and its flags.
const (
	arrayWidth    = 0
	arrayHeight   = 8
	arrayDepth    = 16
	arrayFormat   = 24
	arrayChannels = 28
	arrayFlags    = 32

	flagLayered  = 0x01
	flagCubemap  = 0x04
	flagSparse   = 0x40
	flagDeferred = 0x80

	// maxExtent is above every limit of a GPU and keeps products in 64 bits.
	maxExtent = 1 << 17
	maxLevels = 32
)

// arrayBytes estimates what an array takes: the driver does not tell. Texels
// stand in tiles of 64 bytes by 8 rows, and memory is given out in 64 KiB.
func arrayBytes(descriptor []byte, levels uint32) (uint64, driver.Result) {
	le := binary.LittleEndian
	width, height, depth := le.Uint64(descriptor[arrayWidth:]), le.Uint64(descriptor[arrayHeight:]), le.Uint64(descriptor[arrayDepth:])
	flags := le.Uint32(descriptor[arrayFlags:])
	switch {
	case flags&(flagSparse|flagDeferred) != 0:
		return 0, driver.ErrorNotSupported
	case width > maxExtent, height > maxExtent, depth > maxExtent:
		return 0, driver.ErrorInvalidValue
	}
	texel := texelBytes(le.Uint32(descriptor[arrayFormat:]), le.Uint32(descriptor[arrayChannels:]))
	var total uint64
	for range min(levels, maxLevels) {
		rows := uint64(1)
		if height > 1 {
			rows = roundUp(height, 8)
		}
		total += roundUp(width*texel, 64) * rows * max(depth, 1)
		width, height = max(width/2, 1), max(height/2, min(height, 1))
		if flags&(flagLayered|flagCubemap) == 0 {
			depth = max(depth/2, min(depth, 1))
		}
	}
	return roundUp(total, 64<<10), driver.Success
}

func roundUp(n, to uint64) uint64 { return (n + to - 1) / to * to }

// texelBytes is the size of an element of a CUarray_format. Formats of several
// planes or of blocks count as their largest plane's.
func texelBytes(format, channels uint32) uint64 {
	channels = min(max(channels, 1), 4)
	switch format {
	case 0x01, 0x08: // 8-bit integers
		return uint64(channels)
	case 0x02, 0x09, 0x10: // 16-bit integers, half
		return 2 * uint64(channels)
	case 0x03, 0x0a, 0x20: // 32-bit integers, float
		return 4 * uint64(channels)
	case 0xc0, 0xc6: // normalised, their channels in their names
		return 1
	case 0xc1, 0xc3, 0xc7, 0xc9:
		return 2
	case 0xc2, 0xc4, 0xc8, 0xca:
		return 4
	}
	return 8
}

// ArrayCreate charges the quota.
func (n *native) ArrayCreate(descriptor []byte) (driver.Array, driver.Result) {
	size, r := arrayBytes(descriptor, 1)
	if r != driver.Success {
		return 0, r
	}
	a, r := n.process.arrays.charge(driver.KindArray, n.process.current, size, func() (uint64, driver.Result) {
		a, r := n.Driver.ArrayCreate(descriptor)
		return uint64(a), r
	})
	return driver.Array(a), r
}

// ArrayDestroy gives the quota back. Planes and levels have none of their own:
// they end with what they belong to.
func (n *native) ArrayDestroy(a driver.Array) driver.Result {
	key := arrayKey{driver.KindArray, uint64(a)}
	if _, ok := n.process.arrays.sizes[key]; !ok {
		return driver.ErrorInvalidHandle
	}
	r := n.Driver.ArrayDestroy(a)
	if r == driver.Success {
		n.process.arrays.discharge(key)
	}
	return r
}

// MipmapCreate charges the quota.
func (n *native) MipmapCreate(descriptor []byte, levels uint32) (driver.Mipmap, driver.Result) {
	size, r := arrayBytes(descriptor, levels)
	if r != driver.Success {
		return 0, r
	}
	m, r := n.process.arrays.charge(driver.KindMipmap, n.process.current, size, func() (uint64, driver.Result) {
		m, r := n.Driver.MipmapCreate(descriptor, levels)
		return uint64(m), r
	})
	return driver.Mipmap(m), r
}

// MipmapDestroy gives the quota back.
func (n *native) MipmapDestroy(m driver.Mipmap) driver.Result {
	r := n.Driver.MipmapDestroy(m)
	if r == driver.Success {
		n.process.arrays.discharge(arrayKey{driver.KindMipmap, uint64(m)})
	}
	return r
}

// ArrayPlane implements wire.Handler.
func (p *Process) ArrayPlane(_ wire.Call, in wire.ArrayPlane) driver.Result {
	native, ok := p.tables.Get(driver.KindArray, in.Of)
	if !ok || !p.tables.Free(driver.KindArray, in.Plane) {
		return driver.ErrorInvalidHandle
	}
	plane, r := p.Driver.ArrayPlane(driver.Array(native), in.Index)
	if r == driver.Success {
		p.tables.PutOwned(driver.KindArray, in.Plane, uint64(plane), handle.Owner{Kind: driver.KindArray, Number: in.Of})
	}
	return r
}

// MipmapLevel implements wire.Handler.
func (p *Process) MipmapLevel(_ wire.Call, in wire.MipmapLevel) driver.Result {
	native, ok := p.tables.Get(driver.KindMipmap, in.Of)
	if !ok || !p.tables.Free(driver.KindArray, in.Level) {
		return driver.ErrorInvalidHandle
	}
	level, r := p.Driver.MipmapLevel(driver.Mipmap(native), in.Index)
	if r == driver.Success {
		p.tables.PutOwned(driver.KindArray, in.Level, uint64(level), handle.Owner{Kind: driver.KindMipmap, Number: in.Of})
	}
	return r
}
