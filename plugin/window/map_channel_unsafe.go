package window

import (
	"errors"
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// MapChannel maps of another process's window what the executor of one channel
// needs: that channel, and the description and the chunk table for reading. The
// rest of the window has addresses and no memory, so a stray access faults instead
// of reaching another process of the domain. Map says what it checks. On success
// the Window owns file.
func MapChannel(file *os.File, number int) (*Window, error) {
	g, err := check(file)
	if err != nil {
		return nil, fmt.Errorf("mapping window: %w", err)
	}
	if err := g.CheckChannel(number); err != nil {
		return nil, fmt.Errorf("mapping window: %w", err)
	}
	at, err := unix.MmapPtr(-1, 0, nil, uintptr(g.Size), unix.PROT_NONE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS|unix.MAP_NORESERVE)
	if err != nil {
		return nil, fmt.Errorf("mapping window: reserving addresses: %w", err)
	}
	memory := unsafe.Slice((*byte)(at), g.Size)
	for _, part := range []struct {
		from, to   uint64
		protection int
	}{
		{g.DescribedAt, g.DescribedAt + DescriptionSize, unix.PROT_READ},
		{g.ChunkTable, g.ChannelsAt, unix.PROT_READ},
		{g.ChannelOffset(number), g.ChannelOffset(number) + ChannelSize, unix.PROT_READ | unix.PROT_WRITE},
	} {
		_, err := unix.MmapPtr(int(file.Fd()), int64(part.from), unsafe.Pointer(&memory[part.from]), uintptr(part.to-part.from), part.protection, unix.MAP_SHARED|unix.MAP_FIXED)
		if err != nil {
			err = errors.Join(err, unix.MunmapPtr(at, uintptr(g.Size)))
			return nil, fmt.Errorf("mapping window: %w", err)
		}
	}
	unmap := func() error { return unix.MunmapPtr(at, uintptr(g.Size)) }
	return &Window{Geometry: g, file: file, memory: memory, unmap: unmap}, nil
}
