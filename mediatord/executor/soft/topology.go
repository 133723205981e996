package soft

import (
	"libvirt-vgpu/mediatord/executor/driver"
	"libvirt-vgpu/mediatord/executor/soft/gpu"
)

// nodeNumber is the number of a node that may have one.
func (d *Driver) nodeNumber(n *gpu.Node) driver.Node {
	number, known := d.nodeNames[n]
	if !known {
		number = driver.Node(d.nodes.put(n))
		d.nodeNames[n] = number
	}
	return number
}

func (d *Driver) nodeNumbers(nodes []*gpu.Node) []driver.Node {
	var out []driver.Node
	for _, n := range nodes {
		out = append(out, d.nodeNumber(n))
	}
	return out
}

// behind is the nodes that edges come from. Edges with data are those of
// programmatic launches, which the software GPU does not have.
func (d *Driver) behind(edges []driver.Edge) ([]*gpu.Node, driver.Result) {
	var out []*gpu.Node
	for _, e := range edges {
		n, ok := d.nodes.items[uint64(e.From)]
		if !ok {
			return nil, driver.ErrorInvalidValue
		}
		if e.Data != [driver.EdgeDataSize]byte{} {
			return nil, driver.ErrorNotSupported
		}
		out = append(out, n)
	}
	return out, driver.Success
}

// GraphNodes implements driver.Graphs.
func (d *Driver) GraphNodes(g driver.Graph) ([]driver.Node, driver.Result) {
	graph, ok := d.graphs.items[uint64(g)]
	if !ok {
		return nil, driver.ErrorInvalidHandle
	}
	return d.nodeNumbers(graph.Nodes()), driver.Success
}

// GraphRoots implements driver.Graphs.
func (d *Driver) GraphRoots(g driver.Graph) ([]driver.Node, driver.Result) {
	graph, ok := d.graphs.items[uint64(g)]
	if !ok {
		return nil, driver.ErrorInvalidHandle
	}
	return d.nodeNumbers(graph.Roots()), driver.Success
}

// GraphEdges implements driver.Graphs.
func (d *Driver) GraphEdges(g driver.Graph) ([]driver.Edge, driver.Result) {
	graph, ok := d.graphs.items[uint64(g)]
	if !ok {
		return nil, driver.ErrorInvalidHandle
	}
	var out []driver.Edge
	for _, e := range graph.Edges() {
		out = append(out, driver.Edge{From: d.nodeNumber(e.From), To: d.nodeNumber(e.To)})
	}
	return out, driver.Success
}

// NodeEdges implements driver.Graphs.
func (d *Driver) NodeEdges(n driver.Node, leaving bool) ([]driver.Edge, driver.Result) {
	node, ok := d.nodes.items[uint64(n)]
	if !ok {
		return nil, driver.ErrorInvalidHandle
	}
	var out []driver.Edge
	if leaving {
		for _, m := range node.Dependents() {
			out = append(out, driver.Edge{From: n, To: d.nodeNumber(m)})
		}
		return out, driver.Success
	}
	for _, m := range node.Dependencies() {
		out = append(out, driver.Edge{From: d.nodeNumber(m), To: n})
	}
	return out, driver.Success
}

// AddDependencies implements driver.Graphs.
func (d *Driver) AddDependencies(g driver.Graph, edges []driver.Edge) driver.Result {
	return d.depend(g, edges, (*gpu.Graph).AddDependencies)
}

// RemoveDependencies implements driver.Graphs.
func (d *Driver) RemoveDependencies(g driver.Graph, edges []driver.Edge) driver.Result {
	return d.depend(g, edges, (*gpu.Graph).RemoveDependencies)
}

func (d *Driver) depend(g driver.Graph, edges []driver.Edge, change func(*gpu.Graph, []gpu.Edge) error) driver.Result {
	graph, ok := d.graphs.items[uint64(g)]
	if !ok {
		return driver.ErrorInvalidHandle
	}
	from, r := d.behind(edges)
	if r != driver.Success {
		return r
	}
	list := make([]gpu.Edge, 0, len(edges))
	for i, e := range edges {
		to, ok := d.nodes.items[uint64(e.To)]
		if !ok {
			return driver.ErrorInvalidValue
		}
		list = append(list, gpu.Edge{From: from[i], To: to})
	}
	return d.result(change(graph, list))
}

// NodeType implements driver.Graphs.
func (d *Driver) NodeType(n driver.Node) (uint32, driver.Result) {
	node, ok := d.nodes.items[uint64(n)]
	if !ok {
		return 0, driver.ErrorInvalidHandle
	}
	return uint32(node.Kind()), driver.Success
}

// NodeDestroy implements driver.Graphs.
func (d *Driver) NodeDestroy(n driver.Node) driver.Result {
	node, ok := d.nodes.items[uint64(n)]
	if !ok {
		return driver.ErrorInvalidHandle
	}
	r := d.result(node.Remove())
	if r == driver.Success {
		d.forgetNode(node)
	}
	return r
}

// NodeFindInClone implements driver.Graphs.
func (d *Driver) NodeFindInClone(n driver.Node, clone driver.Graph) (driver.Node, driver.Result) {
	node, ok1 := d.nodes.items[uint64(n)]
	graph, ok2 := d.graphs.items[uint64(clone)]
	if !ok1 || !ok2 {
		return 0, driver.ErrorInvalidHandle
	}
	found, err := node.FindInClone(graph)
	if err != nil {
		return 0, d.result(err)
	}
	return d.nodeNumber(found), driver.Success
}

// NodeGraph implements driver.Graphs.
func (d *Driver) NodeGraph(n driver.Node) (driver.Graph, driver.Result) {
	node, ok := d.nodes.items[uint64(n)]
	if !ok {
		return 0, driver.ErrorInvalidHandle
	}
	inside, err := node.Inside()
	if err != nil {
		return 0, d.result(err)
	}
	return d.graphNumber(inside), driver.Success
}
