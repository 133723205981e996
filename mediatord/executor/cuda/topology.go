package cuda

/*
#include <stddef.h>
#include <stdint.h>

static int vg_graph_nodes(void *f, uintptr_t graph, uintptr_t *nodes, size_t *count)
{
	return ((int (*)(uintptr_t, uintptr_t *, size_t *))f)(graph, nodes, count);
}
static int vg_graph_edges(void *f, uintptr_t graph, uintptr_t *from, uintptr_t *to, void *data, size_t *count)
{
	return ((int (*)(uintptr_t, uintptr_t *, uintptr_t *, void *, size_t *))f)(graph, from, to, data, count);
}
static int vg_node_edges(void *f, uintptr_t node, uintptr_t *others, void *data, size_t *count)
{
	return ((int (*)(uintptr_t, uintptr_t *, void *, size_t *))f)(node, others, data, count);
}
static int vg_depend(void *f, uintptr_t graph, const uintptr_t *from, const uintptr_t *to, const void *data, size_t count)
{
	return ((int (*)(uintptr_t, const uintptr_t *, const uintptr_t *, const void *, size_t))f)(graph, from, to, data, count);
}
static int vg_node_type(void *f, uintptr_t node, int *type) { return ((int (*)(uintptr_t, int *))f)(node, type); }
static int vg_node_destroy(void *f, uintptr_t node) { return ((int (*)(uintptr_t))f)(node); }
static int vg_node_find(void *f, uintptr_t *found, uintptr_t node, uintptr_t clone)
{
	return ((int (*)(uintptr_t *, uintptr_t, uintptr_t))f)(found, node, clone);
}
static int vg_node_graph(void *f, uintptr_t node, uintptr_t *graph) { return ((int (*)(uintptr_t, uintptr_t *))f)(node, graph); }
*/
import "C"

import (
	"unsafe"

	"libvirt-vgpu/mediatord/executor/driver"
)

// edgeList is edges as the driver takes them: three arrays.
type edgeList struct {
	from, to []C.uintptr_t
	data     [][driver.EdgeDataSize]byte
}

func splitEdges(edges []driver.Edge) (l edgeList) {
	l.from, l.to = make([]C.uintptr_t, len(edges)), make([]C.uintptr_t, len(edges))
	l.data = make([][driver.EdgeDataSize]byte, len(edges))
	for i, e := range edges {
		l.from[i], l.to[i], l.data[i] = C.uintptr_t(e.From), C.uintptr_t(e.To), e.Data
	}
	return l
}

func (l *edgeList) fromAt() *C.uintptr_t   { return unsafe.SliceData(l.from) }
func (l *edgeList) toAt() *C.uintptr_t     { return unsafe.SliceData(l.to) }
func (l *edgeList) dataAt() unsafe.Pointer { return unsafe.Pointer(unsafe.SliceData(l.data)) }
func (l *edgeList) count() C.size_t        { return C.size_t(len(l.from)) }

func (l *edgeList) join(count C.size_t) []driver.Edge {
	edges := make([]driver.Edge, min(int(count), len(l.from)))
	for i := range edges {
		edges[i] = driver.Edge{From: driver.Node(l.from[i]), To: driver.Node(l.to[i]), Data: l.data[i]}
	}
	return edges
}

// GraphNodes implements driver.Graphs.
func (d *Driver) GraphNodes(g driver.Graph) ([]driver.Node, driver.Result) {
	return listNodes(d.fn.cuGraphGetNodes, g)
}

// GraphRoots implements driver.Graphs.
func (d *Driver) GraphRoots(g driver.Graph) ([]driver.Node, driver.Result) {
	return listNodes(d.fn.cuGraphGetRootNodes, g)
}

