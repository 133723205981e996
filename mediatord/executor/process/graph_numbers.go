package process

import (
	"libvirt-vgpu/mediatord/executor/driver"
	"libvirt-vgpu/mediatord/executor/handle"
)

// graphNumbers gives the nodes that the process has seen their numbers, and
// knows what ends with a graph: its nodes, and with a node the graphs inside it.
type graphNumbers struct {
	byNode       map[driver.Node]uint32
	nodes        map[uint32]nodeState
	graphs       map[uint32]*graphState
	conditionals map[uint64]struct{}
	free         []uint32
	next         uint32
	// kernelNames are names by a kernel's number; those of kernels that are gone
	// may stay.
	kernelNames map[uint32]string
	allocate    bool // there was a node that allocates
	memory      graphMemory
}

type nodeState struct {
	graph  uint32
	inside []uint32 // child graph or bodies
}

type graphState struct {
	holder       uint32 // node that it is inside of, 0: none
	captured     bool   // a capture in progress makes it
	nodes        map[uint32]struct{}
	conditionals []uint64
}

func newGraphNumbers() graphNumbers {
	return graphNumbers{
		byNode: map[driver.Node]uint32{}, nodes: map[uint32]nodeState{}, graphs: map[uint32]*graphState{},
		conditionals: map[uint64]struct{}{}, kernelNames: map[uint32]string{}, next: 1,
	}
}

func (n *graphNumbers) take() (uint32, bool) {
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

func (n *graphNumbers) state(graph uint32) *graphState {
	s := n.graphs[graph]
	if s == nil {
		s = &graphState{nodes: map[uint32]struct{}{}}
		n.graphs[graph] = s
	}
	return s
}

func (n *graphNumbers) holder(graph uint32) uint32 {
	if s := n.graphs[graph]; s != nil {
		return s.holder
	}
	return 0
}

// hold notes that the graph is inside the node now.
func (n *graphNumbers) hold(node, graph uint32) {
	n.state(graph).holder = node
	s := n.nodes[node]
	s.inside = append(s.inside, graph)
	n.nodes[node] = s
}

func (n *graphNumbers) addConditional(graph uint32, handle uint64) {
	s := n.state(graph)
	s.conditionals = append(s.conditionals, handle)
	n.conditionals[handle] = struct{}{}
}

// numberNode is the number of a node of the graph. A node that is not known yet
// gets one; ErrorOutOfMemory when there is none left.
func (p *Process) numberNode(graph uint32, node driver.Node) (uint32, driver.Result) {
	n := &p.graphs
	if number, known := n.byNode[node]; known {
		return number, driver.Success
	}
	number, ok := n.take()
	if !ok {
		return 0, driver.ErrorOutOfMemory
	}
	n.byNode[node] = number
	n.nodes[number] = nodeState{graph: graph}
	n.state(graph).nodes[number] = struct{}{}
	p.tables.Put(driver.KindNode, number, uint64(node))
	return number, driver.Success
}

// numberIfAny is numberNode with 0 for no node.
func (p *Process) numberIfAny(graph uint32, node driver.Node) (uint32, driver.Result) {
	if node == 0 {
		return 0, driver.Success
	}
	return p.numberNode(graph, node)
}

// forgetNode forgets a node that is gone.
func (p *Process) forgetNode(number uint32) {
	n := &p.graphs
	native, _ := p.node(number)
	s := n.nodes[number]
	p.forgetInside(number)
	delete(n.byNode, native)
	delete(n.nodes, number)
	if g := n.graphs[s.graph]; g != nil {
		delete(g.nodes, number)
	}
	p.tables.Delete(driver.KindNode, number)
	n.free = append(n.free, number)
}

// forgetInside forgets the graphs inside a node.
func (p *Process) forgetInside(number uint32) {
	s := p.graphs.nodes[number]
	inside := s.inside
	s.inside = nil
	p.graphs.nodes[number] = s
	for _, graph := range inside {
		p.forgetGraph(graph)
	}
}

// forgetGraph forgets a graph that is gone, its nodes and what is inside them.
func (p *Process) forgetGraph(number uint32) {
	n := &p.graphs
	if s := n.graphs[number]; s != nil {
		delete(n.graphs, number)
		for _, handle := range s.conditionals {
			delete(n.conditionals, handle)
		}
		for node := range s.nodes {
			p.forgetNode(node)
		}
	}
	p.tables.Delete(driver.KindGraph, number)
}

// numberGraph is the number of a graph that the driver named: the one it has, or
// candidate, which the process offers.
func (p *Process) numberGraph(g driver.Graph, candidate uint32) (uint32, driver.Result) {
	number, found := p.tables.Find(driver.KindGraph, uint64(g))
	if found {
		return number, driver.Success
	}
	if !p.tables.Free(driver.KindGraph, candidate) {
		return 0, driver.ErrorInvalidHandle
	}
	p.tables.Put(driver.KindGraph, candidate, uint64(g))
	return candidate, driver.Success
}
