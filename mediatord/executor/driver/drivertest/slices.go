package drivertest

import (
	"errors"
	"time"

	"libvirt-vgpu/mediatord/executor/driver"
)

var _ driver.Slicer = (*Recorder)(nil)

// SetSlice implements driver.Slicer for one queue.
func (r *Recorder) SetSlice(slice time.Duration) (int, error) {
	if result := r.call("SetSlice", slice); result != driver.Success {
		return 1, errors.New("refused")
	}
	return 1, nil
}
