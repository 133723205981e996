package soft

import (
	"time"

	"libvirt-vgpu/mediatord/executor/driver"
)

var _ driver.Slicer = (*Driver)(nil)

// SetSlice implements driver.Slicer: software GPUs of several processes share the processors, so there
// is nothing to be done.
func (d *Driver) SetSlice(time.Duration) (int, error) { return 0, nil }
