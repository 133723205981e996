package process

import (
	"encoding/binary"
	"fmt"
	"reflect"
	"testing"

	"libvirt-vgpu/mediatord/executor/driver"
	"libvirt-vgpu/mediatord/executor/guesttest"
	"libvirt-vgpu/plugin/window"
)

const below = 1 << 40 // of device memory, where the executor must have nothing

// places are free addresses for device and pinned memory.
func places(t testing.TB) (device, pinned uint64) {
	t.Helper()
	all := guesttest.FreeRange(t, below+uintptr(window.DeviceSize)+pinnedSize)
	return all + below, all + below + window.DeviceSize
}

func TestMemoryGoesWhereTheProcessHasRoom(t *testing.T) {
	h := newHarness(t)
	device, pinned := places(t)
	if taken := binary.LittleEndian.Uint32(h.must("place_ranges", device, pinned)); taken != 0 {
		t.Fatalf("taken: %d", taken)
	}
	h.want(fmt.Sprintf("PlaceDeviceMemory %d", device))
	h.Own(0, 1)
	h.must("primary_retain", 0)
	h.Context = primary
	h.driver.Calls()
	h.must("map_pinned", pinned, 0, 1, 0)
	h.must("mem_block", device, 2*mib)
	h.want(fmt.Sprintf("HostRegister %d %d", pinned, window.ChunkSize), fmt.Sprintf("MapBlock %d %d", device, 2*mib))
	if r, _ := h.call("mem_block", window.DeviceBase, 2*mib); r != driver.ErrorInvalidValue {
		t.Errorf("memory where it would be otherwise: %d", r)
	}
	h.violates("map_pinned", h.base, 0, 1, 0)
}

func TestTakenPlacesAreTold(t *testing.T) {
	h := newHarness(t)
	device, pinned := places(t)
	fences := h.process.Channel.FenceAddress() &^ (window.ChunkSize - 1)
	if taken := binary.LittleEndian.Uint32(h.must("place_ranges", device, fences)); taken != window.TakenPinned {
		t.Errorf("pinned memory over the channel: taken %d", taken)
	}
	code := uint64(reflect.ValueOf(places).Pointer()) &^ (window.ChunkSize - 1)
	if taken := binary.LittleEndian.Uint32(h.must("place_ranges", code, pinned)); taken != window.TakenDevice {
		t.Errorf("device memory over the program: taken %d", taken)
	}
	h.want(fmt.Sprintf("PlaceDeviceMemory %d", device))
	h.driver.Fail["PlaceDeviceMemory"] = driver.ErrorMapFailed
	if taken := binary.LittleEndian.Uint32(h.must("place_ranges", device, pinned)); taken != window.TakenDevice {
		t.Errorf("where the driver cannot have it: taken %d", taken)
	}
}

func TestHostilePlacesEndTheProcess(t *testing.T) {
	h := newHarness(t)
	device, pinned := places(t)
	h.violates("place_ranges", device+4096, pinned)
	h.violates("place_ranges", device, pinned+4096)
	h.violates("place_ranges", uint64(1)<<63, pinned)
	h.violates("place_ranges", device, 0)
	h.violates("place_ranges", device, device+window.ChunkSize)
	h.Own(0, 1)
	h.must("map_pinned", h.base, 0, 1, 0)
	h.violates("place_ranges", device, pinned)
	h.must("unmap_pinned", h.base)
	h.must("primary_retain", 0)
	h.Context = primary
	h.violates("place_ranges", device, pinned)
}
