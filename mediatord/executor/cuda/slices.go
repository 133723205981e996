package cuda

/*
#cgo CFLAGS: -D_GNU_SOURCE
#include "slices.h"
*/
import "C"

import (
	"fmt"
	"syscall"
	"time"

	"libvirt-vgpu/mediatord/executor/driver"
)

var _ driver.Slicer = (*Driver)(nil)

// SetSlice implements driver.Slicer. It asks the driver's resource manager, not libcuda: any
// thread may call it at any time, away from the GPU too.
func (d *Driver) SetSlice(slice time.Duration) (groups int, err error) {
	s := C.vg_set_slice(C.uint64_t(slice / time.Microsecond))
	switch {
	case s.refused > 0 && s.error != 0:
		err = fmt.Errorf("%d of %d channel groups keep what they had: %w", s.refused, s.groups, syscall.Errno(s.error))
	case s.refused > 0:
		err = fmt.Errorf("%d of %d channel groups keep what they had: the driver's resource manager answers %#x", s.refused, s.groups, uint32(s.status))
	case s.missed > 0:
		err = fmt.Errorf("%d channel groups keep what they had: there were too many to note", s.missed)
	}
	return int(s.groups), err
}
