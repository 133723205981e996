package drivertest

import "libvirt-vgpu/mediatord/executor/driver"

// PrimaryRetain implements driver.Driver.
func (r *Recorder) PrimaryRetain(flags uint32) (driver.Context, driver.Result) {
	return Primary, r.call("PrimaryRetain", flags)
}

// PrimaryRelease implements driver.Driver.
func (r *Recorder) PrimaryRelease() driver.Result {
	return r.call("PrimaryRelease")
}

// PrimaryReset implements driver.Driver.
func (r *Recorder) PrimaryReset() driver.Result {
	return r.call("PrimaryReset")
}

// ContextCreate implements driver.Driver.
func (r *Recorder) ContextCreate(flags uint32) (driver.Context, driver.Result) {
	h, result := r.create("ContextCreate", flags)
	return driver.Context(h), result
}

// ContextDestroy implements driver.Driver.
func (r *Recorder) ContextDestroy(c driver.Context) driver.Result {
	return r.call("ContextDestroy", c)
}

// SetCurrent implements driver.Driver.
func (r *Recorder) SetCurrent(c driver.Context) driver.Result {
	return r.call("SetCurrent", c)
}

// Synchronize implements driver.Driver.
func (r *Recorder) Synchronize(c driver.Context) driver.Result {
	return r.call("Synchronize", c)
}

// CtxGetLimit implements driver.Driver.
func (r *Recorder) CtxGetLimit(limit uint32) (uint64, driver.Result) {
	return 1, r.call("CtxGetLimit", limit)
}

// CtxSetLimit implements driver.Driver.
func (r *Recorder) CtxSetLimit(limit uint32, value uint64) driver.Result {
	return r.call("CtxSetLimit", limit, value)
}

// CtxGetCacheConfig implements driver.Driver.
func (r *Recorder) CtxGetCacheConfig() (uint32, driver.Result) {
	return 1, r.call("CtxGetCacheConfig")
}

// CtxSetCacheConfig implements driver.Driver.
func (r *Recorder) CtxSetCacheConfig(config uint32) driver.Result {
	return r.call("CtxSetCacheConfig", config)
}

// CtxResetPersistingL2 implements driver.Driver.
func (r *Recorder) CtxResetPersistingL2() driver.Result {
	return r.call("CtxResetPersistingL2")
}

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
