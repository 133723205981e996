package simulate

import (
	"math"
	"testing"
	"time"

	"libvirt-vgpu/mediatord/internal/sched"
)

// slicing runs steps beside a hog with kernels of 5 ms that only the hardware's slices hold back.
func slicing(slice time.Duration, programs ...*Tenant) *Simulation {
	o := sched.Defaults()
	o.Unlimited, o.Slice = true, slice
	s := New(o, H200(), 1, programs...)
	s.Run(5 * time.Second)
	return s
}

// What slices do was measured on an H200, tests/device/results/timeslice.json: p50 and p99 of the step, and the hog's speed to alone.
func TestSlicesAreAsMeasured(t *testing.T) {
	for _, measured := range []struct {
		slice          time.Duration
		p50, p99, kept float64
	}{
		{0, 3.412, 3.417, .613},
		{200 * us, 1.302, 1.404, .561},
		{500 * us, 1.466, 1.702, .561},
		{ms, 1.725, 2.218, .562},
	} {
		high, low := stepper(), &Tenant{Settings: settings(sched.Low, 100), Program: Hog{Length: 5 * ms, Depth: 3}}
		s := slicing(measured.slice, high, low)
		p50, p99 := quantile(high.Latencies, .5).Seconds()*1000, quantile(high.Latencies, .99).Seconds()*1000
		kept := low.GPUTime().Seconds() / s.now.Seconds()
		t.Logf("slices of %v: p50 %.3f ms, measured %.3f; p99 %.3f, %.3f; the hog has %.3f, %.3f", measured.slice, p50, measured.p50, p99, measured.p99, kept, measured.kept)
		for _, pair := range [][2]float64{{p50, measured.p50}, {p99, measured.p99}, {kept, measured.kept}} {
			if math.Abs(pair[0]-pair[1]) > .06*pair[1] {
				t.Errorf("slices of %v: %.3f was %.3f on an H200", measured.slice, pair[0], pair[1])
			}
		}
	}
}

// Short slices cost a domain whose processes have the GPU at once as many changes of contexts more; under leases they take turns instead.
// One process loses nothing.
func TestWhatShortSlicesCost(t *testing.T) {
	busy := func(processes int, unlimited bool, slice time.Duration, high Program) float64 {
		o := sched.Defaults()
		o.Unlimited, o.Slice = unlimited, slice
		low := &Tenant{Settings: settings(sched.Low, 100), Processes: processes, Program: Hog{Length: 300 * us, Depth: 4}}
		s := New(o, H200(), 1, low, &Tenant{Settings: settings(sched.High, 100), Program: high})
		s.Run(2 * time.Second)
		return low.GPUTime().Seconds() / 2
	}
	idle, armed := Thinking{Kernels: 1, Length: us, Pause: time.Hour}, Paced{Every: 50 * ms, Kernels: 1, Length: 10 * us}
	for _, tc := range []struct {
		name      string
		processes int
		unlimited bool
		high      Program
		least     float64 // of what it has with usual slices
	}{
		{"one process", 1, false, idle, .99},
		{"one process without leases", 1, true, idle, .99},
		{"four processes, armed", 4, false, armed, .95},
		{"four processes", 4, false, idle, .9},
		{"four processes without leases", 4, true, idle, .5},
	} {
		usual, short := busy(tc.processes, tc.unlimited, 0, tc.high), busy(tc.processes, tc.unlimited, 200*us, tc.high)
		t.Logf("%s: %.3f of the GPU with usual slices, %.3f with short ones", tc.name, usual, short)
		if short < tc.least*usual {
			t.Errorf("%s: has %.3f of the GPU, %.3f with usual slices", tc.name, short, usual)
		}
	}
}
