package process

import (
	"encoding/binary"

	"libvirt-vgpu/mediatord/executor/driver"
	"libvirt-vgpu/mediatord/executor/handle"
	"libvirt-vgpu/mediatord/executor/wire"
	"libvirt-vgpu/plugin/window"
)

// CaptureEnd implements wire.Handler.
func (p *Process) CaptureEnd(_ wire.Call, in wire.CaptureEnd) driver.Result {
	s, ok := p.stream(in.S)
	if !ok || !p.tables.Free(driver.KindGraph, in.G) {
		return driver.ErrorInvalidHandle
	}
	g, r := p.Driver.CaptureEnd(s)
	if r == driver.Success {
		p.tables.Put(driver.KindGraph, in.G, uint64(g))
	}
	// A failure ends most captures too.
	if status, asked := p.Driver.Capturing(s); asked != driver.Success || status == 0 {
		delete(p.captures, s)
	}
	return r
}

// CaptureInfo implements wire.Handler.
func (p *Process) CaptureInfo(_ wire.Call, in wire.CaptureInfo) (wire.CaptureInfoReply, driver.Result) {
	s, ok := p.stream(in.S)
	if !ok {
		return wire.CaptureInfoReply{}, driver.ErrorInvalidHandle
	}
	status, id, r := p.Driver.CaptureInfo(s)
	return wire.CaptureInfoReply{Status: status, ID: id}, r
}

// nodeNumbers gives the nodes that the process has seen their numbers.
type nodeNumbers struct {
	byNode map[driver.Node]uint32
	free   []uint32
	next   uint32
}

func newNodeNumbers() nodeNumbers {
	return nodeNumbers{byNode: map[driver.Node]uint32{}, next: 1}
}

func (n *nodeNumbers) take() (uint32, bool) {
	if last := len(n.free) - 1; last >= 0 {
		number := n.free[last]
		n.free = n.free[:last]
		return number, true
	}
	if n.next >= handle.Limit {
		return 0, false
	}
	n.next++
	return n.next - 1, true
}

// GraphNodes implements wire.Handler.
func (p *Process) GraphNodes(_ wire.Call, in wire.GraphNodes) (wire.GraphNodesReply, driver.Result) {
	const perReply = (window.RepDataMax - 8) / 4
	native, ok := p.tables.Get(driver.KindGraph, in.G)
	if !ok {
		return wire.GraphNodesReply{}, driver.ErrorInvalidHandle
	}
	nodes, r := p.Driver.GraphNodes(driver.Graph(native))
	if r != driver.Success {
		return wire.GraphNodesReply{}, r
	}
	reply := wire.GraphNodesReply{Total: uint64(len(nodes))}
	first := min(uint64(in.First), uint64(len(nodes)))
	for _, node := range nodes[first:min(first+perReply, uint64(len(nodes)))] {
		number, known := p.nodes.byNode[node]
		if !known {
			if number, ok = p.nodes.take(); !ok {
				return wire.GraphNodesReply{}, driver.ErrorOutOfMemory
			}
			p.nodes.byNode[node] = number
			p.tables.PutOwned(driver.KindNode, number, uint64(node), handle.Owner{Kind: driver.KindGraph, Number: in.G})
		}
		reply.Nodes = binary.LittleEndian.AppendUint32(reply.Nodes, number)
	}
	return reply, driver.Success
}

// GraphDestroy implements wire.Handler. Its nodes' numbers end with it.
func (p *Process) GraphDestroy(_ wire.Call, in wire.GraphDestroy) driver.Result {
	native, ok := p.tables.Get(driver.KindGraph, in.G)
	if !ok {
		return driver.ErrorInvalidHandle
	}
	r := p.Driver.GraphDestroy(driver.Graph(native))
	if r != driver.Success {
		return r
	}
	p.tables.EachOwned(driver.KindNode, handle.Owner{Kind: driver.KindGraph, Number: in.G}, func(number uint32, node uint64) {
		delete(p.nodes.byNode, driver.Node(node))
		p.nodes.free = append(p.nodes.free, number)
	})
	p.tables.Delete(driver.KindGraph, in.G)
	return driver.Success
}

// GraphUpdate implements wire.Handler.
func (p *Process) GraphUpdate(_ wire.Call, in wire.GraphUpdate) (wire.GraphUpdateReply, driver.Result) {
	x, ok1 := p.tables.Get(driver.KindGraphExec, in.X)
	g, ok2 := p.tables.Get(driver.KindGraph, in.G)
	if !ok1 || !ok2 {
		return wire.GraphUpdateReply{}, driver.ErrorInvalidHandle
	}
	outcome, r := p.Driver.GraphUpdate(driver.GraphExec(x), driver.Graph(g))
	return wire.GraphUpdateReply{Outcome: outcome}, r
}

// NodeType implements wire.Handler.
func (p *Process) NodeType(_ wire.Call, in wire.NodeType) (wire.NodeTypeReply, driver.Result) {
	native, ok := p.tables.Get(driver.KindNode, in.N)
	if !ok {
		return wire.NodeTypeReply{}, driver.ErrorInvalidHandle
	}
	kind, r := p.Driver.NodeType(driver.Node(native))
	return wire.NodeTypeReply{Type: kind}, r
}
