package soft

import (
	"libvirt-vgpu/mediatord/executor/driver"
)

// BlockExport implements driver.Sharing.
func (d *Driver) BlockExport(va uint64) (int, driver.Result) {
	fd, err := d.dev.ExportAt(va)
	return fd, d.result(err)
}

// MemoryExport implements driver.Sharing.
func (d *Driver) MemoryExport(m driver.Memory) (int, driver.Result) {
	memory, ok := d.memories.items[uint64(m)]
	if !ok {
		return -1, driver.ErrorInvalidValue
	}
	fd, err := d.dev.Export(memory)
	return fd, d.result(err)
}

// BlockImport implements driver.Sharing.
func (d *Driver) BlockImport(va, size uint64, fd int) driver.Result {
	return d.result(d.dev.ImportAt(va, fd, size))
}

// MemoryImport implements driver.Sharing.
func (d *Driver) MemoryImport(size uint64, fd int) (driver.Memory, driver.Result) {
	m, err := d.dev.Import(fd, size)
	if err != nil {
		return 0, d.result(err)
	}
	return driver.Memory(d.memories.put(m)), driver.Success
}

// EventExport implements driver.Sharing: the descriptor is all.
func (d *Driver) EventExport(e driver.Event) (handle driver.EventHandle, fd int, r driver.Result) {
	event, ok := d.shared[e]
	if !ok {
		return handle, -1, driver.ErrorInvalidHandle
	}
	fd, err := event.export()
	if err != nil {
		return handle, -1, driver.ErrorOutOfMemory
	}
	return handle, fd, driver.Success
}

// EventImport implements driver.Sharing.
func (d *Driver) EventImport(_ driver.EventHandle, fd int) (driver.Event, driver.Result) {
	event, err := openSharedEvent(fd)
	if err != nil {
		d.log.WithError(err).Warn("software GPU")
		return 0, driver.ErrorInvalidValue
	}
	return d.keepShared(event), driver.Success
}

// firstShared is above the numbers of ordinary events.
const firstShared = 1 << 40

func (d *Driver) keepShared(event *sharedEvent) driver.Event {
	d.lastShared++
	e := driver.Event(firstShared + d.lastShared)
	d.shared[e] = event
	return e
}
