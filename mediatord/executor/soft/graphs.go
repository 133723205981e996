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
	return driver.Graph(d.graphs.put(graph)), driver.Success
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
	for _, n := range graph.Nodes() {
		delete(d.nodeKinds, d.nodes[n])
		delete(d.nodes, n)
	}
	return driver.Success
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

// GraphNodes implements driver.Graphs.
func (d *Driver) GraphNodes(g driver.Graph) ([]driver.Node, driver.Result) {
	graph, ok := d.graphs.items[uint64(g)]
	if !ok {
		return nil, driver.ErrorInvalidHandle
	}
	var out []driver.Node
	for _, n := range graph.Nodes() {
		number, known := d.nodes[n]
		if !known {
			d.lastNode++
			number = d.lastNode
			d.nodes[n], d.nodeKinds[number] = number, n.Kind()
		}
		out = append(out, number)
	}
	return out, driver.Success
}

// NodeType implements driver.Graphs.
func (d *Driver) NodeType(n driver.Node) (uint32, driver.Result) {
	kind, ok := d.nodeKinds[n]
	if !ok {
		return 0, driver.ErrorInvalidHandle
	}
	return uint32(kind), driver.Success
}

// GraphInstantiate implements driver.Native. The flags are hints.
func (d *Driver) GraphInstantiate(g driver.Graph, _ uint64) (driver.GraphExec, driver.Result) {
	graph, ok := d.graphs.items[uint64(g)]
	if !ok {
		return 0, driver.ErrorInvalidHandle
	}
	x, err := graph.Instantiate()
	if err != nil {
		return 0, d.result(err)
	}
	return driver.GraphExec(d.execs.put(x)), driver.Success
}

// GraphUpdate implements driver.Graphs.
func (d *Driver) GraphUpdate(x driver.GraphExec, g driver.Graph) (uint32, driver.Result) {
	exec, ok1 := d.execs.items[uint64(x)]
	graph, ok2 := d.graphs.items[uint64(g)]
	if !ok1 || !ok2 {
		return 0, driver.ErrorInvalidHandle
	}
	outcome, _, err := exec.Update(graph)
	return uint32(outcome), d.result(err)
}

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
