package gpu

import "sync"

// Graph is work with dependencies. A node waits for those that it depends on;
// nodes are in the order in which they were added.
type Graph struct {
	dev   *Device
	mu    sync.Mutex
	nodes []*Node
}

// Node is a node of a graph. Its graph's mutex guards it.
type Node struct {
	graph  *Graph
	work   work
	deps   []*Node
	origin *Node // in the graph that this one was cloned from
	tag    any
}

// Edge says that To depends on From.
type Edge struct{ From, To *Node }

// NewGraph makes an empty graph.
func (d *Device) NewGraph() *Graph { return &Graph{dev: d} }

// add appends a node without checks.
func (g *Graph) add(w work, deps []*Node) *Node {
	g.mu.Lock()
	defer g.mu.Unlock()
	n := &Node{graph: g, work: w, deps: append([]*Node(nil), deps...)}
	g.nodes = append(g.nodes, n)
	return n
}

// addChecked appends a node whose work and dependencies are checked.
func (g *Graph) addChecked(w work, deps []*Node) (*Node, error) {
	if err := g.dev.Err(); err != nil {
		return nil, err
	}
	if err := w.check(g.dev); err != nil {
		return nil, err
	}
	for i, d := range deps {
		if d == nil || d.graph != g {
			return nil, InvalidValue
		}
		for _, e := range deps[:i] {
			if d == e {
				return nil, InvalidValue
			}
		}
	}
	return g.add(w, deps), nil
}

// AddKernel adds a launch; the parameters are copied.
func (g *Graph) AddKernel(deps []*Node, l Launch) (*Node, error) {
	l.Params = append([]byte(nil), l.Params...)
	return g.addChecked(&l, deps)
}

// AddCopy adds a copy; slices are read and written at every launch.
func (g *Graph) AddCopy(deps []*Node, c Copy) (*Node, error) { return g.addChecked(&c, deps) }

// AddFill adds a memset.
func (g *Graph) AddFill(deps []*Node, f Fill) (*Node, error) { return g.addChecked(&f, deps) }

// AddHost adds a call of f.
func (g *Graph) AddHost(deps []*Node, f func()) (*Node, error) {
	return g.addChecked(HostWork(f, 0), deps)
}

// AddEmpty adds a node that only joins others.
func (g *Graph) AddEmpty(deps []*Node) (*Node, error) { return g.addChecked(emptyWork{}, deps) }

// AddEventRecord adds a recording of an event.
func (g *Graph) AddEventRecord(deps []*Node, e *Event) (*Node, error) {
	return g.addChecked(&eventWork{event: e}, deps)
}

// AddEventWait adds a wait for the recording of an event that is the latest
// when the graph is launched.
func (g *Graph) AddEventWait(deps []*Node, e *Event) (*Node, error) {
	return g.addChecked(&eventWork{event: e, wait: true}, deps)
}

// AddGraph adds a copy of another graph as one node.
func (g *Graph) AddGraph(deps []*Node, child *Graph) (*Node, error) {
	if _, err := child.Instantiate(); err != nil {
		return nil, err
	}
	return g.addChecked(GraphWork(child), deps)
}

// AddWriteValue32 adds a write of a word.
func (g *Graph) AddWriteValue32(deps []*Node, va uint64, v uint32) (*Node, error) {
	return g.addChecked(&memOp{va: va, value: uint64(v)}, deps)
}

// eventWork records an event or waits for it. Launching a graph replaces it.
type eventWork struct {
	event *Event
	wait  bool
	bound *record
}

func (e *eventWork) kind() NodeKind {
	if e.wait {
		return EventWaitNode
	}
	return EventRecordNode
}

func (e *eventWork) check(d *Device) error {
	if e.event == nil || e.event.dev != d {
		return InvalidHandle
	}
	return nil
}

func (e *eventWork) do(d *Device) error {
	switch {
	case e.bound == nil:
	case e.wait:
		e.bound.mark.wait()
	default:
		return e.bound.stamp(d)
	}
	return nil
}

// graphWork is a graph as a node; instantiating makes it a GraphExec.
type graphWork struct{ graph *Graph }

func (g *graphWork) kind() NodeKind { return GraphNode }

func (g *graphWork) check(d *Device) error {
	for _, n := range g.graph.Nodes() {
		if err := n.work.check(d); err != nil {
			return err
		}
	}
	return nil
}

func (g *graphWork) do(d *Device) error {
	x, err := g.graph.Instantiate()
	if err != nil {
		return err
	}
	return x.do(d)
}

// Nodes lists the nodes.
func (g *Graph) Nodes() []*Node {
	g.mu.Lock()
	defer g.mu.Unlock()
	return append([]*Node(nil), g.nodes...)
}

// Roots lists the nodes without dependencies.
func (g *Graph) Roots() []*Node {
	var list []*Node
	for _, n := range g.Nodes() {
		if len(n.Dependencies()) == 0 {
			list = append(list, n)
		}
	}
	return list
}

// Edges lists the dependencies.
func (g *Graph) Edges() []Edge {
	g.mu.Lock()
	defer g.mu.Unlock()
	var list []Edge
	for _, n := range g.nodes {
		for _, d := range n.deps {
			list = append(list, Edge{d, n})
		}
	}
	return list
}

