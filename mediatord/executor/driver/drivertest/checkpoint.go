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

// Restore implements driver.Checkpointer.
func (r *Recorder) Restore() driver.Result {
	result := r.call("Restore")
	r.mu.Lock()
	defer r.mu.Unlock()
	r.away = r.away && result != driver.Success
	return result
}
