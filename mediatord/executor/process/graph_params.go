package process

import (
	"encoding/binary"

	"libvirt-vgpu/mediatord/executor/driver"
)

// Parameters of nodes travel as CUgraphNodeParams with the numbers of handles in
// their places. A kernel node's function has u32 number and u32 kind: 0 none,
// else 1 + the kind of launches.

// handlePlace is where a handle is.
type handlePlace struct {
	at   int
	kind driver.Kind
}

// handlePlaces are the places by type of node, but for a kernel node's function.
var handlePlaces = [driver.NodeTypes][]handlePlace{
	driver.NodeKernel:      {{driver.KernelKernelAt, driver.KindKernel}, {driver.KernelContextAt, driver.KindContext}},
	driver.NodeCopy:        {{driver.CopyContextAt, driver.KindContext}},
	driver.NodeFill:        {{driver.FillContextAt, driver.KindContext}},
	driver.NodeGraph:       {{driver.GraphAt, driver.KindGraph}},
	driver.NodeEventWait:   {{driver.EventAt, driver.KindEvent}},
	driver.NodeEventRecord: {{driver.EventAt, driver.KindEvent}},
	driver.NodeMemOps:      {{driver.MemOpsContextAt, driver.KindContext}},
	driver.NodeConditional: {{driver.ConditionalContextAt, driver.KindContext}},
}

// nodeToDriver puts native handles for numbers and refuses what names memory of
// the executor's.
func (p *Process) nodeToDriver(params *driver.NodeParams) driver.Result {
	kind := params.Type()
	if kind >= driver.NodeTypes {
		return driver.ErrorInvalidValue
	}
	for _, place := range handlePlaces[kind] {
		number := params.Double(place.at)
		if number == 0 {
			continue
		}
		native, ok := p.tables.Get(place.kind, uint32(number))
		if !ok || number >= 1<<32 {
			return driver.ErrorInvalidHandle
		}
		params.SetDouble(place.at, native)
	}
	switch kind {
	case driver.NodeKernel:
		return p.kernelToDriver(params)
	case driver.NodeCopy:
		return p.decodeCopy(&params.Copy, params.Raw[driver.CopyAt:][:driver.CopySize])
	case driver.NodeAllocation:
		return p.checkAllocation(params)
	case driver.NodeMemOps:
		if uint64(len(params.Data)) != uint64(params.Word(driver.MemOpsCountAt))*driver.MemOpSize {
			return p.violate("memory operations of a node: %d bytes for %d", len(params.Data), params.Word(driver.MemOpsCountAt))
		}
		params.SetDouble(driver.MemOpsArrayAt, 0)
	case driver.NodeConditional:
		if _, ok := p.graphs.conditionals[params.Double(driver.ConditionalHandleAt)]; !ok {
			return driver.ErrorInvalidValue
		}
		params.SetDouble(driver.ConditionalGraphsAt, 0)
	case driver.NodeSemaphoreSignal, driver.NodeSemaphoreWait:
		return driver.ErrorNotSupported
	}
	return driver.Success
}

// kernelToDriver puts the native function and asks the driver for the places of
// its parameters.
func (p *Process) kernelToDriver(params *driver.NodeParams) driver.Result {
	const at = driver.KernelFunctionAt
	var offsets []uint32
	var bytes uint64
	r := driver.ErrorInvalidValue
	number, kind := params.Word(at), params.Word(at+4)
	switch {
	case kind != 0:
		f, ok := p.function(number, kind-1)
		if !ok {
			return driver.ErrorInvalidHandle
		}
		params.SetDouble(at, uint64(f))
		offsets, bytes, r = p.parameterPlaces(f, kind-1)
	case params.Double(driver.KernelKernelAt) != 0:
		params.SetDouble(at, 0)
		offsets, bytes, r = p.parameterPlaces(driver.Function(params.Double(driver.KernelKernelAt)), kindKernel)
	}
	if r != driver.Success {
		return r
	}
	if uint64(len(params.Data)) != bytes {
		return driver.ErrorInvalidValue
	}
	params.Offsets = offsets
	return driver.Success
}

