package gpu

import "github.com/NVIDIA/go-nvml/pkg/nvml"

// Telemetry is what a GPU reports of itself to those who watch it. Each value
// comes with whether the GPU has it.
type Telemetry struct {
	Utilization       Reading // 0..1, of the last sample period
	MemoryUtilization Reading // 0..1, part of that period in which memory was read or written
	MemoryUsed        Reading // bytes, by everyone on the GPU
	MemoryTotal       Reading // bytes
	Temperature       Reading // degrees C
	Power             Reading // W
	PowerLimit        Reading // W
	Energy            Reading // J since the driver was loaded
	SMClock           Reading // Hz
	MemoryClock       Reading // Hz
	ECCErrors         Reading // uncorrected, since the driver was loaded
}

// Reading is one value; Known is false where the GPU does not tell it.
type Reading struct {
	Value float64
	Known bool
}

// Telemetry reads the GPU at a PCI address. It fails with ErrNotFound.
func (n *NVML) Telemetry(pci string) (Telemetry, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	device, found := n.handles[pci]
	if !found {
		return Telemetry{}, ErrNotFound
	}
	return readTelemetry(device), nil
}

func readTelemetry(device nvml.Device) Telemetry {
	var t Telemetry
	if rates, ret := device.GetUtilizationRates(); ret == nvml.SUCCESS {
		t.Utilization, t.MemoryUtilization = known(float64(rates.Gpu)/100), known(float64(rates.Memory)/100)
	}
	if memory, ret := device.GetMemoryInfo(); ret == nvml.SUCCESS {
		t.MemoryUsed, t.MemoryTotal = known(float64(memory.Used)), known(float64(memory.Total))
	}
	if degrees, ret := device.GetTemperature(nvml.TEMPERATURE_GPU); ret == nvml.SUCCESS {
		t.Temperature = known(float64(degrees))
	}
	if milliwatts, ret := device.GetPowerUsage(); ret == nvml.SUCCESS {
		t.Power = known(float64(milliwatts) / 1e3)
	}
	if milliwatts, ret := device.GetEnforcedPowerLimit(); ret == nvml.SUCCESS {
		t.PowerLimit = known(float64(milliwatts) / 1e3)
	}
	if millijoules, ret := device.GetTotalEnergyConsumption(); ret == nvml.SUCCESS {
		t.Energy = known(float64(millijoules) / 1e3)
	}
	if megahertz, ret := device.GetClockInfo(nvml.CLOCK_SM); ret == nvml.SUCCESS {
		t.SMClock = known(float64(megahertz) * 1e6)
	}
	if megahertz, ret := device.GetClockInfo(nvml.CLOCK_MEM); ret == nvml.SUCCESS {
		t.MemoryClock = known(float64(megahertz) * 1e6)
	}
	if errors, ret := device.GetTotalEccErrors(nvml.MEMORY_ERROR_TYPE_UNCORRECTED, nvml.VOLATILE_ECC); ret == nvml.SUCCESS {
		t.ECCErrors = known(float64(errors))
	}
	return t
}

func known(value float64) Reading { return Reading{Value: value, Known: true} }
