package soft

import (
	"encoding/binary"

	"libvirt-vgpu/mediatord/executor/driver"
)

// Attributes of streams (CUlaunchAttributeID). They are hints, kept for the
// answer.
const (
	attributeAccessPolicy = 1
	attributePriority     = 8
	attributeDomainMap    = 9
	attributeDomain       = 10
)

type streamAttributes map[uint32][64]byte

func streamAttribute(attribute uint32) bool {
	switch attribute {
	case attributeAccessPolicy, attributePriority, attributeDomainMap, attributeDomain:
		return true
	}
	return false
}

// StreamGetAttribute implements driver.Native.
func (d *Driver) StreamGetAttribute(s driver.Stream, attribute uint32) (value [64]byte, r driver.Result) {
	stream, ok := d.stream(s)
	if !ok {
		return value, driver.ErrorInvalidHandle
	}
	if !streamAttribute(attribute) {
		return value, driver.ErrorInvalidValue
	}
	value, set := d.hints[s][attribute]
	if !set && attribute == attributePriority {
		binary.LittleEndian.PutUint32(value[:], uint32(stream.Flags().Priority))
	}
	return value, driver.Success
}

// StreamSetAttribute implements driver.Native.
func (d *Driver) StreamSetAttribute(s driver.Stream, attribute uint32, value []byte) driver.Result {
	if _, ok := d.stream(s); !ok {
		return driver.ErrorInvalidHandle
	}
	if !streamAttribute(attribute) {
		return driver.ErrorInvalidValue
	}
	if d.hints[s] == nil {
		d.hints[s] = streamAttributes{}
	}
	d.hints[s][attribute] = [64]byte(value)
	return driver.Success
}

// StreamCopyAttributes implements driver.Native.
func (d *Driver) StreamCopyAttributes(dst, src driver.Stream) driver.Result {
	_, ok1 := d.stream(dst)
	_, ok2 := d.stream(src)
	if !ok1 || !ok2 {
		return driver.ErrorInvalidHandle
	}
	for attribute, value := range d.hints[src] {
		d.StreamSetAttribute(dst, attribute, value[:])
	}
	return driver.Success
}
