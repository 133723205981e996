package process

import (
	"encoding/binary"
	"fmt"
	"testing"

	"libvirt-vgpu/mediatord/executor/driver"
	"libvirt-vgpu/plugin/window"
)

func (h *harness) setFence(slot int, value uint32) {
	binary.LittleEndian.PutUint32(h.Memory()[window.ChFences+slot*4:], value)
}

func TestFenceIsWrittenByTheDevice(t *testing.T) {
	h := inContext(t)
	h.post("stream_create", 1, 0, 0)
	h.post("event_create", 1, 0)
	h.post("fence", 1, 3, 17)
	h.post("event_record", 1, 1, 0, 4, 9)
	h.post("event_record", 1, 1, 0, 0, 9)
	address := h.process.Channel.FenceAddress()
	h.want("StreamCreate 0 0", "EventCreate 0", fmt.Sprintf("WriteFence 1001 %d 17", address+12),
		"EventRecord 1002 1001 0", fmt.Sprintf("WriteFence 1001 %d 9", address+16), "EventRecord 1002 1001 0")
	h.violates("fence", 1, window.FenceCount, 1)
	h.violates("event_record", 1, 1, 0, 1<<31, 1)
}

func TestWaitingUntilTheFencesAreReached(t *testing.T) {
	h := inContext(t)
	if h.process.Waiting() {
		t.Error("waiting from the start")
	}
	h.setFence(3, 5)
	h.post("fence", 0, 3, 6)
	h.post("fence", 0, 4, 1<<31)
	if !h.process.Waiting() {
		t.Error("not waiting for a fence")
	}
	h.setFence(3, 7) // a later one
	if !h.process.Waiting() {
		t.Error("one of two is enough")
	}
	h.setFence(4, 1<<31)
	if h.process.Waiting() {
		t.Error("waiting for what was reached")
	}
}

func TestPollFindsAFault(t *testing.T) {
	h := inContext(t)
	h.post("stream_create", 1, 0, 0)
	h.post("stream_create", 2, 0, 0)
	h.must("ctx_create", 2, 0)
	h.post("fence", 1, 1, 1)
	h.post("fence", 1, 2, 1)
	h.post("fence", 2, 3, 1)
	h.post("stream_destroy", 2)
	h.must("ctx_get_limit", 0)
	h.Context = 2
	h.must("ctx_get_limit", 0)
	h.driver.Calls()
	h.process.Poll()
	h.want("SetCurrent 1000", "StreamQuery 1001", "StreamQuery 0")
	h.driver.Fail["StreamQuery"] = driver.ErrorNotReady
	h.process.Poll()
	if h.Sticky() != 0 {
		t.Fatalf("sticky %d", h.Sticky())
	}
	h.driver.Fail["StreamQuery"] = driver.ErrorLaunchFailed
	h.process.Poll()
	if h.Sticky() != uint32(driver.ErrorLaunchFailed) || h.process.Waiting() {
		t.Errorf("sticky %d, waiting %v", h.Sticky(), h.process.Waiting())
	}
}

func TestCapturingStreamsTakeNoFence(t *testing.T) {
	h := inContext(t)
	h.post("stream_create", 1, 0, 0)
	h.post("stream_create", 2, 0, 0)
	h.must("capture_begin", 1, 0)
	h.want("StreamCreate 0 0", "StreamCreate 0 0", "CaptureBegin 1001 2")
	h.driver.CaptureStatus[1001] = 1
	for _, r := range []driver.Result{h.post("fence", 1, 1, 1), h.post("notify", 1), h.post("copy_htod_inline", 1, 1, "data")} {
		if r != driver.ErrorCaptureUnsupported {
			t.Errorf("result %d", r)
		}
	}
	if r := h.post("fence", 2, 1, 1); r != 0 {
		t.Errorf("stream beside the capture: %d", r)
	}
	h.driver.Calls()
	h.process.Poll()
	h.want() // asking a stream would spoil the capture
	h.driver.CaptureStatus[1001] = 0
	h.must("capture_end", 1, 7)
	h.must("graph_instantiate", 1, 7, 0)
	h.process.Poll()
	h.want("CaptureEnd 1001", "Capturing 1001", "GraphInstantiate 1003 0", "StreamQuery 1002")
}

func TestNotifyRaisesTheInterrupt(t *testing.T) {
	h := inContext(t)
	h.post("notify", 0)
	h.want(fmt.Sprintf("Notify 0 %d", h.Interrupt.Fd()))
	if r := h.post("notify", 3); r != driver.ErrorInvalidHandle {
		t.Errorf("unknown stream: %d", r)
	}
}

func TestGraphNodesKeepTheirNumbers(t *testing.T) {
	h := inContext(t)
	for i := range 1500 {
		h.driver.Nodes = append(h.driver.Nodes, driver.Node(5000+i))
	}
	h.must("graph_create", 1, 0)
	first, second := h.must("graph_nodes", 1, 0), h.must("graph_nodes", 1, 1018)
	if total := binary.LittleEndian.Uint64(first); total != 1500 || len(first) != 8+4*1018 || len(second) != 8+4*(1500-1018) {
		t.Errorf("total %d, replies of %d and %d bytes", total, len(first), len(second))
	}
	node := binary.LittleEndian.Uint32(second[8:])
	if again := binary.LittleEndian.Uint32(h.must("graph_nodes", 1, 1018)[8:]); again != node {
		t.Errorf("node %d became %d", node, again)
	}
	h.must("graph_nodes", 1, 5000)
	h.driver.Calls()
	h.must("node_type", node)
	h.want("NodeType 6018")
	h.post("graph_destroy", 1)
	if r, _ := h.call("node_type", node); r != driver.ErrorInvalidHandle {
		t.Errorf("a node outlived its graph: %d", r)
	}
	h.must("graph_create", 2, 0)
	if again := binary.LittleEndian.Uint32(h.must("graph_nodes", 2, 0)[8:]); again >= 1501 {
		t.Errorf("numbers are not used again: %d", again)
	}
}
