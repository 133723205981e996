package drivertest

import (
	"encoding/binary"

	"libvirt-vgpu/mediatord/executor/driver"
)

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

// MapBlock implements driver.Driver.
func (r *Recorder) MapBlock(va uint64, size uint64) driver.Result {
	return r.call("MapBlock", va, size)
}

// UnmapBlock implements driver.Driver.
func (r *Recorder) UnmapBlock(va uint64) driver.Result {
	return r.call("UnmapBlock", va)
}

// PlaceDeviceMemory implements driver.Driver.
func (r *Recorder) PlaceDeviceMemory(base uint64) driver.Result {
	return r.call("PlaceDeviceMemory", base)
}

// AddressReserve implements driver.Driver.
func (r *Recorder) AddressReserve(va uint64, size uint64) driver.Result {
	return r.call("AddressReserve", va, size)
}

// AddressFree implements driver.Driver.
func (r *Recorder) AddressFree(va uint64, size uint64) driver.Result {
	return r.call("AddressFree", va, size)
}

// MemoryCreate implements driver.Driver.
func (r *Recorder) MemoryCreate(size uint64, exportable bool, flags [8]byte) (driver.Memory, driver.Result) {
	h, result := r.create("MemoryCreate", size, exportable, flags)
	return driver.Memory(h), result
}

// MemoryRelease implements driver.Driver.
func (r *Recorder) MemoryRelease(m driver.Memory) driver.Result {
	return r.call("MemoryRelease", m)
}

// MemoryMap implements driver.Driver.
func (r *Recorder) MemoryMap(va uint64, size uint64, offset uint64, m driver.Memory) driver.Result {
	return r.call("MemoryMap", va, size, offset, m)
}

// MemoryUnmap implements driver.Driver.
func (r *Recorder) MemoryUnmap(va uint64, size uint64) driver.Result {
	return r.call("MemoryUnmap", va, size)
}

// SetAccess implements driver.Driver.
func (r *Recorder) SetAccess(va uint64, size uint64, flags uint32) driver.Result {
	return r.call("SetAccess", va, size, flags)
}

// GetAccess implements driver.Driver.
func (r *Recorder) GetAccess(va uint64) (uint64, driver.Result) {
	return 1, r.call("GetAccess", va)
}

// HostRegister implements driver.Driver.
func (r *Recorder) HostRegister(address uint64, size uint64) driver.Result {
	return r.call("HostRegister", address, size)
}

// HostUnregister implements driver.Driver.
func (r *Recorder) HostUnregister(address uint64) driver.Result {
	return r.call("HostUnregister", address)
}

// CopyHtoD implements driver.Driver.
func (r *Recorder) CopyHtoD(dst uint64, src uint64, size uint64, s driver.Stream) driver.Result {
	return r.call("CopyHtoD", dst, src, size, s)
}

// CopyHtoDBytes implements driver.Driver.
func (r *Recorder) CopyHtoDBytes(dst uint64, data []byte, s driver.Stream) driver.Result {
	return r.call("CopyHtoDBytes", dst, data, s)
}

// CopyDtoH implements driver.Driver.
func (r *Recorder) CopyDtoH(dst uint64, src uint64, size uint64, s driver.Stream) driver.Result {
	return r.call("CopyDtoH", dst, src, size, s)
}

// Fill implements driver.Driver.
func (r *Recorder) Fill(dst uint64, pitch uint64, value uint32, element uint32, width uint64, height uint64, s driver.Stream) driver.Result {
	return r.call("Fill", dst, pitch, value, element, width, height, s)
}

// Copy3D implements driver.Driver.
func (r *Recorder) Copy3D(c *driver.Copy3D, s driver.Stream) driver.Result {
	return r.call("Copy3D", c, s)
}

// ModuleLoad implements driver.Driver.
func (r *Recorder) ModuleLoad(image []byte, jit *driver.JIT) (driver.Module, driver.Result) {
	h, result := r.create("ModuleLoad", image, jit)
	return driver.Module(h), result
}

