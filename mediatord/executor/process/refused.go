package process

import (
	"libvirt-vgpu/mediatord/executor/control"
	"libvirt-vgpu/mediatord/executor/driver"
	"libvirt-vgpu/mediatord/executor/wire"
)

// Refused implements wire.Handler: it counts, Idle reports.
func (p *Process) Refused(_ wire.Call, in wire.Refused) driver.Result {
	if uint64(in.Index) >= uint64(len(p.Calls)) {
		return p.violate("refused call %d, there are %d", in.Index, len(p.Calls))
	}
	p.refused[in.Index]++
	return driver.Success
}

func (p *Process) reportRefused() {
	for index, count := range p.refused {
		_ = p.Sender.Send(control.Message{Type: control.Refused, Name: p.Calls[index], Count: count})
	}
	clear(p.refused)
}
