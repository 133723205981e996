package process

import (
	"errors"

	"libvirt-vgpu/mediatord/executor/driver"
	"libvirt-vgpu/mediatord/executor/handle"
	"libvirt-vgpu/mediatord/executor/image"
	"libvirt-vgpu/plugin/window"
)

// costs counts the device memory that the driver takes for contexts and for code,
// of which it tells nothing by itself: a context costs what was measured on this
// GPU when it was described; an image what it says of itself, for its variables when it
// is loaded and for each kernel when that is used, since drivers load code then.
type costs struct {
	memory   *deviceMemory
	facts    window.Facts
	contexts map[uint32]uint64 // by number
	code     map[handle.Owner]*codeCost
}

type codeCost struct {
	context uint32            // with which it ends
	bytes   uint64            // reserved
	kernels map[string]uint64 // not used yet
}

// everyContext is the context of a library, which ends with none.
const everyContext = 0

func newCosts(memory *deviceMemory, facts window.Facts) costs {
	return costs{memory: memory, facts: facts, contexts: map[uint32]uint64{}, code: map[handle.Owner]*codeCost{}}
}

// context reserves what a new context will take; for one that is there, nothing.
func (c *costs) context(number uint32) driver.Result {
	if _, there := c.contexts[number]; there {
		return driver.Success
	}
	bytes := c.facts.Context
	if len(c.contexts) > 0 {
		bytes = c.facts.MoreContext
	}
	if r := c.memory.reserve(bytes); r != driver.Success {
		return r
	}
	c.contexts[number] = bytes
	return driver.Success
}

// ended gives back what a context that has ended, or did not come about, took with
// its modules. What a process's first context takes stays as long as it has others.
func (c *costs) ended(number uint32) {
	for of, cost := range c.code {
		if cost.context == number {
			c.unload(of)
		}
	}
	bytes, there := c.contexts[number]
	if !there {
		return
	}
	delete(c.contexts, number)
	for other := range c.contexts {
		if bytes > c.contexts[other] {
			bytes, c.contexts[other] = c.contexts[other], bytes
		}
		break
	}
	c.memory.free(bytes)
}

// load reserves what an image will take when it is loaded in a context.
func (c *costs) load(of handle.Owner, context uint32, d image.Description) driver.Result {
	if r := c.memory.reserve(d.Loaded); r != driver.Success {
		return r
	}
	c.code[of] = &codeCost{context, d.Loaded, d.Kernels}
	return driver.Success
}

// use reserves what a kernel of loaded code takes, the first time.
func (c *costs) use(of handle.Owner, kernel string) driver.Result {
	cost := c.code[of]
	if cost == nil {
		return driver.Success
	}
	bytes, unused := cost.kernels[kernel]
	if !unused {
		return driver.Success
	}
	if r := c.memory.reserve(bytes); r != driver.Success {
		return r
	}
	cost.bytes += bytes
	delete(cost.kernels, kernel)
	return driver.Success
}

// unload gives back what code took that is unloaded, or was not loaded after all.
func (c *costs) unload(of handle.Owner) {
	if cost := c.code[of]; cost != nil {
		c.memory.free(cost.bytes)
		delete(c.code, of)
	}
}

// reserveCode reserves what an image will take, of which it says what it is. One that
// cannot be taken apart takes nothing: the driver will refuse it too.
func (p *Process) reserveCode(of handle.Owner, context uint32, code completeImage) (image.Description, driver.Result) {
	d, err := p.images.describe(code, p.costs.facts.Arch)
	if errors.Is(err, image.ErrSize) {
		return d, driver.ErrorNotSupported
	}
	if err != nil {
		p.Log.WithError(err).Debug("loading an image that cannot be taken apart")
	}
	return d, p.costs.load(of, context, d)
}

// useFunction notes that a module's function is about to be used.
func (p *Process) useFunction(module uint32, name string) driver.Result {
	of := handle.Owner{Kind: driver.KindModule, Number: module}
	if library, ok := p.tables.OwnerOf(driver.KindModule, module); ok {
		of = library
	}
	return p.costs.use(of, name)
}

// useKernel notes that a library's kernel is about to be used. The guest library asks
// for a kernel's parameters before it launches it.
func (p *Process) useKernel(number uint32) driver.Result {
	of, ok := p.tables.OwnerOf(driver.KindKernel, number)
	if !ok {
		return driver.Success
	}
	return p.costs.use(of, p.graphs.kernelNames[number])
}
