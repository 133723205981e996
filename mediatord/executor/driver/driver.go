package driver

import "libvirt-vgpu/plugin/window"

// Driver is one GPU as one executor sees it. An executor calls it from its
// consumer thread, except Synchronize, which waits and therefore runs on a
// thread of its own beside the others. Handles come from the same Driver;
// whoever calls has looked them up, so a backend need not expect foreign ones.
//
// Slices passed in are private to the executor and valid during the call; a
// backend that needs them longer copies. Addresses of host memory are those of
// memory that HostRegister made known, checked by the caller.
type Driver interface {
	Native
	Contexts
	DeviceMemory
	Pools
	Copies
	Modules
	Launches
	Streams
	Callbacks
	Texts
	Graphs
	Links
	Sharing
	GreenContexts
	Linkers
	Arrays
}

// Device is what can be said of a GPU without a context.
type Device interface {
	// Describe fills all but the fields that belong to a domain.
	Describe() (*window.Description, error)
}

// Contexts is the life of contexts. The current one is the calling thread's.
type Contexts interface {
	// PrimaryRetain sets the flags unless the context is active, then retains.
	PrimaryRetain(flags uint32) (Context, Result)
	PrimaryRelease() Result
	PrimaryReset() Result
	ContextCreate(flags uint32) (Context, Result)
	ContextDestroy(c Context) Result
	// SetCurrent binds c to the calling thread; 0 unbinds.
	SetCurrent(c Context) Result
	// Synchronize waits for all work of c, which it binds to the calling thread.
	Synchronize(c Context) Result
}

// DeviceMemory is device memory at addresses that the caller chose, and host memory
// that the device may reach. Sizes and addresses are multiples of the
// description's VMMGranularity, except those of host memory (4096).
type DeviceMemory interface {
	// MapBlock makes one allocation that can be exported, and maps it read-write
	// at va.
	// ErrorMapFailed: the address is not free in this process.
	MapBlock(va, size uint64) Result
	UnmapBlock(va uint64) Result
	// MemoryInfo is the physical device's memory in bytes.
	MemoryInfo() (free, total uint64, r Result)

	// PlaceDeviceMemory says where the window.DeviceSize addresses begin that the caller chooses from:
	// window.DeviceBase unless it was called. ErrorMapFailed: the driver cannot have them there;
	// ErrorInvalidValue: too late, some are in use.
	PlaceDeviceMemory(base uint64) Result
	AddressReserve(va, size uint64) Result
	AddressFree(va, size uint64) Result
	// MemoryCreate makes pinned device memory, which can be exported if it is
	// exportable; flags is CUmemAllocationProp's
	// allocFlags (compression, gpuDirectRDMA, usage).
	MemoryCreate(size uint64, exportable bool, flags [8]byte) (Memory, Result)
	MemoryRelease(m Memory) Result
	MemoryMap(va, size, offset uint64, m Memory) Result
	MemoryUnmap(va, size uint64) Result
	// SetAccess takes CU_MEM_ACCESS_FLAGS: 0 none, 1 read, 3 read-write.
	SetAccess(va, size uint64, flags uint32) Result
	GetAccess(va uint64) (flags uint64, r Result)

	// HostRegister makes size bytes at address reachable by the device at the
	// same address (page-locked, portable, mapped). It needs a current context.
	HostRegister(address, size uint64) Result
	HostUnregister(address uint64) Result
}

// Pools is what native calls leave of stream-ordered memory.
type Pools interface {
	// DefaultPool needs no context. ErrorNotSupported: the device has no pools.
	DefaultPool() (Pool, Result)
	// PoolCreate makes a pool of the device's memory that nobody else can open;
	// maxSize 0 is the driver's choice, usage CUmemPoolProps' bits.
	PoolCreate(maxSize uint64, usage uint16) (Pool, Result)
	// PoolSetAccess and PoolGetAccess speak of the device itself.
	PoolSetAccess(p Pool, flags uint32) Result
	PoolGetAccess(p Pool) (flags uint32, r Result)
}

// Attributes of a pool (CUmemPool_attribute) and of the graphs' memory
// (CUgraphMem_attribute) that the executor looks at, in bytes.
const (
	PoolReserved        = 5
	PoolUsed            = 7
	GraphMemoryReserved = 2
)

