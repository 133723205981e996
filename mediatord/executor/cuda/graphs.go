package cuda

/*
#include <stddef.h>
#include <stdint.h>

static int vg_capture_end(void *f, uintptr_t stream, uintptr_t *graph) { return ((int (*)(uintptr_t, uintptr_t *))f)(stream, graph); }
static int vg_capture_info(void *f, uintptr_t stream, int *status, unsigned long long *id, uintptr_t *graph, const uintptr_t **nodes,
			   const void **data, size_t *count)
{
	return ((int (*)(uintptr_t, int *, unsigned long long *, uintptr_t *, const uintptr_t **, const void **, size_t *))f)(
		stream, status, id, graph, nodes, data, count);
}
static int vg_capture_into(void *f, uintptr_t stream, uintptr_t graph, const uintptr_t *after, const void *data, size_t count, int mode)
{
	return ((int (*)(uintptr_t, uintptr_t, const uintptr_t *, const void *, size_t, int))f)(stream, graph, after, data, count, mode);
}
static int vg_capture_update(void *f, uintptr_t stream, const uintptr_t *after, const void *data, size_t count, unsigned int flags)
{
	return ((int (*)(uintptr_t, const uintptr_t *, const void *, size_t, unsigned int))f)(stream, after, data, count, flags);
}
static int vg_graph_destroy(void *f, uintptr_t graph) { return ((int (*)(uintptr_t))f)(graph); }
struct vg_instantiation {
	unsigned long long flags;
	uintptr_t stream, node;
	int outcome;
};
struct vg_update {
	int outcome;
	uintptr_t node, from;
};
_Static_assert(sizeof(struct vg_instantiation) == 32 && sizeof(struct vg_update) == 24, "ABI");
static int vg_instantiate(void *f, uintptr_t *exec, uintptr_t graph, struct vg_instantiation *about)
{
	return ((int (*)(uintptr_t *, uintptr_t, struct vg_instantiation *))f)(exec, graph, about);
}
static int vg_graph_update(void *f, uintptr_t exec, uintptr_t graph, struct vg_update *about)
{
	return ((int (*)(uintptr_t, uintptr_t, struct vg_update *))f)(exec, graph, about);
}
static int vg_conditional_create(void *f, unsigned long long *handle, uintptr_t graph, uintptr_t context, unsigned int value,
				 unsigned int flags)
{
	return ((int (*)(unsigned long long *, uintptr_t, uintptr_t, unsigned int, unsigned int))f)(handle, graph, context, value, flags);
}
*/
import "C"

import (
	"unsafe"

	"libvirt-vgpu/mediatord/executor/driver"
)

// CaptureEnd implements driver.Graphs.
func (d *Driver) CaptureEnd(s driver.Stream) (driver.Graph, driver.Result) {
	var g C.uintptr_t
	r := C.vg_capture_end(d.fn.cuStreamEndCapture, C.uintptr_t(s), &g)
	return driver.Graph(g), driver.Result(r)
}

// CaptureInfo implements driver.Graphs.
func (d *Driver) CaptureInfo(s driver.Stream) (status uint32, id uint64, r driver.Result) {
	var st C.int
	var n C.ulonglong
	result := C.vg_capture_info(d.fn.cuStreamGetCaptureInfo_v3, C.uintptr_t(s), &st, &n, nil, nil, nil, nil)
	return uint32(st), uint64(n), driver.Result(result)
}

// CaptureDependencies implements driver.Graphs.
func (d *Driver) CaptureDependencies(s driver.Stream) (driver.Graph, []driver.Edge, driver.Result) {
	const active = 1
	var status C.int
	var id C.ulonglong
	var graph C.uintptr_t
	var nodes *C.uintptr_t
	var data unsafe.Pointer
	var count C.size_t
	r := C.vg_capture_info(d.fn.cuStreamGetCaptureInfo_v3, C.uintptr_t(s), &status, &id, &graph, &nodes, &data, &count)
	if r != 0 {
		return 0, nil, driver.Result(r)
	}
	if status != active {
		return 0, nil, driver.ErrorIllegalState
	}
	after := make([]driver.Edge, 0, count)
	for i, n := range unsafe.Slice(nodes, count) {
		e := driver.Edge{From: driver.Node(n)}
		if data != nil {
			e.Data = *(*[driver.EdgeDataSize]byte)(unsafe.Add(data, i*driver.EdgeDataSize))
		}
		after = append(after, e)
	}
	return driver.Graph(graph), after, driver.Success
}

