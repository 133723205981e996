// Package lease is the memory in which mediatord tells a domain's executors what
// they may put on the GPU, and they tell it what they do: one memfd for each
// domain, one page for each channel. An executor maps its own page only. No guest
// sees any of it.
//
// What an executor writes is as trustworthy as the guest that it runs for.
// mediatord copies it with one load each, and believes nothing that cannot be.
package lease

import "libvirt-vgpu/plugin/window"

// Places in a page. Times are nanoseconds of the monotonic clock, which all
// processes share.
const (
	pageSize  = 4096
	tableSize = pageSize * window.MaxChannels

	// mediatord writes these.
	atSequence = 0  // u32, odd while the terms change; a futex
	atListen   = 4  // u32, 1: changes of STATE are to be reported
	atBudget   = 8  // u64, nanoseconds
	atClearBy  = 16 // u64, time
	atExpiry   = 24 // u64, time
	atWatched  = 32 // u32, 1: kernels that do not end are looked for
	atTell     = 36 // u32, 1: that there is something to do again is to be reported, once; the executor takes it back
	atCoarse   = 40 // u64, nanoseconds
	atGrace    = 48 // u64, nanoseconds
	atReady    = 56 // u64, time; 0: none

	// The executor writes these.
	atSeen      = 64  // u32, the sequence whose terms it follows
	atState     = 68  // u32, bits below
	atArrived   = 72  // u64, time of the last change from nothing to do to something
	atFlying    = 80  // u64, nanoseconds predicted of what is on the GPU
	atUsed      = 88  // u64, nanoseconds with work on the GPU, without the stretch that goes on
	atSince     = 96  // u64, time when the stretch that goes on began; 0: none
	atSubmitted = 104 // u64, submissions while the lease was limited
	atRunning   = 112 // u64, time when what runs now could begin; 0: nothing is known to run
	atSpans     = 120 // u32, stretches ever written
	atHeld      = 124 // u32, 1: what is next on a stream waits for something else than the GPU
	atMoved     = 128 // u64, time when the last asked for look found that the GPU had got on
	atIdle      = 136 // u32, 1: there is nothing to do, and the consumer sleeps
	atFirstSpan = 256 // { u64 start, u64 end }[spanCount], a ring
	spanCount   = 128

	// mediatord writes these.
	atCharged = 3072 // u64, the GPU time that it charged, in nanoseconds
	atSlice   = 3080 // u32, microseconds; 0, as under an earlier mediatord: the driver's own
)

// Bits of STATE.
const (
	// Active: work is on the GPU or wants to get there.
	Active uint32 = 1 << iota
	// Waiting: work waits for the lease.
	Waiting
	// Flying: work is on the GPU.
	Flying
)
