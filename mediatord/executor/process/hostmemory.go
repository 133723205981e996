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

// HostRegister implements wire.Handler: pages of the arena at an address where the
// guest process had memory of its own. This process may have something there.
func (p *Process) HostRegister(_ wire.Call, in wire.HostRegister) driver.Result {
	return p.pin(p.Pinned.MapElsewhere(in.VA, in.Offset, in.Size))
}

// pin takes what mapping returned and registers it, if there is a context for that.
func (p *Process) pin(m *pinned.Mapping, err error) driver.Result {
	switch {
	case errors.Is(err, pinned.ErrTaken):
		p.Log.WithError(err).Warn("host memory not registered")
		return driver.ErrorNotSupported
	case errors.Is(err, pinned.ErrRange), errors.Is(err, pinned.ErrChunk):
		return p.violate("mapping pinned memory: %w", err)
	case err != nil:
		p.Log.WithError(err).Error("pinned memory not mapped")
		return driver.ErrorOutOfMemory
	}
	if p.registrar == 0 {
		return driver.Success
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
		// In a lost context every call fails; the device does nothing any more.
		if r := p.Driver.HostUnregister(m.VA); r != driver.Success && r != driver.ErrorHostNotRegistered && !r.Sticky() {
			return fmt.Errorf("unregistering pinned memory at %#x: error %d", m.VA, r)
		}
	}
	return p.Pinned.Unmap(m)
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
		if r := p.register(m); r != driver.Success {
			return r
		}
	}
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
