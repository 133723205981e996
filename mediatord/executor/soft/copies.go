package soft

import (
	"bytes"

	"libvirt-vgpu/mediatord/executor/driver"
	"libvirt-vgpu/mediatord/executor/soft/gpu"
)

// Registered host memory is mapped at its own address, so that the device copies
// between addresses whatever they mean.

// CopyHtoD implements driver.Copies.
func (d *Driver) CopyHtoD(dst, src, size uint64, s driver.Stream) driver.Result {
	return d.CopyDtoD(dst, src, size, s)
}

// CopyDtoH implements driver.Copies.
func (d *Driver) CopyDtoH(dst, src, size uint64, s driver.Stream) driver.Result {
	return d.CopyDtoD(dst, src, size, s)
}

// CopyDtoD implements driver.Native.
func (d *Driver) CopyDtoD(dst, src, size uint64, s driver.Stream) driver.Result {
	stream, ok := d.stream(s)
	if !ok {
		return driver.ErrorInvalidHandle
	}
	if size == 0 {
		return driver.Success
	}
	return d.result(stream.CopyDevice(dst, src, size))
}

// CopyHtoDBytes implements driver.Copies.
func (d *Driver) CopyHtoDBytes(dst uint64, data []byte, s driver.Stream) driver.Result {
	stream, ok := d.stream(s)
	if !ok {
		return driver.ErrorInvalidHandle
	}
	return d.result(stream.CopyToDevice(dst, bytes.Clone(data)))
}

// Fill implements driver.Copies.
func (d *Driver) Fill(dst, pitch uint64, value, element uint32, width, height uint64, s driver.Stream) driver.Result {
	stream, ok := d.stream(s)
	if !ok {
		return driver.ErrorInvalidHandle
	}
	return d.result(stream.Fill(gpu.Fill{Addr: dst, Value: value, Size: uint64(element), Width: width, Height: height, Pitch: pitch}))
}

// Copy3D implements driver.Copies: one copy per slice.
func (d *Driver) Copy3D(c *driver.Copy3D, s driver.Stream) driver.Result {
	stream, ok := d.stream(s)
	if !ok {
		return driver.ErrorInvalidHandle
	}
	list, ok := d.slices(c)
	if !ok {
		return driver.ErrorInvalidValue
	}
	for _, slice := range list {
		if r := d.result(stream.Copy(slice)); r != driver.Success {
			return r
		}
	}
	return driver.Success
}

// maxSlices is how many slices a copy may have.
const maxSlices = 1 << 16

// slices is a copy as copies of one slice each; false when an array is not as
// large, or there are too many.
func (d *Driver) slices(c *driver.Copy3D) ([]gpu.Copy, bool) {
	to, toSlice, ok1 := d.place(&c.Dst, c)
	from, fromSlice, ok2 := d.place(&c.Src, c)
	if !ok1 || !ok2 || c.Depth > maxSlices {
		return nil, false
	}
	var list []gpu.Copy
	for range c.Depth {
		list = append(list, gpu.Copy{To: to, From: from, Width: c.WidthBytes, Height: c.Height})
		to.Offset += toSlice
		from.Offset += fromSlice
	}
	return list, true
}

// place is the first slice of one end, and the distance to the next one; false
// when an array is not as large.
func (d *Driver) place(e *driver.Copy3DEnd, c *driver.Copy3D) (p gpu.Place, slice uint64, ok bool) {
	if e.Type == driver.MemoryArray {
		return d.texels(e, c)
	}
	pitch, rows := e.Pitch, e.Height
	if pitch == 0 {
		pitch = e.XBytes + c.WidthBytes
	}
	if rows == 0 {
		rows = e.Y + c.Height
	}
	slice = pitch * rows
	return gpu.Place{Addr: e.Address, Pitch: pitch, Offset: e.Z*slice + e.Y*pitch + e.XBytes}, slice, true
}
