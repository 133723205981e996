package cuda

/*
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

static int vg_event_record(void *f, uintptr_t event, uintptr_t stream, unsigned int flags)
{
	return ((int (*)(uintptr_t, uintptr_t, unsigned int))f)(event, stream, flags);
}
// Runs on a thread of the driver, so not in Go. A full counter is as good as one more.
static void vg_raise(void *eventfd)
{
	uint64_t one = 1;

	(void)!write((int)(intptr_t)eventfd, &one, sizeof(one));
}
static int vg_notify(void *f, uintptr_t stream, int eventfd)
{
	return ((int (*)(uintptr_t, void (*)(void *), void *))f)(stream, vg_raise, (void *)(intptr_t)eventfd);
}
static int vg_capturing(void *f, uintptr_t stream, int *status) { return ((int (*)(uintptr_t, int *))f)(stream, status); }
static int vg_capture_end(void *f, uintptr_t stream, uintptr_t *graph) { return ((int (*)(uintptr_t, uintptr_t *))f)(stream, graph); }
static int vg_capture_info(void *f, uintptr_t stream, int *status, unsigned long long *id)
{
	return ((int (*)(uintptr_t, int *, unsigned long long *, uintptr_t *, uintptr_t **, size_t *))f)(stream, status, id, NULL, NULL, NULL);
}
static int vg_graph_destroy(void *f, uintptr_t graph) { return ((int (*)(uintptr_t))f)(graph); }
static int vg_graph_nodes(void *f, uintptr_t graph, uintptr_t *nodes, size_t *count)
{
	return ((int (*)(uintptr_t, uintptr_t *, size_t *))f)(graph, nodes, count);
}
struct vg_update {
	int outcome;
	uintptr_t node, from;
};
_Static_assert(sizeof(struct vg_update) == 24, "ABI");
static int vg_graph_update(void *f, uintptr_t exec, uintptr_t graph, int *outcome)
{
	struct vg_update u = {0};
	int r = ((int (*)(uintptr_t, uintptr_t, struct vg_update *))f)(exec, graph, &u);

	*outcome = u.outcome;
	return r;
}
static int vg_node_type(void *f, uintptr_t node, int *type) { return ((int (*)(uintptr_t, int *))f)(node, type); }
*/
import "C"

import (
	"unsafe"

	"libvirt-vgpu/mediatord/executor/driver"
)

// EventRecord implements driver.Streams.
func (d *Driver) EventRecord(e driver.Event, s driver.Stream, flags uint32) driver.Result {
	return driver.Result(C.vg_event_record(d.fn.cuEventRecordWithFlags, C.uintptr_t(e), C.uintptr_t(s), C.uint(flags)))
}

// WriteFence implements driver.Streams. Without flags the write comes behind a
// system-wide memory barrier.
func (d *Driver) WriteFence(s driver.Stream, address uint64, value uint32) driver.Result {
	return d.StreamWriteValue32(s, address, value, 0)
}

// Notify implements driver.Streams.
func (d *Driver) Notify(s driver.Stream, eventfd int) driver.Result {
	return driver.Result(C.vg_notify(d.fn.cuLaunchHostFunc, C.uintptr_t(s), C.int(eventfd)))
}

// Capturing implements driver.Streams.
func (d *Driver) Capturing(s driver.Stream) (uint32, driver.Result) {
	var status C.int
	r := C.vg_capturing(d.fn.cuStreamIsCapturing, C.uintptr_t(s), &status)
	return uint32(status), driver.Result(r)
}

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
	result := C.vg_capture_info(d.fn.cuStreamGetCaptureInfo_v2, C.uintptr_t(s), &st, &n)
	return uint32(st), uint64(n), driver.Result(result)
}

// GraphDestroy implements driver.Graphs.
func (d *Driver) GraphDestroy(g driver.Graph) driver.Result {
	return driver.Result(C.vg_graph_destroy(d.fn.cuGraphDestroy, C.uintptr_t(g)))
}

// GraphNodes implements driver.Graphs.
func (d *Driver) GraphNodes(g driver.Graph) ([]driver.Node, driver.Result) {
	var count C.size_t
	if r := C.vg_graph_nodes(d.fn.cuGraphGetNodes, C.uintptr_t(g), nil, &count); r != 0 || count == 0 {
		return nil, driver.Result(r)
	}
	natives := make([]C.uintptr_t, count)
	if r := C.vg_graph_nodes(d.fn.cuGraphGetNodes, C.uintptr_t(g), unsafe.SliceData(natives), &count); r != 0 {
		return nil, driver.Result(r)
	}
	nodes := make([]driver.Node, 0, len(natives))
	for _, n := range natives[:min(int(count), len(natives))] {
		nodes = append(nodes, driver.Node(n))
	}
	return nodes, driver.Success
}

// GraphUpdate implements driver.Graphs.
func (d *Driver) GraphUpdate(x driver.GraphExec, g driver.Graph) (uint32, driver.Result) {
	var outcome C.int
	r := C.vg_graph_update(d.fn.cuGraphExecUpdate_v2, C.uintptr_t(x), C.uintptr_t(g), &outcome)
	return uint32(outcome), driver.Result(r)
}

// NodeType implements driver.Graphs.
func (d *Driver) NodeType(n driver.Node) (uint32, driver.Result) {
	var kind C.int
	r := C.vg_node_type(d.fn.cuGraphNodeGetType, C.uintptr_t(n), &kind)
	return uint32(kind), driver.Result(r)
}
