package gpu

import "sync"

// GraphExec is a graph that can be launched. Changes to the graph that it was
// made from do not reach it.
type GraphExec struct {
	dev   *Device
	mu    sync.Mutex
	nodes []*Node // of the graph it was made from
	works []work  // by index of nodes; replaced, never changed
	order []int   // indices such that dependencies come first
	deps  [][]int
	last  mark
}

// UpdateResult is why an update was refused (CUgraphExecUpdateResult).
type UpdateResult int

// The results with the driver's numbers.
const (
	UpdateSuccess         UpdateResult = 0
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
	x.take(g)
	var ok bool
	if x.order, ok = topological(x.deps); !ok {
		return nil, InvalidValue
	}
	return x, nil
}

// take copies nodes, works and edges. The caller holds g.mu.
func (x *GraphExec) take(g *Graph) {
	index := map[*Node]int{}
	x.nodes, x.works, x.deps = append([]*Node(nil), g.nodes...), nil, nil
	for i, n := range g.nodes {
		index[n] = i
		x.works = append(x.works, n.work)
	}
	for _, n := range g.nodes {
		var list []int
		for _, d := range n.deps {
			list = append(list, index[d])
		}
		x.deps = append(x.deps, list)
	}
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

// sorted is the graph's work in an order in which it can be executed.
func (g *Graph) sorted() ([]work, error) {
	x, err := g.Instantiate()
	if err != nil {
		return nil, err
	}
	return x.sorted(), nil
}

func (x *GraphExec) sorted() []work {
	list := make([]work, 0, len(x.order))
	for _, i := range x.order {
		list = append(list, x.works[i])
	}
	return list
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
	list := x.sorted()
	if s.capture != nil {
		return s.capture.add(s, &graphWork{list})
	}
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
	m, err := s.push(after, (&graphWork{list}).do)
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
	next.take(g)
	x.mu.Lock()
	defer x.mu.Unlock()
	if len(next.nodes) != len(x.nodes) {
		return UpdateTopologyChanged, nil, GraphExecUpdateFailure
	}
	for i, n := range next.nodes {
		if next.works[i].kind() != x.works[i].kind() {
			return UpdateNodeTypeChanged, n, GraphExecUpdateFailure
		}
		if !sameSet(next.deps[i], x.deps[i]) {
			return UpdateTopologyChanged, n, GraphExecUpdateFailure
		}
	}
	x.works = next.works
	return UpdateSuccess, nil, nil
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

func (x *GraphExec) setWork(n *Node, w work) error {
	if err := w.check(x.dev); err != nil {
		return err
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	for i, m := range x.nodes {
		if m != n {
			continue
		}
		if x.works[i].kind() != w.kind() {
			return InvalidValue
		}
		works := append([]work(nil), x.works...)
		works[i] = w
		x.works = works
		return nil
	}
	return InvalidValue
}
