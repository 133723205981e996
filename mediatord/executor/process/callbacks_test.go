package process

import (
	"encoding/binary"
	"sync"
	"testing"

	"libvirt-vgpu/mediatord/executor/driver"
	"libvirt-vgpu/plugin/window"
)

func (h *harness) word(at int) uint32 { return binary.LittleEndian.Uint32(h.Memory()[at:]) }

func TestCallbacksGoToTheDriver(t *testing.T) {
	h := inContext(t)
	h.post("stream_create", 3, 0, 0)
	h.post("launch_host_func", 3, 77)
	h.post("stream_add_callback", 0, uint32(1<<32-1))
	if r := h.post("launch_host_func", 4, 1); r != driver.ErrorInvalidHandle {
		t.Errorf("unknown stream: %d", r)
	}
	if r := h.post("stream_add_callback", 4, 1); r != driver.ErrorInvalidHandle {
		t.Errorf("unknown stream: %d", r)
	}
	h.want("StreamCreate 0 0", "LaunchHostFunc 1001 77", "AddCallback 0 4294967295")
}

// A record is consumed after the process was told that the callback is on the stream.
func TestCallbackThatComesBehindAFaultIsCalled(t *testing.T) {
	h := inContext(t)
	h.driver.Fail["AddCallback"] = driver.ErrorIllegalAddress
	if r := h.post("stream_add_callback", 0, 77); r != driver.ErrorIllegalAddress {
		t.Errorf("the result is %d", r)
	}
	if !h.WaitFor(func() bool { return h.word(window.ChCalled) == 1 }) {
		t.Fatal("it is not called")
	}
	if number, status := h.word(window.ChCall), h.word(window.ChCallStatus); number != 77 || status != uint32(driver.ErrorIllegalAddress) {
		t.Errorf("called is %d with status %d", number, status)
	}
	// callers take turns: the next one comes when this one has gone
	var next sync.WaitGroup
	next.Go(func() { h.driver.Call(78, driver.Success) })
	for turn := uint32(1); turn <= 2; turn++ {
		if !h.WaitFor(func() bool { return h.word(window.ChCalled) == turn }) {
			t.Fatalf("announced are %d, want %d", h.word(window.ChCalled), turn)
		}
		binary.LittleEndian.PutUint32(h.Memory()[window.ChReturned:], turn)
	}
	next.Wait()
}

// The driver's threads wait until the process has run their functions, one after
// the other.
func TestCallWaitsForTheProcess(t *testing.T) {
	h := inContext(t)
	const calls = 20
	var drivers sync.WaitGroup
	for i := range uint32(calls) {
		drivers.Go(func() { h.driver.Call(100+i, driver.Result(700+i)) })
	}
	done := map[uint32]bool{}
	for turn := uint32(1); turn <= calls; turn++ {
		if !h.WaitFor(func() bool { return h.word(window.ChCalled) == turn }) {
			t.Fatalf("announced are %d, want %d", h.word(window.ChCalled), turn)
		}
		number := h.word(window.ChCall)
		if number < 100 || number >= 100+calls || done[number] || h.word(window.ChCallStatus) != 600+number {
			t.Fatalf("announced is %d with status %d", number, h.word(window.ChCallStatus))
		}
		done[number] = true
		binary.LittleEndian.PutUint32(h.Memory()[window.ChReturned:], turn)
	}
	drivers.Wait()
	var interrupts [8]byte // a slow reply raises one as well
	if _, err := h.Interrupt.Read(interrupts[:]); err != nil || interrupts[0] < calls {
		t.Errorf("%v interrupts, %v", interrupts, err)
	}
}
