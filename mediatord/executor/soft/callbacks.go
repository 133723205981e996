package soft

import (
	"libvirt-vgpu/mediatord/executor/driver"
	"libvirt-vgpu/mediatord/executor/soft/gpu"
)

// OnCall implements driver.Callbacks.
func (d *Driver) OnCall(call func(number uint32, status driver.Result)) { d.call = call }

// LaunchHostFunc implements driver.Callbacks.
func (d *Driver) LaunchHostFunc(s driver.Stream, number uint32) driver.Result {
	return d.with(s, func(s *gpu.Stream) error { return s.Submit(d.hostWork(number)) })
}

// hostWork calls the process's callback of that number.
func (d *Driver) hostWork(number uint32) gpu.Work {
	call := d.call
	return gpu.HostWork(func() { call(number, driver.Success) }, number)
}

// AddCallback implements driver.Callbacks.
func (d *Driver) AddCallback(s driver.Stream, number uint32) driver.Result {
	call := d.call
	return d.with(s, func(s *gpu.Stream) error {
		return s.Callback(func(err error) { call(number, driver.Result(gpu.CodeOf(err))) })
	})
}
