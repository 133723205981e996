package gpu

import (
	"errors"
	"testing"

	"github.com/NVIDIA/go-nvml/pkg/nvml"
	"github.com/NVIDIA/go-nvml/pkg/nvml/mock"
)

func TestFreeMemory(t *testing.T) {
	with := func(d *mock.Device, free uint64) *mock.Device {
		d.GetMemoryInfoFunc = func() (nvml.Memory, nvml.Return) { return nvml.Memory{Total: 80 << 30, Free: free}, nvml.SUCCESS }
		return d
	}
	n := fakeLibrary(with(fakeDevice("GPU-a", "NVIDIA H200", 1, 80<<30), 5<<30))
	n.library.(*mock.Interface).DeviceGetHandleByUUIDFunc = func(uuid string) (nvml.Device, nvml.Return) {
		if uuid != "MIG-0" {
			return nil, nvml.ERROR_NOT_FOUND
		}
		return with(fakeDevice(uuid, "NVIDIA H200 MIG 1g.18gb", 0, 18<<30), 3<<30), nvml.SUCCESS
	}
	defer n.Close()
	for instance, want := range map[string]uint64{"": 5 << 30, "MIG-0": 3 << 30} { // without a List before
		if free, err := n.FreeMemory("0000:01:00.0", instance); err != nil || free != want {
			t.Errorf("%q has %d bytes, %v; want %d", instance, free, err, want)
		}
	}
	if _, err := n.FreeMemory("0000:01:00.0", "MIG-1"); !errors.Is(err, nvml.ERROR_NOT_FOUND) {
		t.Errorf("an instance that is not there: %v", err)
	}
	if _, err := n.FreeMemory("0000:09:00.0", ""); !errors.Is(err, ErrNotFound) {
		t.Errorf("a GPU that is not there: %v", err)
	}
}
