package gpu

import (
	"errors"
	"testing"

	"github.com/NVIDIA/go-nvml/pkg/nvml"
	"github.com/NVIDIA/go-nvml/pkg/nvml/mock"
)

func TestTelemetryHasBaseUnits(t *testing.T) {
	device := &mock.Device{
		GetUtilizationRatesFunc: func() (nvml.Utilization, nvml.Return) {
			return nvml.Utilization{Gpu: 75, Memory: 20}, nvml.SUCCESS
		},
		GetMemoryInfoFunc: func() (nvml.Memory, nvml.Return) { return nvml.Memory{Used: 3 << 30, Total: 80 << 30}, nvml.SUCCESS },
		GetTemperatureFunc: func(nvml.TemperatureSensors) (uint32, nvml.Return) {
			return 41, nvml.SUCCESS
		},
		GetPowerUsageFunc:             func() (uint32, nvml.Return) { return 123456, nvml.SUCCESS },
		GetEnforcedPowerLimitFunc:     func() (uint32, nvml.Return) { return 700000, nvml.SUCCESS },
		GetTotalEnergyConsumptionFunc: func() (uint64, nvml.Return) { return 5000, nvml.SUCCESS },
		GetClockInfoFunc: func(kind nvml.ClockType) (uint32, nvml.Return) {
			if kind == nvml.CLOCK_SM {
				return 1980, nvml.SUCCESS
			}
			return 0, nvml.ERROR_NOT_SUPPORTED
		},
		GetTotalEccErrorsFunc: func(nvml.MemoryErrorType, nvml.EccCounterType) (uint64, nvml.Return) {
			return 0, nvml.ERROR_NOT_SUPPORTED
		},
	}
	n := &NVML{handles: map[string]nvml.Device{"0000:01:00.0": device}}
	got, err := n.Telemetry("0000:01:00.0")
	want := Telemetry{
		Utilization: known(0.75), MemoryUtilization: known(0.2), MemoryUsed: known(3 << 30), MemoryTotal: known(80 << 30),
		Temperature: known(41), Power: known(123.456), PowerLimit: known(700), Energy: known(5), SMClock: known(1.98e9),
	}
	if err != nil || got != want {
		t.Errorf("read %+v, %v", got, err)
	}
	if _, err := n.Telemetry("0000:02:00.0"); !errors.Is(err, ErrNotFound) {
		t.Errorf("an absent GPU: %v", err)
	}
}
