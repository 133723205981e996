package process

import (
	"encoding/binary"
	"fmt"
	"testing"

	"libvirt-vgpu/mediatord/executor/driver"
	"libvirt-vgpu/plugin/window"
)

// nodeParams encodes CUgraphNodeParams: a type, then u64 values at their places.
func nodeParams(nodeType uint32, values map[int]uint64) []byte {
	b := make([]byte, driver.NodeParamsSize)
	binary.LittleEndian.PutUint32(b, nodeType)
	for at, v := range values {
		binary.LittleEndian.PutUint64(b[at:], v)
	}
	return b
}

// edge encodes an edge.
func edge(from, to uint32, data byte) []byte {
	b := make([]byte, wireEdge)
	binary.LittleEndian.PutUint32(b, from)
	binary.LittleEndian.PutUint32(b[4:], to)
	b[8] = data
	return b
}

func u32(b []byte, at int) uint32 { return binary.LittleEndian.Uint32(b[at:]) }

// graph makes graph 1 with an empty node: its number and the driver's handles of both.
func (h *harness) graph() (node uint32, g driver.Graph, n driver.Node) {
	h.T.Helper()
	h.must("graph_create", 1, 0)
	node = u32(h.must("node_add", 1, 0, 0, nodeParams(driver.NodeEmpty, nil), ""), 0)
	h.driver.Calls()
	g, _ = h.process.graph(1)
	n, _ = h.process.node(node)
	return node, g, n
}

func TestKernelNodesCarryPackedParameters(t *testing.T) {
	h := inContext(t)
	h.driver.Params = 2
	h.function(9)
	node, g, n := h.graph()
	params := nodeParams(driver.NodeKernel, map[int]uint64{
		driver.KernelFunctionAt: 9 | 1<<32, driver.KernelContextAt: primary, driver.KernelParamsAt: 1,
	})
	data := append(edge(node, 0, 0), "sixteen bytes...."[:16]...)
	added := u32(h.must("node_add", 1, 1, 1, params, data), 0)
	h.want(fmt.Sprintf("NodeAdd %d [{%d 0 [0 0 0 0 0 0 0 0]}] 0 true", g, n))
	got := h.driver.Node
	if got.Double(driver.KernelFunctionAt) != 1002 || got.Double(driver.KernelContextAt) != 1000 || fmt.Sprint(got.Offsets) != "[0 8]" ||
		string(got.Data) != "sixteen bytes..." {
		t.Errorf("the driver got %+v", got)
	}
	h.must("node_set", added, 0, params, "SIXTEEN BYTES...")
	reply := h.must("node_get", added, driver.NodeKernel, 3)
	if u32(reply, driver.KernelFunctionAt) != 9 || u32(reply, driver.KernelFunctionAt+4) != 1 || u32(reply, driver.KernelContextAt) != primary {
		t.Errorf("the process gets function %d of kind %d", u32(reply, driver.KernelFunctionAt), u32(reply, driver.KernelFunctionAt+4))
	}
	if total := binary.LittleEndian.Uint64(reply[256:]); total != 16 || string(reply[264:]) != "TEEN BYTES..." {
		t.Errorf("the process gets %q of %d", reply[264:], total)
	}
	for _, short := range []string{"", "fifteen bytes..", "seventeen bytes.."} {
		if r, _ := h.call("node_set", added, 0, params, short); r != driver.ErrorInvalidValue {
			t.Errorf("%d bytes of parameters: %d", len(short), r)
		}
	}
	binary.LittleEndian.PutUint32(params[driver.KernelFunctionAt:], 7)
	if r, _ := h.call("node_set", added, 0, params, "sixteen bytes..."); r != driver.ErrorInvalidHandle {
		t.Errorf("unknown function: %d", r)
	}
}

