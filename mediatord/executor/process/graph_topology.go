package process

import (
	"encoding/binary"

	"libvirt-vgpu/mediatord/executor/driver"
	"libvirt-vgpu/mediatord/executor/wire"
	"libvirt-vgpu/plugin/window"
)

// An edge on the wire: u32 from, u32 to, CUgraphEdgeData.
const wireEdge = 8 + driver.EdgeDataSize

// listRoom is what a reply has for a list behind the total.
const listRoom = window.RepDataMax - 8

// nodesFrom packs the numbers of nodes from the first-th on.
func (p *Process) nodesFrom(graph, first uint32, nodes []driver.Node) (total uint64, packed []byte, r driver.Result) {
	for _, node := range page(nodes, first, 4) {
		number, r := p.numberNode(graph, node)
		if r != driver.Success {
			return 0, nil, r
		}
		packed = binary.LittleEndian.AppendUint32(packed, number)
	}
	return uint64(len(nodes)), packed, driver.Success
}

// edgesFrom packs edges from the first-th on.
func (p *Process) edgesFrom(graph, first uint32, edges []driver.Edge) (total uint64, packed []byte, r driver.Result) {
	for _, e := range page(edges, first, wireEdge) {
		from, r1 := p.numberIfAny(graph, e.From)
		to, r2 := p.numberIfAny(graph, e.To)
		if r := max(r1, r2); r != driver.Success {
			return 0, nil, r
		}
		packed = binary.LittleEndian.AppendUint32(packed, from)
		packed = binary.LittleEndian.AppendUint32(packed, to)
		packed = append(packed, e.Data[:]...)
	}
	return uint64(len(edges)), packed, driver.Success
}

// page is what of a list fits into a reply.
func page[T any](list []T, first uint32, size int) []T {
	list = list[min(uint64(first), uint64(len(list))):]
	return list[:min(len(list), listRoom/size)]
}

// edgesOf reads edges; ErrorInvalidValue: one names a node that there is not. A
// number 0 is no node.
func (p *Process) edgesOf(b []byte) ([]driver.Edge, driver.Result) {
	if len(b)%wireEdge != 0 {
		return nil, p.violate("edges of a graph: %d bytes", len(b))
	}
	edges := make([]driver.Edge, 0, len(b)/wireEdge)
	for ; len(b) > 0; b = b[wireEdge:] {
		e := driver.Edge{Data: [driver.EdgeDataSize]byte(b[8:wireEdge])}
		for at, end := range map[int]*driver.Node{0: &e.From, 4: &e.To} {
			number := binary.LittleEndian.Uint32(b[at:])
			if number == 0 {
				continue
			}
			node, ok := p.node(number)
			if !ok {
				return nil, driver.ErrorInvalidValue
			}
			*end = node
		}
		edges = append(edges, e)
	}
	return edges, driver.Success
}

// GraphNodes implements wire.Handler.
func (p *Process) GraphNodes(_ wire.Call, in wire.GraphNodes) (reply wire.GraphNodesReply, r driver.Result) {
	g, ok := p.graph(in.G)
	if !ok {
		return reply, driver.ErrorInvalidHandle
	}
	nodes, r := p.Driver.GraphNodes(g)
	if r == driver.Success {
		reply.Total, reply.Nodes, r = p.nodesFrom(in.G, in.First, nodes)
	}
	return reply, r
}

// GraphRoots implements wire.Handler.
func (p *Process) GraphRoots(_ wire.Call, in wire.GraphRoots) (reply wire.GraphRootsReply, r driver.Result) {
	g, ok := p.graph(in.G)
	if !ok {
		return reply, driver.ErrorInvalidHandle
	}
	nodes, r := p.Driver.GraphRoots(g)
	if r == driver.Success {
		reply.Total, reply.Nodes, r = p.nodesFrom(in.G, in.First, nodes)
	}
	return reply, r
}

// GraphEdges implements wire.Handler.
func (p *Process) GraphEdges(_ wire.Call, in wire.GraphEdges) (reply wire.GraphEdgesReply, r driver.Result) {
	g, ok := p.graph(in.G)
	if !ok {
		return reply, driver.ErrorInvalidHandle
	}
	edges, r := p.Driver.GraphEdges(g)
	if r == driver.Success {
		reply.Total, reply.Edges, r = p.edgesFrom(in.G, in.First, edges)
	}
	return reply, r
}

// NodeEdges implements wire.Handler.
func (p *Process) NodeEdges(_ wire.Call, in wire.NodeEdges) (reply wire.NodeEdgesReply, r driver.Result) {
	n, ok := p.node(in.N)
	if !ok {
		return reply, driver.ErrorInvalidHandle
	}
	edges, r := p.Driver.NodeEdges(n, in.Leaving != 0)
	if r == driver.Success {
		reply.Total, reply.Edges, r = p.edgesFrom(p.graphs.nodes[in.N].graph, in.First, edges)
	}
	return reply, r
}

// GraphDepend implements wire.Handler.
func (p *Process) GraphDepend(_ wire.Call, in wire.GraphDepend) driver.Result {
	g, ok := p.graph(in.G)
	if !ok {
		return driver.ErrorInvalidHandle
	}
	edges, r := p.edgesOf(in.Edges)
	if r != driver.Success {
		return r
	}
	if in.Remove != 0 {
		return p.Driver.RemoveDependencies(g, edges)
	}
	return p.Driver.AddDependencies(g, edges)
}

// NodeType implements wire.Handler.
func (p *Process) NodeType(_ wire.Call, in wire.NodeType) (wire.NodeTypeReply, driver.Result) {
	n, ok := p.node(in.N)
	if !ok {
		return wire.NodeTypeReply{}, driver.ErrorInvalidHandle
	}
	kind, r := p.Driver.NodeType(n)
	return wire.NodeTypeReply{Type: kind}, r
}

// NodeDestroy implements wire.Handler.
func (p *Process) NodeDestroy(_ wire.Call, in wire.NodeDestroy) driver.Result {
	n, ok := p.node(in.N)
	if !ok {
		return driver.ErrorInvalidHandle
	}
	r := p.Driver.NodeDestroy(n)
	if r == driver.Success {
		p.forgetNode(in.N)
	}
	return r
}

// NodeFindInClone implements wire.Handler.
func (p *Process) NodeFindInClone(_ wire.Call, in wire.NodeFindInClone) (reply wire.NodeFindInCloneReply, r driver.Result) {
	n, ok1 := p.node(in.N)
	clone, ok2 := p.graph(in.Clone)
	if !ok1 || !ok2 {
		return reply, driver.ErrorInvalidHandle
	}
	found, r := p.Driver.NodeFindInClone(n, clone)
	if r == driver.Success {
		reply.Found, r = p.numberNode(in.Clone, found)
	}
	return reply, r
}

// NodeGraph implements wire.Handler.
func (p *Process) NodeGraph(_ wire.Call, in wire.NodeGraph) (reply wire.NodeGraphReply, r driver.Result) {
	n, ok := p.node(in.N)
	if !ok {
		return reply, driver.ErrorInvalidHandle
	}
	g, r := p.Driver.NodeGraph(n)
	if r != driver.Success {
		return reply, r
	}
	reply.Graph, r = p.numberGraph(g, in.Candidate)
	if r == driver.Success && p.graphs.holder(reply.Graph) == 0 {
		p.graphs.hold(in.N, reply.Graph)
	}
	return reply, r
}
