package gpu

import (
	"errors"
	"fmt"

	"github.com/NVIDIA/go-nvml/pkg/nvml"
)

// readInstances lists the MIG instances of a GPU and notes in g whether it is
// divided.
func readInstances(device nvml.Device, g *GPU) ([]GPU, error) {
	mode, _, ret := device.GetMigMode()
	if ret != nvml.SUCCESS || mode != nvml.DEVICE_MIG_ENABLE {
		return nil, nil // a GPU that has no MIG says so with an error
	}
	g.Divided = true
	most, ret := device.GetMaxMigDeviceCount()
	if ret != nvml.SUCCESS {
		return nil, fmt.Errorf("counting MIG instances of GPU %d: %w", g.Index, ret)
	}
	var instances []GPU
	for i := range most {
		handle, ret := device.GetMigDeviceHandleByIndex(i)
		if errors.Is(ret, nvml.ERROR_NOT_FOUND) {
			continue // places of instances that were not made
		}
		if ret != nvml.SUCCESS {
			return nil, fmt.Errorf("opening MIG instance %d of GPU %d: %w", i, g.Index, ret)
		}
		instance, err := readInstance(handle, *g)
		if err != nil {
			return nil, fmt.Errorf("MIG instance %d of GPU %d: %w", i, g.Index, err)
		}
		instances = append(instances, instance)
	}
	return instances, nil
}

func readInstance(handle nvml.Device, parent GPU) (GPU, error) {
	instance := GPU{Index: parent.Index, PCI: parent.PCI, Driver: parent.Driver, MIG: true}
	var ret nvml.Return
	if instance.UUID, ret = handle.GetUUID(); ret != nvml.SUCCESS {
		return instance, fmt.Errorf("reading UUID: %w", ret)
	}
	if instance.Name, ret = handle.GetName(); ret != nvml.SUCCESS {
		return instance, fmt.Errorf("reading name: %w", ret)
	}
	memory, ret := handle.GetMemoryInfo()
	if ret != nvml.SUCCESS {
		return instance, fmt.Errorf("reading memory: %w", ret)
	}
	instance.Memory = memory.Total
	return instance, nil
}
