package driver

// Launch is one kernel launch.
type Launch struct {
	Function    Function // or a Kernel
	Grid, Block [3]uint32
	Shared      uint32 // dynamic shared memory, bytes
	Stream      Stream
	// Attributes are CUlaunchAttribute structures, LaunchAttributeSize bytes
	// each, handles in them already native. Empty: a plain launch.
	Attributes []byte
	// Cooperative is the cooperative attribute without spelling it out.
	Cooperative bool
	// Params is the packed parameter buffer.
	Params []byte
}

// LaunchAttributeSize is the size of CUlaunchAttribute.
const LaunchAttributeSize = 72

// Launch attributes that the executor looks at (CUlaunchAttributeID).
const (
	LaunchAttributeAccessWindow      = 1
	LaunchAttributeCooperative       = 2
	LaunchAttributeSynchronization   = 3
	LaunchAttributeClusterDimension  = 4
	LaunchAttributeClusterScheduling = 5
	LaunchAttributeProgrammaticEvent = 7
	LaunchAttributeCompletionEvent   = 12
	LaunchAttributeUpdatableNode     = 13
	LaunchAttributeCarveout          = 14
	LaunchAttributeMax               = 14
)

// JIT is the options of a load and what the compiler said.
type JIT struct {
	Options []JITOption
	// Bytes wanted of each log, at most 4096; 0: not asked for.
	InfoSize, ErrorSize uint32
	// WallTime asks for the time taken; only linkers do.
	WallTime bool
	// Filled by the load, cut to the sizes wanted.
	Info, Error []byte
}

// JITOption is a CUjit_option whose value is a number.
type JITOption struct {
	ID, Value uint32
}

// Memory types of a Copy3D (CUmemorytype).
const (
	MemoryHost   = 1
	MemoryDevice = 2
	MemoryArray  = 3
)

// Copy3DEnd is one end of a Copy3D. Address is that of the host or the device, or
// the Array, by Type.
type Copy3DEnd struct {
	XBytes, Y, Z, LOD uint64
	Type              uint32
	Address           uint64
	Pitch, Height     uint64
}

// Copy3D is CUDA_MEMCPY3D.
type Copy3D struct {
	Src, Dst      Copy3DEnd
	WidthBytes    uint64
	Height, Depth uint64
}