func TestCapturedKernelsAreFoundByName(t *testing.T) {
	h := inContext(t)
	h.image(1, []byte(text))
	h.must("library_load", 1, 1, 0, "")
	h.must("library_kernel", 5, 1, "other")
	h.must("library_kernel", 6, 1, "name")
	node, _, _ := h.graph()
	// The recorder gives new handles to whoever asks: the next one is the answer.
	next := h.driver.Last() + 1
	h.driver.Node = driver.NodeParams{}
	h.driver.FunctionNames = map[driver.Function]string{driver.Function(next): "name"}
	h.driver.Node.SetDouble(driver.KernelFunctionAt, next)
	reply := h.must("node_get", node, driver.NodeKernel, 0)
	if number, kind := u32(reply, driver.KernelFunctionAt), u32(reply, driver.KernelFunctionAt+4); number != 6 || kind != 2 {
		t.Errorf("function %d of kind %d", number, kind)
	}
}

func TestCopyNodesStayInThePinnedMemory(t *testing.T) {
	h := inContext(t)
	h.graph()
	h.Own(0, 1)
	h.must("map_pinned", h.base, 0, 1, 0)
	params := nodeParams(driver.NodeCopy, map[int]uint64{
		driver.CopyAt + 32: driver.MemoryHost, driver.CopyAt + 40: h.base + window.ChunkSize - 64,
		driver.CopyAt + 88 + 32: driver.MemoryDevice, driver.CopyAt + 88 + 48: 1 << 40,
		driver.CopyAt + 176: 64, driver.CopyAt + 184: 1, driver.CopyAt + 192: 1,
	})
	added := u32(h.must("node_add", 1, 0, 0, params, ""), 0)
	if c := h.driver.Node.Copy; c.Src.Address != h.base+window.ChunkSize-64 || c.Dst.Address != 1<<40 || c.WidthBytes != 64 {
		t.Errorf("the driver copies %+v", c)
	}
	if reply := h.must("node_get", added, driver.NodeCopy, 0); string(reply[driver.CopyAt:driver.CopyAt+driver.CopySize]) != string(params[driver.CopyAt:driver.CopyAt+driver.CopySize]) {
		t.Error("a copy does not come back as it went")
	}
	binary.LittleEndian.PutUint64(params[driver.CopyAt+176:], 65)
	h.violates("node_add", 1, 0, 0, params, "")
	h.violates("node_set", added, 1, params, "")
}

func TestNodesOfOtherSorts(t *testing.T) {
	h := inContext(t)
	h.graph()
	h.post("event_create", 4, 0)
	h.must("graph_create", 2, 0)
	for name, c := range map[string]struct {
		params []byte
		data   string
		want   driver.Result
	}{
		"event":             {nodeParams(driver.NodeEventRecord, map[int]uint64{driver.EventAt: 4}), "", 0},
		"no event":          {nodeParams(driver.NodeEventWait, map[int]uint64{driver.EventAt: 5}), "", driver.ErrorInvalidHandle},
		"large number":      {nodeParams(driver.NodeEventWait, map[int]uint64{driver.EventAt: 4 | 1<<32}), "", driver.ErrorInvalidHandle},
		"child":             {nodeParams(driver.NodeGraph, map[int]uint64{driver.GraphAt: 2}), "", 0},
		"no child":          {nodeParams(driver.NodeGraph, map[int]uint64{driver.GraphAt: 3}), "", driver.ErrorInvalidHandle},
		"host":              {nodeParams(driver.NodeHost, map[int]uint64{driver.HostAt: 77}), "", 0},
		"semaphore":         {nodeParams(driver.NodeSemaphoreWait, nil), "", driver.ErrorNotSupported},
		"unknown":           {nodeParams(99, nil), "", driver.ErrorInvalidValue},
		"unknown condition": {nodeParams(driver.NodeConditional, map[int]uint64{driver.ConditionalHandleAt: 1234}), "", driver.ErrorInvalidValue},
		"shared memory":     {nodeParams(driver.NodeAllocation, map[int]uint64{driver.AllocationTypeAt: 1 | 1<<32, driver.AllocationLocationAt: 1}), "", driver.ErrorNotSupported},
		"other GPU":         {nodeParams(driver.NodeAllocation, map[int]uint64{driver.AllocationTypeAt: 1, driver.AllocationLocationAt: 1 | 1<<32}), "", driver.ErrorInvalidValue},
	} {
		if r, _ := h.call("node_add", 1, 0, 0, c.params, c.data); r != c.want {
			t.Errorf("%s: %d, want %d", name, r, c.want)
		}
	}
	h.violates("node_add", 1, 1, 0, nodeParams(driver.NodeEmpty, nil), "too short")
	h.violates("node_add", 1, 0, 0, nodeParams(driver.NodeMemOps, map[int]uint64{driver.MemOpsCountAt: 2}), "too short")
	h.violates("node_add", 1, 0, 0, nodeParams(driver.NodeAllocation, map[int]uint64{driver.AllocationCountAt: 1 << 61}), "")
	h.violates("graph_depend", 1, 0, "17 bytes of edge.")
	if r, _ := h.call("node_add", 1, 1, 0, nodeParams(driver.NodeEmpty, nil), edge(99, 0, 0)); r != driver.ErrorInvalidValue {
		t.Errorf("unknown dependency: %d", r)
	}
}

