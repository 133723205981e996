package process

import (
	"libvirt-vgpu/mediatord/executor/driver"
	"libvirt-vgpu/mediatord/executor/wire"
)

// Numbers of callbacks are the process's own: they go back to it unseen.

// LaunchHostFunc implements wire.Handler. In a capture it becomes a host node.
func (p *Process) LaunchHostFunc(_ wire.Call, in wire.LaunchHostFunc) driver.Result {
	s, ok := p.stream(in.S)
	if !ok {
		return driver.ErrorInvalidHandle
	}
	return p.Driver.LaunchHostFunc(s, in.Callback)
}

// StreamAddCallback implements wire.Handler.
func (p *Process) StreamAddCallback(_ wire.Call, in wire.StreamAddCallback) driver.Result {
	s, ok := p.stream(in.S)
	if !ok {
		return driver.ErrorInvalidHandle
	}
	return p.Driver.AddCallback(s, in.Callback)
}
