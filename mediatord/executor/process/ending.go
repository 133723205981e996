package process

import (
	"libvirt-vgpu/mediatord/executor/driver"
	"libvirt-vgpu/mediatord/executor/handle"
	"libvirt-vgpu/mediatord/executor/wire"
)

// ends says that a record ends something. Those are executed while memory is parked and
// while contexts are away: what ends must never need room.
func ends(opcode uint16) bool {
	switch opcode {
	case wire.OpPrimaryRelease, wire.OpPrimaryReset, wire.OpCtxDestroy, wire.OpGreenDestroy,
		wire.OpMemUnblock, wire.OpMemUnmap, wire.OpMemRelease, wire.OpMemUnreserve, wire.OpUnmapPinned, wire.OpHostUnregister,
		wire.OpModuleUnload, wire.OpLibraryUnload, wire.OpLinkDestroy, wire.OpStreamDestroy, wire.OpEventDestroy, wire.OpGraphDestroy, wire.OpGraphexecDestroy,
		wire.OpArrayDestroy, wire.OpMipmapDestroy, wire.OpTextureDestroy, wire.OpSurfaceDestroy, wire.OpTexrefDestroy,
		wire.OpMemFreeAsync, wire.OpMemFreePool, wire.OpPoolDestroy:
		return true
	}
	return false
}

// rests says that a record leaves contexts where they are: it ends something, or waits for
// work, of which there is none.
func rests(opcode uint16) bool {
	return ends(opcode) || opcode == wire.OpFence || opcode == wire.OpNotify || opcode == wire.OpRefused
}

// endings is the driver for a process whose contexts may be away. Then the process has
// ended at once what it ends, and the driver hears of it when they are back, in the same
// order.
type endings struct {
	driver.Driver
	process *Process
	kept    []ending
	// unpinned are the addresses of pinned memory that ends then: the driver will look
	// for it when the contexts return.
	unpinned map[uint64]struct{}
}

// ending is a call of the driver, in a context unless that is 0.
type ending struct {
	context driver.Context
	call    func() driver.Result
}

// mostKept bounds what a process can have ended while it is away.
const mostKept = handle.Limit

// keep keeps a call until the contexts are back.
func (e *endings) keep(call func() driver.Result) driver.Result {
	if len(e.kept) >= mostKept {
		return driver.ErrorOutOfMemory
	}
	native, _ := e.process.tables.Get(driver.KindContext, e.process.current)
	e.kept = append(e.kept, ending{driver.Context(native), call})
	return driver.Success
}

// catchUp makes the calls that were kept. What fails is logged: for the process it has
// ended.
func (e *endings) catchUp() {
	kept, current := e.kept, driver.Context(0)
	e.kept, e.unpinned = nil, nil
	for _, ending := range kept {
		r := driver.Success
		if ending.context != 0 && ending.context != current {
			r = e.Driver.SetCurrent(ending.context)
			current = ending.context
		}
		if r == driver.Success {
			r = ending.call()
		}
		if r != driver.Success && r != driver.ErrorHostNotRegistered {
			e.process.Log.WithField("result", r).Warn("what ended while its context was away has not ended for the driver")
		}
	}
	if len(kept) > 0 {
		e.process.pools.settle()
		e.process.graphs.memory.settle()
	}
}

// end makes a call that ends something, or keeps it.
func end[T any](e *endings, call func(driver.Driver, T) driver.Result, what T) driver.Result {
	if !e.process.Away() {
		return call(e.Driver, what)
	}
	return e.keep(func() driver.Result { return call(e.Driver, what) })
}

// The current context is the process's business while it is away, what is registered is
// looked after when it returns, and all streams are done.

func (e *endings) SetCurrent(c driver.Context) driver.Result {
	if e.process.Away() {
		return driver.Success
	}
	return e.Driver.SetCurrent(c)
}

func (e *endings) HostRegister(address, size uint64) driver.Result {
	if e.process.Away() {
		return driver.Success
	}
	return e.Driver.HostRegister(address, size)
}

func (e *endings) StreamQuery(s driver.Stream) driver.Result {
	if e.process.Away() {
		return driver.Success
	}
	return e.Driver.StreamQuery(s)
}

