package soft

import (
	"slices"

	"libvirt-vgpu/mediatord/executor/driver"
)

// registrations is host memory that is registered. The software GPU maps whole
// pages; registrations that share a page share its mapping.
type registrations struct {
	registered map[uint64]uint64 // size by address
	extents    []hostExtent      // by start
}

// hostExtent is a run of pages that is mapped as one.
type hostExtent struct {
	start, end uint64
	users      int
}

const hostPage = 4096

// pages is the run of whole pages that holds size bytes at address.
func pages(address, size uint64) (start, end uint64) {
	return address &^ (hostPage - 1), (address + size + hostPage - 1) &^ (hostPage - 1)
}

// overlaps says whether any of the bytes are registered.
func (h *registrations) overlaps(address, size uint64) bool {
	for base, length := range h.registered {
		if base < address+size && address < base+length {
			return true
		}
	}
	return false
}

// HostRegister implements driver.DeviceMemory.
func (d *Driver) HostRegister(address, size uint64) driver.Result {
	h := &d.host
	if h.overlaps(address, size) {
		return driver.ErrorHostRegistered
	}
	start, end := pages(address, size)
	at := start
	for i := 0; at < end; i++ {
		switch {
		case i < len(h.extents) && h.extents[i].end <= at:
		case i < len(h.extents) && h.extents[i].start <= at:
			h.extents[i].users++
			at = h.extents[i].end
		default:
			to := end
			if i < len(h.extents) {
				to = min(to, h.extents[i].start)
			}
			if err := d.dev.MapHost(at, hostBytes(at, to-at)); err != nil {
				d.dropHost(start, at)
				return d.result(err)
			}
			h.extents = slices.Insert(h.extents, i, hostExtent{start: at, end: to, users: 1})
			at = to
		}
	}
	if h.registered == nil {
		h.registered = map[uint64]uint64{}
	}
	h.registered[address] = size
	return driver.Success
}

// HostUnregister implements driver.DeviceMemory.
func (d *Driver) HostUnregister(address uint64) driver.Result {
	size, ok := d.host.registered[address]
	if !ok {
		return driver.ErrorHostNotRegistered
	}
	delete(d.host.registered, address)
	d.dropHost(pages(address, size))
	return driver.Success
}

// dropHost undoes what registering pages [start, end) did to their mappings.
func (d *Driver) dropHost(start, end uint64) {
	d.host.extents = slices.DeleteFunc(d.host.extents, func(e hostExtent) bool {
		return e.users == 1 && e.start < end && start < e.end && d.dev.UnmapHost(e.start) == nil
	})
	for i := range d.host.extents {
		if e := &d.host.extents[i]; e.users > 1 && e.start < end && start < e.end {
			e.users--
		}
	}
}
