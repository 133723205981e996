package soft

import (
	"libvirt-vgpu/mediatord/executor/driver"
	"libvirt-vgpu/mediatord/executor/soft/gpu"
)

// noThread stands for the caller in relaxed captures, which ask for none.
const noThread = 0

// CaptureBegin implements driver.Native.
func (d *Driver) CaptureBegin(s driver.Stream, mode uint32) driver.Result {
	return d.with(s, func(s *gpu.Stream) error { return s.BeginCapture(gpu.CaptureMode(mode), noThread) })
}

// CaptureEnd implements driver.Graphs.
func (d *Driver) CaptureEnd(s driver.Stream) (driver.Graph, driver.Result) {
	var graph *gpu.Graph
	r := d.with(s, func(s *gpu.Stream) (err error) {
		graph, err = s.EndCapture(noThread)
		return err
	})
	if r != driver.Success {
		return 0, r
	}
	return d.graphNumber(graph), driver.Success
}

// graphNumber is the number of a graph that may have one.
func (d *Driver) graphNumber(graph *gpu.Graph) driver.Graph {
	for number, g := range d.graphs.items {
		if g == graph {
			return driver.Graph(number)
		}
	}
	return driver.Graph(d.graphs.put(graph))
}

// CaptureInfo implements driver.Graphs.
func (d *Driver) CaptureInfo(s driver.Stream) (status uint32, id uint64, r driver.Result) {
	var info gpu.CaptureInfo
	r = d.with(s, func(s *gpu.Stream) (err error) {
		info, err = s.CaptureInfo()
		return err
	})
	return uint32(info.Status), info.ID, r
}

// CaptureDependencies implements driver.Graphs.
func (d *Driver) CaptureDependencies(s driver.Stream) (driver.Graph, []driver.Edge, driver.Result) {
	var info gpu.CaptureInfo
	r := d.with(s, func(s *gpu.Stream) (err error) {
		info, err = s.CaptureInfo()
		return err
	})
	if r == driver.Success && info.Status != gpu.Capturing {
		r = driver.ErrorIllegalState
	}
	if r != driver.Success {
		return 0, nil, r
	}
	var after []driver.Edge
	for _, n := range info.Dependencies {
		after = append(after, driver.Edge{From: d.nodeNumber(n)})
	}
	return d.graphNumber(info.Graph), after, driver.Success
}

// CaptureInto implements driver.Graphs.
func (d *Driver) CaptureInto(s driver.Stream, g driver.Graph, after []driver.Edge, mode uint32) driver.Result {
	graph, ok := d.graphs.items[uint64(g)]
	if !ok {
		return driver.ErrorInvalidHandle
	}
	nodes, r := d.behind(after)
	if r != driver.Success {
		return r
	}
	return d.with(s, func(s *gpu.Stream) error { return s.BeginCaptureInto(graph, nodes, gpu.CaptureMode(mode), noThread) })
}

// CaptureUpdate implements driver.Graphs.
func (d *Driver) CaptureUpdate(s driver.Stream, after []driver.Edge, flags uint32) driver.Result {
	nodes, r := d.behind(after)
	if r != driver.Success {
		return r
	}
	return d.with(s, func(s *gpu.Stream) error { return s.UpdateCaptureDependencies(nodes, flags&1 != 0) })
}

// Capturing implements driver.Streams.
func (d *Driver) Capturing(s driver.Stream) (uint32, driver.Result) {
	status, _, r := d.CaptureInfo(s)
	return status, r
}

// GraphCreate implements driver.Native.
func (d *Driver) GraphCreate(flags uint32) (driver.Graph, driver.Result) {
	if flags != 0 {
		return 0, driver.ErrorInvalidValue
	}
	return driver.Graph(d.graphs.put(d.dev.NewGraph())), driver.Success
}

