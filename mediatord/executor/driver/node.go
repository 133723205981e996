package driver

import "encoding/binary"

// NodeParamsSize is the size of CUgraphNodeParams.
const NodeParamsSize = 256

// Types of node (CUgraphNodeType).
const (
	NodeKernel          = 0
	NodeCopy            = 1
	NodeFill            = 2
	NodeHost            = 3
	NodeGraph           = 4
	NodeEmpty           = 5
	NodeEventWait       = 6
	NodeEventRecord     = 7
	NodeSemaphoreSignal = 8
	NodeSemaphoreWait   = 9
	NodeAllocation      = 10
	NodeFree            = 11
	NodeMemOps          = 12
	NodeConditional     = 13
	NodeTypes           = 14
)

// Places in CUgraphNodeParams: the type at 0, then from 16 on what that type
// has. Sizes in bytes are in the comments.
const (
	NodeParamsUnion = 16

	KernelFunctionAt = 16 // CUfunction
	KernelGridAt     = 24 // 3 * 4
	KernelBlockAt    = 36 // 3 * 4
	KernelSharedAt   = 48 // 4
	KernelParamsAt   = 56 // void **, here 1: the parameters come one by one
	KernelExtraAt    = 64 // void **, here 1: the parameters come packed
	KernelKernelAt   = 72 // CUkernel
	KernelContextAt  = 80 // CUcontext

	CopyContextAt = 24
	CopyAt        = 32 // CUDA_MEMCPY3D

	FillAddressAt = 16 // 8
	FillPitchAt   = 24 // 8
	FillValueAt   = 32 // 4
	FillElementAt = 36 // 4
	FillWidthAt   = 40 // 8
	FillHeightAt  = 48 // 8
	FillContextAt = 56

	HostAt = 16 // CUhostFn and its argument, here a callback's number, 4

	GraphAt     = 16
	OwnershipAt = 24 // 4: 0 cloned, 1 moved into the node

	EventAt = 16

	AllocationTypeAt        = 16  // CUmemPoolProps, 88
	AllocationHandlesAt     = 20  // its handleTypes, 4
	AllocationWin32At       = 32  // its security attributes, 8
	AllocationLocationAt    = 24  // its location: type 4, ordinal 4
	AllocationDescriptorsAt = 104 // CUmemAccessDesc *
	AllocationCountAt       = 112 // 8
	AllocationBytesAt       = 120 // 8
	AllocationAddressAt     = 128 // 8, out

	FreeAddressAt = 16

	MemOpsContextAt = 16
	MemOpsCountAt   = 24 // 4
	MemOpsArrayAt   = 32 // CUstreamBatchMemOpParams *
	MemOpsFlagsAt   = 40 // 4

	ConditionalHandleAt  = 16 // 8
	ConditionalTypeAt    = 24 // 4
	ConditionalCountAt   = 28 // 4, graphs
	ConditionalGraphsAt  = 32 // CUgraph *, out
	ConditionalContextAt = 40
)

// CopySize is the size of CUDA_MEMCPY3D.
const CopySize = 200

// NodeParams is what a node of a graph does.
type NodeParams struct {
	// Raw is CUgraphNodeParams: handles in it are native, pointers 0 but for the
	// two that say in which form a kernel's parameters come.
	Raw [NodeParamsSize]byte
	// Copy is what a copy node copies; Raw says it only outside of drivers.
	Copy Copy3D
	// Data is what pointers in Raw point to: the packed parameters of a kernel,
	// CUstreamBatchMemOpParams, CUmemAccessDesc.
	Data []byte
	// Offsets are the places of a kernel's parameters in Data, for NodeAdd and the setters.
	Offsets []uint32
	// Bodies are the graphs of a conditional node; NodeAdd fills them in.
	Bodies []Graph
}

// Type is the node's type.
func (p *NodeParams) Type() uint32 { return p.Word(0) }

// Word reads 4 bytes of Raw.
func (p *NodeParams) Word(at int) uint32 { return binary.LittleEndian.Uint32(p.Raw[at:]) }

// Double reads 8 bytes of Raw.
func (p *NodeParams) Double(at int) uint64 { return binary.LittleEndian.Uint64(p.Raw[at:]) }

// SetWord stores 4 bytes in Raw.
func (p *NodeParams) SetWord(at int, v uint32) { binary.LittleEndian.PutUint32(p.Raw[at:], v) }

// SetDouble stores 8 bytes in Raw.
func (p *NodeParams) SetDouble(at int, v uint64) { binary.LittleEndian.PutUint64(p.Raw[at:], v) }
