package soft

import (
	"libvirt-vgpu/mediatord/executor/driver"
	"libvirt-vgpu/mediatord/executor/soft/ledger"
)

var _ driver.Checkpointer = (*Driver)(nil)

// Checkpoint implements driver.Checkpointer: what the device's memory holds goes to
// anonymous memory, and whoever uses the device waits.
func (d *Driver) Checkpoint() (driver.Result, bool) { return d.result(d.dev.Checkpoint()), true }

// errorOperatingSystem is CUDA_ERROR_OPERATING_SYSTEM.
const errorOperatingSystem driver.Result = 304

// Restore implements driver.Checkpointer. Without room for it the ledger says what comes of
// it.
func (d *Driver) Restore() driver.Return {
	back := driver.Return{Result: errorOperatingSystem, Before: driver.StateCheckpointed, After: driver.StateCheckpointed}
	if d.stuck {
		return back
	}
	back.Result = d.result(d.dev.Restore())
	switch {
	case back.Result == driver.Success:
		back.After = driver.StateRunning
	case d.ledger == nil || back.Result != driver.ErrorOutOfMemory:
	case d.ledger.Manner() == ledger.Stuck:
		d.stuck = true
	case d.ledger.Manner() == ledger.Lost:
		back.Result, back.After = errorOperatingSystem, driver.StateFailed
	default:
		back.Result = errorOperatingSystem
	}
	return back
}