// GraphDestroy implements driver.Graphs.
func (d *Driver) GraphDestroy(g driver.Graph) driver.Result {
	graph, ok := d.graphs.take(uint64(g))
	if !ok {
		return driver.ErrorInvalidHandle
	}
	d.forget(graph)
	return driver.Success
}

// forget forgets the nodes of a graph, and the graphs inside them.
func (d *Driver) forget(graph *gpu.Graph) {
	for _, n := range graph.Nodes() {
		d.forgetNode(n)
	}
}

func (d *Driver) forgetNode(n *gpu.Node) {
	if number, known := d.nodeNames[n]; known {
		delete(d.nodes.items, uint64(number))
		delete(d.nodeNames, n)
	}
	d.forgetInside(n)
}

func (d *Driver) forgetInside(n *gpu.Node) {
	inside, err := n.Inside()
	if err != nil {
		return
	}
	for number, g := range d.graphs.items {
		if g == inside {
			delete(d.graphs.items, number)
		}
	}
	d.forget(inside)
}

// GraphClone implements driver.Native.
func (d *Driver) GraphClone(original driver.Graph) (driver.Graph, driver.Result) {
	graph, ok := d.graphs.items[uint64(original)]
	if !ok {
		return 0, driver.ErrorInvalidHandle
	}
	clone, _ := graph.Clone()
	return driver.Graph(d.graphs.put(clone)), driver.Success
}

// GraphInstantiate implements driver.Graphs. The flags are hints. What can be
// wrong with a graph here is its structure.
func (d *Driver) GraphInstantiate(g driver.Graph, _ uint64) (driver.GraphExec, driver.Instantiation, driver.Result) {
	const invalidStructure = 2
	graph, ok := d.graphs.items[uint64(g)]
	if !ok {
		return 0, driver.Instantiation{}, driver.ErrorInvalidHandle
	}
	x, err := graph.Instantiate()
	if err != nil {
		about := driver.Instantiation{Outcome: invalidStructure}
		if nodes := graph.Nodes(); len(nodes) > 0 {
			about.Node = d.nodeNumber(nodes[0])
		}
		return 0, about, d.result(err)
	}
	return driver.GraphExec(d.execs.put(x)), driver.Instantiation{}, driver.Success
}

// GraphUpdate implements driver.Graphs.
func (d *Driver) GraphUpdate(x driver.GraphExec, g driver.Graph) (driver.Update, driver.Result) {
	exec, ok1 := d.execs.items[uint64(x)]
	graph, ok2 := d.graphs.items[uint64(g)]
	if !ok1 || !ok2 {
		return driver.Update{}, driver.ErrorInvalidHandle
	}
	outcome, n, err := exec.Update(graph)
	about := driver.Update{Outcome: uint32(outcome)}
	if n != nil {
		about.Node = d.nodeNumber(n)
	}
	return about, d.result(err)
}

// GraphAllocations implements driver.Graphs: graphs here allocate nothing.
func (d *Driver) GraphAllocations(driver.Graph) (uint64, driver.Result) { return 0, driver.Success }

// GraphLaunch implements driver.Native.
func (d *Driver) GraphLaunch(x driver.GraphExec, s driver.Stream) driver.Result {
	exec, ok := d.execs.items[uint64(x)]
	if !ok {
		return driver.ErrorInvalidHandle
	}
	return d.with(s, exec.Launch)
}

// GraphUpload implements driver.Native: a graph is where it runs.
func (d *Driver) GraphUpload(x driver.GraphExec, s driver.Stream) driver.Result {
	_, ok1 := d.execs.items[uint64(x)]
	_, ok2 := d.stream(s)
	if !ok1 || !ok2 {
		return driver.ErrorInvalidHandle
	}
	return driver.Success
}

// GraphexecDestroy implements driver.Native.
func (d *Driver) GraphexecDestroy(x driver.GraphExec) driver.Result {
	if _, ok := d.execs.take(uint64(x)); !ok {
		return driver.ErrorInvalidHandle
	}
	return driver.Success
}
