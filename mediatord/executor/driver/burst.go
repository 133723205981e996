package driver

import (
	"sync/atomic"
	"unsafe"
)

// Burster is a backend that consumes plain records of the ring by itself, many
// for one call: launches, fences, and copies between device and pinned memory unless
// there is a Metered, as the guest's library posts them. What is not plain, or not right, it leaves at the head of the ring, for whoever can say
// what is wrong with it.
type Burster interface {
	// Burst consumes until Stop says why not; of b it writes Head, Published and
	// what it found. It ends soon when woken is not 0, or changes is not nil and
	// not Seen. Both lie outside Go's heap or hold no pointers. m is the lease
	// that launches have to keep to; nil: none.
	Burst(b *Burst, h *BurstHandles, m *Metered, woken, changes *atomic.Uint32)
}

// BurstHandles are the tables of handles, each an array of Count entries whose
// layout Burst tells. They do not change during a Burst.
type BurstHandles struct {
	Functions, Kernels, Streams             unsafe.Pointer
	FunctionCount, KernelCount, StreamCount uint32
	// Durations is the table of a Metered.
	Durations unsafe.Pointer
	// Host is the host memory that copies may name, in order.
	Host []Extent
}

// Extent is memory at [Begin, End).
type Extent struct{ Begin, End uint64 }

// Why a Burst ended.
const (
	// BurstEmpty: no record is committed, nor was for Spin; HEAD is published.
	BurstEmpty = iota
	// BurstOther: the next record is not plain, or something has changed.
	BurstOther
	// BurstNote: the last record was a launch or a copy in another stream than Stream, or
	// there may be other terms, under which it is measured.
	BurstNote
	// BurstFailed: the driver refused the last record.
	BurstFailed
	// BurstLong: there may be more.
	BurstLong
	// BurstMark: the lane of the last launch needs its mark, or there may be other
	// terms, under which it does.
	BurstMark
)

// NoStream is no number of a stream.
const NoStream = ^uint32(0)

// BurstFences is the most fences that one Burst writes.
const BurstFences = 64

// Burst is one run of records; cuda/burst.h has the same layout. Addresses are
// outside Go's heap.
type Burst struct {
	Ring      uintptr // twice in a row
	TailWord  uintptr
	HeadWord  uintptr
	Fences    uintptr // of the first fence word
	Head      uint64
	Published uint64 // the head that the producers know
	Believed  uint64 // the Burster's own: up to where records are taken without a look at TAIL
	Spin      uint64 // nanoseconds to wait for a record
	Context   uint32 // current one's number
	Stream    uint32 // launches in others end the burst; NoStream: all do
	AnyStream uint32 // 1: none does
	Seen      uint32
	// Opcodes.
	Launch, LaunchKernel, Fence, CopyIn, CopyOut uint16
	_                                            [3]uint16
	// Size of a table's entry, where in it a byte says that it is used, and where the
	// bytes of a kernel's parameters are, plus one, 0 if nobody knows them yet: then a
	// launch is not plain. The driver's handle is at its start.
	EntrySize, EntryUsed, EntryParameters uint32

	// Found:
	Stop      uint32
	Calls     uint32 // records consumed
	Launches  uint32 // that the driver took
	Submitted uint32 // these and copies
	Noted     uint32 // BurstNote, or Launches of a Metered: the last one's stream
	Result    Result // BurstFailed
	Failed    uint32 // BurstFailed: the opcode
	Fenced    uint32 // fences written; a fence that failed is the next one
	_         uint32
	NotedKey  uint64 // BurstNote: what the launch is to a lease; 0: it is a copy
	NotedSize uint64 // of that copy, in bytes
	BytesIn   uint64 // copied to the device
	BytesOut  uint64 // copied from it
	Written   [BurstFences]BurstFence
}

// BurstFence is a fence that was put into a stream.
type BurstFence struct {
	Stream      Stream
	Slot, Value uint32
}
