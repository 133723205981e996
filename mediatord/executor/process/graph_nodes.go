package process

import (
	"encoding/binary"

	"libvirt-vgpu/mediatord/executor/driver"
	"libvirt-vgpu/mediatord/executor/wire"
	"libvirt-vgpu/plugin/window"
)

// bodiesLimit is the number of graphs that a conditional node may hold.
const bodiesLimit = 1024

// NodeAdd implements wire.Handler. data: after times an edge, then what the node's
// parameters point to; for a conditional node the numbers of its graphs.
func (p *Process) NodeAdd(_ wire.Call, in wire.NodeAdd) (reply wire.NodeAddReply, r driver.Result) {
	g, ok := p.graph(in.G)
	if !ok {
		return reply, driver.ErrorInvalidHandle
	}
	edges := uint64(in.After) * wireEdge
	if edges > uint64(len(in.Data)) {
		return reply, p.violate("adding a node: %d edges in %d bytes", in.After, len(in.Data))
	}
	after, r := p.edgesOf(in.Data[:edges])
	if r != driver.Success {
		return reply, r
	}
	params := driver.NodeParams{Raw: in.Params, Data: in.Data[edges:]}
	bodies, r := p.bodies(&params)
	if r == driver.Success {
		r = p.nodeToDriver(&params)
	}
	if r != driver.Success {
		return reply, r
	}
	// a graph inside itself has no end, and the driver does not look
	if params.Type() == driver.NodeGraph && binary.LittleEndian.Uint32(in.Params[driver.GraphAt:]) == in.G {
		return reply, driver.ErrorInvalidValue
	}
	n, r := p.Driver.NodeAdd(g, after, &params, in.General != 0)
	if r != driver.Success {
		return reply, r
	}
	if reply.N, r = p.numberNode(in.G, n); r != driver.Success {
		p.Driver.NodeDestroy(n)
		return reply, r
	}
	switch params.Type() {
	case driver.NodeHost, driver.NodeEventWait, driver.NodeMemOps:
		p.turn.waitsInGraphs = true
	case driver.NodeAllocation:
		p.graphs.allocate = true
		reply.Address = params.Double(driver.AllocationAddressAt)
	case driver.NodeGraph:
		p.moved(reply.N, &in)
	case driver.NodeConditional:
		for i, body := range params.Bodies {
			p.tables.Put(driver.KindGraph, bodies[i], uint64(body))
			p.graphs.hold(reply.N, bodies[i])
		}
	}
	return reply, driver.Success
}

// moved makes a graph that was given away the node's.
func (p *Process) moved(node uint32, in *wire.NodeAdd) {
	if binary.LittleEndian.Uint32(in.Params[driver.OwnershipAt:]) == 1 {
		p.graphs.hold(node, binary.LittleEndian.Uint32(in.Params[driver.GraphAt:]))
	}
}

// bodies takes the numbers for the graphs of a conditional node.
func (p *Process) bodies(params *driver.NodeParams) ([]uint32, driver.Result) {
	if params.Type() != driver.NodeConditional {
		return nil, driver.Success
	}
	count := params.Word(driver.ConditionalCountAt)
	if uint64(len(params.Data)) != uint64(count)*4 {
		return nil, p.violate("a conditional node: %d bytes for %d graphs", len(params.Data), count)
	}
	if count > bodiesLimit {
		return nil, driver.ErrorInvalidValue
	}
	numbers := make([]uint32, count)
	seen := map[uint32]bool{}
	for i := range numbers {
		n := binary.LittleEndian.Uint32(params.Data[4*i:])
		if seen[n] || !p.tables.Free(driver.KindGraph, n) {
			return nil, driver.ErrorInvalidHandle
		}
		numbers[i], seen[n] = n, true
	}
	params.Data, params.Bodies = nil, make([]driver.Graph, count)
	return numbers, driver.Success
}

// NodeSet implements wire.Handler.
func (p *Process) NodeSet(_ wire.Call, in wire.NodeSet) driver.Result {
	n, ok := p.node(in.N)
	if !ok {
		return driver.ErrorInvalidHandle
	}
	params := driver.NodeParams{Raw: in.Params, Data: in.Data}
	if r := p.nodeToDriver(&params); r != driver.Success {
		return r
	}
	r := p.Driver.NodeSet(n, &params, in.General != 0)
	if r == driver.Success && params.Type() == driver.NodeGraph {
		p.forgetInside(in.N)
	}
	return r
}

// ExecNodeSet implements wire.Handler.
func (p *Process) ExecNodeSet(_ wire.Call, in wire.ExecNodeSet) driver.Result {
	x, ok1 := p.tables.Get(driver.KindGraphExec, in.X)
	n, ok2 := p.node(in.N)
	if !ok1 || !ok2 {
		return driver.ErrorInvalidHandle
	}
	params := driver.NodeParams{Raw: in.Params, Data: in.Data}
	if r := p.nodeToDriver(&params); r != driver.Success {
		return r
	}
	return p.Driver.ExecNodeSet(driver.GraphExec(x), n, &params, in.General != 0)
}

// NodeGet implements wire.Handler. Of what the parameters point to come the bytes
// from the first-th on.
func (p *Process) NodeGet(_ wire.Call, in wire.NodeGet) (reply wire.NodeGetReply, r driver.Result) {
	const room = window.RepDataMax - driver.NodeParamsSize - 8
	n, ok := p.node(in.N)
	if !ok {
		return reply, driver.ErrorInvalidHandle
	}
	params, r := p.Driver.NodeGet(n, in.Type)
	if r == driver.Success {
		r = p.nodeToProcess(params)
	}
	if r != driver.Success {
		return reply, r
	}
	total := uint64(len(params.Data))
	first := min(uint64(in.First), total)
	return wire.NodeGetReply{Params: params.Raw, Total: total, Data: params.Data[first:min(total, first+room)]}, driver.Success
}
