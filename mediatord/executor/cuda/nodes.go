package cuda

/*
#include "nodes.h"
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
