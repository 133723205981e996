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

// StreamAddCallback implements wire.Handler. The process was told that the callback is
// on the stream before the record came here. If the context is lost by then, the driver
// takes it no more, but would have called what was there with the error: so it is called.
func (p *Process) StreamAddCallback(_ wire.Call, in wire.StreamAddCallback) driver.Result {
	s, ok := p.stream(in.S)
	if !ok {
		return driver.ErrorInvalidHandle
	}
	r := p.Driver.AddCallback(s, in.Callback)
	if r.Sticky() {
		go p.Channel.Call(in.Callback, r)
	}
	return r
}