// parameterPlaces lists the offsets of a function's parameters in the packed
// buffer, and that buffer's size.
func (p *Process) parameterPlaces(f driver.Function, kind uint32) (offsets []uint32, bytes uint64, r driver.Result) {
	for i := 0; ; i++ {
		var offset, size uint64
		if kind == kindKernel {
			offset, size, r = p.Driver.KernelParam(driver.Kernel(f), i)
		} else {
			offset, size, r = p.Driver.FunctionParam(f, i)
		}
		if r == driver.ErrorInvalidValue {
			return offsets, bytes, driver.Success
		}
		if r != driver.Success {
			return nil, 0, r
		}
		offsets = append(offsets, uint32(offset))
		bytes = max(bytes, offset+size)
	}
}

// checkAllocation leaves allocations that stay in the process.
func (p *Process) checkAllocation(params *driver.NodeParams) driver.Result {
	count := params.Double(driver.AllocationCountAt)
	if count > uint64(len(params.Data)) || uint64(len(params.Data)) != count*accessDescriptor {
		return p.violate("an allocation node: %d bytes for %d descriptors", len(params.Data), count)
	}
	params.SetDouble(driver.AllocationDescriptorsAt, 0)
	if params.Double(driver.AllocationWin32At) != 0 || params.Word(driver.AllocationHandlesAt) != 0 {
		return driver.ErrorNotSupported
	}
	le := binary.LittleEndian
	locations := [][]byte{params.Raw[driver.AllocationLocationAt:]}
	for d := params.Data; len(d) > 0; d = d[accessDescriptor:] {
		locations = append(locations, d)
	}
	for _, l := range locations {
		if le.Uint32(l) != locationDevice {
			return driver.ErrorNotSupported
		}
		if le.Uint32(l[4:]) != 0 {
			return driver.ErrorInvalidValue // of a node; of a pool it is ErrorInvalidDevice (measured, driver 580)
		}
	}
	return driver.Success
}

// nodeToProcess puts numbers for native handles.
func (p *Process) nodeToProcess(params *driver.NodeParams) driver.Result {
	kind := params.Type()
	for _, place := range handlePlaces[kind] {
		native := params.Double(place.at)
		number := uint32(0)
		if native != 0 {
			// A context that is not the process's own cannot be in here; a
			// handle that has ended meanwhile may be.
			number, _ = p.tables.Find(place.kind, native)
		}
		params.SetDouble(place.at, uint64(number))
	}
	switch kind {
	case driver.NodeKernel:
		p.kernelToProcess(params)
	case driver.NodeCopy:
		p.encodeCopy(params.Raw[driver.CopyAt:][:driver.CopySize], &params.Copy)
	}
	return driver.Success
}

// kernelToProcess puts the number of a kernel node's function. A process that
// launched a kernel need not have asked for its function.
func (p *Process) kernelToProcess(params *driver.NodeParams) {
	const at = driver.KernelFunctionAt
	native := params.Double(at)
	params.SetDouble(at, 0)
	if native == 0 {
		return
	}
	for kind, table := range []driver.Kind{kindFunction: driver.KindFunction, kindKernel: driver.KindKernel} {
		if number, ok := p.tables.Find(table, native); ok {
			params.SetWord(at, number)
			params.SetWord(at+4, uint32(kind)+1)
			return
		}
	}
	name, r := p.Driver.FunctionName(driver.Function(native))
	if r != driver.Success {
		return
	}
	for number, n := range p.graphs.kernelNames {
		kernel, ok := p.tables.Get(driver.KindKernel, number)
		if n != name || !ok {
			continue
		}
		if f, r := p.Driver.KernelFunction(driver.Kernel(kernel)); r == driver.Success && uint64(f) == native {
			params.SetWord(at, number)
			params.SetWord(at+4, kindKernel+1)
			return
		}
	}
}
