package process

import (
	"fmt"
	"testing"

	"libvirt-vgpu/mediatord/executor/driver"
	"libvirt-vgpu/mediatord/executor/guesttest"
	"libvirt-vgpu/plugin/window"
)

func TestMemoryIsRegisteredWhereTheProcessHasIt(t *testing.T) {
	h := inContext(t)
	h.Own(1, 1)
	va := guesttest.FreeRange(t, window.ChunkSize) + 3*4096
	h.must("host_pages", va, window.ChunkSize+4096, 2*4096)
	h.must("host_register", va+100, 8000)
	h.post("copy_dtoh", va+4000, window.DeviceBase, 4000, 0)
	h.want(fmt.Sprintf("HostRegister %d 8000", va+100), fmt.Sprintf("CopyDtoH %d %d 4000 0", va+4000, window.DeviceBase))
	h.violates("copy_dtoh", va+8000, window.DeviceBase, 4000, 0)
	// its pages are a chunk's like any other: mediatord may take it back
	h.process.Revoke(1)
	if err := h.process.Interrupted(); err != nil {
		t.Fatal(err)
	}
	h.want(fmt.Sprintf("HostUnregister %d", va+100))
	h.violates("copy_dtoh", va, window.DeviceBase, 1, 0)
	h.must("host_pages", va, window.ChunkSize, 4096)
	h.must("host_register", va, 4096)
	h.must("unmap_pinned", va)
	h.want(fmt.Sprintf("HostRegister %d 4096", va), fmt.Sprintf("HostUnregister %d", va))
}

// Neighbours in one page are registered each by itself; what one has over two
// mappings is one registration.
func TestRegistrationsShareAPage(t *testing.T) {
	h := inContext(t)
	h.Own(1, 1)
	va := guesttest.FreeRange(t, window.ChunkSize)
	h.must("host_pages", va, window.ChunkSize, 4096)
	h.must("host_register", va+8, 1000)
	h.must("host_pages", va+4096, window.ChunkSize+8192, 4096)
	h.must("host_register", va+2000, 5000)
	h.want(fmt.Sprintf("HostRegister %d 1000", va+8), fmt.Sprintf("HostRegister %d 5000", va+2000))
	if r, _ := h.call("host_register", va+2000, 10); r != driver.ErrorInvalidValue {
		t.Errorf("registered twice: %d", r)
	}
	h.must("host_unregister", va+8)
	if r, _ := h.call("host_unregister", va+8); r != driver.ErrorInvalidValue {
		t.Errorf("unregistered twice: %d", r)
	}
	h.want(fmt.Sprintf("HostUnregister %d", va+8))
	h.must("unmap_pinned", va+4096)
	h.want(fmt.Sprintf("HostUnregister %d", va+2000))
	h.violates("host_register", va+2000, 5000)
}

func TestRegisteringWhatTheExecutorUses(t *testing.T) {
	h := inContext(t)
	h.Own(0, 1)
	mine := h.process.Channel.FenceAddress()
	if r, _ := h.call("host_pages", mine, 0, 4096); r != driver.ErrorNotSupported {
		t.Errorf("the executor's own memory: %d", r)
	}
	h.want()
	h.violates("host_pages", window.DeviceBase, 0, 4096)
	h.violates("host_pages", mine-4096*1024, window.ChunkSize, 4096)
	va := guesttest.FreeRange(t, window.ChunkSize)
	h.must("host_pages", va, 0, 4096)
	h.driver.Fail["HostRegister"] = driver.ErrorOutOfMemory
	if r, _ := h.call("host_register", va, 4096); r != driver.ErrorOutOfMemory {
		t.Errorf("the driver's answer became %d", r)
	}
	delete(h.driver.Fail, "HostRegister")
	h.must("host_register", va, 4096)
}

// Without a context no driver is asked, which would end it at some point.
func TestRegistrationsAreBounded(t *testing.T) {
	h := newHarness(t)
	h.Own(0, 1)
	va := guesttest.FreeRange(t, window.ChunkSize)
	h.must("host_pages", va, 0, window.ChunkSize)
	for i := range uint64(maxPins - 1) {
		h.process.pins[i] = &hostPin{va: i}
	}
	h.must("host_register", va, 4096)
	if r, _ := h.call("host_register", va+4096, 4096); r != driver.ErrorOutOfMemory {
		t.Errorf("one too many: %d", r)
	}
	h.must("host_unregister", va)
	h.must("host_register", va+4096, 4096)
}
