package drivertest

import "libvirt-vgpu/mediatord/executor/driver"

// EventRecord implements driver.Driver.
func (r *Recorder) EventRecord(e driver.Event, s driver.Stream, flags uint32) driver.Result {
	return r.call("EventRecord", e, s, flags)
}

// EventCreate implements driver.Driver.
func (r *Recorder) EventCreate(flags uint32) (driver.Event, driver.Result) {
	h, result := r.create("EventCreate", flags)
	return driver.Event(h), result
}

// EventDestroy implements driver.Driver.
func (r *Recorder) EventDestroy(e driver.Event) driver.Result {
	return r.call("EventDestroy", e)
}

// EventElapsed implements driver.Driver.
func (r *Recorder) EventElapsed(start driver.Event, end driver.Event) (float32, driver.Result) {
	return 1, r.call("EventElapsed", start, end)
}

// EventQuery implements driver.Driver.
func (r *Recorder) EventQuery(e driver.Event) driver.Result {
	return r.call("EventQuery", e)
}
