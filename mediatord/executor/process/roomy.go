package process

import "libvirt-vgpu/mediatord/executor/driver"

// leastRoom is what is asked for where nobody knows how much the driver takes.
const leastRoom = 64 << 20

// roomy is the driver for which others make room when the GPU has too little memory:
// all calls that take some, except those of blocks and allocations, which ask for
// themselves. A call that fails so has done nothing.
type roomy struct {
	driver.Driver
	process *Process
}

// within tries a call that takes about bytes of the GPU's memory.
func (d *roomy) within(bytes uint64, call func() driver.Result) driver.Result {
	r := call()
	if r != driver.ErrorOutOfMemory {
		return r
	}
	return d.process.inRoomAgain(max(bytes, leastRoom), call)
}

func (d *roomy) PrimaryRetain(flags uint32) (c driver.Context, r driver.Result) {
	r = d.within(d.process.costs.facts.Context, func() (r driver.Result) { c, r = d.Driver.PrimaryRetain(flags); return r })
	return c, r
}

func (d *roomy) ContextCreate(flags uint32) (c driver.Context, r driver.Result) {
	r = d.within(d.process.costs.facts.Context, func() (r driver.Result) { c, r = d.Driver.ContextCreate(flags); return r })
	return c, r
}

func (d *roomy) GreenCreate(of driver.Desc, flags uint32) (g driver.Green, r driver.Result) {
	r = d.within(d.process.costs.facts.Context, func() (r driver.Result) { g, r = d.Driver.GreenCreate(of, flags); return r })
	return g, r
}

func (d *roomy) CtxSetLimit(limit uint32, value uint64) driver.Result {
	bytes, _ := d.process.limits.bytes(limit, value)
	return d.within(bytes, func() driver.Result { return d.Driver.CtxSetLimit(limit, value) })
}

func (d *roomy) StreamCreate(flags uint32, priority int32) (s driver.Stream, r driver.Result) {
	r = d.within(0, func() (r driver.Result) { s, r = d.Driver.StreamCreate(flags, priority); return r })
	return s, r
}

func (d *roomy) ModuleLoad(image []byte, jit *driver.JIT) (m driver.Module, r driver.Result) {
	r = d.within(uint64(len(image)), func() (r driver.Result) { m, r = d.Driver.ModuleLoad(image, jit); return r })
	return m, r
}

func (d *roomy) LibraryLoad(image []byte, jit *driver.JIT) (l driver.Library, r driver.Result) {
	r = d.within(uint64(len(image)), func() (r driver.Result) { l, r = d.Driver.LibraryLoad(image, jit); return r })
	return l, r
}

func (d *roomy) LibraryModule(l driver.Library) (m driver.Module, r driver.Result) {
	r = d.within(0, func() (r driver.Result) { m, r = d.Driver.LibraryModule(l); return r })
	return m, r
}

func (d *roomy) ArrayCreate(descriptor []byte) (a driver.Array, r driver.Result) {
	bytes, _ := arrayBytes(descriptor, 1)
	r = d.within(bytes, func() (r driver.Result) { a, r = d.Driver.ArrayCreate(descriptor); return r })
	return a, r
}

func (d *roomy) MipmapCreate(descriptor []byte, levels uint32) (m driver.Mipmap, r driver.Result) {
	bytes, _ := arrayBytes(descriptor, levels)
	r = d.within(bytes, func() (r driver.Result) { m, r = d.Driver.MipmapCreate(descriptor, levels); return r })
	return m, r
}

// MemAllocAsync may fail because its pool may not grow: then room does not help.
func (d *roomy) MemAllocAsync(size uint64, pool driver.Pool, s driver.Stream) (address uint64, r driver.Result) {
	call := func() (r driver.Result) { address, r = d.Driver.MemAllocAsync(size, pool, s); return r }
	if r = call(); r != driver.ErrorOutOfMemory {
		return address, r
	}
	if free, _, asked := d.Driver.MemoryInfo(); asked == driver.Success && free > size && free-size > leastRoom {
		return 0, r
	}
	r = d.process.inRoomAgain(max(size, leastRoom), call)
	return address, r
}

// GraphInstantiate may take memory for nodes' code; what they allocate comes with the
// first launch.
func (d *roomy) GraphInstantiate(g driver.Graph, flags uint64) (x driver.GraphExec, about driver.Instantiation, r driver.Result) {
	r = d.within(0, func() (r driver.Result) { x, about, r = d.Driver.GraphInstantiate(g, flags); return r })
	return x, about, r
}

func (d *roomy) GraphUpload(x driver.GraphExec, s driver.Stream) driver.Result {
	return d.within(d.process.graphs.memory.planned(x), func() driver.Result { return d.Driver.GraphUpload(x, s) })
}

func (d *roomy) GraphLaunch(x driver.GraphExec, s driver.Stream) driver.Result {
	r := d.Driver.GraphLaunch(x, s)
	if r != driver.ErrorOutOfMemory {
		return r
	}
	return d.process.inRoomAgain(max(d.process.graphs.memory.planned(x), leastRoom), func() driver.Result { return d.Driver.GraphLaunch(x, s) })
}

// Launch may take memory for code that was not used yet, and for local memory.
func (d *roomy) Launch(l *driver.Launch) driver.Result {
	r := d.Driver.Launch(l)
	if r != driver.ErrorOutOfMemory {
		return r
	}
	return d.process.inRoomAgain(leastRoom, func() driver.Result { return d.Driver.Launch(l) })
}
