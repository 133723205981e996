package metrics

import (
	"strconv"

	"github.com/prometheus/client_golang/prometheus"

	"libvirt-vgpu/mediatord/internal/gpu"
	"libvirt-vgpu/mediatord/internal/mediator"
)

func (c *collector) gpu(out chan<- prometheus.Metric, g mediator.GPUStatus) {
	name := gpuLabel(g)
	gauge(out, descGPU, 1, name, g.PCI, g.Name, g.Driver)
	gauge(out, descGPUAvailable, truth(g.Available), name)
	counts, last := c.source.Xids(g.PCI)
	if g.PCI != "" {
		gauge(out, descGPUXid, float64(last), name)
	}
	for code, count := range counts {
		counter(out, descGPUXids, count, name, strconv.FormatUint(code, 10))
	}
	t, err := c.telemetry.Telemetry(g.PCI)
	if err != nil { // the GPU in software, or one that the driver lost
		if g.Memory > 0 {
			gauge(out, descGPUMemory, float64(g.Memory), name)
		}
		return
	}
	for _, reading := range []struct {
		desc  *prometheus.Desc
		kind  prometheus.ValueType
		value gpu.Reading
	}{
		{descGPUMemory, prometheus.GaugeValue, t.MemoryTotal},
		{descGPUMemoryUsed, prometheus.GaugeValue, t.MemoryUsed},
		{descGPUUtilization, prometheus.GaugeValue, t.Utilization},
		{descGPUMemoryUtilization, prometheus.GaugeValue, t.MemoryUtilization},
		{descGPUTemperature, prometheus.GaugeValue, t.Temperature},
		{descGPUPower, prometheus.GaugeValue, t.Power},
		{descGPUPowerLimit, prometheus.GaugeValue, t.PowerLimit},
		{descGPUEnergy, prometheus.CounterValue, t.Energy},
		{descGPUSMClock, prometheus.GaugeValue, t.SMClock},
		{descGPUMemoryClock, prometheus.GaugeValue, t.MemoryClock},
		{descGPUECCErrors, prometheus.CounterValue, t.ECCErrors},
	} {
		if reading.value.Known {
			out <- prometheus.MustNewConstMetric(reading.desc, reading.kind, reading.value.Value, name)
		}
	}
}

// gpuLabel is a GPU's UUID, or what pool files call it.
func gpuLabel(g mediator.GPUStatus) string {
	if g.UUID != "" {
		return g.UUID
	}
	return g.PCI
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
