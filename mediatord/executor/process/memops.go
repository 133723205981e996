package process

import (
	"encoding/binary"

	"libvirt-vgpu/mediatord/executor/driver"
	"libvirt-vgpu/mediatord/executor/wire"
)

// StreamBatchMemOp implements wire.Handler. The operations are the record's
// private copy.
func (p *Process) StreamBatchMemOp(_ wire.Call, in wire.StreamBatchMemOp) driver.Result {
	s, ok := p.stream(in.S)
	if !ok {
		return driver.ErrorInvalidHandle
	}
	if in.Count > driver.MaxMemOps || len(in.Operations) != int(in.Count)*driver.MemOpSize {
		return p.violate("%d stream memory operations in %d bytes", in.Count, len(in.Operations))
	}
	for o := in.Operations; len(o) > 0; o = o[driver.MemOpSize:] {
		if kind := binary.LittleEndian.Uint32(o); kind < driver.MemOpWait32 || kind > driver.MemOpBarrier {
			return driver.ErrorInvalidValue
		}
	}
	return p.Driver.BatchMemOps(s, in.Operations, in.Flags)
}

// DeviceHostAtomics implements wire.Handler.
func (p *Process) DeviceHostAtomics(_ wire.Call, in wire.DeviceHostAtomics) (wire.DeviceHostAtomicsReply, driver.Result) {
	capabilities, r := p.Driver.HostAtomics(in.Operation)
	return wire.DeviceHostAtomicsReply{Capabilities: capabilities}, r
}
