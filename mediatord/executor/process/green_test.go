package process

import (
	"encoding/binary"
	"testing"

	"libvirt-vgpu/mediatord/executor/driver"
)

// numbers reads the numbers of resources and how many multiprocessors they have.
func numbers(b []byte) (n, multiprocessors []uint32) {
	for ; len(b) > 0; b = b[resourceSize:] {
		n = append(n, binary.LittleEndian.Uint32(b))
		multiprocessors = append(multiprocessors, binary.LittleEndian.Uint32(b[4:]))
	}
	return n, multiprocessors
}

func TestResourcesStayWithTheExecutor(t *testing.T) {
	h := inContext(t)
	whole, count := numbers(h.must("device_resource", 1))
	if whole[0] != 1 || count[0] != 132 {
		t.Fatalf("the device is resource %d of %d multiprocessors", whole[0], count[0])
	}
	if again, _ := numbers(h.must("ctx_resource", 1, 1)); again[0] != 1 {
		t.Errorf("the same resource is number %d too", again[0])
	}
	split := h.must("resource_split", 1, 3, 2, 8)
	made := binary.LittleEndian.Uint32(split)
	parts, sizes := numbers(split[8:])
	if made != 16 || len(parts) != 4 || sizes[0] != 8 || sizes[3] != 4 {
		t.Errorf("%d made, parts %v of %v", made, parts, sizes)
	}
	list := binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(nil, parts[0]), parts[3])
	h.must("resource_describe", 7, list)
	// The driver gets back what it gave, byte by byte.
	h.want("DeviceResource 1", "ContextResource 1000 1", "ResourceSplit 132 238 3 2 8", "ResourceDescribe [8 4]")
	for _, number := range []int{0, 99} {
		if r, _ := h.call("resource_split", number, 3, 0, 8); r != driver.ErrorInvalidValue {
			t.Errorf("resource %d: %d", number, r)
		}
	}
	if r, _ := h.call("resource_split", 1, maxParts+1, 0, 8); r != driver.ErrorInvalidValue {
		t.Errorf("too many parts: %d", r)
	}
	for _, list := range [][]byte{nil, {99, 0, 0, 0}} {
		if r, _ := h.call("resource_describe", 8, list); r != driver.ErrorInvalidValue {
			t.Errorf("describing %v: %d", list, r)
		}
	}
	h.violates("resource_describe", 8, []byte{1, 0, 0})
}

func TestGreenContexts(t *testing.T) {
	h := inContext(t)
	h.must("device_resource", 1)
	h.must("resource_describe", 7, []byte{1, 0, 0, 0})
	h.must("green_create", 3, 5, 7, 1)
	h.must("green_stream_create", 9, 3, 1, -2)
	h.Context = 5
	h.post("stream_create", 10, 1, 0) // in the context that the green one is
	h.post("event_create", 3, 2)      // the primary context's
	h.post("fence", 0, 7, 1)
	h.driver.Calls()
	h.must("green_resource", 3, 1)
	h.must("green_destroy", 3)
	h.want("GreenResource 1002 1", "GreenDestroy 1002")
	if r := h.post("stream_create", 11, 1, 0); r != driver.ErrorInvalidContext {
		t.Errorf("the context outlived its green one: %d", r)
	}
	h.Context = primary
	if r := h.post("event_record", 3, 0, 0, 0, 0); r != 0 {
		t.Errorf("an event of the primary context ended with the green one: %d", r)
	}
	if r, _ := h.call("green_destroy", 3); r != driver.ErrorInvalidContext {
		t.Errorf("destroyed twice: %d", r)
	}
	for _, bad := range [][]any{{4, 1, 7, 1}, {4, 5, 99, 1}, {4, 0, 7, 1}} {
		if r, _ := h.call("green_create", bad...); r != driver.ErrorInvalidHandle {
			t.Errorf("%v: %d", bad, r)
		}
	}
	h.driver.Calls()
	h.driver.Fail["GreenContext"] = driver.ErrorOutOfMemory
	if r, _ := h.call("green_create", 4, 6, 7, 1); r != driver.ErrorOutOfMemory {
		t.Error(r)
	}
	h.want("GreenCreate 1001 1", "GreenContext 1007", "GreenDestroy 1007")
}