// ModuleUnload implements driver.Driver.
func (r *Recorder) ModuleUnload(m driver.Module) driver.Result {
	return r.call("ModuleUnload", m)
}

// ModuleFunction implements driver.Driver.
func (r *Recorder) ModuleFunction(m driver.Module, name string) (driver.Function, driver.Result) {
	h, result := r.create("ModuleFunction", m, name)
	return driver.Function(h), result
}

// ModuleGlobal implements driver.Driver.
func (r *Recorder) ModuleGlobal(m driver.Module, name string) (uint64, uint64, driver.Result) {
	return 1, 1, r.call("ModuleGlobal", m, name)
}

// LibraryLoad implements driver.Driver.
func (r *Recorder) LibraryLoad(image []byte, jit *driver.JIT) (driver.Library, driver.Result) {
	h, result := r.create("LibraryLoad", image, jit)
	return driver.Library(h), result
}

// LibraryUnload implements driver.Driver.
func (r *Recorder) LibraryUnload(l driver.Library) driver.Result {
	return r.call("LibraryUnload", l)
}

// LibraryKernel implements driver.Driver.
func (r *Recorder) LibraryKernel(l driver.Library, name string) (driver.Kernel, driver.Result) {
	h, result := r.create("LibraryKernel", l, name)
	return driver.Kernel(h), result
}

// LibraryModule implements driver.Driver.
func (r *Recorder) LibraryModule(l driver.Library) (driver.Module, driver.Result) {
	h, result := r.create("LibraryModule", l)
	return driver.Module(h), result
}

// LibraryGlobal implements driver.Driver.
func (r *Recorder) LibraryGlobal(l driver.Library, name string) (uint64, uint64, driver.Result) {
	return 1, 1, r.call("LibraryGlobal", l, name)
}

// KernelFunction implements driver.Driver.
func (r *Recorder) KernelFunction(k driver.Kernel) (driver.Function, driver.Result) {
	h, result := r.create("KernelFunction", k)
	return driver.Function(h), result
}

// KernelGetAttribute implements driver.Driver.
func (r *Recorder) KernelGetAttribute(k driver.Kernel, attribute int32) (int32, driver.Result) {
	return 1, r.call("KernelGetAttribute", k, attribute)
}

// KernelSetAttribute implements driver.Driver.
func (r *Recorder) KernelSetAttribute(k driver.Kernel, attribute int32, value int32) driver.Result {
	return r.call("KernelSetAttribute", k, attribute, value)
}

// KernelSetCacheConfig implements driver.Driver.
func (r *Recorder) KernelSetCacheConfig(k driver.Kernel, config uint32) driver.Result {
	return r.call("KernelSetCacheConfig", k, config)
}

// Launch implements driver.Driver.
func (r *Recorder) Launch(l *driver.Launch) driver.Result {
	return r.call("Launch", l)
}

// OccupancyBlocks implements driver.Driver.
func (r *Recorder) OccupancyBlocks(f driver.Function, blockSize int32, shared uint64, flags uint32) (int32, driver.Result) {
	return 1, r.call("OccupancyBlocks", f, blockSize, shared, flags)
}

// OccupancyShared implements driver.Driver.
func (r *Recorder) OccupancyShared(f driver.Function, blocks int32, blockSize int32) (uint64, driver.Result) {
	return 1, r.call("OccupancyShared", f, blocks, blockSize)
}

// OccupancyClusters implements driver.Driver.
func (r *Recorder) OccupancyClusters(l *driver.Launch) (int32, driver.Result) {
	return 1, r.call("OccupancyClusters", l)
}

// OccupancyClusterSize implements driver.Driver.
func (r *Recorder) OccupancyClusterSize(l *driver.Launch) (int32, driver.Result) {
	return 1, r.call("OccupancyClusterSize", l)
}

// OccupancyPotential implements driver.Driver.
func (r *Recorder) OccupancyPotential(f driver.Function, shared uint64, limit int32, flags uint32) (int32, int32, driver.Result) {
	return 1, 1, r.call("OccupancyPotential", f, shared, limit, flags)
}

