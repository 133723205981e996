package cuda

/*
#include <stddef.h>
#include <stdint.h>
#include <string.h>

void vgCallHost(void *data);

// CUDA_MEMCPY3D, made and read by copies.go
struct vg_node_copy {
	unsigned char bytes[200];
};
struct vg_node_kernel {
	uintptr_t function;
	unsigned int grid[3], block[3], shared;
	void **params, **extra;
	uintptr_t kernel, context;
};
struct vg_node_fill {
	unsigned long long dst;
	size_t pitch;
	unsigned int value, element;
	size_t width, height;
	uintptr_t context;
};
struct vg_node_allocation {
	int type, handles, location, ordinal;
	unsigned char rest[72];
	void *descriptors;
	size_t count, bytes;
	unsigned long long address;
};
struct vg_node_memops {
	uintptr_t context;
	unsigned int count;
	void *operations;
	unsigned int flags;
};
struct vg_node_conditional {
	unsigned long long handle;
	int type;
	unsigned int count;
	uintptr_t *graphs;
	uintptr_t context;
};
// CUgraphNodeParams
struct vg_node {
	int type, reserved0[3];
	union {
		long long size[29];
		struct vg_node_kernel kernel;
		struct {
			int flags, reserved;
			uintptr_t context;
			struct vg_node_copy copy;
		} copy;
		struct vg_node_fill fill;
		struct {
			void (*function)(void *);
			uint64_t data;
		} host;
		struct {
			uintptr_t graph;
			int ownership;
		} child;
		uintptr_t event;
		struct vg_node_allocation allocation;
		unsigned long long freed;
		struct vg_node_memops memops;
		struct vg_node_conditional conditional;
	};
	long long reserved1;
};
_Static_assert(sizeof(struct vg_node) == 256 && sizeof(struct vg_node_kernel) == 72 && sizeof(struct vg_node_fill) == 48 &&
	       sizeof(struct vg_node_allocation) == 120 && sizeof(struct vg_node_memops) == 32 &&
	       sizeof(struct vg_node_conditional) == 32, "ABI");

enum { KERNEL, COPY, FILL, HOST, CHILD, EMPTY, EVENT_WAIT, EVENT_RECORD, SIGNAL, WAIT, ALLOCATION, FREE, MEMOPS, CONDITIONAL };

struct vg_after {
	size_t count;
	const uintptr_t *nodes;
	const void *data;
};

// Makes a host node's callback what the driver calls, and back.
static void vg_host_to_driver(unsigned char *params, uint64_t caller)
{
	struct vg_node *n = (void *)params;

	n->host.data = caller | (uint32_t)(uintptr_t)n->host.function;
	n->host.function = vgCallHost;
}
static void vg_host_to_process(unsigned char *params)
{
	struct vg_node *n = (void *)params;

	n->host.function = (void (*)(void *))(uintptr_t)(uint32_t)n->host.data;
	n->host.data = 0;
}

// Puts what the pointers of the parameters point to; places has room for all kernel parameters.
#define POINT(n, bytes, size, offsets, count)                                                    \
	void *places_[(count) + 1], *extra_[] = {(void *)1, (void *)(bytes), (void *)2, &(size), NULL}; \
	vg_point(n, bytes, size, offsets, count, places_, extra_)

static void vg_point(struct vg_node *n, const unsigned char *bytes, size_t size, const unsigned int *offsets, size_t count,
		     void **places, void **extra)
{
	switch (n->type) {
	case KERNEL:
		for (size_t i = 0; i < count; i++)
			places[i] = (void *)(bytes + offsets[i]);
		n->kernel.params = n->kernel.params ? places : NULL;
		n->kernel.extra = n->kernel.extra ? extra : NULL;
		break;
	case ALLOCATION:
		n->allocation.descriptors = size ? (void *)bytes : NULL;
		break;
	case MEMOPS:
		n->memops.operations = size ? (void *)bytes : NULL;
		break;
	}
}

#define AFTER uintptr_t *, uintptr_t, const uintptr_t *, size_t
static int vg_add_one(void *f, uintptr_t *node, uintptr_t graph, const struct vg_after *a, struct vg_node *n)
{
	switch (n->type) {
	case KERNEL:
		return ((int (*)(AFTER, const void *))f)(node, graph, a->nodes, a->count, &n->kernel);
	case COPY:
		return ((int (*)(AFTER, const void *, uintptr_t))f)(node, graph, a->nodes, a->count, &n->copy.copy, n->copy.context);
	case FILL:
		return ((int (*)(AFTER, const void *, uintptr_t))f)(node, graph, a->nodes, a->count, &n->fill, n->fill.context);
	case HOST:
		return ((int (*)(AFTER, const void *))f)(node, graph, a->nodes, a->count, &n->host);
	case CHILD:
		return ((int (*)(AFTER, uintptr_t))f)(node, graph, a->nodes, a->count, n->child.graph);
	case EMPTY:
		return ((int (*)(AFTER))f)(node, graph, a->nodes, a->count);
	case EVENT_WAIT:
	case EVENT_RECORD:
		return ((int (*)(AFTER, uintptr_t))f)(node, graph, a->nodes, a->count, n->event);
	case ALLOCATION:
		return ((int (*)(AFTER, void *))f)(node, graph, a->nodes, a->count, &n->allocation);
	case FREE:
		return ((int (*)(AFTER, unsigned long long))f)(node, graph, a->nodes, a->count, n->freed);
	default:
		return ((int (*)(AFTER, const void *))f)(node, graph, a->nodes, a->count, &n->memops);
	}
}

static int vg_node_add(void *f, int general, uintptr_t *node, uintptr_t graph, const uintptr_t *after, const void *data, size_t edges,
		       unsigned char *params, const unsigned char *bytes, size_t size, const unsigned int *offsets, size_t count,
		       uintptr_t *bodies)
{
	struct vg_after a = {edges, edges ? after : NULL, edges ? data : NULL};
	struct vg_node n;
	int result;

	memcpy(&n, params, sizeof(n));
	POINT(&n, bytes, size, offsets, count);
	if (!general)
		result = vg_add_one(f, node, graph, &a, &n);
	else
		result = ((int (*)(uintptr_t *, uintptr_t, const uintptr_t *, const void *, size_t, struct vg_node *))f)(
			node, graph, a.nodes, a.data, a.count, &n);
	if (result)
		return result;
	if (n.type == ALLOCATION)
		((struct vg_node *)(void *)params)->allocation.address = n.allocation.address;
	if (n.type == CONDITIONAL)
		memcpy(bodies, n.conditional.graphs, n.conditional.count * sizeof(*bodies));
	return 0;
}

static int vg_set_one(void *f, uintptr_t node, struct vg_node *n)
{
	switch (n->type) {
	case KERNEL:
		return ((int (*)(uintptr_t, const void *))f)(node, &n->kernel);
	case COPY:
		return ((int (*)(uintptr_t, const void *))f)(node, &n->copy.copy);
	case FILL:
		return ((int (*)(uintptr_t, const void *))f)(node, &n->fill);
	case HOST:
		return ((int (*)(uintptr_t, const void *))f)(node, &n->host);
	case EVENT_WAIT:
	case EVENT_RECORD:
		return ((int (*)(uintptr_t, uintptr_t))f)(node, n->event);
	default:
		return ((int (*)(uintptr_t, const void *))f)(node, &n->memops);
	}
}

static int vg_node_set(void *f, int general, uintptr_t node, const unsigned char *params, const unsigned char *bytes, size_t size,
		       const unsigned int *offsets, size_t count)
{
	struct vg_node n;

	memcpy(&n, params, sizeof(n));
	POINT(&n, bytes, size, offsets, count);
	return general ? ((int (*)(uintptr_t, struct vg_node *))f)(node, &n) : vg_set_one(f, node, &n);
}

static int vg_set_exec(void *f, uintptr_t exec, uintptr_t node, struct vg_node *n)
{
	switch (n->type) {
	case KERNEL:
		return ((int (*)(uintptr_t, uintptr_t, const void *))f)(exec, node, &n->kernel);
	case COPY:
		return ((int (*)(uintptr_t, uintptr_t, const void *, uintptr_t))f)(exec, node, &n->copy.copy, n->copy.context);
	case FILL:
		return ((int (*)(uintptr_t, uintptr_t, const void *, uintptr_t))f)(exec, node, &n->fill, n->fill.context);
	case HOST:
		return ((int (*)(uintptr_t, uintptr_t, const void *))f)(exec, node, &n->host);
	case CHILD:
		return ((int (*)(uintptr_t, uintptr_t, uintptr_t))f)(exec, node, n->child.graph);
	case EVENT_WAIT:
	case EVENT_RECORD:
		return ((int (*)(uintptr_t, uintptr_t, uintptr_t))f)(exec, node, n->event);
	default:
		return ((int (*)(uintptr_t, uintptr_t, const void *))f)(exec, node, &n->memops);
	}
}

static int vg_exec_node_set(void *f, int general, uintptr_t exec, uintptr_t node, const unsigned char *params, const unsigned char *bytes,
			    size_t size, const unsigned int *offsets, size_t count)
{
	struct vg_node n;

	memcpy(&n, params, sizeof(n));
	POINT(&n, bytes, size, offsets, count);
	return general ? ((int (*)(uintptr_t, uintptr_t, struct vg_node *))f)(exec, node, &n) : vg_set_exec(f, exec, node, &n);
}

static int vg_node_get(void *f, uintptr_t node, unsigned char *params, int type)
{
	struct vg_node n = {.type = type};
	void *place = type == COPY ? (void *)&n.copy.copy : (void *)n.size;
	int result = ((int (*)(uintptr_t, void *))f)(node, place);

	memcpy(params, &n, sizeof(n));
	return result;
}

// Copies one parameter of a kernel node from whichever form it has; 0 when it is not there.
static int vg_kernel_param(const unsigned char *params, size_t i, size_t offset, size_t size, unsigned char *to)
{
	const struct vg_node_kernel *k = &((const struct vg_node *)(const void *)params)->kernel;
	const unsigned char *buffer = NULL;
	size_t have = 0;

	if (k->params) {
		memcpy(to + offset, k->params[i], size);
		return 1;
	}
	for (void **e = k->extra; e && *e; e += 2) {
		if (*e == (void *)1)
			buffer = e[1];
		else if (*e == (void *)2)
			have = *(const size_t *)e[1];
		else
			return 0;
	}
	if (!buffer || offset > have || size > have - offset)
		return 0;
	memcpy(to + offset, buffer + offset, size);
	return 1;
}
static uintptr_t vg_kernel_function(const unsigned char *params) { return ((const struct vg_node *)(const void *)params)->kernel.function; }
static uintptr_t vg_kernel_kernel(const unsigned char *params) { return ((const struct vg_node *)(const void *)params)->kernel.kernel; }
static void vg_kernel_unpoint(unsigned char *params)
{
	struct vg_node_kernel *k = &((struct vg_node *)(void *)params)->kernel;

	k->extra = k->extra && !k->params ? (void *)1 : NULL;
	k->params = k->params ? (void *)1 : NULL;
}
// Moves the array behind a pointer of the parameters to data: its size without data, then with.
static size_t vg_node_array(unsigned char *params, unsigned char *data)
{
	struct vg_node *n = (void *)params;
	void **pointer = n->type == MEMOPS ? &n->memops.operations : &n->allocation.descriptors;
	size_t size = n->type == MEMOPS ? n->memops.count * (size_t)48 : n->allocation.count * (size_t)12;

	if (!*pointer)
		return 0;
	if (data) {
		memcpy(data, *pointer, size);
		*pointer = NULL;
	}
	return size;
}
*/
import "C"

