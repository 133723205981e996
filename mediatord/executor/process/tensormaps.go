package process

import (
	"libvirt-vgpu/mediatord/executor/driver"
	"libvirt-vgpu/mediatord/executor/wire"
)

// maxRank is what the arrays of a tensor map's op have room for, and the most
// that a GPU has.
const maxRank = 5

// TensorMapTiled keeps the driver from reading more dimensions than there are.
func (n *native) TensorMapTiled(element, rank uint32, address uint64, sizes, strides, box, steps []byte,
	interleave, swizzle, promotion, fill uint32) (encoded [driver.TensorMapSize]byte, r driver.Result) {
	if rank == 0 || rank > maxRank {
		return encoded, driver.ErrorInvalidValue
	}
	return n.Driver.TensorMapTiled(element, rank, address, sizes, strides, box, steps, interleave, swizzle, promotion, fill)
}

// TensorMapIm2col is as TensorMapTiled.
func (n *native) TensorMapIm2col(element, rank uint32, address uint64, sizes, strides, lower, upper []byte, channels, pixels uint32,
	steps []byte, interleave, swizzle, promotion, fill uint32) (encoded [driver.TensorMapSize]byte, r driver.Result) {
	if rank == 0 || rank > maxRank {
		return encoded, driver.ErrorInvalidValue
	}
	return n.Driver.TensorMapIm2col(element, rank, address, sizes, strides, lower, upper, channels, pixels, steps, interleave, swizzle, promotion, fill)
}

// TensorMapIm2colWide is as TensorMapTiled.
func (n *native) TensorMapIm2colWide(element, rank uint32, address uint64, sizes, strides []byte, lower, upper int32, channels, pixels uint32,
	steps []byte, interleave, mode, swizzle, promotion, fill uint32) (encoded [driver.TensorMapSize]byte, r driver.Result) {
	if rank == 0 || rank > maxRank {
		return encoded, driver.ErrorInvalidValue
	}
	return n.Driver.TensorMapIm2colWide(element, rank, address, sizes, strides, lower, upper, channels, pixels, steps, interleave, mode, swizzle, promotion, fill)
}

// TensorMapReplace implements wire.Handler.
func (p *Process) TensorMapReplace(_ wire.Call, in wire.TensorMapReplace) (wire.TensorMapReplaceReply, driver.Result) {
	replaced, r := p.Driver.TensorMapReplace(in.Encoded[:], in.Address)
	return wire.TensorMapReplaceReply{Replaced: replaced}, r
}