func TestGraphsInsideNodesEndWithThem(t *testing.T) {
	h := inContext(t)
	node, _, _ := h.graph()
	handle := binary.LittleEndian.Uint64(h.must("conditional_create", 1, 0, 1, 1))
	params := nodeParams(driver.NodeConditional, map[int]uint64{driver.ConditionalHandleAt: handle, driver.ConditionalTypeAt: 2 << 32})
	var numbers []byte
	numbers = binary.LittleEndian.AppendUint32(numbers, 20)
	numbers = binary.LittleEndian.AppendUint32(numbers, 21)
	h.must("node_add", 1, 0, 1, params, numbers)
	inner := u32(h.must("node_add", 21, 0, 0, nodeParams(driver.NodeEmpty, nil), ""), 0)
	if r, _ := h.call("node_add", 1, 0, 1, params, numbers); r != driver.ErrorInvalidHandle {
		t.Errorf("numbers in use: %d", r)
	}
	if child := u32(h.must("node_graph", node, 30), 0); child != 30 {
		t.Errorf("the graph inside got number %d", child)
	}
	if again := u32(h.must("node_graph", node, 31), 0); again != 30 {
		t.Errorf("the graph inside became %d", again)
	}
	for _, inside := range []uint32{20, 21, 30} {
		if r := h.post("graph_destroy", inside); r != driver.ErrorInvalidValue {
			t.Errorf("destroying graph %d inside a node: %d", inside, r)
		}
	}
	h.post("graph_destroy", 1)
	for _, gone := range []uint32{20, 21, 30, 1} {
		if r, _ := h.call("graph_nodes", gone, 0); r != driver.ErrorInvalidHandle {
			t.Errorf("graph %d is still there: %d", gone, r)
		}
	}
	for _, gone := range []uint32{node, inner} {
		if r, _ := h.call("node_type", gone); r != driver.ErrorInvalidHandle {
			t.Errorf("node %d is still there: %d", gone, r)
		}
	}
	h.must("graph_create", 1, 0)
	if r, _ := h.call("node_add", 1, 0, 1, params, numbers); r != driver.ErrorInvalidValue {
		t.Errorf("the handle of a condition outlived its graph: %d", r)
	}
}

func TestMovedGraphsAreTheNodes(t *testing.T) {
	h := inContext(t)
	h.graph()
	h.must("graph_create", 2, 0)
	node := u32(h.must("node_add", 1, 0, 1, nodeParams(driver.NodeGraph, map[int]uint64{driver.GraphAt: 2, driver.OwnershipAt: 1}), ""), 0)
	if r := h.post("graph_destroy", 2); r != driver.ErrorInvalidValue {
		t.Errorf("destroying a graph that was given away: %d", r)
	}
	h.must("node_destroy", node)
	if r, _ := h.call("graph_nodes", 2, 0); r != driver.ErrorInvalidHandle {
		t.Errorf("the graph outlived the node: %d", r)
	}
}

