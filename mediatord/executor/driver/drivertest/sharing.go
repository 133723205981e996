package drivertest

import (
	"os"

	"golang.org/x/sys/unix"

	"libvirt-vgpu/mediatord/executor/driver"
)

// descriptor is one that may be closed.
func descriptor() int {
	f, err := os.Open(os.DevNull)
	if err != nil {
		return -1
	}
	defer f.Close()
	fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return -1
	}
	return fd
}

// MemoryExport implements driver.Driver.
func (r *Recorder) MemoryExport(m driver.Memory) (int, driver.Result) {
	return r.export(r.call("MemoryExport", m))
}

// BlockExport implements driver.Driver.
func (r *Recorder) BlockExport(va uint64) (int, driver.Result) {
	return r.export(r.call("BlockExport", va))
}

func (r *Recorder) export(result driver.Result) (int, driver.Result) {
	if result != driver.Success {
		return -1, result
	}
	return descriptor(), result
}

// MemoryImport implements driver.Driver.
func (r *Recorder) MemoryImport(size uint64, _ int) (driver.Memory, driver.Result) {
	h, result := r.create("MemoryImport", size)
	return driver.Memory(h), result
}

// BlockImport implements driver.Driver.
func (r *Recorder) BlockImport(va, size uint64, _ int) driver.Result {
	return r.call("BlockImport", va, size)
}

// EventExport implements driver.Driver.
func (r *Recorder) EventExport(e driver.Event) (driver.EventHandle, int, driver.Result) {
	return driver.EventHandle{7}, -1, r.call("EventExport", e)
}

// EventImport implements driver.Driver.
func (r *Recorder) EventImport(handle driver.EventHandle, _ int) (driver.Event, driver.Result) {
	h, result := r.create("EventImport", handle[0])
	return driver.Event(h), result
}
