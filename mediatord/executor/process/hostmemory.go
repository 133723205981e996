package process

import (
	"errors"
	"fmt"

	"libvirt-vgpu/mediatord/executor/channel"
	"libvirt-vgpu/mediatord/executor/driver"
	"libvirt-vgpu/mediatord/executor/pinned"
	"libvirt-vgpu/mediatord/executor/wire"
)

// MapPinned implements wire.Handler. Chunks mapped before the first context are
// registered with it.
func (p *Process) MapPinned(_ wire.Call, in wire.MapPinned) driver.Result {
	if in.Flags != 0 {
		return driver.ErrorInvalidValue
	}
	return p.pin(p.Pinned.Map(in.VA, in.Offset, in.Count))
}

// HostPages implements wire.Handler: pages of the arena at an address where the
// guest process had memory of its own. This process may have something there.
func (p *Process) HostPages(_ wire.Call, in wire.HostPages) driver.Result {
	_, r := p.mapped(p.Pinned.MapElsewhere(in.VA, in.Offset, in.Size))
	return r
}

// HostRegister implements wire.Handler: bytes of such pages, which several
// registrations may share as they do natively.
func (p *Process) HostRegister(_ wire.Call, in wire.HostRegister) driver.Result {
	if p.pins[in.VA] != nil || in.Size == 0 {
		return driver.ErrorInvalidValue
	}
	if len(p.pins) >= maxPins {
		return driver.ErrorOutOfMemory
	}
	if !p.checkHost(in.VA, in.Size) {
		return driver.ErrorUnknown
	}
	pin := &hostPin{va: in.VA, size: in.Size}
	if p.registrar != 0 {
		if r := p.registerPin(pin); r != driver.Success {
			return r
		}
	}
	p.pins[in.VA] = pin
	return driver.Success
}

// maxPins bounds the registrations of a process: without a context no driver does.
const maxPins = 1 << 16

// HostUnregister implements wire.Handler.
func (p *Process) HostUnregister(_ wire.Call, in wire.HostUnregister) driver.Result {
	pin := p.pins[in.VA]
	if pin == nil {
		return driver.ErrorInvalidValue
	}
	if err := p.unregisterPin(pin); err != nil {
		p.violation = err
		return driver.ErrorUnknown
	}
	return driver.Success
}

// hostPin is host memory that the guest process has registered.
type hostPin struct {
	va, size   uint64
	registered bool
}

func (p *Process) registerPin(pin *hostPin) driver.Result {
	r := p.hostRegister(pin.va, pin.size)
	pin.registered = r == driver.Success
	return r
}

func (p *Process) unregisterPin(pin *hostPin) error {
	delete(p.pins, pin.va)
	if !pin.registered {
		return nil
	}
	return p.hostUnregister(pin.va)
}

// mapped judges what mapping returned.
func (p *Process) mapped(m *pinned.Mapping, err error) (*pinned.Mapping, driver.Result) {
	switch {
	case errors.Is(err, pinned.ErrTaken):
		p.Log.WithError(err).Warn("host memory not registered")
		return nil, driver.ErrorNotSupported
	case errors.Is(err, pinned.ErrRange), errors.Is(err, pinned.ErrChunk):
		return nil, p.violate("mapping pinned memory: %w", err)
	case err != nil:
		p.Log.WithError(err).Error("pinned memory not mapped")
		return nil, driver.ErrorOutOfMemory
	}
	return m, driver.Success
}

// pin takes what mapping chunks returned and registers it, if there is a context
// for that.
func (p *Process) pin(m *pinned.Mapping, err error) driver.Result {
	m, r := p.mapped(m, err)
	if r != driver.Success || p.registrar == 0 {
		return r
	}
	if r := p.register(m); r != driver.Success {
		if err := p.Pinned.Unmap(m); err != nil {
			return p.violate("taking pinned memory back: %w", err)
		}
		return r
	}
	return driver.Success
}

// UnmapPinned implements wire.Handler.
func (p *Process) UnmapPinned(_ wire.Call, in wire.UnmapPinned) driver.Result {
	m := p.Pinned.At(in.VA)
	if m == nil {
		return driver.ErrorInvalidValue
	}
	if p.Away() {
		return p.unpinLater(in.VA)
	}
	if err := p.unpin(m); err != nil {
		p.violation = err
		return driver.ErrorUnknown
	}
	return driver.Success
}

// unpin unregisters and unmaps. After an error the executor must end: the device
// may still reach the memory.
func (p *Process) unpin(m *pinned.Mapping) error {
	if m.Registered {
		if err := p.hostUnregister(m.VA); err != nil {
			return err
		}
	}
	if m.Elsewhere {
		for _, pin := range p.pins {
			if pin.va >= m.VA+m.Size || m.VA >= pin.va+pin.size {
				continue
			}
			if err := p.unregisterPin(pin); err != nil {
				return err
			}
		}
	}
	return p.Pinned.Unmap(m)
}

// hostUnregister takes memory from the device. In a lost context every call fails;
// the device does nothing any more.
func (p *Process) hostUnregister(va uint64) error {
	if r := p.Driver.HostUnregister(va); r != driver.Success && r != driver.ErrorHostNotRegistered && !r.Sticky() {
		return fmt.Errorf("unregistering pinned memory at %#x: error %d", va, r)
	}
	return nil
}

func (p *Process) register(m *pinned.Mapping) driver.Result {
	r := p.hostRegister(m.VA, m.Size)
	m.Registered = r == driver.Success
	return r
}

func (p *Process) hostRegister(address, size uint64) driver.Result {
	r := p.Driver.HostRegister(address, size)
	if r == driver.ErrorHostRegistered { // survived the context that registered it
		return driver.Success
	}
	return r
}

// registerAll makes fence words and pinned memory known to the device, in the
// current context.
func (p *Process) registerAll() driver.Result {
	if p.registrar != 0 {
		return driver.Success
	}
	if r := p.hostRegister(p.Channel.FenceAddress(), channel.FenceBytes); r != driver.Success {
		return r
	}
	if p.turn.marks != nil {
		if r := p.hostRegister(p.turn.marks.address(), uint64(len(p.turn.marks))); r != driver.Success {
			return r
		}
	}
	p.registrar = p.current
	for _, m := range p.Pinned.All() {
		if m.Elsewhere {
			continue
		}
		if r := p.register(m); r != driver.Success {
			return r
		}
	}
	for _, pin := range p.pins {
		if r := p.registerPin(pin); r != driver.Success {
			return r
		}
	}
	p.lockParked()
	return driver.Success
}

// checkHost ends the executor unless pinned memory holds all size bytes at va.
func (p *Process) checkHost(va, size uint64) bool {
	if err := p.Pinned.Check(va, size); err != nil {
		p.violate("%w", err)
		return false
	}
	return true
}