// CaptureInto implements driver.Graphs.
func (d *Driver) CaptureInto(s driver.Stream, g driver.Graph, after []driver.Edge, mode uint32) driver.Result {
	l := splitEdges(after)
	return driver.Result(C.vg_capture_into(d.fn.cuStreamBeginCaptureToGraph, C.uintptr_t(s), C.uintptr_t(g), l.fromAt(), l.dataAt(), l.count(), C.int(mode)))
}

// CaptureUpdate implements driver.Graphs.
func (d *Driver) CaptureUpdate(s driver.Stream, after []driver.Edge, flags uint32) driver.Result {
	l := splitEdges(after)
	return driver.Result(C.vg_capture_update(d.fn.cuStreamUpdateCaptureDependencies_v2, C.uintptr_t(s), l.fromAt(), l.dataAt(), l.count(), C.uint(flags)))
}

// GraphDestroy implements driver.Graphs.
func (d *Driver) GraphDestroy(g driver.Graph) driver.Result {
	return driver.Result(C.vg_graph_destroy(d.fn.cuGraphDestroy, C.uintptr_t(g)))
}

// GraphInstantiate implements driver.Graphs.
func (d *Driver) GraphInstantiate(g driver.Graph, flags uint64) (driver.GraphExec, driver.Instantiation, driver.Result) {
	var x C.uintptr_t
	about := C.struct_vg_instantiation{flags: C.ulonglong(flags)}
	r := C.vg_instantiate(d.fn.cuGraphInstantiateWithParams, &x, C.uintptr_t(g), &about)
	return driver.GraphExec(x), driver.Instantiation{Outcome: uint32(about.outcome), Node: driver.Node(about.node)}, driver.Result(r)
}

// GraphUpdate implements driver.Graphs.
func (d *Driver) GraphUpdate(x driver.GraphExec, g driver.Graph) (driver.Update, driver.Result) {
	var about C.struct_vg_update
	r := C.vg_graph_update(d.fn.cuGraphExecUpdate_v2, C.uintptr_t(x), C.uintptr_t(g), &about)
	return driver.Update{Outcome: uint32(about.outcome), Node: driver.Node(about.node), From: driver.Node(about.from)}, driver.Result(r)
}

// GraphAllocations implements driver.Graphs.
func (d *Driver) GraphAllocations(g driver.Graph) (uint64, driver.Result) {
	nodes, r := d.GraphNodes(g)
	if r != driver.Success {
		return 0, r
	}
	var sum uint64
	for _, n := range nodes {
		kind, r := d.NodeType(n)
		if r != driver.Success {
			return 0, r
		}
		var bytes uint64
		switch kind {
		case driver.NodeAllocation:
			bytes, r = d.allocationSize(n)
		case driver.NodeGraph:
			var child driver.Graph
			if child, r = d.NodeGraph(n); r == driver.Success {
				bytes, r = d.GraphAllocations(child)
			}
		}
		if r != driver.Success {
			return 0, r
		}
		sum += bytes
	}
	return sum, driver.Success
}

// ConditionalCreate implements driver.Graphs.
func (d *Driver) ConditionalCreate(g driver.Graph, c driver.Context, value, flags uint32) (uint64, driver.Result) {
	var handle C.ulonglong
	r := C.vg_conditional_create(d.fn.cuGraphConditionalHandleCreate, &handle, C.uintptr_t(g), C.uintptr_t(c), C.uint(value), C.uint(flags))
	return uint64(handle), driver.Result(r)
}