// EventRecord implements driver.Driver.
func (r *Recorder) EventRecord(e driver.Event, s driver.Stream, flags uint32) driver.Result {
	return r.call("EventRecord", e, s, flags)
}

// WriteFence implements driver.Driver.
func (r *Recorder) WriteFence(s driver.Stream, address uint64, value uint32) driver.Result {
	return r.call("WriteFence", s, address, value)
}

// Notify implements driver.Driver.
func (r *Recorder) Notify(s driver.Stream, eventfd int) driver.Result {
	return r.call("Notify", s, eventfd)
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

// CopyDtoD implements driver.Driver.
func (r *Recorder) CopyDtoD(dst uint64, src uint64, size uint64, s driver.Stream) driver.Result {
	return r.call("CopyDtoD", dst, src, size, s)
}

// FunctionSetAttribute implements driver.Driver.
func (r *Recorder) FunctionSetAttribute(f driver.Function, attribute int32, value int32) driver.Result {
	return r.call("FunctionSetAttribute", f, attribute, value)
}

// FunctionGetAttribute implements driver.Driver.
func (r *Recorder) FunctionGetAttribute(attribute int32, f driver.Function) (int32, driver.Result) {
	return 1, r.call("FunctionGetAttribute", attribute, f)
}

// FunctionSetCacheConfig implements driver.Driver.
func (r *Recorder) FunctionSetCacheConfig(f driver.Function, config uint32) driver.Result {
	return r.call("FunctionSetCacheConfig", f, config)
}

// LibraryKernelCount implements driver.Driver.
func (r *Recorder) LibraryKernelCount(l driver.Library) (uint32, driver.Result) {
	return 1, r.call("LibraryKernelCount", l)
}

// ModuleFunctionCount implements driver.Driver.
func (r *Recorder) ModuleFunctionCount(m driver.Module) (uint32, driver.Result) {
	return 1, r.call("ModuleFunctionCount", m)
}

// FunctionLoad implements driver.Driver.
func (r *Recorder) FunctionLoad(f driver.Function) driver.Result {
	return r.call("FunctionLoad", f)
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

// CaptureBegin implements driver.Driver.
func (r *Recorder) CaptureBegin(s driver.Stream, mode uint32) driver.Result {
	return r.call("CaptureBegin", s, mode)
}

// GraphCreate implements driver.Driver.
func (r *Recorder) GraphCreate(flags uint32) (driver.Graph, driver.Result) {
	h, result := r.create("GraphCreate", flags)
	return driver.Graph(h), result
}

// GraphClone implements driver.Driver.
func (r *Recorder) GraphClone(original driver.Graph) (driver.Graph, driver.Result) {
	h, result := r.create("GraphClone", original)
	return driver.Graph(h), result
}

// GraphLaunch implements driver.Driver.
func (r *Recorder) GraphLaunch(x driver.GraphExec, s driver.Stream) driver.Result {
	return r.call("GraphLaunch", x, s)
}

// GraphUpload implements driver.Driver.
func (r *Recorder) GraphUpload(x driver.GraphExec, s driver.Stream) driver.Result {
	return r.call("GraphUpload", x, s)
}

// GraphexecDestroy implements driver.Driver.
func (r *Recorder) GraphexecDestroy(x driver.GraphExec) driver.Result {
	return r.call("GraphexecDestroy", x)
}

// MemoryInfo implements driver.Driver: 50 of 80 GB are free.
func (r *Recorder) MemoryInfo() (free, total uint64, result driver.Result) {
	free = r.FreeMemory
	if free == 0 {
		free = 50e9
	}
	return free, 80e9, r.call("MemoryInfo")
}

// FunctionParam implements driver.Driver: parameters of 8 bytes.
func (r *Recorder) FunctionParam(_ driver.Function, i int) (offset, size uint64, result driver.Result) {
	if i >= r.Params {
		return 0, 0, driver.ErrorInvalidValue
	}
	return uint64(i) * 8, 8, driver.Success
}

// KernelParam implements driver.Driver.
func (r *Recorder) KernelParam(_ driver.Kernel, i int) (offset, size uint64, result driver.Result) {
	return r.FunctionParam(0, i)
}

// Capturing implements driver.Driver.
func (r *Recorder) Capturing(s driver.Stream) (uint32, driver.Result) {
	return r.CaptureStatus[s], r.call("Capturing", s)
}

// ModuleFunctionNames implements driver.Driver.
func (r *Recorder) ModuleFunctionNames(m driver.Module) ([]string, driver.Result) {
	return []string{"first", "second"}, r.call("ModuleFunctionNames", m)
}

// LibraryKernelNames implements driver.Driver.
func (r *Recorder) LibraryKernelNames(l driver.Library) ([]string, driver.Result) {
	return []string{"first", "second"}, r.call("LibraryKernelNames", l)
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

// DefaultPool implements driver.Driver; nothing is recorded.
func (r *Recorder) DefaultPool() (driver.Pool, driver.Result) { return DefaultPool, driver.Success }

// PoolCreate implements driver.Driver.
func (r *Recorder) PoolCreate(maxSize uint64, usage uint16) (driver.Pool, driver.Result) {
	h, result := r.create("PoolCreate", maxSize, usage)
	return driver.Pool(h), result
}

// PoolDestroy implements driver.Driver.
func (r *Recorder) PoolDestroy(p driver.Pool) driver.Result { return r.call("PoolDestroy", p) }

// PoolGetAttribute implements driver.Driver with what PoolBytes says; nothing is recorded.
func (r *Recorder) PoolGetAttribute(p driver.Pool, attribute uint32) (value [8]byte, result driver.Result) {
	binary.LittleEndian.PutUint64(value[:], r.PoolBytes[p][attribute])
	return value, driver.Success
}

// PoolSetAttribute implements driver.Driver.
func (r *Recorder) PoolSetAttribute(p driver.Pool, attribute uint32, value []byte) driver.Result {
	return r.call("PoolSetAttribute", p, attribute, value)
}

// PoolTrim implements driver.Driver.
func (r *Recorder) PoolTrim(p driver.Pool, keep uint64) driver.Result {
	return r.call("PoolTrim", p, keep)
}

// PoolSetAccess implements driver.Driver.
func (r *Recorder) PoolSetAccess(p driver.Pool, flags uint32) driver.Result {
	return r.call("PoolSetAccess", p, flags)
}

// PoolGetAccess implements driver.Driver.
func (r *Recorder) PoolGetAccess(p driver.Pool) (uint32, driver.Result) {
	return 3, r.call("PoolGetAccess", p)
}

// GraphMemoryGet implements driver.Driver with GraphBytes; nothing is recorded.
func (r *Recorder) GraphMemoryGet(uint32) (value [8]byte, result driver.Result) {
	binary.LittleEndian.PutUint64(value[:], r.GraphBytes)
	return value, driver.Success
}

// MemAllocAsync implements driver.Driver.
func (r *Recorder) MemAllocAsync(size uint64, p driver.Pool, s driver.Stream) (uint64, driver.Result) {
	address, result := r.create("MemAllocAsync", size, p, s)
	if result == driver.Success && r.OnAlloc != nil {
		r.OnAlloc(size)
	}
	return address, result
}

// MemFreeAsync implements driver.Driver.
func (r *Recorder) MemFreeAsync(address uint64, s driver.Stream) driver.Result {
	return r.call("MemFreeAsync", address, s)
}

// MemFreePool implements driver.Driver.
func (r *Recorder) MemFreePool(address uint64) driver.Result { return r.call("MemFreePool", address) }

// FlushText implements driver.Driver.
func (r *Recorder) FlushText(s driver.Stream) driver.Result { return r.call("FlushText", s) }

// FlushTextOfEvent implements driver.Driver.
func (r *Recorder) FlushTextOfEvent(e driver.Event) driver.Result {
	return r.call("FlushTextOfEvent", e)
}
