package soft

import "unsafe"

// hostBytes is registered memory of this process; it is mapped until it is
// unregistered.
func hostBytes(address, size uint64) []byte {
	return unsafe.Slice((*byte)(*(*unsafe.Pointer)(unsafe.Pointer(&address))), size)
}
