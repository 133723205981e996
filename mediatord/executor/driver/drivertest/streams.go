package drivertest

import "libvirt-vgpu/mediatord/executor/driver"

// WriteFence implements driver.Driver.
func (r *Recorder) WriteFence(s driver.Stream, address uint64, value uint32) driver.Result {
	return r.call("WriteFence", s, address, value)
}

// Notify implements driver.Driver.
func (r *Recorder) Notify(s driver.Stream, eventfd int) driver.Result {
	return r.call("Notify", s, eventfd)
}

// StreamCreate implements driver.Driver.
func (r *Recorder) StreamCreate(flags uint32, priority int32) (driver.Stream, driver.Result) {
	h, result := r.create("StreamCreate", flags, priority)
	return driver.Stream(h), result
}

// StreamDestroy implements driver.Driver.
func (r *Recorder) StreamDestroy(s driver.Stream) driver.Result {
	return r.call("StreamDestroy", s)
}

// StreamWaitEvent implements driver.Driver.
func (r *Recorder) StreamWaitEvent(s driver.Stream, e driver.Event, flags uint32) driver.Result {
	return r.call("StreamWaitEvent", s, e, flags)
}

// StreamWaitValue32 implements driver.Driver.
func (r *Recorder) StreamWaitValue32(s driver.Stream, address uint64, value uint32, flags uint32) driver.Result {
	return r.call("StreamWaitValue32", s, address, value, flags)
}

// StreamWriteValue32 implements driver.Driver.
func (r *Recorder) StreamWriteValue32(s driver.Stream, address uint64, value uint32, flags uint32) driver.Result {
	return r.call("StreamWriteValue32", s, address, value, flags)
}

// StreamWaitValue64 implements driver.Driver.
func (r *Recorder) StreamWaitValue64(s driver.Stream, address uint64, value uint64, flags uint32) driver.Result {
	return r.call("StreamWaitValue64", s, address, value, flags)
}

// StreamWriteValue64 implements driver.Driver.
func (r *Recorder) StreamWriteValue64(s driver.Stream, address uint64, value uint64, flags uint32) driver.Result {
	return r.call("StreamWriteValue64", s, address, value, flags)
}

// StreamQuery implements driver.Driver.
func (r *Recorder) StreamQuery(s driver.Stream) driver.Result {
	return r.call("StreamQuery", s)
}

// OnCall implements driver.Driver.
func (r *Recorder) OnCall(call func(number uint32, status driver.Result)) { r.Call = call }

// LaunchHostFunc implements driver.Driver.
func (r *Recorder) LaunchHostFunc(s driver.Stream, number uint32) driver.Result {
	return r.call("LaunchHostFunc", s, number)
}

// AddCallback implements driver.Driver.
func (r *Recorder) AddCallback(s driver.Stream, number uint32) driver.Result {
	return r.call("AddCallback", s, number)
}

// StreamSynchronize implements driver.Driver.
func (r *Recorder) StreamSynchronize(s driver.Stream) driver.Result {
	return r.call("StreamSynchronize", s)
}

// FlushText implements driver.Driver.
func (r *Recorder) FlushText(s driver.Stream) driver.Result { return r.call("FlushText", s) }

// FlushTextOfEvent implements driver.Driver.
func (r *Recorder) FlushTextOfEvent(e driver.Event) driver.Result {
	return r.call("FlushTextOfEvent", e)
}
