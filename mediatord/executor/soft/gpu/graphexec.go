package gpu

import "sync"

// GraphExec is a graph that can be launched. Changes to the graph that it was
// made from do not reach it.
type GraphExec struct {
	dev   *Device
	mu    sync.Mutex
	nodes []*Node // of the graph it was made from
	works []work  // by index of nodes; replaced, never changed
	off   []bool  // by index of nodes: disabled
	order []int   // indices such that dependencies come first
	deps  [][]int
	last  mark
}

// UpdateResult is why an update was refused (CUgraphExecUpdateResult).
type UpdateResult int

// The results with the driver's numbers.
const (
	UpdateSuccess         UpdateResult = 0
	UpdateError           UpdateResult = 1
	UpdateTopologyChanged UpdateResult = 2
	UpdateNodeTypeChanged UpdateResult = 3
)

// Instantiate makes a graph ready to launch. CUDA_ERROR_INVALID_VALUE when
// its edges form a cycle.
func (g *Graph) Instantiate() (*GraphExec, error) {
	if err := g.dev.Err(); err != nil {
		return nil, err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	x := &GraphExec{dev: g.dev}
	if err := x.take(g); err != nil {
		return nil, err
	}
	var ok bool
	if x.order, ok = topological(x.deps); !ok {
		return nil, InvalidValue
	}
	return x, nil
}

// take copies nodes, works and edges. The caller holds g.mu.
func (x *GraphExec) take(g *Graph) error {
	index := map[*Node]int{}
	x.nodes, x.works, x.deps = append([]*Node(nil), g.nodes...), nil, nil
	x.off = make([]bool, len(g.nodes))
	for i, n := range g.nodes {
		index[n] = i
		w := n.work
		if inside, ok := w.(*graphWork); ok {
			child, err := inside.graph.Instantiate()
			if err != nil {
				return err
			}
			w = child
		}
		x.works = append(x.works, w)
	}
	for _, n := range g.nodes {
		var list []int
		for _, d := range n.deps {
			list = append(list, index[d])
		}
		x.deps = append(x.deps, list)
	}
	return nil
}

// topological orders indices so that dependencies come first, keeping the
// order of creation where it can.
func topological(deps [][]int) ([]int, bool) {
	missing := make([]int, len(deps))
	dependents := make([][]int, len(deps))
	var ready, order []int
	for i, list := range deps {
		missing[i] = len(list)
		for _, d := range list {
			dependents[d] = append(dependents[d], i)
		}
		if len(list) == 0 {
			ready = append(ready, i)
		}
	}
	for len(ready) > 0 {
		i := ready[0]
		ready = ready[1:]
		order = append(order, i)
		for _, k := range dependents[i] {
			if missing[k]--; missing[k] == 0 {
				ready = append(ready, k)
			}
		}
	}
	return order, len(order) == len(deps)
}

// sorted is the work in an order in which it can be executed, without what is
// disabled, and with the works of graphs in their place.
func (x *GraphExec) sorted() []work {
	list := make([]work, 0, len(x.order))
	for _, i := range x.order {
		child, ok := x.works[i].(*GraphExec)
		switch {
		case x.off[i]:
		case ok:
			list = append(list, child.sorted()...)
		default:
			list = append(list, x.works[i])
		}
	}
	return list
}

func (x *GraphExec) kind() NodeKind { return GraphNode }

func (x *GraphExec) check(*Device) error { return nil }

func (x *GraphExec) do(d *Device) error {
	x.mu.Lock()
	list := x.sorted()
	x.mu.Unlock()
	return executeAll(d, list)
}

func executeAll(d *Device, list []work) error {
	for _, w := range list {
		if d.stop.Load() {
			return nil
		}
		if err := w.do(d); err != nil {
			return err
		}
	}
	return nil
}

// graph is a graph that does what x does.
func (x *GraphExec) graph() *Graph {
	g := x.dev.NewGraph()
	for i, w := range x.works {
		if child, ok := w.(*GraphExec); ok {
			w = &graphWork{child.graph()}
		}
		n := &Node{graph: g, work: w, tag: x.nodes[i].tag}
		g.nodes = append(g.nodes, n)
	}
	for i, list := range x.deps {
		for _, k := range list {
			g.nodes[i].deps = append(g.nodes[i].deps, g.nodes[k])
		}
	}
	return g
}

// Launch submits the graph to the stream as one operation. Launches of the
// same GraphExec do not overlap.
func (x *GraphExec) Launch(s *Stream) error {
	d := x.dev
	if err := d.Err(); err != nil {
		return err
	}
	if s.dev != d {
		return InvalidHandle
	}
	d.submit.Lock()
	defer d.submit.Unlock()
	x.mu.Lock()
	defer x.mu.Unlock()
	if s.capture != nil {
		return s.capture.add(s, &graphWork{x.graph()})
	}
	list := x.sorted()
	if err := s.implicitCapture(); err != nil {
		return err
	}
	var records []*eventWork
	for i, w := range list {
		e, ok := w.(*eventWork)
		if !ok {
			continue
		}
		bound := &eventWork{event: e.event, wait: e.wait, bound: &record{}}
		if e.wait {
			bound.bound, _ = e.event.latest()
		} else {
			records = append(records, bound)
		}
		list[i] = bound
	}
	var after []mark
	if x.last.stream != nil {
		after = append(after, x.last)
	}
	m, err := s.push(after, func(d *Device) error { return executeAll(d, list) })
	if err != nil {
		return err
	}
	x.last = m
	for _, e := range records {
		e.bound.mark = m
		e.event.set(e.bound)
	}
	return nil
}

// Update takes over the parameters of a graph of the same shape: as many
// nodes, of the same kinds, with the same edges, in the same order. Otherwise
// the error is CUDA_ERROR_GRAPH_EXEC_UPDATE_FAILURE with the reason and the
// node of g that differs.
func (x *GraphExec) Update(g *Graph) (UpdateResult, *Node, error) {
	if err := x.dev.Err(); err != nil {
		return UpdateSuccess, nil, err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	next := &GraphExec{dev: x.dev}
	if err := next.take(g); err != nil {
		return UpdateError, nil, err
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if outcome, n := x.differs(next); outcome != UpdateSuccess {
		return outcome, n, GraphExecUpdateFailure
	}
	x.works = next.works
	return UpdateSuccess, nil, nil
}

// differs tells why next cannot take x's place, and the node that says so.
func (x *GraphExec) differs(next *GraphExec) (UpdateResult, *Node) {
	if len(next.nodes) != len(x.nodes) {
		return UpdateTopologyChanged, nil
	}
	for i, n := range next.nodes {
		if next.works[i].kind() != x.works[i].kind() {
			return UpdateNodeTypeChanged, n
		}
		if !sameSet(next.deps[i], x.deps[i]) {
			return UpdateTopologyChanged, n
		}
		if child, ok := x.works[i].(*GraphExec); ok {
			if outcome, inner := child.differs(next.works[i].(*GraphExec)); outcome != UpdateSuccess {
				return outcome, inner
			}
		}
	}
	return UpdateSuccess, nil
}

func sameSet(a, b []int) bool {
	if len(a) != len(b) {
		return false
	}
	seen := map[int]bool{}
	for _, i := range a {
		seen[i] = true
	}
	for _, i := range b {
		if !seen[i] {
			return false
		}
	}
	return true
}

// SetKernel replaces the launch of n, a node of the graph that x was made from.
func (x *GraphExec) SetKernel(n *Node, l Launch) error {
	l.Params = append([]byte(nil), l.Params...)
	return x.setWork(n, &l)
}

// SetCopy replaces the copy of n.
func (x *GraphExec) SetCopy(n *Node, c Copy) error { return x.setWork(n, &c) }

// SetFill replaces the fill of n.
func (x *GraphExec) SetFill(n *Node, f Fill) error { return x.setWork(n, &f) }

// Set replaces what n does, a node of the graph that x was made from.
// CUDA_ERROR_INVALID_VALUE for another kind of work, or a graph of another shape.
func (x *GraphExec) Set(n *Node, w Work) error { return x.setWork(n, w) }

func (x *GraphExec) setWork(n *Node, w work) error {
	if err := w.check(x.dev); err != nil {
		return err
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	i, ok := x.index(n)
	if !ok || x.works[i].kind() != w.kind() {
		return InvalidValue
	}
	if inside, ok := w.(*graphWork); ok {
		child, err := inside.graph.Instantiate()
		if err != nil {
			return err
		}
		if outcome, _ := x.works[i].(*GraphExec).differs(child); outcome != UpdateSuccess {
			return GraphExecUpdateFailure
		}
		w = child
	}
	works := append([]work(nil), x.works...)
	works[i] = w
	x.works = works
	return nil
}

func (x *GraphExec) index(n *Node) (int, bool) {
	for i, m := range x.nodes {
		if m == n {
			return i, true
		}
	}
	return 0, false
}

// SetEnabled makes launches skip a node, or do it again.
// CUDA_ERROR_INVALID_VALUE unless it is a kernel, copy or fill.
func (x *GraphExec) SetEnabled(n *Node, enabled bool) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	i, err := x.switchable(n)
	if err != nil {
		return err
	}
	off := append([]bool(nil), x.off...)
	off[i] = !enabled
	x.off = off
	return nil
}

// Enabled says whether launches do the node.
func (x *GraphExec) Enabled(n *Node) (bool, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	i, err := x.switchable(n)
	return err == nil && !x.off[i], err
}

func (x *GraphExec) switchable(n *Node) (int, error) {
	i, ok := x.index(n)
	if !ok {
		return 0, InvalidValue
	}
	switch x.works[i].kind() {
	case KernelNode, MemcpyNode, MemsetNode:
		return i, nil
	}
	return 0, InvalidValue
}