import (
	"encoding/binary"
	"unsafe"

	"libvirt-vgpu/mediatord/executor/driver"
)

// nodeFunctions are what deals with one type of node; nil: nothing but the
// general functions.
type nodeFunctions struct{ add, set, exec, get unsafe.Pointer }

func (d *Driver) nodeFunctions(nodeType uint32) nodeFunctions {
	f := &d.fn
	switch nodeType {
	case driver.NodeKernel:
		return nodeFunctions{f.cuGraphAddKernelNode_v2, f.cuGraphKernelNodeSetParams_v2, f.cuGraphExecKernelNodeSetParams_v2, f.cuGraphKernelNodeGetParams_v2}
	case driver.NodeCopy:
		return nodeFunctions{f.cuGraphAddMemcpyNode, f.cuGraphMemcpyNodeSetParams, f.cuGraphExecMemcpyNodeSetParams, f.cuGraphMemcpyNodeGetParams}
	case driver.NodeFill:
		return nodeFunctions{f.cuGraphAddMemsetNode, f.cuGraphMemsetNodeSetParams, f.cuGraphExecMemsetNodeSetParams, f.cuGraphMemsetNodeGetParams}
	case driver.NodeHost:
		return nodeFunctions{f.cuGraphAddHostNode, f.cuGraphHostNodeSetParams, f.cuGraphExecHostNodeSetParams, f.cuGraphHostNodeGetParams}
	case driver.NodeGraph:
		return nodeFunctions{add: f.cuGraphAddChildGraphNode, exec: f.cuGraphExecChildGraphNodeSetParams}
	case driver.NodeEmpty:
		return nodeFunctions{add: f.cuGraphAddEmptyNode}
	case driver.NodeEventWait:
		return nodeFunctions{f.cuGraphAddEventWaitNode, f.cuGraphEventWaitNodeSetEvent, f.cuGraphExecEventWaitNodeSetEvent, f.cuGraphEventWaitNodeGetEvent}
	case driver.NodeEventRecord:
		return nodeFunctions{f.cuGraphAddEventRecordNode, f.cuGraphEventRecordNodeSetEvent, f.cuGraphExecEventRecordNodeSetEvent, f.cuGraphEventRecordNodeGetEvent}
	case driver.NodeAllocation:
		return nodeFunctions{add: f.cuGraphAddMemAllocNode, get: f.cuGraphMemAllocNodeGetParams}
	case driver.NodeFree:
		return nodeFunctions{add: f.cuGraphAddMemFreeNode, get: f.cuGraphMemFreeNodeGetParams}
	case driver.NodeMemOps:
		return nodeFunctions{f.cuGraphAddBatchMemOpNode, f.cuGraphBatchMemOpNodeSetParams, f.cuGraphExecBatchMemOpNodeSetParams, f.cuGraphBatchMemOpNodeGetParams}
	}
	return nodeFunctions{}
}

