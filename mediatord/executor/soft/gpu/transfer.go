package gpu

import "math"

// Place is one end of a copy: device memory, or a slice of the caller's when
// Host is not nil. Pinned memory that is mapped counts as device memory.
type Place struct {
	Addr   uint64
	Host   []byte
	Pitch  uint64 // bytes from row to row, for Copy with more than one row
	Offset uint64 // added to Addr or to the position in Host
}

// DevicePlace is device memory at an address.
func DevicePlace(va uint64) Place { return Place{Addr: va} }

// HostPlace is memory of the caller's, which must not change until the copy
// has been executed.
func HostPlace(p []byte) Place { return Place{Host: p} }

// Copy moves Height rows of Width bytes.
type Copy struct {
	To, From Place
	Width    uint64
	Height   uint64
}

func (c *Copy) kind() NodeKind { return MemcpyNode }

func (c *Copy) check(d *Device) error {
	if c.Width == 0 || c.Height == 0 {
		return nil
	}
	if c.Height > 1 && (c.To.Pitch < c.Width || c.From.Pitch < c.Width) {
		return InvalidValue
	}
	if err := c.From.check(d, c.Width, c.Height, ReadOnly); err != nil {
		return err
	}
	return c.To.check(d, c.Width, c.Height, ReadWrite)
}

// extent is the distance from the first byte to behind the last.
func (p *Place) extent(width, height uint64) (uint64, bool) {
	if height > 1 && p.Pitch > (math.MaxInt64-width)/(height-1) {
		return 0, false
	}
	return p.Pitch*(height-1) + width, true
}

func (p *Place) check(d *Device, width, height uint64, access Access) error {
	n, ok := p.extent(width, height)
	if !ok || p.Offset > math.MaxInt64 {
		return InvalidValue
	}
	if p.Host != nil {
		if p.Offset > uint64(len(p.Host)) || n > uint64(len(p.Host))-p.Offset {
			return InvalidValue
		}
		return nil
	}
	if p.Pitch == width || height == 1 {
		if !d.Mapped(p.Addr+p.Offset, n, access) {
			return InvalidValue
		}
		return nil
	}
	for row := range height {
		if !d.Mapped(p.Addr+p.Offset+row*p.Pitch, width, access) {
			return InvalidValue
		}
	}
	return nil
}

func (c *Copy) do(d *Device) error {
	width, height := c.Width, c.Height
	if c.To.Pitch == width && c.From.Pitch == width { // one block
		width, height = width*height, min(height, 1)
	}
	for row := range height {
		to, from := c.To.Offset+row*c.To.Pitch, c.From.Offset+row*c.From.Pitch
		var err error
		switch {
		case c.To.Host != nil && c.From.Host != nil:
			copy(c.To.Host[to:to+width], c.From.Host[from:from+width])
		case c.To.Host != nil:
			err = d.space.Read(c.To.Host[to:to+width], c.From.Addr+from)
		case c.From.Host != nil:
			err = d.space.Write(c.To.Addr+to, c.From.Host[from:from+width])
		default:
			err = d.space.Copy(c.To.Addr+to, c.From.Addr+from, width)
		}
		if err != nil {
			return accessFault(err)
		}
	}
	return nil
}

// Copy copies in the order of the stream. CUDA_ERROR_INVALID_VALUE when
// memory is not mapped or a slice is too short.
func (s *Stream) Copy(c Copy) error { return s.submit(&c) }

// CopyToDevice copies p to va. The slice must not change until the copy has
// been executed.
func (s *Stream) CopyToDevice(va uint64, p []byte) error {
	return s.Copy(Copy{To: DevicePlace(va), From: HostPlace(p), Width: uint64(len(p)), Height: 1})
}

// CopyFromDevice copies from va to p.
func (s *Stream) CopyFromDevice(p []byte, va uint64) error {
	return s.Copy(Copy{To: HostPlace(p), From: DevicePlace(va), Width: uint64(len(p)), Height: 1})
}

// CopyDevice copies n bytes between addresses.
func (s *Stream) CopyDevice(to, from, n uint64) error {
	return s.Copy(Copy{To: DevicePlace(to), From: DevicePlace(from), Width: n, Height: 1})
}

// Fill repeats a value over Height rows of Width elements of Size bytes.
type Fill struct {
	Addr   uint64
	Value  uint32
	Size   uint64 // 1, 2 or 4 bytes
	Width  uint64 // elements
	Height uint64
	Pitch  uint64 // bytes from row to row, for more than one row
}

func (f *Fill) kind() NodeKind { return MemsetNode }

func (f *Fill) check(d *Device) error {
	if f.Size != 1 && f.Size != 2 && f.Size != 4 || f.Addr%f.Size != 0 || f.Width > math.MaxInt64/4 {
		return InvalidValue
	}
	if f.Width == 0 || f.Height == 0 {
		return nil
	}
	bytes := f.Width * f.Size
	if f.Height > 1 && (f.Pitch < bytes || f.Pitch%f.Size != 0) {
		return InvalidValue
	}
	p := Place{Addr: f.Addr, Pitch: f.Pitch}
	return p.check(d, bytes, f.Height, ReadWrite)
}

func (f *Fill) do(d *Device) error {
	pattern := []byte{byte(f.Value), byte(f.Value >> 8), byte(f.Value >> 16), byte(f.Value >> 24)}[:f.Size]
	for row := range f.Height {
		if err := d.space.Fill(f.Addr+row*f.Pitch, f.Width*f.Size, pattern); err != nil {
			return accessFault(err)
		}
	}
	return nil
}

// Fill sets memory in the order of the stream.
func (s *Stream) Fill(f Fill) error { return s.submit(&f) }
