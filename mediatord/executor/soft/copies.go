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
	to, toSlice := place(&c.Dst, c.WidthBytes, c.Height)
	from, fromSlice := place(&c.Src, c.WidthBytes, c.Height)
	for range c.Depth {
		r := d.result(stream.Copy(gpu.Copy{To: to, From: from, Width: c.WidthBytes, Height: c.Height}))
		if r != driver.Success {
			return r
		}
		to.Offset += toSlice
		from.Offset += fromSlice
	}
	return driver.Success
}

// place is the first slice of one end, and the distance to the next one.
func place(e *driver.Copy3DEnd, width, height uint64) (p gpu.Place, slice uint64) {
	pitch, rows := e.Pitch, e.Height
	if pitch == 0 {
		pitch = e.XBytes + width
	}
	if rows == 0 {
		rows = e.Y + height
	}
	slice = pitch * rows
	return gpu.Place{Addr: e.Address, Pitch: pitch, Offset: e.Z*slice + e.Y*pitch + e.XBytes}, slice
}
