//go:build !amd64

package channel

import "unsafe"

func prefetch(unsafe.Pointer) {}
