package gpu

import (
	"errors"
	"fmt"
	"sync"

	"github.com/NVIDIA/go-nvml/pkg/nvml"
)

// NVML is the inventory of the NVIDIA driver. A driver that is loaded after
// mediatord started is found by the next List.
type NVML struct {
	library nvml.Interface

	mu      sync.Mutex // guards the rest
	ready   bool
	watched bool                   // Xids waits, or has waited
	handles map[string]nvml.Device // by PCI address
}

// NewNVML loads libnvidia-ml.so.1 on first use, from the linker's path.
func NewNVML() *NVML { return &NVML{library: nvml.New()} }

// List asks the driver; without one there are no GPUs and no error.
func (n *NVML) List() ([]GPU, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if err := n.init(); err != nil {
		if errors.Is(err, nvml.ERROR_LIBRARY_NOT_FOUND) || errors.Is(err, nvml.ERROR_DRIVER_NOT_LOADED) {
			return nil, nil
		}
		return nil, fmt.Errorf("starting NVML: %w", err)
	}
	driver, ret := n.library.SystemGetDriverVersion()
	if ret != nvml.SUCCESS {
		return nil, fmt.Errorf("reading driver version: %w", ret)
	}
	count, ret := n.library.DeviceGetCount()
	if ret != nvml.SUCCESS {
		return nil, fmt.Errorf("counting GPUs: %w", ret)
	}
	var gpus []GPU
	for i := range count {
		device, ret := n.library.DeviceGetHandleByIndex(i)
		if ret != nvml.SUCCESS {
			return nil, fmt.Errorf("opening GPU %d: %w", i, ret)
		}
		g, err := read(i, device, driver)
		if err != nil {
			return nil, err
		}
		n.handles[g.PCI] = device
		instances, err := readInstances(device, &g)
		if err != nil {
			return nil, err
		}
		gpus = append(append(gpus, g), instances...)
	}
	return gpus, nil
}

func read(index int, device nvml.Device, driver string) (GPU, error) {
	name, ret := device.GetName()
	if ret != nvml.SUCCESS {
		return GPU{}, fmt.Errorf("reading name of GPU %d: %w", index, ret)
	}
	uuid, ret := device.GetUUID()
	if ret != nvml.SUCCESS {
		return GPU{}, fmt.Errorf("reading UUID of GPU %d: %w", index, ret)
	}
	memory, ret := device.GetMemoryInfo()
	if ret != nvml.SUCCESS {
		return GPU{}, fmt.Errorf("reading memory of GPU %d: %w", index, ret)
	}
	info, ret := device.GetPciInfo()
	if ret != nvml.SUCCESS {
		return GPU{}, fmt.Errorf("reading PCI address of GPU %d: %w", index, ret)
	}
	return GPU{Index: index, UUID: uuid, PCI: address(info), Name: name, Memory: memory.Total, Driver: driver}, nil
}

// Sensors reads what the GPU can tell; a value it cannot tell is 0.
func (n *NVML) Sensors(pci string) (Sensors, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	device, found := n.handles[pci]
	if !found {
		return Sensors{}, ErrNotFound
	}
	var s Sensors
	if rates, ret := device.GetUtilizationRates(); ret == nvml.SUCCESS {
		s.Utilization = rates.Gpu
	}
	if degrees, ret := device.GetTemperature(nvml.TEMPERATURE_GPU); ret == nvml.SUCCESS {
		s.Temperature = degrees
	}
	if milliwatts, ret := device.GetPowerUsage(); ret == nvml.SUCCESS {
		s.Milliwatts = milliwatts
	}
	return s, nil
}

// Close gives NVML back, unless somebody may wait for events in it: the process is
// about to end then.
func (n *NVML) Close() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.ready && !n.watched {
		n.library.Shutdown()
		n.ready, n.handles = false, nil
	}
}

func (n *NVML) init() error {
	if n.ready {
		return nil
	}
	if ret := n.library.Init(); ret != nvml.SUCCESS {
		return ret
	}
	n.ready, n.handles = true, map[string]nvml.Device{}
	return nil
}
