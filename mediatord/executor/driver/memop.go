package driver

// MemOpSize is the size of CUstreamBatchMemOpParams; its first word is the kind.
const MemOpSize = 48

// MaxMemOps is the number of operations that one batch may hold.
const MaxMemOps = 255

// Kinds of stream memory operation (CUstreamBatchMemOpType).
const (
	MemOpWait32 = iota + 1
	MemOpWrite32
	MemOpFlush
	MemOpWait64
	MemOpWrite64
	MemOpBarrier
)
