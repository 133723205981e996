package handle

import (
	"unsafe"

	"libvirt-vgpu/mediatord/executor/driver"
)

// Layout of an entry for who reads a View: its size, where in it a byte says that it
// is used, and where the bytes of a kernel's parameters are, plus one; 0: nobody knows
// them. The native handle is at its start.
const (
	EntrySize = unsafe.Sizeof(entry{})
	EntryUsed = unsafe.Offsetof(entry{}.used)
	// Of u32.
	EntryParameters = unsafe.Offsetof(entry{}.parameters)
	_               = -unsafe.Offsetof(entry{}.native)
)

// View is the table of a kind as count entries. It holds until the next Put.
func (t *Tables) View(kind driver.Kind) (entries unsafe.Pointer, count uint32) {
	table := t.kinds[kind]
	return unsafe.Pointer(unsafe.SliceData(table)), uint32(len(table))
}
