package process

import (
	"encoding/binary"

	"libvirt-vgpu/mediatord/executor/driver"
	"libvirt-vgpu/mediatord/executor/wire"
)

// Launch implements wire.Handler.
func (p *Process) Launch(_ wire.Call, in wire.Launch) driver.Result {
	f, ok1 := p.tables.Get(driver.KindFunction, in.F)
	s, ok2 := p.stream(in.S)
	if !ok1 || !ok2 {
		return driver.ErrorInvalidHandle
	}
	p.launch = driver.Launch{
		Function: driver.Function(f), Grid: [3]uint32{in.Gx, in.Gy, in.Gz}, Block: [3]uint32{in.Bx, in.By, in.Bz},
		Shared: in.Shared, Stream: s, Params: in.Params,
	}
	return p.Driver.Launch(&p.launch)
}

// LaunchKernel implements wire.Handler.
func (p *Process) LaunchKernel(_ wire.Call, in wire.LaunchKernel) driver.Result {
	k, ok1 := p.tables.Get(driver.KindKernel, in.K)
	s, ok2 := p.stream(in.S)
	if !ok1 || !ok2 {
		return driver.ErrorInvalidHandle
	}
	p.launch = driver.Launch{
		Function: driver.Function(k), Grid: [3]uint32{in.Gx, in.Gy, in.Gz}, Block: [3]uint32{in.Bx, in.By, in.Bz},
		Shared: in.Shared, Stream: s, Params: in.Params,
	}
	return p.Driver.Launch(&p.launch)
}

// LaunchCooperative implements wire.Handler.
func (p *Process) LaunchCooperative(_ wire.Call, in wire.LaunchCooperative) driver.Result {
	f, ok1 := p.function(in.Handle, in.Kind)
	s, ok2 := p.stream(in.S)
	if !ok1 || !ok2 {
		return driver.ErrorInvalidHandle
	}
	p.launch = driver.Launch{
		Function: f, Grid: [3]uint32{in.Gx, in.Gy, in.Gz}, Block: [3]uint32{in.Bx, in.By, in.Bz},
		Shared: in.Shared, Stream: s, Cooperative: true, Params: in.Params,
	}
	return p.Driver.Launch(&p.launch)
}

// LaunchAnswered implements wire.Handler: launch_ex with an answer.
func (p *Process) LaunchAnswered(call wire.Call, in wire.LaunchAnswered) driver.Result {
	return p.LaunchEx(call, wire.LaunchEx(in))
}

// LaunchEx implements wire.Handler.
func (p *Process) LaunchEx(_ wire.Call, in wire.LaunchEx) driver.Result {
	attributes := uint64(in.Attributes) * driver.LaunchAttributeSize
	if attributes > uint64(len(in.Data)) {
		return p.violate("launching: %d attributes in %d bytes", in.Attributes, len(in.Data))
	}
	f, ok1 := p.function(in.Handle, in.Kind)
	s, ok2 := p.stream(in.S)
	if !ok1 || !ok2 {
		return driver.ErrorInvalidHandle
	}
	if r := p.patchAttributes(in.Data[:attributes]); r != driver.Success {
		return r
	}
	p.launch = driver.Launch{
		Function: f, Grid: [3]uint32{in.Gx, in.Gy, in.Gz}, Block: [3]uint32{in.Bx, in.By, in.Bz},
		Shared: in.Shared, Stream: s, Attributes: in.Data[:attributes], Params: in.Data[attributes:],
	}
	return p.Driver.Launch(&p.launch)
}

// Kinds of the handle that launches and occupancy queries name.
const (
	kindFunction = 0
	kindKernel   = 1
)

func (p *Process) function(number, kind uint32) (driver.Function, bool) {
	table := driver.KindFunction
	switch kind {
	case kindFunction:
	case kindKernel:
		table = driver.KindKernel
	default:
		return 0, false
	}
	native, ok := p.tables.Get(table, number)
	return driver.Function(native), ok
}

// patchAttributes puts native events for the numbers in CUlaunchAttribute
// structures (u32 id, padding, 64 bytes of value) and refuses what would return
// a pointer.
func (p *Process) patchAttributes(b []byte) driver.Result {
	le := binary.LittleEndian
	for ; len(b) > 0; b = b[driver.LaunchAttributeSize:] {
		switch id := le.Uint32(b); {
		case id == driver.LaunchAttributeProgrammaticEvent, id == driver.LaunchAttributeCompletionEvent:
			event, ok := p.tables.Get(driver.KindEvent, le.Uint32(b[8:]))
			if !ok {
				return driver.ErrorInvalidHandle
			}
			le.PutUint64(b[8:], event)
		case id == driver.LaunchAttributeUpdatableNode:
			return driver.ErrorNotSupported
		case id > driver.LaunchAttributeMax:
			return driver.ErrorInvalidValue
		}
	}
	return driver.Success
}
