package process

import (
	"encoding/binary"

	"libvirt-vgpu/mediatord/executor/driver"
	"libvirt-vgpu/mediatord/executor/wire"
)

// Launch implements wire.Handler.
func (p *Process) Launch(_ wire.Call, in wire.Launch) driver.Result {
	return p.start(kindFunction, in.F, in.S, in.Params, driver.Launch{
		Grid: [3]uint32{in.Gx, in.Gy, in.Gz}, Block: [3]uint32{in.Bx, in.By, in.Bz}, Shared: in.Shared,
	})
}

// LaunchKernel implements wire.Handler.
func (p *Process) LaunchKernel(_ wire.Call, in wire.LaunchKernel) driver.Result {
	return p.start(kindKernel, in.K, in.S, in.Params, driver.Launch{
		Grid: [3]uint32{in.Gx, in.Gy, in.Gz}, Block: [3]uint32{in.Bx, in.By, in.Bz}, Shared: in.Shared,
	})
}

// LaunchCooperative implements wire.Handler.
func (p *Process) LaunchCooperative(_ wire.Call, in wire.LaunchCooperative) driver.Result {
	return p.start(in.Kind, in.Handle, in.S, in.Params, driver.Launch{
		Grid: [3]uint32{in.Gx, in.Gy, in.Gz}, Block: [3]uint32{in.Bx, in.By, in.Bz}, Shared: in.Shared, Cooperative: true,
	})
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
	if r := p.patchAttributes(in.Data[:attributes]); r != driver.Success {
		return r
	}
	return p.start(in.Kind, in.Handle, in.S, in.Data[attributes:], driver.Launch{
		Grid: [3]uint32{in.Gx, in.Gy, in.Gz}, Block: [3]uint32{in.Bx, in.By, in.Bz}, Shared: in.Shared, Attributes: in.Data[:attributes],
	})
}

// start launches a function or kernel with parameters, of which the process may have
// left out the last ones.
func (p *Process) start(kind, number, stream uint32, parameters []byte, l driver.Launch) driver.Result {
	f, ok1 := p.function(number, kind)
	s, ok2 := p.stream(stream)
	if !ok1 || !ok2 {
		return driver.ErrorInvalidHandle
	}
	var r driver.Result
	if l.Params, r = p.padded(kind, number, parameters); r != driver.Success {
		return r
	}
	l.Function, l.Stream = f, s
	p.launch = l
	return p.Driver.Launch(&p.launch)
}

// Kinds of the handle that launches and occupancy queries name.
const (
	kindFunction = 0
	kindKernel   = 1
)

func (p *Process) function(number, kind uint32) (driver.Function, bool) {
	if kind > kindKernel {
		return 0, false
	}
	native, ok := p.tables.Get(tableOf(kind), number)
	return driver.Function(native), ok
}

// tableOf is the table of such handles.
func tableOf(kind uint32) driver.Kind {
	if kind == kindKernel {
		return driver.KindKernel
	}
	return driver.KindFunction
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
