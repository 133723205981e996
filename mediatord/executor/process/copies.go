package process

import (
	"encoding/binary"

	"libvirt-vgpu/mediatord/executor/driver"
	"libvirt-vgpu/mediatord/executor/wire"
)

// CopyHtoD implements wire.Handler.
func (p *Process) CopyHtoD(_ wire.Call, in wire.CopyHtoD) driver.Result {
	s, ok := p.stream(in.S)
	if !ok {
		return driver.ErrorInvalidHandle
	}
	if !p.checkHost(in.Src, in.Size) {
		return driver.ErrorInvalidValue
	}
	return p.Driver.CopyHtoD(in.Dst, in.Src, in.Size, s)
}

// CopyHtoDInline implements wire.Handler. A capture would keep the address of
// the record's private copy, which does not last.
func (p *Process) CopyHtoDInline(_ wire.Call, in wire.CopyHtoDInline) driver.Result {
	s, ok := p.stream(in.S)
	if !ok {
		return driver.ErrorInvalidHandle
	}
	if len(in.Data) == 0 {
		return driver.Success
	}
	if r := p.refuseCapture(s); r != driver.Success {
		return r
	}
	return p.Driver.CopyHtoDBytes(in.Dst, in.Data, s)
}

// CopyDtoH implements wire.Handler.
func (p *Process) CopyDtoH(_ wire.Call, in wire.CopyDtoH) driver.Result {
	s, ok := p.stream(in.S)
	if !ok {
		return driver.ErrorInvalidHandle
	}
	if !p.checkHost(in.Dst, in.Size) {
		return driver.ErrorInvalidValue
	}
	return p.Driver.CopyDtoH(in.Dst, in.Src, in.Size, s)
}

// Fill implements wire.Handler.
func (p *Process) Fill(_ wire.Call, in wire.Fill) driver.Result {
	s, ok := p.stream(in.S)
	if !ok {
		return driver.ErrorInvalidHandle
	}
	switch in.Element {
	case 1, 2, 4:
	default:
		return driver.ErrorInvalidValue
	}
	if in.Width == 0 || in.Height == 0 {
		return driver.Success
	}
	return p.Driver.Fill(in.Dst, in.Pitch, in.Value, in.Element, in.Width, in.Height, s)
}

// Copy3D implements wire.Handler.
func (p *Process) Copy3D(_ wire.Call, in wire.Copy3D) driver.Result {
	return p.copyBox(in.Copy[:], in.S)
}

// CopyArray implements wire.Handler: whether a box lies inside an array is the
// driver's to say.
func (p *Process) CopyArray(_ wire.Call, in wire.CopyArray) driver.Result {
	return p.copyBox(in.Copy[:], in.S)
}

func (p *Process) copyBox(box []byte, stream uint32) driver.Result {
	s, ok := p.stream(stream)
	if !ok {
		return driver.ErrorInvalidHandle
	}
	var c driver.Copy3D
	if r := p.decodeCopy(&c, box); r != driver.Success {
		return r
	}
	if c.WidthBytes == 0 || c.Height == 0 || c.Depth == 0 {
		return driver.Success
	}
	return p.Driver.Copy3D(&c, s)
}

// decodeCopy reads CUDA_MEMCPY3D and refuses host memory that is not the process's.
func (p *Process) decodeCopy(c *driver.Copy3D, b []byte) driver.Result {
	le := binary.LittleEndian
	*c = driver.Copy3D{WidthBytes: le.Uint64(b[176:]), Height: le.Uint64(b[184:]), Depth: le.Uint64(b[192:])}
	nothing := c.WidthBytes == 0 || c.Height == 0 || c.Depth == 0
	for at, end := range map[int]*driver.Copy3DEnd{0: &c.Src, 88: &c.Dst} {
		if r := p.decodeCopyEnd(end, b[at:at+88]); r != driver.Success {
			return r
		}
		if end.Type != driver.MemoryHost || nothing {
			continue
		}
		offset, size, ok := copyExtent(end, c.WidthBytes, c.Height, c.Depth)
		if !ok {
			return driver.ErrorInvalidValue
		}
		if !p.checkHost(end.Address+offset, size) {
			return driver.ErrorInvalidValue
		}
	}
	return driver.Success
}

