package channel

import "unsafe"

// prefetch brings a line of memory and the next one into the cache.
//
//go:noescape
func prefetch(line unsafe.Pointer)
