package soft

import "libvirt-vgpu/mediatord/executor/driver"

var _ driver.Checkpointer = (*Driver)(nil)

// Checkpoint implements driver.Checkpointer: what the device's memory holds goes to
// anonymous memory, and whoever uses the device waits.
func (d *Driver) Checkpoint() (driver.Result, bool) { return d.result(d.dev.Checkpoint()), true }

// Restore implements driver.Checkpointer.
func (d *Driver) Restore() driver.Result { return d.result(d.dev.Restore()) }
