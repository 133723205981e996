package drivertest

import (
	"encoding/binary"

	"libvirt-vgpu/mediatord/executor/driver"
)

// CaptureBegin implements driver.Driver.
func (r *Recorder) CaptureBegin(s driver.Stream, mode uint32) driver.Result {
	return r.call("CaptureBegin", s, mode)
}

// GraphCreate implements driver.Driver.
func (r *Recorder) GraphCreate(flags uint32) (driver.Graph, driver.Result) {
	h, result := r.create("GraphCreate", flags)
	return driver.Graph(h), result
}

// GraphClone implements driver.Driver.
func (r *Recorder) GraphClone(original driver.Graph) (driver.Graph, driver.Result) {
	h, result := r.create("GraphClone", original)
	return driver.Graph(h), result
}

// GraphLaunch implements driver.Driver.
func (r *Recorder) GraphLaunch(x driver.GraphExec, s driver.Stream) driver.Result {
	return r.call("GraphLaunch", x, s)
}

// GraphUpload implements driver.Driver.
func (r *Recorder) GraphUpload(x driver.GraphExec, s driver.Stream) driver.Result {
	return r.call("GraphUpload", x, s)
}

// GraphexecDestroy implements driver.Driver.
func (r *Recorder) GraphexecDestroy(x driver.GraphExec) driver.Result {
	return r.call("GraphexecDestroy", x)
}

// Capturing implements driver.Driver.
func (r *Recorder) Capturing(s driver.Stream) (uint32, driver.Result) {
	return r.CaptureStatus[s], r.call("Capturing", s)
}

// GraphMemoryGet implements driver.Driver with GraphBytes; nothing is recorded.
func (r *Recorder) GraphMemoryGet(uint32) (value [8]byte, result driver.Result) {
	binary.LittleEndian.PutUint64(value[:], r.GraphBytes)
	return value, driver.Success
}

// CaptureEnd implements driver.Driver.
func (r *Recorder) CaptureEnd(s driver.Stream) (driver.Graph, driver.Result) {
	h, result := r.create("CaptureEnd", s)
	if r.CaptureGraph != 0 {
		return r.CaptureGraph, result
	}
	return driver.Graph(h), result
}

// CaptureInfo implements driver.Driver.
func (r *Recorder) CaptureInfo(s driver.Stream) (uint32, uint64, driver.Result) {
	return 1, 1, r.call("CaptureInfo", s)
}

// CaptureInto implements driver.Driver.
func (r *Recorder) CaptureInto(s driver.Stream, g driver.Graph, after []driver.Edge, mode uint32) driver.Result {
	return r.call("CaptureInto", s, g, after, mode)
}

// CaptureDependencies implements driver.Driver.
func (r *Recorder) CaptureDependencies(s driver.Stream) (driver.Graph, []driver.Edge, driver.Result) {
	return r.CaptureGraph, r.Edges, r.call("CaptureDependencies", s)
}

// CaptureUpdate implements driver.Driver.
func (r *Recorder) CaptureUpdate(s driver.Stream, after []driver.Edge, flags uint32) driver.Result {
	return r.call("CaptureUpdate", s, after, flags)
}

// GraphDestroy implements driver.Driver.
func (r *Recorder) GraphDestroy(g driver.Graph) driver.Result {
	return r.call("GraphDestroy", g)
}

// GraphInstantiate implements driver.Driver.
func (r *Recorder) GraphInstantiate(g driver.Graph, flags uint64) (driver.GraphExec, driver.Instantiation, driver.Result) {
	h, result := r.create("GraphInstantiate", g, flags)
	return driver.GraphExec(h), r.Instantiation, result
}

// GraphUpdate implements driver.Driver.
func (r *Recorder) GraphUpdate(x driver.GraphExec, g driver.Graph) (driver.Update, driver.Result) {
	return r.Update, r.call("GraphUpdate", x, g)
}

// GraphAllocations implements driver.Driver; it is not recorded.
func (r *Recorder) GraphAllocations(driver.Graph) (uint64, driver.Result) {
	return r.Allocations, r.Fail["GraphAllocations"]
}