// pick is the function to call and whether it is the general one.
func pick(one, all unsafe.Pointer, general bool) (unsafe.Pointer, C.int) {
	if general {
		return all, 1
	}
	return one, 0
}

// NodeAdd implements driver.Graphs.
func (d *Driver) NodeAdd(g driver.Graph, after []driver.Edge, p *driver.NodeParams, general bool) (driver.Node, driver.Result) {
	fn, all := pick(d.nodeFunctions(p.Type()).add, d.fn.cuGraphAddNode_v2, general)
	if fn == nil {
		return 0, driver.ErrorInvalidValue
	}
	d.finish(p)
	l := splitEdges(after)
	bodies := make([]C.uintptr_t, len(p.Bodies)+1)
	var n C.uintptr_t
	r := C.vg_node_add(fn, all, &n, C.uintptr_t(g), l.fromAt(), l.dataAt(), l.count(), rawAt(p),
		bytesAt(p), C.size_t(len(p.Data)), offsetsAt(p), C.size_t(len(p.Offsets)), unsafe.SliceData(bodies))
	if r != 0 {
		return 0, driver.Result(r)
	}
	for i := range p.Bodies {
		p.Bodies[i] = driver.Graph(bodies[i])
	}
	return driver.Node(n), driver.Success
}

// NodeSet implements driver.Graphs.
func (d *Driver) NodeSet(n driver.Node, p *driver.NodeParams, general bool) driver.Result {
	fn, all := pick(d.nodeFunctions(p.Type()).set, d.fn.cuGraphNodeSetParams, general)
	if fn == nil {
		return driver.ErrorInvalidValue
	}
	d.finish(p)
	return driver.Result(C.vg_node_set(fn, all, C.uintptr_t(n), rawAt(p), bytesAt(p), C.size_t(len(p.Data)), offsetsAt(p), C.size_t(len(p.Offsets))))
}

