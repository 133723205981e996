package process

import (
	"libvirt-vgpu/mediatord/executor/driver"
	"libvirt-vgpu/mediatord/executor/wire"
	"libvirt-vgpu/plugin/window"
)

// PlaceRanges implements wire.Handler: the guest process has something where the
// ranges of device and pinned memory are unless it asks.
func (p *Process) PlaceRanges(_ wire.Call, in wire.PlaceRanges) (wire.PlaceRangesReply, driver.Result) {
	var reply wire.PlaceRangesReply
	if p.registrar != 0 || len(p.memory.blocks) > 0 {
		return reply, p.violate("ranges placed at %#x and %#x in a process that has a context", in.Device, in.Pinned)
	}
	pinnedTaken, deviceTaken, err := p.Pinned.Place(in.Pinned, in.Device)
	if err != nil {
		return reply, p.violate("%w", err)
	}
	if pinnedTaken {
		reply.Taken |= window.TakenPinned
	}
	if deviceTaken {
		reply.Taken |= window.TakenDevice
		return reply, driver.Success
	}
	r := p.Driver.PlaceDeviceMemory(in.Device)
	if r == driver.ErrorMapFailed {
		reply.Taken |= window.TakenDevice
		r = driver.Success
	}
	return reply, r
}
