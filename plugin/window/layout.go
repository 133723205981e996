// Package window lays out and manages a domain's shared window: header, control
// table, chunk table, description, channels and arena. The layout is that of
// guest/include/vgpu_layout.h, which a test compares with the constants here.
//
// Everything a guest can write is hostile: accessors copy a word with one
// atomic load and the caller validates the copy.
package window

// Layout version 1. Names and meaning are those of vgpu_layout.h without the
// VGPU_ prefix; offsets are in bytes.
const (
	Magic         uint64 = 0x314e495755504756 // "VGPUWIN1"
	LayoutVersion uint32 = 1

	HdrMagic           = 0
	HdrVersion         = 8
	HdrFeatures        = 12
	HdrWindowSize      = 16
	HdrChannelCount    = 24
	HdrChannelSize     = 28
	HdrChannels        = 32
	HdrArena           = 40
	HdrChunkCount      = 48
	HdrChunkSize       = 52
	HdrControl         = 56
	HdrChunkTable      = 64
	HdrDescription     = 72
	HdrDescriptionSize = 80

	MaxChannels     = 64
	ChunkSize       = 0x200000
	DescriptionSize = 0x4000

	CtlEntrySize       = 64
	CtlGuestState      = 0
	CtlGuestGeneration = 4
	CtlPID             = 8
	CtlUID             = 12
	CtlComm            = 16
	CtlHostState       = 32
	CtlHostGeneration  = 36

	ChunkOwnerMask uint32 = 0xffff
	ChunkReturned  uint32 = 0x80000000

	ChannelSize   = 0x100000
	ChHead        = 0x000
	ChTail        = 0x040
	ChSleeping    = 0x080
	ChState       = 0x0c0
	ChFailure     = 0x0c4
	ChSticky      = 0x100
	ChAsync       = 0x104
	ChAsyncOpcode = 0x108
	ChPrints      = 0x10c
	ChPrinted     = 0x110
	ChCalled      = 0x140
	ChCall        = 0x144
	ChCallStatus  = 0x148
	ChReturned    = 0x180
	ChMessage     = 0x400
	ChMessageSize = 1024
	ChFences      = 0x1000
	FenceCount    = 4096
	ChReplies     = 0x10000
	ReplyCount    = 64
	ReplySize     = 0x1000
	ChRing        = 0x80000
	RingSize      = 0x80000

	Line        = 64
	RecSize     = 0
	RecOpcode   = 4
	RecReply    = 6
	RecSeq      = 8
	RecThread   = 12
	RecCtx      = 16
	RecReserved = 20
	RecPayload  = 24
	RecMax      = 0x10000
	NoReply     = 0xffff

	RepSeq     = 0
	RepResult  = 4
	RepLength  = 8
	RepData    = 16
	RepDataMax = ReplySize - RepData

	DeviceBase uint64 = 0x300000000000
	DeviceSize uint64 = 0x080000000000
	PinnedBase uint64 = 0x200000000000
	PinnedSize uint64 = 0x010000000000

	TakenDevice = 1
	TakenPinned = 2

	VectorControl = 0
	PeerHost      = 0
	PeerGuest     = 1

	DescVersion    = 1
	DescAttributes = 200
	DescProcesses  = 0x1000
	DescLooks      = 0x1400
	LooksResting   = 1
)

// GuestState is the guest's half of a control entry.
type GuestState uint32

// Guest states; any other value read from the window is hostile.
const (
	GuestFree   GuestState = 0
	GuestOpen   GuestState = 1
	GuestStart  GuestState = 2
	GuestClosed GuestState = 3
)

// HostState is the host's half of a control entry and the channel's STATE word.
type HostState uint32

// Host states.
const (
	HostFree     HostState = 0
	HostStarting HostState = 1
	HostReady    HostState = 2
	HostFailed   HostState = 3
)