// ExecNodeSet implements driver.Graphs.
func (d *Driver) ExecNodeSet(x driver.GraphExec, n driver.Node, p *driver.NodeParams, general bool) driver.Result {
	fn, all := pick(d.nodeFunctions(p.Type()).exec, d.fn.cuGraphExecNodeSetParams, general)
	if fn == nil {
		return driver.ErrorInvalidValue
	}
	d.finish(p)
	return driver.Result(C.vg_exec_node_set(fn, all, C.uintptr_t(x), C.uintptr_t(n), rawAt(p), bytesAt(p), C.size_t(len(p.Data)), offsetsAt(p), C.size_t(len(p.Offsets))))
}

// Typed pointers: what lies beside the bytes in NodeParams does not go to C.
func rawAt(p *driver.NodeParams) *C.uchar    { return (*C.uchar)(&p.Raw[0]) }
func bytesAt(p *driver.NodeParams) *C.uchar  { return (*C.uchar)(unsafe.SliceData(p.Data)) }
func offsetsAt(p *driver.NodeParams) *C.uint { return (*C.uint)(unsafe.SliceData(p.Offsets)) }

// finish fills in what only this package knows: the driver's form of a copy, the
// GPU's ordinal.
func (d *Driver) finish(p *driver.NodeParams) {
	switch p.Type() {
	case driver.NodeCopy:
		encodeCopy(p.Raw[driver.CopyAt:], &p.Copy)
	case driver.NodeHost:
		C.vg_host_to_driver(rawAt(p), C.uint64_t(d.caller))
	case driver.NodeAllocation:
		setOrdinals(p, uint32(d.device))
	}
}