func TestListsOfEdgesComeInPages(t *testing.T) {
	h := inContext(t)
	node, g, n := h.graph()
	for i := range 300 {
		h.driver.Edges = append(h.driver.Edges, driver.Edge{From: driver.Node(5000 + i), To: n, Data: [8]byte{1, 2, 3}})
	}
	first := h.must("node_edges", node, 0, 0)
	if total := binary.LittleEndian.Uint64(first); total != 300 || len(first) != 8+wireEdge*254 {
		t.Fatalf("%d edges, a page of %d bytes", total, len(first))
	}
	rest := h.must("graph_edges", 1, 254)
	if len(rest) != 8+wireEdge*46 || u32(rest, 12) != node || string(rest[16:19]) != "\x01\x02\x03" {
		t.Errorf("the rest is %d bytes, to node %d", len(rest), u32(rest, 12))
	}
	h.driver.Calls()
	h.must("graph_depend", 1, 0, edge(u32(rest, 8), node, 9))
	h.must("graph_depend", 1, 1, edge(u32(rest, 8), node, 9))
	asked := fmt.Sprintf("Dependencies %d [{5254 %d [9 0 0 0 0 0 0 0]}]", g, n)
	h.want("Add"+asked, "Remove"+asked)
}

func TestFailuresOfGraphsNameTheirNode(t *testing.T) {
	h := inContext(t)
	node, _, n := h.graph()
	h.driver.Instantiation = driver.Instantiation{Outcome: 2, Node: n}
	h.driver.Fail["GraphInstantiate"] = driver.ErrorInvalidValue
	reply := h.must("graph_instantiate", 3, 1, 0)
	if u32(reply, 0) != uint32(driver.ErrorInvalidValue) || u32(reply, 4) != 2 || u32(reply, 8) != node {
		t.Errorf("the process hears %v", reply)
	}
	if !h.process.tables.Free(driver.KindGraphExec, 3) {
		t.Error("a graph that was not instantiated has a number")
	}
	delete(h.driver.Fail, "GraphInstantiate")
	h.driver.Instantiation = driver.Instantiation{}
	h.must("graph_instantiate", 3, 1, 0)
	h.driver.Update = driver.Update{Outcome: 2, Node: n, From: 6000}
	h.driver.Fail["GraphUpdate"] = driver.ErrorGraphUpdate
	reply = h.must("graph_update", 3, 1)
	if u32(reply, 0) != uint32(driver.ErrorGraphUpdate) || u32(reply, 4) != 2 || u32(reply, 8) != node || u32(reply, 12) == 0 {
		t.Errorf("the process hears %v", reply)
	}
}

func TestGraphMemoryIsChargedFromTheInstantiationOn(t *testing.T) {
	h := inContext(t) // quota 64 MiB
	h.graph()
	h.must("node_add", 1, 0, 0, nodeParams(driver.NodeAllocation, map[int]uint64{driver.AllocationTypeAt: 1, driver.AllocationLocationAt: 1}), "")
	h.driver.Allocations = 40 * mib
	h.must("graph_instantiate", 1, 1, 0)
	if h.used() != 40*mib {
		t.Errorf("%d bytes counted before the launch", h.used())
	}
	if reply := h.must("graph_instantiate", 2, 1, 0); u32(reply, 0) != uint32(driver.ErrorOutOfMemory) {
		t.Errorf("over the quota: %d", u32(reply, 0))
	}
	h.driver.GraphBytes = 42 * mib // as it likes to round
	h.post("graph_launch", 1, 0)
	if h.used() != 42*mib {
		t.Errorf("%d bytes counted after the launch", h.used())
	}
	h.post("graphexec_destroy", 1)
	if h.used() != 42*mib {
		t.Errorf("%d bytes counted that the driver still holds", h.used())
	}
	// what is cached makes room
	if reply := h.must("graph_instantiate", 2, 1, 0); u32(reply, 0) != 0 {
		t.Errorf("with room that is only cached: %d", u32(reply, 0))
	}
	if h.used() != 40*mib {
		t.Errorf("%d bytes counted in the end", h.used())
	}
	h.driver.Fail["GraphInstantiate"] = driver.ErrorInvalidValue
	h.post("graphexec_destroy", 2)
	h.must("graph_instantiate", 3, 1, 0)
	if h.used() != 0 {
		t.Errorf("%d bytes counted for nothing", h.used())
	}
}

