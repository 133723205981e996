package soft

import "libvirt-vgpu/mediatord/executor/driver"

// CtxRecordEvent implements driver.Native. All contexts are the device.
func (d *Driver) CtxRecordEvent(_ driver.Context, e driver.Event) driver.Result {
	event, ok := d.events.items[uint64(e)]
	if !ok {
		return driver.ErrorInvalidHandle
	}
	return d.result(d.dev.RecordAll(event))
}

// CtxWaitEvent implements driver.Native.
func (d *Driver) CtxWaitEvent(_ driver.Context, e driver.Event) driver.Result {
	event, ok := d.events.items[uint64(e)]
	if !ok {
		return driver.ErrorInvalidHandle
	}
	return d.result(d.dev.WaitAll(event))
}
