package process

import (
	"runtime"
	"time"

	"libvirt-vgpu/mediatord/executor/driver"
	"libvirt-vgpu/mediatord/executor/wire"
	"libvirt-vgpu/plugin/window"
)

// primary is the number of the primary context.
const primary = 1

// runsInContext says that the op needs the context of its record bound.
func runsInContext(opcode uint16) bool {
	switch opcode {
	case wire.OpPlaceRanges, wire.OpMapPinned, wire.OpUnmapPinned, wire.OpHostRegister, wire.OpTextTake, wire.OpImageBegin, wire.OpImageInline, wire.OpImageDrop,
		wire.OpRefused, wire.OpPrimaryRetain, wire.OpPrimaryRelease, wire.OpPrimaryReset, wire.OpCtxCreate, wire.OpCtxDestroy:
		return false
	}
	return true
}

// enter makes context number the current one.
func (p *Process) enter(number uint32) driver.Result {
	native, ok := p.tables.Get(driver.KindContext, number)
	if !ok {
		return driver.ErrorInvalidContext
	}
	if r := p.Driver.SetCurrent(driver.Context(native)); r != driver.Success {
		return r
	}
	p.current, p.tables.Context = number, p.owner(number)
	return driver.Success
}

// enterRegistrar makes the context current in which host memory is registered, if there
// is any.
func (p *Process) enterRegistrar() driver.Result {
	if p.registrar == 0 {
		return driver.Success
	}
	return p.enter(p.registrar)
}

// borrow makes a context current for work on the process's memory, which may be left when
// its contexts have ended; giveUp ends that.
func (p *Process) borrow() (giveUp func(), r driver.Result) {
	if p.registrar != 0 {
		return func() {}, p.enter(p.registrar)
	}
	native, r := p.Driver.PrimaryRetain(0)
	if r != driver.Success {
		return nil, r
	}
	p.current, p.tables.Context = 0, 0
	if r := p.Driver.SetCurrent(native); r != driver.Success {
		p.Driver.PrimaryRelease()
		return nil, r
	}
	return func() { p.Driver.PrimaryRelease() }, driver.Success
}

// owner is the context with which ends what is made in a context: itself, but
// what is made in a green one belongs to the primary context.
func (p *Process) owner(number uint32) uint32 {
	if p.greens[number] {
		return primary
	}
	return number
}

// began makes a new context current and registers host memory in it.
func (p *Process) began(number uint32) driver.Result {
	if r := p.enter(number); r != driver.Success {
		return r
	}
	return p.registerAll()
}

// ended forgets a context and what it owned. Host memory registered in it is
// registered again in another one, or with the next.
func (p *Process) ended(number uint32) {
	p.tables.EachIn(driver.KindStream, number, func(_ uint32, native uint64) { delete(p.captures, driver.Stream(native)) })
	p.tables.Delete(driver.KindContext, number)
	p.current, p.tables.Context = 0, 0
	p.fences.end(number)
	p.contextEnds(number)
	p.limitsEnded(number)
	p.loose.done(number, p.loose.upTo())
	p.arrays.ended(number)
	p.costs.ended(number)
	p.bindless.ended(number)
	p.pools.settle()
	if p.registrar != number {
		return
	}
	p.registrar = 0
	for _, m := range p.Pinned.All() {
		m.Registered = false
	}
	for _, pin := range p.pins {
		pin.registered = false
	}
	other := uint32(0)
	p.tables.Each(driver.KindContext, func(n uint32, _ uint64) { other = n })
	if other != 0 {
		if r := p.began(other); r != driver.Success {
			p.Log.Errorf("host memory not registered in context %d: error %d", other, r)
		}
	}
}

