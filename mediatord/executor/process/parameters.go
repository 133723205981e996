package process

import "libvirt-vgpu/mediatord/executor/driver"

// A driver takes a buffer of parameters that is shorter than the kernel's, as NCCL's are,
// whose kernels read what the first words announce. What it makes of the rest is not
// said; it may read on behind the buffer. So it always gets as much as the kernel takes.

// padded is the parameters of a launch with zeros for those that the process left out.
// None at all and more than there are go to the driver as they are, for its answer. They
// hold until the next launch.
func (p *Process) padded(kind, number uint32, given []byte) ([]byte, driver.Result) {
	all, r := p.parameterBytes(kind, number)
	if r != driver.Success || len(given) == 0 || uint32(len(given)) >= all {
		return given, r
	}
	clear(p.parameters[copy(p.parameters, given):all])
	return p.parameters[:all], driver.Success
}

// parameterBytes is how many bytes of parameters a function or kernel takes. Only for a
// kernel that the process has found and asked nothing about is the driver asked, once.
func (p *Process) parameterBytes(kind, number uint32) (uint32, driver.Result) {
	if bytes, known := p.tables.Parameters(tableOf(kind), number); known {
		return bytes, driver.Success
	}
	f, ok := p.function(number, kind)
	if !ok {
		return 0, driver.ErrorInvalidHandle
	}
	_, bytes, r := p.parameterPlaces(f, kind)
	if r != driver.Success {
		return 0, r
	}
	p.noteParameters(tableOf(kind), number, uint32(bytes))
	return uint32(bytes), driver.Success
}

// noteParameters notes how many bytes of parameters a kernel takes, and keeps room for as
// many.
func (p *Process) noteParameters(kind driver.Kind, number, bytes uint32) {
	p.tables.SetParameters(kind, number, bytes)
	if missing := int(bytes) - len(p.parameters); missing > 0 {
		p.parameters = append(p.parameters, make([]byte, missing)...)
	}
}
