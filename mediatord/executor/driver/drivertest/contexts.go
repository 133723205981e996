package drivertest

import "libvirt-vgpu/mediatord/executor/driver"

// CtxGetExecAffinity implements driver.Driver.
func (r *Recorder) CtxGetExecAffinity(kind uint32) ([8]byte, driver.Result) {
	return [8]byte{1}, r.call("CtxGetExecAffinity", kind)
}

// CtxRecordEvent implements driver.Driver.
func (r *Recorder) CtxRecordEvent(c driver.Context, e driver.Event) driver.Result {
	return r.call("CtxRecordEvent", c, e)
}

// CtxWaitEvent implements driver.Driver.
func (r *Recorder) CtxWaitEvent(c driver.Context, e driver.Event) driver.Result {
	return r.call("CtxWaitEvent", c, e)
}

// FlushRDMAWrites implements driver.Driver.
func (r *Recorder) FlushRDMAWrites(target, scope uint32) driver.Result {
	return r.call("FlushRDMAWrites", target, scope)
}

// DeviceTextureWidth implements driver.Driver.
func (r *Recorder) DeviceTextureWidth(format, channels uint32) (uint64, driver.Result) {
	return 1, r.call("DeviceTextureWidth", format, channels)
}

// DeviceAffinitySupport implements driver.Driver.
func (r *Recorder) DeviceAffinitySupport(kind uint32) (int32, driver.Result) {
	return 1, r.call("DeviceAffinitySupport", kind)
}

// HostAtomics implements driver.Driver.
func (r *Recorder) HostAtomics(operation uint32) (uint32, driver.Result) {
	return 1, r.call("HostAtomics", operation)
}

// StreamGetAttribute implements driver.Driver.
func (r *Recorder) StreamGetAttribute(s driver.Stream, attribute uint32) ([64]byte, driver.Result) {
	return [64]byte{1}, r.call("StreamGetAttribute", s, attribute)
}

// StreamSetAttribute implements driver.Driver.
func (r *Recorder) StreamSetAttribute(s driver.Stream, attribute uint32, value []byte) driver.Result {
	return r.call("StreamSetAttribute", s, attribute, value)
}

// StreamCopyAttributes implements driver.Driver.
func (r *Recorder) StreamCopyAttributes(dst, src driver.Stream) driver.Result {
	return r.call("StreamCopyAttributes", dst, src)
}

// BatchMemOps implements driver.Driver.
func (r *Recorder) BatchMemOps(s driver.Stream, operations []byte, flags uint32) driver.Result {
	return r.call("BatchMemOps", s, operations, flags)
}