// decodeCopyEnd reads one half of CUDA_MEMCPY3D: u64 x, y, z, level; u32 memory
// type, padding; host and device pointers, number of an array, reserved; u64
// pitch, height.
func (p *Process) decodeCopyEnd(e *driver.Copy3DEnd, b []byte) driver.Result {
	le := binary.LittleEndian
	*e = driver.Copy3DEnd{
		XBytes: le.Uint64(b), Y: le.Uint64(b[8:]), Z: le.Uint64(b[16:]), LOD: le.Uint64(b[24:]),
		Type:  le.Uint32(b[32:]),
		Pitch: le.Uint64(b[72:]), Height: le.Uint64(b[80:]),
	}
	switch e.Type {
	case driver.MemoryHost:
		e.Address = le.Uint64(b[40:])
	case driver.MemoryDevice:
		e.Address = le.Uint64(b[48:])
	case driver.MemoryArray:
		native, ok := p.tables.Get(driver.KindArray, le.Uint32(b[56:]))
		if !ok {
			return driver.ErrorInvalidHandle
		}
		e.Address = native
	default:
		return driver.ErrorInvalidValue
	}
	return driver.Success
}

// encodeCopy is the reverse of decodeCopy.
func (p *Process) encodeCopy(b []byte, c *driver.Copy3D) {
	le := binary.LittleEndian
	clear(b)
	for at, end := range map[int]*driver.Copy3DEnd{0: &c.Src, 88: &c.Dst} {
		e := b[at : at+88]
		for i, v := range []uint64{end.XBytes, end.Y, end.Z, end.LOD} {
			le.PutUint64(e[8*i:], v)
		}
		le.PutUint32(e[32:], end.Type)
		switch end.Type {
		case driver.MemoryHost:
			le.PutUint64(e[40:], end.Address)
		case driver.MemoryArray:
			number, _ := p.tables.Find(driver.KindArray, end.Address)
			le.PutUint32(e[56:], number)
		default:
			le.PutUint64(e[48:], end.Address)
		}
		le.PutUint64(e[72:], end.Pitch)
		le.PutUint64(e[80:], end.Height)
	}
	for i, v := range []uint64{c.WidthBytes, c.Height, c.Depth} {
		le.PutUint64(b[176+8*i:], v)
	}
}

// copyExtent is the part of host memory, from Address on, that one end of a copy
// touches. false: the numbers leave what the driver takes.
func copyExtent(e *driver.Copy3DEnd, width, height, depth uint64) (offset, size uint64, ok bool) {
	const limit = 1 << 40 // so that no sum overflows
	pitch, rows := e.Pitch, e.Height
	if pitch == 0 {
		pitch = e.XBytes + width
	}
	if rows == 0 {
		rows = e.Y + height
	}
	for _, n := range []uint64{e.XBytes, e.Y, e.Z, width, height, depth, pitch, rows} {
		if n > limit {
			return 0, 0, false
		}
	}
	slice, ok1 := product(pitch, rows)
	before, ok2 := product(slice, e.Z)
	above, ok3 := product(pitch, e.Y)
	slices, ok4 := product(slice, depth-1)
	lines, ok5 := product(pitch, height-1)
	if !ok1 || !ok2 || !ok3 || !ok4 || !ok5 {
		return 0, 0, false
	}
	return before + above + e.XBytes, slices + lines + width, true
}

func product(a, b uint64) (uint64, bool) {
	const limit = 1 << 48
	if a != 0 && b > limit/a {
		return 0, false
	}
	return a * b, true
}
