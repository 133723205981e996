package gpu

import (
	"errors"
	"fmt"
	"testing"

	"github.com/NVIDIA/go-nvml/pkg/nvml"
	"github.com/NVIDIA/go-nvml/pkg/nvml/mock"
)

// fakeDevice is a GPU, or an instance, as NVML shows it.
func fakeDevice(uuid, name string, bus uint32, memory uint64) *mock.Device {
	return &mock.Device{
		GetNameFunc:       func() (string, nvml.Return) { return name, nvml.SUCCESS },
		GetUUIDFunc:       func() (string, nvml.Return) { return uuid, nvml.SUCCESS },
		GetMemoryInfoFunc: func() (nvml.Memory, nvml.Return) { return nvml.Memory{Total: memory}, nvml.SUCCESS },
		GetPciInfoFunc:    func() (nvml.PciInfo, nvml.Return) { return nvml.PciInfo{Bus: bus}, nvml.SUCCESS },
		GetMigModeFunc:    func() (int, int, nvml.Return) { return 0, 0, nvml.ERROR_NOT_SUPPORTED },
	}
}

// fakeLibrary is an NVML with these GPUs.
func fakeLibrary(devices ...*mock.Device) *NVML {
	return &NVML{library: &mock.Interface{
		InitFunc:                   func() nvml.Return { return nvml.SUCCESS },
		ShutdownFunc:               func() nvml.Return { return nvml.SUCCESS },
		SystemGetDriverVersionFunc: func() (string, nvml.Return) { return "580.159.04", nvml.SUCCESS },
		DeviceGetCountFunc:         func() (int, nvml.Return) { return len(devices), nvml.SUCCESS },
		DeviceGetHandleByIndexFunc: func(i int) (nvml.Device, nvml.Return) { return devices[i], nvml.SUCCESS },
	}}
}

func TestInventoryOfSeveralGPUsAndMIGInstances(t *testing.T) {
	divided := fakeDevice("GPU-d", "NVIDIA H200", 2, 141<<30)
	divided.GetMigModeFunc = func() (int, int, nvml.Return) { return nvml.DEVICE_MIG_ENABLE, nvml.DEVICE_MIG_ENABLE, nvml.SUCCESS }
	divided.GetMaxMigDeviceCountFunc = func() (int, nvml.Return) { return 7, nvml.SUCCESS }
	divided.GetMigDeviceHandleByIndexFunc = func(i int) (nvml.Device, nvml.Return) {
		if i != 0 && i != 3 {
			return nil, nvml.ERROR_NOT_FOUND
		}
		return fakeDevice(fmt.Sprintf("MIG-%d", i), "NVIDIA H200 MIG 1g.18gb", 0, 18<<30), nvml.SUCCESS
	}
	n := fakeLibrary(fakeDevice("GPU-a", "NVIDIA H200", 1, 141<<30), divided, fakeDevice("GPU-c", "NVIDIA H100", 3, 80<<30))
	defer n.Close()
	gpus, err := n.List()
	if err != nil {
		t.Fatal(err)
	}
	want := []GPU{
		{Index: 0, UUID: "GPU-a", PCI: "0000:01:00.0", Name: "NVIDIA H200", Memory: 141 << 30, Driver: "580.159.04"},
		{Index: 1, UUID: "GPU-d", PCI: "0000:02:00.0", Name: "NVIDIA H200", Memory: 141 << 30, Driver: "580.159.04", Divided: true},
		{Index: 1, UUID: "MIG-0", PCI: "0000:02:00.0", Name: "NVIDIA H200 MIG 1g.18gb", Memory: 18 << 30, Driver: "580.159.04", MIG: true},
		{Index: 1, UUID: "MIG-3", PCI: "0000:02:00.0", Name: "NVIDIA H200 MIG 1g.18gb", Memory: 18 << 30, Driver: "580.159.04", MIG: true},
		{Index: 2, UUID: "GPU-c", PCI: "0000:03:00.0", Name: "NVIDIA H100", Memory: 80 << 30, Driver: "580.159.04"},
	}
	if len(gpus) != len(want) {
		t.Fatalf("got %+v", gpus)
	}
	for i := range want {
		if gpus[i] != want[i] {
			t.Errorf("got  %+v\nwant %+v", gpus[i], want[i])
		}
	}
	if g, err := Find(gpus, "MIG-3"); err != nil || !g.MIG {
		t.Errorf("instance: %+v, %v", g, err)
	}
	if g, err := Find(gpus, "0000:02:00.0"); err != nil || g.MIG || !g.Divided {
		t.Errorf("its GPU: %+v, %v", g, err)
	}
}

func TestAnInstanceThatCannotBeReadIsAnError(t *testing.T) {
	divided := fakeDevice("GPU-d", "NVIDIA H200", 2, 141<<30)
	divided.GetMigModeFunc = func() (int, int, nvml.Return) { return nvml.DEVICE_MIG_ENABLE, nvml.DEVICE_MIG_ENABLE, nvml.SUCCESS }
	divided.GetMaxMigDeviceCountFunc = func() (int, nvml.Return) { return 1, nvml.SUCCESS }
	divided.GetMigDeviceHandleByIndexFunc = func(int) (nvml.Device, nvml.Return) { return nil, nvml.ERROR_GPU_IS_LOST }
	n := fakeLibrary(divided)
	defer n.Close()
	if _, err := n.List(); !errors.Is(err, nvml.ERROR_GPU_IS_LOST) {
		t.Errorf("error is %v", err)
	}
}