func listNodes(fn unsafe.Pointer, g driver.Graph) ([]driver.Node, driver.Result) {
	var count C.size_t
	if r := C.vg_graph_nodes(fn, C.uintptr_t(g), nil, &count); r != 0 || count == 0 {
		return nil, driver.Result(r)
	}
	natives := make([]C.uintptr_t, count)
	if r := C.vg_graph_nodes(fn, C.uintptr_t(g), unsafe.SliceData(natives), &count); r != 0 {
		return nil, driver.Result(r)
	}
	nodes := make([]driver.Node, 0, len(natives))
	for _, n := range natives[:min(int(count), len(natives))] {
		nodes = append(nodes, driver.Node(n))
	}
	return nodes, driver.Success
}

// GraphEdges implements driver.Graphs.
func (d *Driver) GraphEdges(g driver.Graph) ([]driver.Edge, driver.Result) {
	fn := d.fn.cuGraphGetEdges_v2
	var count C.size_t
	if r := C.vg_graph_edges(fn, C.uintptr_t(g), nil, nil, nil, &count); r != 0 || count == 0 {
		return nil, driver.Result(r)
	}
	l := splitEdges(make([]driver.Edge, count))
	r := C.vg_graph_edges(fn, C.uintptr_t(g), l.fromAt(), l.toAt(), l.dataAt(), &count)
	return l.join(count), driver.Result(r)
}

// NodeEdges implements driver.Graphs.
func (d *Driver) NodeEdges(n driver.Node, leaving bool) ([]driver.Edge, driver.Result) {
	fn := d.fn.cuGraphNodeGetDependencies_v2
	if leaving {
		fn = d.fn.cuGraphNodeGetDependentNodes_v2
	}
	var count C.size_t
	if r := C.vg_node_edges(fn, C.uintptr_t(n), nil, nil, &count); r != 0 || count == 0 {
		return nil, driver.Result(r)
	}
	l := splitEdges(make([]driver.Edge, count))
	others, own := l.from, l.to
	if leaving {
		others, own = l.to, l.from
	}
	for i := range own {
		own[i] = C.uintptr_t(n)
	}
	r := C.vg_node_edges(fn, C.uintptr_t(n), unsafe.SliceData(others), l.dataAt(), &count)
	return l.join(count), driver.Result(r)
}

// AddDependencies implements driver.Graphs.
func (d *Driver) AddDependencies(g driver.Graph, edges []driver.Edge) driver.Result {
	return depend(d.fn.cuGraphAddDependencies_v2, g, edges)
}

// RemoveDependencies implements driver.Graphs.
func (d *Driver) RemoveDependencies(g driver.Graph, edges []driver.Edge) driver.Result {
	return depend(d.fn.cuGraphRemoveDependencies_v2, g, edges)
}

func depend(fn unsafe.Pointer, g driver.Graph, edges []driver.Edge) driver.Result {
	l := splitEdges(edges)
	return driver.Result(C.vg_depend(fn, C.uintptr_t(g), l.fromAt(), l.toAt(), l.dataAt(), l.count()))
}

// NodeType implements driver.Graphs.
func (d *Driver) NodeType(n driver.Node) (uint32, driver.Result) {
	var kind C.int
	r := C.vg_node_type(d.fn.cuGraphNodeGetType, C.uintptr_t(n), &kind)
	return uint32(kind), driver.Result(r)
}

// NodeDestroy implements driver.Graphs.
func (d *Driver) NodeDestroy(n driver.Node) driver.Result {
	return driver.Result(C.vg_node_destroy(d.fn.cuGraphDestroyNode, C.uintptr_t(n)))
}

// NodeFindInClone implements driver.Graphs.
func (d *Driver) NodeFindInClone(n driver.Node, clone driver.Graph) (driver.Node, driver.Result) {
	var found C.uintptr_t
	r := C.vg_node_find(d.fn.cuGraphNodeFindInClone, &found, C.uintptr_t(n), C.uintptr_t(clone))
	return driver.Node(found), driver.Result(r)
}

// NodeGraph implements driver.Graphs.
func (d *Driver) NodeGraph(n driver.Node) (driver.Graph, driver.Result) {
	var g C.uintptr_t
	r := C.vg_node_graph(d.fn.cuGraphChildGraphNodeGetGraph, C.uintptr_t(n), &g)
	return driver.Graph(g), driver.Result(r)
}
