// Package metrics shows a mediator to Prometheus.
//
// Everything is read when it is asked for, so what is gone is not shown: the
// number of series follows the domains in use, and labels that guests have a say
// in (names of driver functions, codes of faults) have bounded values.
//
// Units are Prometheus' (bytes, seconds, ratios); where NVIDIA's DCGM has the
// same value, the help text names its field.
package metrics

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"libvirt-vgpu/mediatord/internal/events"
	"libvirt-vgpu/mediatord/internal/gpu"
	"libvirt-vgpu/mediatord/internal/mediator"
	"libvirt-vgpu/mediatord/internal/slot"
	"libvirt-vgpu/plugin/api"
	"libvirt-vgpu/plugin/window"
)

// Source is mediator.Mediator.
type Source interface {
	PoolNames() []string
	Pool(name string) (mediator.PoolStatus, error)
	SlotIDs() []window.UUID
	Slot(id window.UUID) (slot.Status, error)
	GPUs() []mediator.GPUStatus
	Xids(pci string) (counts map[uint64]uint64, last uint64)
	EventCounts() map[events.Kind]uint64
}

// Telemetry reads what a GPU reports of itself.
type Telemetry interface {
	Telemetry(pci string) (gpu.Telemetry, error)
}

// NewRegistry collects a mediator's metrics and those of the process.
func NewRegistry(source Source, telemetry Telemetry, version string) (*prometheus.Registry, error) {
	functions, err := api.Functions()
	if err != nil {
		return nil, err
	}
	known := map[string]bool{}
	for _, f := range functions {
		known[f.Symbol] = true
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister( // constant names
		&collector{source: source, telemetry: telemetry, version: version, functions: known},
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	return registry, nil
}

// collector implements prometheus.Collector.
type collector struct {
	source    Source
	telemetry Telemetry
	version   string
	functions map[string]bool // the driver's
}

// Describe implements prometheus.Collector.
func (c *collector) Describe(out chan<- *prometheus.Desc) {
	for _, d := range descriptions() {
		out <- d
	}
}

// Collect implements prometheus.Collector.
func (c *collector) Collect(out chan<- prometheus.Metric) {
	gauge(out, descBuild, 1, c.version)
	counts := c.source.EventCounts()
	for _, kind := range events.Kinds() { // those that never happened too: alerts look for changes
		counter(out, descEvents, counts[kind], string(kind))
	}
	for _, g := range c.source.GPUs() {
		c.gpu(out, g)
	}
	for _, name := range c.source.PoolNames() {
		if p, err := c.source.Pool(name); err == nil {
			pool(out, p)
		}
	}
	for _, id := range c.source.SlotIDs() {
		if s, err := c.source.Slot(id); err == nil { // it may be gone by now
			c.domain(out, s)
		}
	}
}

func gauge(out chan<- prometheus.Metric, d *prometheus.Desc, value float64, labels ...string) {
	out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
}

func counter(out chan<- prometheus.Metric, d *prometheus.Desc, value uint64, labels ...string) {
	out <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(value), labels...)
}
