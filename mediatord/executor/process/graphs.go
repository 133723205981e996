package process

import (
	"libvirt-vgpu/mediatord/executor/driver"
	"libvirt-vgpu/mediatord/executor/wire"
)

func (p *Process) graph(number uint32) (driver.Graph, bool) {
	native, ok := p.tables.Get(driver.KindGraph, number)
	return driver.Graph(native), ok
}

func (p *Process) node(number uint32) (driver.Node, bool) {
	native, ok := p.tables.Get(driver.KindNode, number)
	return driver.Node(native), ok
}

// GraphDestroy implements wire.Handler. Its nodes' numbers end with it. A graph
// inside a node is the node's.
func (p *Process) GraphDestroy(_ wire.Call, in wire.GraphDestroy) driver.Result {
	g, ok := p.graph(in.G)
	if !ok {
		return driver.ErrorInvalidHandle
	}
	if p.graphs.holder(in.G) != 0 {
		return driver.ErrorInvalidValue
	}
	r := p.Driver.GraphDestroy(g)
	if r == driver.Success {
		p.forgetGraph(in.G)
	}
	return r
}

// GraphInstantiate implements wire.Handler. The driver's result comes in the
// reply, so that what it says besides comes with it.
func (p *Process) GraphInstantiate(_ wire.Call, in wire.GraphInstantiate) (wire.GraphInstantiateReply, driver.Result) {
	g, ok := p.graph(in.G)
	if !ok || !p.tables.Free(driver.KindGraphExec, in.X) {
		return wire.GraphInstantiateReply{}, driver.ErrorInvalidHandle
	}
	bytes, r := p.allocations(g)
	if r != driver.Success {
		return wire.GraphInstantiateReply{}, r
	}
	if r := p.graphs.memory.plan(bytes); r != driver.Success {
		return wire.GraphInstantiateReply{Code: uint32(r), Outcome: instantiateError}, driver.Success
	}
	x, about, r := p.Driver.GraphInstantiate(g, in.Flags)
	reply := wire.GraphInstantiateReply{Code: uint32(r), Outcome: about.Outcome}
	if bytes != 0 {
		reply.Allocates = 1
	}
	p.graphs.memory.made(x)
	p.lost(r, wire.OpGraphInstantiate)
	if r == driver.Success {
		p.tables.Put(driver.KindGraphExec, in.X, uint64(x))
	}
	reply.Node, r = p.numberIfAny(in.G, about.Node)
	return reply, r
}

// GraphLaunchNow implements wire.Handler: a launch that is waited for. That of a
// graph whose memory is not free yet fails at once.
func (p *Process) GraphLaunchNow(_ wire.Call, in wire.GraphLaunchNow) driver.Result {
	x, ok1 := p.tables.Get(driver.KindGraphExec, in.X)
	s, ok2 := p.stream(in.S)
	if !ok1 || !ok2 {
		return driver.ErrorInvalidHandle
	}
	r := p.native.GraphLaunch(driver.GraphExec(x), s)
	p.lost(r, wire.OpGraphLaunchNow)
	return r
}

// allocations is what a graph will allocate, in bytes. Most processes have no
// graph that does, and save the look at every node.
func (p *Process) allocations(g driver.Graph) (uint64, driver.Result) {
	if !p.graphs.allocate {
		return 0, driver.Success
	}
	return p.Driver.GraphAllocations(g)
}

// instantiateError is CUDA_GRAPH_INSTANTIATE_ERROR.
const instantiateError = 1

// GraphUpdate implements wire.Handler, with the driver's result in the reply too.
func (p *Process) GraphUpdate(_ wire.Call, in wire.GraphUpdate) (wire.GraphUpdateReply, driver.Result) {
	x, ok1 := p.tables.Get(driver.KindGraphExec, in.X)
	g, ok2 := p.graph(in.G)
	if !ok1 || !ok2 {
		return wire.GraphUpdateReply{}, driver.ErrorInvalidHandle
	}
	about, r := p.Driver.GraphUpdate(driver.GraphExec(x), g)
	p.lost(r, wire.OpGraphUpdate)
	reply := wire.GraphUpdateReply{Code: uint32(r), Outcome: about.Outcome}
	if reply.Node, r = p.numberIfAny(in.G, about.Node); r == driver.Success {
		reply.From, r = p.numberIfAny(in.G, about.From)
	}
	return reply, r
}

// ConditionalCreate implements wire.Handler. The driver takes the handles it gave
// at their word, so they are remembered.
func (p *Process) ConditionalCreate(_ wire.Call, in wire.ConditionalCreate) (wire.ConditionalCreateReply, driver.Result) {
	g, ok := p.graph(in.G)
	if !ok {
		return wire.ConditionalCreateReply{}, driver.ErrorInvalidHandle
	}
	c, ok := uint64(0), true
	if in.C != 0 {
		c, ok = p.tables.Get(driver.KindContext, in.C)
	}
	if !ok {
		return wire.ConditionalCreateReply{}, driver.ErrorInvalidContext
	}
	handle, r := p.Driver.ConditionalCreate(g, driver.Context(c), in.Value, in.Flags)
	if r == driver.Success {
		p.graphs.addConditional(in.G, handle)
	}
	return wire.ConditionalCreateReply{Handle: handle}, r
}
