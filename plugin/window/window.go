package window

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// Window is one domain's shared memory, mapped whole unless MapChannel made it. Methods may be called
// from several goroutines; Close may not run beside another method.
type Window struct {
	Geometry
	file   *os.File
	memory []byte
	unmap  func() error
}

const seals = unix.F_SEAL_GROW | unix.F_SEAL_SHRINK | unix.F_SEAL_SEAL

// Create makes the window of the named domain: a sealed memfd of size bytes
// with header, zeroed tables and an empty description.
func Create(name string, size uint64, channels int) (*Window, error) {
	g, err := NewGeometry(size, channels)
	if err != nil {
		return nil, fmt.Errorf("creating window: %w", err)
	}
	if len(name) > 200 { // memfd_create takes at most 249 bytes
		name = name[:200]
	}
	fd, err := unix.MemfdCreate("vgpu-"+name, unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return nil, fmt.Errorf("creating window: memfd_create: %w", err)
	}
	file := os.NewFile(uintptr(fd), "window "+name)
	w, err := create(file, g)
	if err != nil {
		_ = file.Close()
		return nil, fmt.Errorf("creating window: %w", err)
	}
	return w, nil
}

func create(file *os.File, g Geometry) (*Window, error) {
	if err := file.Truncate(int64(g.Size)); err != nil {
		return nil, fmt.Errorf("sizing memfd: %w", err)
	}
	if _, err := unix.FcntlInt(file.Fd(), unix.F_ADD_SEALS, seals); err != nil {
		return nil, fmt.Errorf("sealing memfd: %w", err)
	}
	memory, err := mapShared(file, g.Size)
	if err != nil {
		return nil, err
	}
	writeHeader(memory[:headerSize], g)
	return mapped(g, file, memory), nil
}

// Map maps a window that another process created, after checking that the
// memory cannot shrink and that every header field is the one its size and
// channel count imply. On success the Window owns file. It fails with ErrHeader.
func Map(file *os.File) (*Window, error) {
	g, err := check(file)
	if err != nil {
		return nil, fmt.Errorf("mapping window: %w", err)
	}
	memory, err := mapShared(file, g.Size)
	if err != nil {
		return nil, fmt.Errorf("mapping window: %w", err)
	}
	return mapped(g, file, memory), nil
}

func mapped(g Geometry, file *os.File, memory []byte) *Window {
	return &Window{Geometry: g, file: file, memory: memory, unmap: func() error { return unix.Munmap(memory) }}
}

// check reads the geometry of a window that another process created.
func check(file *os.File) (Geometry, error) {
	got, err := unix.FcntlInt(file.Fd(), unix.F_GET_SEALS, 0)
	if err != nil {
		return Geometry{}, fmt.Errorf("reading seals: %w", err)
	}
	if got&seals != seals {
		return Geometry{}, fmt.Errorf("%w: seals are %#x, need %#x", ErrHeader, got, seals)
	}
	info, err := file.Stat()
	if err != nil {
		return Geometry{}, err
	}
	page := make([]byte, headerSize)
	if _, err := file.ReadAt(page, 0); err != nil {
		return Geometry{}, fmt.Errorf("%w: reading header: %w", ErrHeader, err)
	}
	return readHeader(page, uint64(info.Size()))
}

func mapShared(file *os.File, size uint64) ([]byte, error) {
	memory, err := unix.Mmap(int(file.Fd()), 0, int(size), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_NORESERVE)
	if err != nil {
		return nil, fmt.Errorf("mmap of %d bytes: %w", size, err)
	}
	return memory, nil
}

// File is the memfd; the window keeps owning it.
func (w *Window) File() *os.File { return w.file }

// Close unmaps the window and closes the memfd.
func (w *Window) Close() error {
	err := w.unmap()
	w.memory = nil
	if cerr := w.file.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return fmt.Errorf("closing window: %w", err)
	}
	return nil
}

// Channel is the shared memory of channel i, which must exist. A guest process
// may write to it at any time.
func (w *Window) Channel(i int) []byte {
	at := w.ChannelOffset(i)
	return w.memory[at : at+ChannelSize : at+ChannelSize]
}

// ChunkMemory is the shared memory of chunk i, which must exist.
func (w *Window) ChunkMemory(i int) []byte {
	at := w.ChunkOffset(i)
	return w.memory[at : at+ChunkSize : at+ChunkSize]
}

// PunchChannel gives the pages of channel i back; it reads as zero afterwards.
func (w *Window) PunchChannel(i int) error {
	if err := w.CheckChannel(i); err != nil {
		return fmt.Errorf("punching channel: %w", err)
	}
	return w.punch(w.ChannelOffset(i), ChannelSize)
}

// PunchChunk gives the pages of chunk i back; it reads as zero afterwards.
func (w *Window) PunchChunk(i int) error {
	if err := w.CheckChunk(i); err != nil {
		return fmt.Errorf("punching chunk: %w", err)
	}
	return w.punch(w.ChunkOffset(i), ChunkSize)
}

func (w *Window) punch(offset uint64, length int64) error {
	err := unix.Fallocate(int(w.file.Fd()), unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, int64(offset), length)
	if err != nil {
		return fmt.Errorf("punching %d bytes at %#x: %w", length, offset, err)
	}
	return nil
}
