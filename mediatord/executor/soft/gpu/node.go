package gpu

// Work is what a node does.
type Work = work

// KernelWork is a launch; the parameters are copied.
func KernelWork(l Launch) Work {
	l.Params = append([]byte(nil), l.Params...)
	return &l
}

// CopyWork is one or several copies.
func CopyWork(copies ...Copy) Work {
	if len(copies) == 1 {
		return &copies[0]
	}
	return copyList(copies)
}

// FillWork is a memset.
func FillWork(f Fill) Work { return &f }

// HostWork is a call; by its id the caller finds out which.
func HostWork(f func(), id uint32) Work { return &hostWork{f, id} }

// EmptyWork is nothing.
func EmptyWork() Work { return emptyWork{} }

// RecordWork is the recording of an event.
func RecordWork(e *Event) Work { return &eventWork{event: e} }

// WaitWork is the wait for an event.
func WaitWork(e *Event) Work { return &eventWork{event: e, wait: true} }

// GraphWork is a copy of a graph.
func GraphWork(g *Graph) Work {
	c, _ := g.Clone()
	return &graphWork{c}
}

// MovedGraphWork is the graph itself, which nobody else may use any more but to
// change its nodes.
func MovedGraphWork(g *Graph) Work { return &graphWork{g} }

// MemOp is a write of, or a wait for, a value in memory.
type MemOp struct {
	Addr      uint64
	Value     uint64
	Wide      bool // 64 bits, not 32
	Wait      bool
	Condition WaitCondition
}

// MemOpsWork is operations one after the other.
func MemOpsWork(list []MemOp) Work {
	var ops memOpList
	for _, o := range list {
		ops = append(ops, &memOp{va: o.Addr, value: o.Value, wide: o.Wide, wait: o.Wait, cond: o.Condition})
	}
	return ops
}

// copyList is several copies as one work.
type copyList []Copy

func (c copyList) kind() NodeKind { return MemcpyNode }

func (c copyList) check(d *Device) error {
	for i := range c {
		if err := c[i].check(d); err != nil {
			return err
		}
	}
	return nil
}

func (c copyList) do(d *Device) error {
	for i := range c {
		if err := c[i].do(d); err != nil {
			return err
		}
	}
	return nil
}

// memOpList is several memory operations as one work.
type memOpList []*memOp

func (m memOpList) kind() NodeKind { return BatchMemOpNode }

func (m memOpList) check(d *Device) error {
	for _, o := range m {
		if err := o.check(d); err != nil {
			return err
		}
	}
	return nil
}

func (m memOpList) do(d *Device) error {
	for _, o := range m {
		if err := o.do(d); err != nil {
			return err
		}
	}
	return nil
}

// Add adds a node that does w. CUDA_ERROR_INVALID_VALUE for dependencies that are
// not in the graph or are named twice.
func (g *Graph) Add(deps []*Node, w Work) (*Node, error) { return g.addChecked(w, deps) }

// Set replaces what the node does by work of the same kind; graphs that were
// instantiated before keep the old one.
func (n *Node) Set(w Work) error { return n.setWork(w) }

// Host is the id of a host node's call.
func (n *Node) Host() (uint32, error) {
	n.graph.mu.Lock()
	defer n.graph.mu.Unlock()
	if h, ok := n.work.(*hostWork); ok {
		return h.id, nil
	}
	return 0, InvalidValue
}

// Event is the event of an event node.
func (n *Node) Event() (*Event, error) {
	n.graph.mu.Lock()
	defer n.graph.mu.Unlock()
	if e, ok := n.work.(*eventWork); ok {
		return e.event, nil
	}
	return nil, InvalidValue
}

// Inside is the graph of a graph node; it stays the node's.
func (n *Node) Inside() (*Graph, error) {
	n.graph.mu.Lock()
	defer n.graph.mu.Unlock()
	if g, ok := n.work.(*graphWork); ok {
		return g.graph, nil
	}
	return nil, InvalidValue
}

// FindInClone is the node of a clone that stands for n. CUDA_ERROR_INVALID_VALUE
// when there is none.
func (n *Node) FindInClone(clone *Graph) (*Node, error) {
	for _, m := range clone.Nodes() {
		if m.origin == n {
			return m, nil
		}
	}
	return nil, InvalidValue
}

// Tag is what the caller keeps with the node.
func (n *Node) Tag() any {
	n.graph.mu.Lock()
	defer n.graph.mu.Unlock()
	return n.tag
}

// SetTag keeps something with the node; clones of the node keep it too.
func (n *Node) SetTag(tag any) {
	n.graph.mu.Lock()
	defer n.graph.mu.Unlock()
	n.tag = tag
}
