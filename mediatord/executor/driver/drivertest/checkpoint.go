package drivertest

import "libvirt-vgpu/mediatord/executor/driver"

// Checkpoint implements driver.Checkpointer. Until Restore every other call goes to
// Blocked.
func (r *Recorder) Checkpoint() (driver.Result, bool) {
	result := r.call("Checkpoint")
	r.mu.Lock()
	defer r.mu.Unlock()
	r.away = result == driver.Success
	return result, !r.Torn
}

// Restore implements driver.Checkpointer. If it fails the process is still away, unless
// RestoreLoses.
func (r *Recorder) Restore() driver.Return {
	back := driver.Return{Result: r.call("Restore"), Before: driver.StateCheckpointed, After: driver.StateRunning}
	r.mu.Lock()
	defer r.mu.Unlock()
	if back.Result != driver.Success {
		back.After = driver.StateCheckpointed
		if r.RestoreLoses {
			back.After = driver.StateFailed
		}
	}
	r.away = r.away && back.Result != driver.Success
	return back
}
