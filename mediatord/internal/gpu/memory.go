package gpu

import (
	"fmt"

	"github.com/NVIDIA/go-nvml/pkg/nvml"
)

// FreeMemory is how many bytes of a GPU's memory nobody uses; instance is the UUID of a
// MIG instance of it, "" for the whole. It fails with ErrNotFound, or with NVML's error.
func (n *NVML) FreeMemory(pci, instance string) (uint64, error) {
	device, err := n.device(pci)
	if err != nil {
		return 0, err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if instance != "" {
		var ret nvml.Return
		if device, ret = n.library.DeviceGetHandleByUUID(instance); ret != nvml.SUCCESS {
			return 0, fmt.Errorf("opening MIG instance %s: %w", instance, ret)
		}
	}
	memory, ret := device.GetMemoryInfo()
	if ret != nvml.SUCCESS {
		return 0, fmt.Errorf("reading memory of GPU %s: %w", pci, ret)
	}
	return memory.Free, nil
}

// device is a GPU's handle; nobody may have listed the GPUs yet.
func (n *NVML) device(pci string) (nvml.Device, error) {
	for range 2 {
		n.mu.Lock()
		device, found := n.handles[pci]
		n.mu.Unlock()
		if found {
			return device, nil
		}
		if _, err := n.List(); err != nil {
			return nil, err
		}
	}
	return nil, ErrNotFound
}
