package pinned

import "unsafe"

// executorAddress is the page of something of this process.
func executorAddress() uint64 {
	return uint64(uintptr(unsafe.Pointer(&ErrTaken))) &^ (page - 1)
}
