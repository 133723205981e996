package gpu

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// Physical memory lies in a memfd of its own, so that another process's device
// can have it too.

// newFile makes the memfd of size bytes of physical memory.
func newFile(size uint64) (int, error) {
	fd, err := unix.MemfdCreate("gpu-memory", unix.MFD_CLOEXEC)
	if err != nil {
		return -1, err
	}
	if err := unix.Ftruncate(fd, int64(size)); err != nil {
		_ = unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

func mapFile(fd int, size uint64) ([]byte, error) {
	return syscall.Mmap(fd, 0, int(size), syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_SHARED|syscall.MAP_NORESERVE)
}

// Export makes a descriptor that stands for the memory and keeps it alive
// (cuMemExportToShareableHandle). The caller closes it.
func (d *Device) Export(m *Memory) (int, error) {
	d.memory.mu.Lock()
	defer d.memory.mu.Unlock()
	return m.export()
}

func (m *Memory) export() (int, error) {
	if m.data == nil {
		return -1, InvalidValue
	}
	fd, err := unix.FcntlInt(uintptr(m.fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return -1, failure(OutOfMemory, "duplicating memory's descriptor: %w", err)
	}
	m.exported = true
	return fd, nil
}

// ExportAt is Export for the memory that Alloc or AllocAt placed at va.
func (d *Device) ExportAt(va uint64) (int, error) {
	h := &d.memory
	h.mu.Lock()
	defer h.mu.Unlock()
	m := h.mappings[va]
	if m == nil || !m.whole || m.memory == nil {
		return -1, InvalidValue
	}
	return m.memory.export()
}

// Import makes the size bytes behind a descriptor of Export, perhaps of another
// process's device, physical memory here. The descriptor stays the caller's.
func (d *Device) Import(fd int, size uint64) (*Memory, error) {
	if err := d.Err(); err != nil {
		return nil, err
	}
	d.memory.mu.Lock()
	defer d.memory.mu.Unlock()
	return d.memory.adopt(fd, size)
}

// adopt is Import. The caller holds h.mu.
func (h *heap) adopt(fd int, size uint64) (*Memory, error) {
	var stat unix.Stat_t
	if err := unix.Fstat(fd, &stat); err != nil || size == 0 || size%pageSize != 0 || stat.Size != int64(size) {
		return nil, InvalidValue
	}
	own, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, failure(OutOfMemory, "duplicating memory's descriptor: %w", err)
	}
	data, err := mapFile(own, size)
	if err != nil {
		_ = unix.Close(own)
		return nil, failure(OutOfMemory, "mapping %d bytes: %w", size, err)
	}
	m := &Memory{data: data, fd: own, foreign: true, refs: 1, held: true}
	h.physical[m] = struct{}{}
	return m, nil
}

// ImportAt places imported memory at va; Free undoes it.
func (d *Device) ImportAt(va uint64, fd int, size uint64) error {
	if err := d.Err(); err != nil {
		return err
	}
	if va == 0 || va%pageSize != 0 {
		return InvalidValue
	}
	h := &d.memory
	h.mu.Lock()
	defer h.mu.Unlock()
	m, err := h.adopt(fd, size)
	if err != nil {
		return err
	}
	return h.settle(va, m, !h.covered(va, size))
}

// settle places memory at va, which it reserves if it is to be the memory's own,
// and leaves it to the mapping. The caller holds h.mu.
func (h *heap) settle(va uint64, m *Memory, own bool) error {
	defer func() {
		m.held = false
		h.drop(m)
	}()
	if own {
		if _, err := h.reserve(m.Size(), pageSize, va); err != nil {
			return err
		}
	}
	if err := h.place(va, m.data, m, ReadWrite); err != nil {
		if own {
			_ = h.unreserve(va, m.Size())
		}
		return err
	}
	h.mappings[va].whole, h.mappings[va].own = true, own
	return nil
}
