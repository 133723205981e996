package process

import (
	"encoding/binary"
	"testing"

	"libvirt-vgpu/mediatord/executor/driver"
)

func memops(kinds ...uint32) []byte {
	b := make([]byte, len(kinds)*driver.MemOpSize)
	for i, kind := range kinds {
		binary.LittleEndian.PutUint32(b[i*driver.MemOpSize:], kind)
	}
	return b
}

func TestBatchOfMemoryOperations(t *testing.T) {
	h := inContext(t)
	one := memops(driver.MemOpWrite32)
	if r := h.post("stream_batch_mem_op", 0, 1, 0, one); r != driver.Success {
		t.Error(r)
	}
	for _, kind := range []uint32{0, driver.MemOpBarrier + 1} {
		if r := h.post("stream_batch_mem_op", 0, 2, 0, memops(driver.MemOpWait32, kind)); r != driver.ErrorInvalidValue {
			t.Errorf("kind %d: %d", kind, r)
		}
	}
	if r := h.post("stream_batch_mem_op", 7, 1, 0, one); r != driver.ErrorInvalidHandle {
		t.Errorf("no such stream: %d", r)
	}
	if calls := h.driver.Calls(); len(calls) != 1 {
		t.Errorf("the driver was asked %v", calls)
	}
	h.violates("stream_batch_mem_op", 0, 2, 0, one)
	h.violates("stream_batch_mem_op", 0, driver.MaxMemOps+1, 0, make([]byte, (driver.MaxMemOps+1)*driver.MemOpSize))
}

func TestWholeContexts(t *testing.T) {
	h := inContext(t)
	h.post("event_create", 2, 2)
	h.driver.Calls()
	h.must("ctx_record_event", 1, 2)
	h.must("ctx_wait_event", 1, 2)
	h.must("device_host_atomics", 3)
	h.want("CtxRecordEvent 1000 1001", "CtxWaitEvent 1000 1001", "HostAtomics 3")
	if r, _ := h.call("ctx_record_event", 8, 2); r != driver.ErrorInvalidHandle {
		t.Errorf("no such context: %d", r)
	}
}