// Copies move and fill memory in stream order.
type Copies interface {
	CopyHtoD(dst, src, size uint64, s Stream) Result
	CopyHtoDBytes(dst uint64, data []byte, s Stream) Result
	CopyDtoH(dst, src, size uint64, s Stream) Result
	// Fill stores value's low element bytes (1, 2 or 4) width times in each of
	// height rows pitch bytes apart. pitch counts only if height is above 1.
	Fill(dst, pitch uint64, value, element uint32, width, height uint64, s Stream) Result
	Copy3D(c *Copy3D, s Stream) Result
}

// Modules loads code. Images are exactly as long as their headers say and PTX
// text ends in NUL: package image has checked that.
type Modules interface {
	ModuleLoad(image []byte, jit *JIT) (Module, Result)
	ModuleUnload(m Module) Result
	ModuleFunction(m Module, name string) (Function, Result)
	ModuleFunctionNames(m Module) ([]string, Result)
	ModuleGlobal(m Module, name string) (address, size uint64, r Result)

	LibraryLoad(image []byte, jit *JIT) (Library, Result)
	LibraryUnload(l Library) Result
	LibraryKernel(l Library, name string) (Kernel, Result)
	LibraryKernelNames(l Library) ([]string, Result)
	LibraryModule(l Library) (Module, Result)
	LibraryGlobal(l Library, name string) (address, size uint64, r Result)

	KernelFunction(k Kernel) (Function, Result)
	FunctionName(f Function) (string, Result)
	KernelGetAttribute(k Kernel, attribute int32) (int32, Result)
	KernelSetAttribute(k Kernel, attribute, value int32) Result
	KernelSetCacheConfig(k Kernel, config uint32) Result

	// FunctionParam and KernelParam give the place of parameter i in the
	// packed buffer; ErrorInvalidValue: there are fewer.
	FunctionParam(f Function, i int) (offset, size uint64, r Result)
	KernelParam(k Kernel, i int) (offset, size uint64, r Result)
}

// Launches run functions. A Kernel may stand for its Function, as in the driver.
type Launches interface {
	Launch(l *Launch) Result
	OccupancyBlocks(f Function, blockSize int32, shared uint64, flags uint32) (blocks int32, r Result)
	OccupancyShared(f Function, blocks, blockSize int32) (shared uint64, r Result)
	OccupancyClusters(l *Launch) (clusters int32, r Result)
	OccupancyClusterSize(l *Launch) (size int32, r Result)
	OccupancyPotential(f Function, shared uint64, limit int32, flags uint32) (grid, block int32, r Result)
}

// Streams is what lets the guest process wait without asking.
type Streams interface {
	EventRecord(e Event, s Stream, flags uint32) Result
	// WriteFence has the device store value at a registered host address once
	// all earlier work of the stream is done and visible.
	WriteFence(s Stream, address uint64, value uint32) Result
	// StreamSynchronize waits for the stream; in between, the driver does what it
	// does when a program waits.
	StreamSynchronize(s Stream) Result
	// BatchMemOps takes CUstreamBatchMemOpParams structures, MemOpSize bytes
	// each, whose kinds the caller has checked.
	BatchMemOps(s Stream, operations []byte, flags uint32) Result
	// Notify adds 1 to the eventfd once all earlier work of the stream is done.
	Notify(s Stream, eventfd int) Result
	// Capturing is cuStreamIsCapturing: 0 none, 1 active, 2 invalidated.
	Capturing(s Stream) (status uint32, r Result)
}

// Callbacks are functions of the guest process that run in stream order. The
// stream goes on when the function given to OnCall returns.
type Callbacks interface {
	// OnCall says how to run a callback; once, before the others. call comes on
	// threads of the backend and may take any time.
	OnCall(call func(number uint32, status Result))
	// LaunchHostFunc is cuLaunchHostFunc, so it may be captured.
	LaunchHostFunc(s Stream, number uint32) Result
	// AddCallback is cuStreamAddCallback: it runs with an error too.
	AddCallback(s Stream, number uint32) Result
}

// Texts is what kernels print and assertions say: a backend writes it on the
// process's standard output and standard error.
type Texts interface {
	// FlushText waits for the stream and writes what its kernels have printed.
	FlushText(s Stream) Result
	FlushTextOfEvent(e Event) Result
}

// Links says what the device can do across its links.
type Links interface {
	// HostAtomics is the CUatomicOperationCapability bits that the link to the
	// host has for a CUatomicOperation.
	HostAtomics(operation uint32) (capabilities uint32, r Result)
}