func (e *endings) PrimaryRelease() driver.Result {
	return end(e, func(d driver.Driver, _ struct{}) driver.Result { return d.PrimaryRelease() }, struct{}{})
}

func (e *endings) PrimaryReset() driver.Result {
	return end(e, func(d driver.Driver, _ struct{}) driver.Result { return d.PrimaryReset() }, struct{}{})
}

func (e *endings) MemoryUnmap(va, size uint64) driver.Result {
	return end(e, func(d driver.Driver, r [2]uint64) driver.Result { return d.MemoryUnmap(r[0], r[1]) }, [2]uint64{va, size})
}

func (e *endings) AddressFree(va, size uint64) driver.Result {
	return end(e, func(d driver.Driver, r [2]uint64) driver.Result { return d.AddressFree(r[0], r[1]) }, [2]uint64{va, size})
}

func (e *endings) MemFreeAsync(address uint64, s driver.Stream) driver.Result {
	return end(e, func(d driver.Driver, of [2]uint64) driver.Result { return d.MemFreeAsync(of[0], driver.Stream(of[1])) }, [2]uint64{address, uint64(s)})
}

func (e *endings) ContextDestroy(c driver.Context) driver.Result {
	return end(e, driver.Driver.ContextDestroy, c)
}
func (e *endings) GreenDestroy(g driver.Green) driver.Result {
	return end(e, driver.Driver.GreenDestroy, g)
}
func (e *endings) UnmapBlock(va uint64) driver.Result { return end(e, driver.Driver.UnmapBlock, va) }
func (e *endings) MemoryRelease(m driver.Memory) driver.Result {
	return end(e, driver.Driver.MemoryRelease, m)
}
func (e *endings) HostUnregister(va uint64) driver.Result {
	return end(e, driver.Driver.HostUnregister, va)
}
func (e *endings) ModuleUnload(m driver.Module) driver.Result {
	return end(e, driver.Driver.ModuleUnload, m)
}
func (e *endings) LibraryUnload(l driver.Library) driver.Result {
	return end(e, driver.Driver.LibraryUnload, l)
}
func (e *endings) LinkDestroy(l driver.Linker) driver.Result {
	return end(e, driver.Driver.LinkDestroy, l)
}
func (e *endings) StreamDestroy(s driver.Stream) driver.Result {
	return end(e, driver.Driver.StreamDestroy, s)
}
func (e *endings) EventDestroy(v driver.Event) driver.Result {
	return end(e, driver.Driver.EventDestroy, v)
}
func (e *endings) GraphDestroy(g driver.Graph) driver.Result {
	return end(e, driver.Driver.GraphDestroy, g)
}
func (e *endings) GraphexecDestroy(x driver.GraphExec) driver.Result {
	return end(e, driver.Driver.GraphexecDestroy, x)
}
func (e *endings) ArrayDestroy(a driver.Array) driver.Result {
	return end(e, driver.Driver.ArrayDestroy, a)
}
func (e *endings) MipmapDestroy(m driver.Mipmap) driver.Result {
	return end(e, driver.Driver.MipmapDestroy, m)
}
func (e *endings) TextureDestroy(object uint64) driver.Result {
	return end(e, driver.Driver.TextureDestroy, object)
}
func (e *endings) SurfaceDestroy(object uint64) driver.Result {
	return end(e, driver.Driver.SurfaceDestroy, object)
}
func (e *endings) TexrefDestroy(t driver.Texref) driver.Result {
	return end(e, driver.Driver.TexrefDestroy, t)
}
func (e *endings) MemFreePool(address uint64) driver.Result {
	return end(e, driver.Driver.MemFreePool, address)
}

// unpinLater ends pinned memory when the contexts are back. Until then its chunks are not
// given up.
func (p *Process) unpinLater(va uint64) driver.Result {
	e := p.endings
	if _, again := e.unpinned[va]; again {
		return driver.ErrorInvalidValue
	}
	r := e.keep(func() driver.Result {
		m := p.Pinned.At(va)
		if m == nil {
			return driver.Success
		}
		if err := p.unpin(m); err != nil {
			p.violation = err
		}
		return driver.Success
	})
	if r == driver.Success {
		if e.unpinned == nil {
			e.unpinned = map[uint64]struct{}{}
		}
		e.unpinned[va] = struct{}{}
	}
	return r
}
