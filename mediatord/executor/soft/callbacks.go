package soft

import (
	"libvirt-vgpu/mediatord/executor/driver"
	"libvirt-vgpu/mediatord/executor/soft/gpu"
)

// OnCall implements driver.Callbacks.
func (d *Driver) OnCall(call func(number uint32, status driver.Result)) { d.call = call }

// LaunchHostFunc implements driver.Callbacks.
func (d *Driver) LaunchHostFunc(s driver.Stream, number uint32) driver.Result {
	call := d.call
	return d.with(s, func(s *gpu.Stream) error {
		return s.HostFunc(func() { call(number, driver.Success) })
	})
}

// AddCallback implements driver.Callbacks. Unlike the driver's, a stream of the
// software GPU does nothing any more once the device has failed, so that no
// callback hears of an error.
func (d *Driver) AddCallback(s driver.Stream, number uint32) driver.Result {
	status, r := d.Capturing(s)
	if r == driver.Success && status != 0 {
		r = driver.ErrorCaptureUnsupported
	}
	if r != driver.Success {
		return r
	}
	return d.LaunchHostFunc(s, number)
}