// setOrdinals names the device of an allocation.
func setOrdinals(p *driver.NodeParams, ordinal uint32) {
	const descriptor = 12 // CUmemAccessDesc
	p.SetWord(driver.AllocationLocationAt+4, ordinal)
	for b := p.Data; len(b) >= descriptor; b = b[descriptor:] {
		binary.LittleEndian.PutUint32(b[4:], ordinal)
	}
}

// NodeGet implements driver.Graphs.
func (d *Driver) NodeGet(n driver.Node, nodeType uint32) (*driver.NodeParams, driver.Result) {
	p := new(driver.NodeParams)
	fn := d.nodeFunctions(nodeType).get
	if fn == nil {
		return p, driver.ErrorInvalidValue
	}
	if r := C.vg_node_get(fn, C.uintptr_t(n), rawAt(p), C.int(nodeType)); r != 0 {
		return p, driver.Result(r)
	}
	switch nodeType {
	case driver.NodeKernel:
		return p, d.takeParams(p)
	case driver.NodeCopy:
		p.Copy = decodeCopy(p.Raw[driver.CopyAt:])
	case driver.NodeHost:
		C.vg_host_to_process(rawAt(p))
	case driver.NodeAllocation, driver.NodeMemOps:
		p.Data = make([]byte, C.vg_node_array(rawAt(p), nil))
		C.vg_node_array(rawAt(p), bytesAt(p))
		if nodeType == driver.NodeAllocation {
			setOrdinals(p, 0)
		}
	}
	return p, driver.Success
}

// takeParams packs the parameters of a kernel node.
func (d *Driver) takeParams(p *driver.NodeParams) driver.Result {
	raw := rawAt(p)
	fn, of := d.fn.cuFuncGetParamInfo, uint64(C.vg_kernel_function(raw))
	if of == 0 {
		fn, of = d.fn.cuKernelGetParamInfo, uint64(C.vg_kernel_kernel(raw))
	}
	for i := 0; ; i++ {
		offset, size, r := param(fn, of, i)
		if r == driver.ErrorInvalidValue {
			break
		}
		if r != driver.Success {
			return r
		}
		if missing := int(offset+size) - len(p.Data); missing > 0 {
			p.Data = append(p.Data, make([]byte, missing)...)
		}
		if C.vg_kernel_param(raw, C.size_t(i), C.size_t(offset), C.size_t(size), bytesAt(p)) == 0 {
			return driver.ErrorUnknown
		}
	}
	C.vg_kernel_unpoint(raw)
	return driver.Success
}

// allocationSize is what an allocation node allocates, in bytes.
func (d *Driver) allocationSize(n driver.Node) (uint64, driver.Result) {
	p, r := d.NodeGet(n, driver.NodeAllocation)
	return p.Double(driver.AllocationBytesAt), r
}
