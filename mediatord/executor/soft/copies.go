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
	to, toSlice, ok1 := d.place(&c.Dst, c)
	from, fromSlice, ok2 := d.place(&c.Src, c)
	if !ok1 || !ok2 {
		return driver.ErrorInvalidValue
	}
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