func TestCapturesAsGraphs(t *testing.T) {
	h := inContext(t)
	node, g, n := h.graph()
	h.post("stream_create", 1, 0, 0)
	s, _ := h.process.stream(1)
	h.driver.Calls()
	h.driver.CaptureStatus[s] = 1
	h.must("capture_into", 1, 1, edge(node, 0, 0))
	h.want(fmt.Sprintf("CaptureInto %d %d [{%d 0 [0 0 0 0 0 0 0 0]}] 2", s, g, n))
	if r := h.post("fence", 1, 1, 1); r != driver.ErrorCaptureUnsupported {
		t.Errorf("a fence in a capture: %d", r)
	}
	h.driver.CaptureGraph = g
	h.driver.Edges = []driver.Edge{{From: n}, {From: 7777, Data: [8]byte{1}}}
	reply := h.must("capture_dependencies", 1, 9, 0)
	if u32(reply, 0) != 1 || binary.LittleEndian.Uint64(reply[8:]) != 2 || u32(reply, 16) != node || u32(reply, 20) != 0 || reply[40] != 1 {
		t.Errorf("dependencies are %v", reply)
	}
	h.driver.Calls()
	h.must("capture_update", 1, 1, edge(u32(reply, 32), 0, 0))
	h.want(fmt.Sprintf("CaptureUpdate %d [{7777 0 [0 0 0 0 0 0 0 0]}] 1", s))
	h.driver.CaptureStatus[s] = 0
	h.must("capture_end", 1, 1)
	if _, ok := h.process.captures[s]; ok {
		t.Error("the capture goes on")
	}

	// a capture's own graph keeps the number under which it was seen, and ends with a failure
	h.must("capture_begin", 1, 0)
	h.driver.CaptureGraph = 8000
	if reply := h.must("capture_dependencies", 1, 12, 0); u32(reply, 0) != 12 {
		t.Errorf("the graph got number %d", u32(reply, 0))
	}
	h.must("capture_end", 1, 12)
	if native, ok := h.process.graph(12); !ok || native != 8000 {
		t.Errorf("the graph is %d", native)
	}
	h.must("capture_begin", 1, 0)
	h.driver.CaptureGraph = 8001
	h.must("capture_dependencies", 1, 13, 0)
	h.driver.Fail["CaptureEnd"] = driver.ErrorInvalidValue
	if r, _ := h.call("capture_end", 1, 13); r != driver.ErrorInvalidValue {
		t.Errorf("a capture that fails: %d", r)
	}
	if _, ok := h.process.graph(13); ok {
		t.Error("the graph of a capture that failed is still there")
	}
	// and so does the one that was given
	h.driver.CaptureGraph = g
	h.must("capture_into", 1, 1, "")
	if r, _ := h.call("capture_end", 1, 1); r != driver.ErrorInvalidValue {
		t.Errorf("a capture that fails: %d", r)
	}
	if _, ok := h.process.graph(1); ok {
		t.Error("the graph that was captured into is still there")
	}
	delete(h.driver.Fail, "CaptureEnd")
	h.must("capture_begin", 1, 0)
	h.violates("capture_end", 1, 12)
}
