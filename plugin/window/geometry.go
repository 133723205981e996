package window

import (
	"errors"
	"fmt"
	"math/bits"
)

// Errors of this package.
var (
	// ErrGeometry: a size or channel count that no window can have.
	ErrGeometry = errors.New("impossible window geometry")
	// ErrHeader: the memory is not a window of this layout version, or its
	// header was changed by the guest.
	ErrHeader = errors.New("invalid window header")
	// ErrRange: a channel or chunk number outside the window.
	ErrRange = errors.New("number outside the window")
)

// Window sizes in bytes; a size is a power of two, as QEMU demands of a BAR.
const (
	MinSize     uint64 = 4 << 20
	DefaultSize uint64 = 1 << 30
	MaxSize     uint64 = 64 << 30
)

// Places before the channels. The chunk table may grow up to the channels.
const (
	controlOffset     = 0x1000
	descriptionOffset = 0x2000
	chunkTableOffset  = 0x8000
	channelsOffset    = 0x100000
	headerSize        = 0x1000
)

// Geometry says where everything in a window lies. It follows from size and
// channel count alone, so a changed header cannot move anything.
type Geometry struct {
	Size        uint64 // bytes, power of two
	Channels    uint32 // 1..MaxChannels
	Chunks      uint32 // 1..
	ControlAt   uint64 // offsets from the start of the window
	DescribedAt uint64
	ChunkTable  uint64
	ChannelsAt  uint64
	Arena       uint64 // multiple of ChunkSize
}

// NewGeometry lays out a window of size bytes with the given number of
// channels. It fails with ErrGeometry.
func NewGeometry(size uint64, channels int) (Geometry, error) {
	if size < MinSize || size > MaxSize || bits.OnesCount64(size) != 1 {
		return Geometry{}, fmt.Errorf("%w: size %d is not a power of two from %d to %d", ErrGeometry, size, MinSize, MaxSize)
	}
	if channels < 1 || channels > MaxChannels {
		return Geometry{}, fmt.Errorf("%w: %d channels, allowed are 1 to %d", ErrGeometry, channels, MaxChannels)
	}
	arena := uint64(channelsOffset) + uint64(channels)*ChannelSize
	arena = (arena + ChunkSize - 1) &^ (ChunkSize - 1)
	if arena+ChunkSize > size {
		return Geometry{}, fmt.Errorf("%w: %d channels leave no arena in %d bytes", ErrGeometry, channels, size)
	}
	return Geometry{
		Size:        size,
		Channels:    uint32(channels),
		Chunks:      uint32((size - arena) / ChunkSize),
		ControlAt:   controlOffset,
		DescribedAt: descriptionOffset,
		ChunkTable:  chunkTableOffset,
		ChannelsAt:  channelsOffset,
		Arena:       arena,
	}, nil
}

// ChannelOffset is the offset of channel i from the start of the window.
func (g Geometry) ChannelOffset(i int) uint64 {
	return g.ChannelsAt + uint64(i)*ChannelSize
}

// ChunkOffset is the offset of chunk i from the start of the window.
func (g Geometry) ChunkOffset(i int) uint64 {
	return g.Arena + uint64(i)*ChunkSize
}

// CheckChannel fails with ErrRange unless the window has channel i.
func (g Geometry) CheckChannel(i int) error {
	if i < 0 || i >= int(g.Channels) {
		return fmt.Errorf("%w: channel %d of %d", ErrRange, i, g.Channels)
	}
	return nil
}

// CheckChunk fails with ErrRange unless the window has chunk i.
func (g Geometry) CheckChunk(i int) error {
	if i < 0 || i >= int(g.Chunks) {
		return fmt.Errorf("%w: chunk %d of %d", ErrRange, i, g.Chunks)
	}
	return nil
}
