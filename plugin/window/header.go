package window

import (
	"encoding/binary"
	"fmt"
)

func writeHeader(page []byte, g Geometry) {
	le := binary.LittleEndian
	le.PutUint32(page[HdrVersion:], LayoutVersion)
	le.PutUint32(page[HdrFeatures:], 0)
	le.PutUint64(page[HdrWindowSize:], g.Size)
	le.PutUint32(page[HdrChannelCount:], g.Channels)
	le.PutUint32(page[HdrChannelSize:], ChannelSize)
	le.PutUint64(page[HdrChannels:], g.ChannelsAt)
	le.PutUint64(page[HdrArena:], g.Arena)
	le.PutUint32(page[HdrChunkCount:], g.Chunks)
	le.PutUint32(page[HdrChunkSize:], ChunkSize)
	le.PutUint64(page[HdrControl:], g.ControlAt)
	le.PutUint64(page[HdrChunkTable:], g.ChunkTable)
	le.PutUint64(page[HdrDescription:], g.DescribedAt)
	le.PutUint32(page[HdrDescriptionSize:], DescriptionSize)
	le.PutUint64(page[HdrMagic:], Magic)
}

// readHeader validates a private copy of the header page against the real size
// of the memory. The guest can write the header, so only values that the size
// and the channel count imply are accepted.
func readHeader(page []byte, size uint64) (Geometry, error) {
	le := binary.LittleEndian
	if magic := le.Uint64(page[HdrMagic:]); magic != Magic {
		return Geometry{}, fmt.Errorf("%w: magic %#x", ErrHeader, magic)
	}
	if version := le.Uint32(page[HdrVersion:]); version != LayoutVersion {
		return Geometry{}, fmt.Errorf("%w: layout version %d, this program knows %d", ErrHeader, version, LayoutVersion)
	}
	if features := le.Uint32(page[HdrFeatures:]); features != 0 {
		return Geometry{}, fmt.Errorf("%w: unknown feature bits %#x", ErrHeader, features)
	}
	channels := le.Uint32(page[HdrChannelCount:])
	if channels > MaxChannels {
		return Geometry{}, fmt.Errorf("%w: %d channels", ErrHeader, channels)
	}
	g, err := NewGeometry(size, int(channels))
	if err != nil {
		return Geometry{}, fmt.Errorf("%w: %w", ErrHeader, err)
	}
	for _, f := range []struct {
		name      string
		got, want uint64
	}{
		{"window size", le.Uint64(page[HdrWindowSize:]), g.Size},
		{"channel size", uint64(le.Uint32(page[HdrChannelSize:])), ChannelSize},
		{"offset of the channels", le.Uint64(page[HdrChannels:]), g.ChannelsAt},
		{"offset of the arena", le.Uint64(page[HdrArena:]), g.Arena},
		{"chunk count", uint64(le.Uint32(page[HdrChunkCount:])), uint64(g.Chunks)},
		{"chunk size", uint64(le.Uint32(page[HdrChunkSize:])), ChunkSize},
		{"offset of the control table", le.Uint64(page[HdrControl:]), g.ControlAt},
		{"offset of the chunk table", le.Uint64(page[HdrChunkTable:]), g.ChunkTable},
		{"offset of the description", le.Uint64(page[HdrDescription:]), g.DescribedAt},
		{"size of the description", uint64(le.Uint32(page[HdrDescriptionSize:])), DescriptionSize},
	} {
		if f.got != f.want {
			return Geometry{}, fmt.Errorf("%w: %s is %#x, should be %#x", ErrHeader, f.name, f.got, f.want)
		}
	}
	return g, nil
}