// PrimaryRetain implements wire.Handler.
func (p *Process) PrimaryRetain(_ wire.Call, in wire.PrimaryRetain) driver.Result {
	began := time.Now()
	if r := p.costs.context(primary); r != driver.Success {
		return r
	}
	native, r := p.Driver.PrimaryRetain(in.Flags)
	if r != driver.Success {
		if p.retained == 0 {
			p.costs.ended(primary)
		}
		return r
	}
	made := time.Since(began)
	p.retained++
	if p.tables.Free(driver.KindContext, primary) {
		p.tables.Put(driver.KindContext, primary, uint64(native))
	}
	if r := p.began(primary); r != driver.Success {
		p.PrimaryRelease(wire.Call{}, wire.PrimaryRelease{})
		return r
	}
	if p.retained == 1 {
		p.Log.Debugf("start: %v for the primary context, %v to make it usable", made, time.Since(began)-made)
	}
	return driver.Success
}

// PrimaryRelease implements wire.Handler. The last one ends the context.
func (p *Process) PrimaryRelease(wire.Call, wire.PrimaryRelease) driver.Result {
	if p.retained == 0 {
		return driver.Success // a reset has released it
	}
	if p.retained == 1 {
		p.unlockParked(primary)
	}
	r := p.Driver.PrimaryRelease()
	if p.retained--; p.retained == 0 {
		p.ended(primary)
	}
	return r
}

// PrimaryReset implements wire.Handler. The process retains anew afterwards.
func (p *Process) PrimaryReset(wire.Call, wire.PrimaryReset) driver.Result {
	p.unlockParked(primary)
	r := p.Driver.PrimaryReset()
	for ; p.retained > 0; p.retained-- {
		p.Driver.PrimaryRelease()
	}
	p.ended(primary)
	return r
}

// CtxCreate implements wire.Handler.
func (p *Process) CtxCreate(_ wire.Call, in wire.CtxCreate) driver.Result {
	if in.C <= primary || !p.tables.Free(driver.KindContext, in.C) {
		return driver.ErrorInvalidHandle
	}
	if r := p.costs.context(in.C); r != driver.Success {
		return r
	}
	native, r := p.Driver.ContextCreate(in.Flags)
	if r != driver.Success {
		p.costs.ended(in.C)
		return r
	}
	p.tables.Put(driver.KindContext, in.C, uint64(native))
	if r := p.began(in.C); r != driver.Success {
		p.Driver.ContextDestroy(native)
		p.ended(in.C)
		return r
	}
	return driver.Success
}

// CtxDestroy implements wire.Handler.
func (p *Process) CtxDestroy(_ wire.Call, in wire.CtxDestroy) driver.Result {
	native, ok := p.tables.Get(driver.KindContext, in.C)
	if !ok || in.C == primary {
		return driver.ErrorInvalidContext
	}
	p.unlockParked(in.C)
	r := p.Driver.ContextDestroy(driver.Context(native))
	if r == driver.Success {
		p.ended(in.C)
	}
	return r
}

// CtxSynchronize implements wire.Handler.
func (p *Process) CtxSynchronize(c wire.Call, _ wire.CtxSynchronize) driver.Result {
	return p.aside(c, wire.OpCtxSynchronize, p.Driver.Synchronize)
}

// aside waits on a thread of its own, bound to no context, for something in the
// current context, and replies then. A wait is no reason to keep other threads'
// records: their work may be what it waits for.
func (p *Process) aside(c wire.Call, opcode uint16, wait func(driver.Context) driver.Result) driver.Result {
	native, ok := p.tables.Get(driver.KindContext, p.current)
	if !ok {
		return driver.ErrorInvalidContext
	}
	if p.synchronizing.Add(1) > window.ReplyCount {
		p.synchronizing.Add(-1)
		return p.violate("more than %d threads wait for a context", window.ReplyCount)
	}
	context, loose := p.owner(p.current), p.loose.upTo()
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		r := wait(driver.Context(native))
		if r == driver.Success && opcode == wire.OpCtxSynchronize {
			p.loose.done(context, loose)
		}
		p.lost(r, opcode)
		p.Channel.Reply(c.Reply, c.Sequence, r, nil)
		p.Channel.Interrupt()
		p.synchronizing.Add(-1)
	}()
	return wire.Deferred
}
