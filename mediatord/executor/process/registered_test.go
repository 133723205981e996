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
	h.must("host_register", va, window.ChunkSize+4096, 2*4096)
	h.post("copy_dtoh", va+4000, window.DeviceBase, 4000, 0)
	h.want(fmt.Sprintf("HostRegister %d 8192", va), fmt.Sprintf("CopyDtoH %d %d 4000 0", va+4000, window.DeviceBase))
	h.violates("copy_dtoh", va+8000, window.DeviceBase, 4000, 0)
	// its pages are a chunk's like any other: mediatord may take it back
	h.process.Revoke(1)
	if err := h.process.Interrupted(); err != nil {
		t.Fatal(err)
	}
	h.want(fmt.Sprintf("HostUnregister %d", va))
	h.violates("copy_dtoh", va, window.DeviceBase, 1, 0)
	h.must("host_register", va, window.ChunkSize, 4096)
	h.must("unmap_pinned", va)
	h.want(fmt.Sprintf("HostRegister %d 4096", va), fmt.Sprintf("HostUnregister %d", va))
}

func TestRegisteringWhatTheExecutorUses(t *testing.T) {
	h := inContext(t)
	h.Own(0, 1)
	mine := h.process.Channel.FenceAddress()
	if r, _ := h.call("host_register", mine, 0, 4096); r != driver.ErrorNotSupported {
		t.Errorf("the executor's own memory: %d", r)
	}
	h.want()
	h.violates("host_register", window.DeviceBase, 0, 4096)
	h.violates("host_register", mine-4096*1024, window.ChunkSize, 4096)
	va := guesttest.FreeRange(t, window.ChunkSize)
	h.driver.Fail["HostRegister"] = driver.ErrorOutOfMemory
	if r, _ := h.call("host_register", va, 0, 4096); r != driver.ErrorOutOfMemory {
		t.Errorf("the driver's answer became %d", r)
	}
	delete(h.driver.Fail, "HostRegister")
	h.must("host_register", va, 0, 4096)
}
