package metrics

import (
	"strconv"
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"libvirt-vgpu/mediatord/internal/mediator"
	"libvirt-vgpu/mediatord/internal/slot"
)

// otherFunction stands for names that are no driver function's.
const otherFunction = "other"

func pool(out chan<- prometheus.Metric, p mediator.PoolStatus) {
	gauge(out, descPoolSlots, float64(p.Slots), p.Name)
	gauge(out, descPoolSlotsUsed, float64(p.Used), p.Name)
	gauge(out, descPoolPromised, float64(p.Promised), p.Name)
	gauge(out, descPoolParkedHost, float64(p.ParkedHost), p.Name)
	gauge(out, descPoolParkedHostMax, float64(p.ParkedHostMax), p.Name)
	gauge(out, descPoolWeight, float64(p.Weight), p.Name)
}

func (c *collector) domain(out chan<- prometheus.Metric, s slot.Status) {
	labels := []string{strings.ToValidUTF8(s.Name, "?"), s.UUID, s.Pool}
	with := func(more ...string) []string { return append(labels[:len(labels):len(labels)], more...) }
	gauge(out, descDomain, 1, with(string(s.Kind), s.Priority, s.GPU, string(s.State))...)
	gauge(out, descConnected, truth(s.Connected), labels...)
	gauge(out, descWeight, float64(s.Weight), labels...)
	gauge(out, descQuota, float64(s.Quota), labels...)
	gauge(out, descUsed, float64(s.MemoryUsed), labels...)
	gauge(out, descParked, float64(s.Parked), labels...)
	gauge(out, descContextsParked, float64(s.ContextsParked), labels...)
	var queued uint64
	processes := map[string]int{"starting": 0, "ready": 0, "failed": 0}
	for _, channel := range s.Channels {
		queued += channel.Queued
		processes[channel.State]++
	}
	for state, count := range processes {
		gauge(out, descProcesses, float64(count), with(state)...)
	}
	gauge(out, descQueued, float64(queued), labels...)
	t := s.Totals
	counter(out, descStarted, t.Started, labels...)
	counter(out, descDied, t.Died, labels...)
	counter(out, descExpired, t.Expired, labels...)
	counter(out, descCalls, t.Calls, labels...)
	counter(out, descWaits, t.Waits, labels...)
	counter(out, descLaunches, t.Launches, with("kernel")...)
	counter(out, descLaunches, t.GraphLaunches, with("graph")...)
	counter(out, descCopied, t.BytesIn, with("in")...)
	counter(out, descCopied, t.BytesOut, with("out")...)
	counter(out, descCopied, t.BytesWithin, with("within")...)
	if t.GPUTime > 0 { // else nobody measures it
		out <- prometheus.MustNewConstMetric(descGPUTime, prometheus.CounterValue, float64(t.GPUTime)/1e9, labels...)
	}
	for code, count := range t.Faults {
		counter(out, descFaults, count, with(strconv.FormatUint(uint64(code), 10))...)
	}
	refused := map[string]uint64{}
	for name, count := range s.Refused {
		if !c.functions[name] { // an executor's word
			name = otherFunction
		}
		refused[name] += count
	}
	for name, count := range refused {
		counter(out, descRefused, count, with(name)...)
	}
}
