package drivertest

import "libvirt-vgpu/mediatord/executor/driver"

// LinkCreate implements driver.Driver.
func (r *Recorder) LinkCreate(jit *driver.JIT) (driver.Linker, driver.Result) {
	h, result := r.create("LinkCreate", *jit)
	return driver.Linker(h), result
}

// LinkAdd implements driver.Driver.
func (r *Recorder) LinkAdd(l driver.Linker, input uint32, data []byte, name string, jit *driver.JIT) driver.Result {
	return r.call("LinkAdd", l, input, string(data), name, jit.Options)
}

// LinkComplete implements driver.Driver.
func (r *Recorder) LinkComplete(l driver.Linker) ([]byte, driver.Result) {
	return r.Linked, r.call("LinkComplete", l)
}

// LinkState implements driver.Driver.
func (r *Recorder) LinkState(driver.Linker) driver.LinkState { return r.LinkOutputs }

// LinkDestroy implements driver.Driver.
func (r *Recorder) LinkDestroy(l driver.Linker) driver.Result {
	return r.call("LinkDestroy", l)
}