// AddDependencies adds edges. CUDA_ERROR_INVALID_VALUE for an edge that is
// there already, leads from a node to itself or leaves the graph.
func (g *Graph) AddDependencies(edges []Edge) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	for i, e := range edges {
		if e.From == nil || e.To == nil || e.From == e.To || e.From.graph != g || e.To.graph != g || e.To.dependsOn(e.From) {
			return InvalidValue
		}
		for _, other := range edges[:i] {
			if other == e {
				return InvalidValue
			}
		}
	}
	for _, e := range edges {
		e.To.deps = append(e.To.deps, e.From)
	}
	return nil
}

// RemoveDependencies removes edges; CUDA_ERROR_INVALID_VALUE when one is not
// there.
func (g *Graph) RemoveDependencies(edges []Edge) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, e := range edges {
		if e.To == nil || e.To.graph != g || !e.To.dependsOn(e.From) {
			return InvalidValue
		}
	}
	for _, e := range edges {
		e.To.deps = without(e.To.deps, e.From)
	}
	return nil
}

func (n *Node) dependsOn(d *Node) bool {
	for _, m := range n.deps {
		if m == d {
			return true
		}
	}
	return false
}

func without(list []*Node, n *Node) []*Node {
	var rest []*Node
	for _, m := range list {
		if m != n {
			rest = append(rest, m)
		}
	}
	return rest
}

// Remove takes a node and its edges out of its graph.
func (n *Node) Remove() error {
	g := n.graph
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, m := range g.nodes {
		m.deps = without(m.deps, n)
	}
	before := len(g.nodes)
	if g.nodes = without(g.nodes, n); len(g.nodes) == before {
		return InvalidHandle
	}
	return nil
}

// Clone copies a graph, and the graphs in its nodes, and tells which node became which.
func (g *Graph) Clone() (*Graph, map[*Node]*Node) {
	g.mu.Lock()
	defer g.mu.Unlock()
	c, twin := g.dev.NewGraph(), map[*Node]*Node{}
	for _, n := range g.nodes {
		m := &Node{graph: c, work: n.work, origin: n, tag: n.tag}
		if inside, ok := n.work.(*graphWork); ok {
			m.work = GraphWork(inside.graph)
		}
		twin[n] = m
		c.nodes = append(c.nodes, m)
	}
	for _, n := range g.nodes {
		for _, d := range n.deps {
			twin[n].deps = append(twin[n].deps, twin[d])
		}
	}
	return c, twin
}

// Kind is what the node does.
func (n *Node) Kind() NodeKind {
	n.graph.mu.Lock()
	defer n.graph.mu.Unlock()
	return n.work.kind()
}

// Graph is the node's graph.
func (n *Node) Graph() *Graph { return n.graph }

// Dependencies are the nodes that the node waits for.
func (n *Node) Dependencies() []*Node {
	n.graph.mu.Lock()
	defer n.graph.mu.Unlock()
	return append([]*Node(nil), n.deps...)
}

// Dependents are the nodes that wait for the node.
func (n *Node) Dependents() []*Node {
	n.graph.mu.Lock()
	defer n.graph.mu.Unlock()
	var list []*Node
	for _, m := range n.graph.nodes {
		if m.dependsOn(n) {
			list = append(list, m)
		}
	}
	return list
}

// Kernel is the launch of a kernel node. CUDA_ERROR_INVALID_VALUE for others.
func (n *Node) Kernel() (Launch, error) {
	n.graph.mu.Lock()
	defer n.graph.mu.Unlock()
	if l, ok := n.work.(*Launch); ok {
		return *l, nil
	}
	return Launch{}, InvalidValue
}

// Copy is the copy of a memcpy node.
func (n *Node) Copy() (Copy, error) {
	n.graph.mu.Lock()
	defer n.graph.mu.Unlock()
	if c, ok := n.work.(*Copy); ok {
		return *c, nil
	}
	return Copy{}, InvalidValue
}

// Fill is the fill of a memset node.
func (n *Node) Fill() (Fill, error) {
	n.graph.mu.Lock()
	defer n.graph.mu.Unlock()
	if f, ok := n.work.(*Fill); ok {
		return *f, nil
	}
	return Fill{}, InvalidValue
}

// SetKernel replaces the launch of a kernel node; graphs that were
// instantiated before keep the old one.
func (n *Node) SetKernel(l Launch) error {
	l.Params = append([]byte(nil), l.Params...)
	return n.setWork(&l)
}

// SetCopy replaces the copy of a memcpy node.
func (n *Node) SetCopy(c Copy) error { return n.setWork(&c) }

// SetFill replaces the fill of a memset node.
func (n *Node) SetFill(f Fill) error { return n.setWork(&f) }

func (n *Node) setWork(w work) error {
	if err := w.check(n.graph.dev); err != nil {
		return err
	}
	n.graph.mu.Lock()
	defer n.graph.mu.Unlock()
	if n.work.kind() != w.kind() {
		return InvalidValue
	}
	n.work = w
	return nil
}
