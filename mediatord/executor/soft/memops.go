package soft

import (
	"encoding/binary"

	"libvirt-vgpu/mediatord/executor/driver"
)

// Places in CUstreamBatchMemOpParams.
const (
	memOpAddress = 8
	memOpValue   = 16
	memOpFlags   = 24
)

// BatchMemOps implements driver.Streams: one after the other. Memory of a process
// needs neither flush nor barrier.
func (d *Driver) BatchMemOps(s driver.Stream, operations []byte, _ uint32) driver.Result {
	le := binary.LittleEndian
	for o := operations; len(o) > 0; o = o[driver.MemOpSize:] {
		address, value, flags := le.Uint64(o[memOpAddress:]), le.Uint64(o[memOpValue:]), le.Uint32(o[memOpFlags:])
		r := driver.Success
		switch le.Uint32(o) {
		case driver.MemOpWait32:
			r = d.StreamWaitValue32(s, address, uint32(value), flags)
		case driver.MemOpWrite32:
			r = d.StreamWriteValue32(s, address, uint32(value), flags)
		case driver.MemOpWait64:
			r = d.StreamWaitValue64(s, address, value, flags)
		case driver.MemOpWrite64:
			r = d.StreamWriteValue64(s, address, value, flags)
		}
		if r != driver.Success {
			return r
		}
	}
	return driver.Success
}