// GraphMemoryTrim implements driver.Driver: nothing is left.
func (r *Recorder) GraphMemoryTrim() driver.Result {
	r.GraphBytes = 0
	return r.call("GraphMemoryTrim")
}

// GraphNodes implements driver.Driver.
func (r *Recorder) GraphNodes(g driver.Graph) ([]driver.Node, driver.Result) {
	return r.Nodes, r.call("GraphNodes", g)
}

// GraphRoots implements driver.Driver.
func (r *Recorder) GraphRoots(g driver.Graph) ([]driver.Node, driver.Result) {
	return r.Nodes, r.call("GraphRoots", g)
}

// GraphEdges implements driver.Driver.
func (r *Recorder) GraphEdges(g driver.Graph) ([]driver.Edge, driver.Result) {
	return r.Edges, r.call("GraphEdges", g)
}

// NodeEdges implements driver.Driver.
func (r *Recorder) NodeEdges(n driver.Node, leaving bool) ([]driver.Edge, driver.Result) {
	return r.Edges, r.call("NodeEdges", n, leaving)
}

// AddDependencies implements driver.Driver.
func (r *Recorder) AddDependencies(g driver.Graph, edges []driver.Edge) driver.Result {
	return r.call("AddDependencies", g, edges)
}

// RemoveDependencies implements driver.Driver.
func (r *Recorder) RemoveDependencies(g driver.Graph, edges []driver.Edge) driver.Result {
	return r.call("RemoveDependencies", g, edges)
}

// NodeAdd implements driver.Driver. Bodies get handles, an allocation an address.
func (r *Recorder) NodeAdd(g driver.Graph, after []driver.Edge, p *driver.NodeParams, general bool) (driver.Node, driver.Result) {
	h, result := r.create("NodeAdd", g, after, p.Type(), general)
	r.Node = *p
	for i := range p.Bodies {
		p.Bodies[i] = driver.Graph(uint64(i) + 9000 + h)
	}
	if p.Type() == driver.NodeAllocation {
		p.SetDouble(driver.AllocationAddressAt, h)
	}
	return driver.Node(h), result
}

// NodeSet implements driver.Driver.
func (r *Recorder) NodeSet(n driver.Node, p *driver.NodeParams, general bool) driver.Result {
	r.Node = *p
	return r.call("NodeSet", n, p.Type(), general)
}

// ExecNodeSet implements driver.Driver.
func (r *Recorder) ExecNodeSet(x driver.GraphExec, n driver.Node, p *driver.NodeParams, general bool) driver.Result {
	r.Node = *p
	return r.call("ExecNodeSet", x, n, p.Type(), general)
}

// NodeGet implements driver.Driver: what was added or set last.
func (r *Recorder) NodeGet(n driver.Node, nodeType uint32) (*driver.NodeParams, driver.Result) {
	p := r.Node
	return &p, r.call("NodeGet", n, nodeType)
}

// NodeDestroy implements driver.Driver.
func (r *Recorder) NodeDestroy(n driver.Node) driver.Result {
	return r.call("NodeDestroy", n)
}

// NodeType implements driver.Driver.
func (r *Recorder) NodeType(n driver.Node) (uint32, driver.Result) {
	return 1, r.call("NodeType", n)
}

// NodeFindInClone implements driver.Driver.
func (r *Recorder) NodeFindInClone(n driver.Node, clone driver.Graph) (driver.Node, driver.Result) {
	h, result := r.create("NodeFindInClone", n, clone)
	return driver.Node(h), result
}

// NodeGraph implements driver.Driver.
func (r *Recorder) NodeGraph(n driver.Node) (driver.Graph, driver.Result) {
	return driver.Graph(n) + 7000, r.call("NodeGraph", n)
}

// ConditionalCreate implements driver.Driver.
func (r *Recorder) ConditionalCreate(g driver.Graph, c driver.Context, value, flags uint32) (uint64, driver.Result) {
	return r.create("ConditionalCreate", g, c, value, flags)
}

// FunctionName implements driver.Driver; it is not recorded.
func (r *Recorder) FunctionName(f driver.Function) (string, driver.Result) {
	return r.FunctionNames[f], r.Fail["FunctionName"]
}
